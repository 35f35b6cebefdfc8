"""Files: cases that a partner works under one number."""
