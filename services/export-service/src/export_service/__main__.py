"""`python -m export_service` is the console script `export-service`."""

from export_service.main import main

main()
