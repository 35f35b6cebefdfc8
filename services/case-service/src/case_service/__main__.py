"""`python -m case_service`."""

from case_service.main import main

main()
