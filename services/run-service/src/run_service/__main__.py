"""`python -m run_service` is `run-service`."""

from run_service.main import main

main()
