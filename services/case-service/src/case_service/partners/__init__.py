"""Partners, as far as cases need to know them."""
