"""What this program has started."""

import psutil


def family() -> set[psutil.Process]:
    """Return all processes below this one, but the watchdog of the children."""
    watchdog = {"-I", "-S"}  # it lives as long as this program
    return {
        child
        for child in psutil.Process().children(recursive=True)
        if not watchdog <= set(child.cmdline())
    }
