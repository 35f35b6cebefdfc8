"""Says what of the Partner API holds at an agency's sandbox."""
