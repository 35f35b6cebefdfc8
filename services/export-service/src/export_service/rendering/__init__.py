"""Files: rows of texts become CSV or Excel, from the front to the back and in bounded memory."""
