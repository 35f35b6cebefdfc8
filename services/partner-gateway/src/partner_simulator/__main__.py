"""`python -m partner_simulator`."""

from partner_simulator.main import main

main()
