"""`python -m partner_conformance`."""

from partner_conformance.main import main

main()
