"""Cases: opened, answered, numbered, closed, cancelled."""
