"""`python -m partner_gateway`."""

from partner_gateway.main import main

main()
