"""What a tenant wants of its cases."""
