"""Partners: whom runs can be handed over to, and how they are reached."""
