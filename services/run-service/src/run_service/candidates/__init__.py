"""Members and claims as their owners publish them, and which of them can be handed over."""
