"""What partners must be told of cases, and whether they were."""
