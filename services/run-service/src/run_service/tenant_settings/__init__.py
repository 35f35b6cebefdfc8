"""What a tenant wants of its runs."""
