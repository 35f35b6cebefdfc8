"""Who was ever handed over."""
