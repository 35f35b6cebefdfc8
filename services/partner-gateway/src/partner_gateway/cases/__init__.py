"""Cases at partners: what the gateway knows of them."""
