"""`python -m contracts.release`: makes the next release of what stands in the checkout.

From then on it is a promise: `python -m contracts.compatibility` holds every change against it.
Refuses, with exit 1, when an earlier promise is broken or generated files are stale.
"""

import sys

from contracts import compatibility, generate
from contracts.examples import FOLDER
from contracts.releases import RELEASED, current, released, save


def main() -> int:
    """The command; returns its exit status."""
    if generate.stale(FOLDER) or compatibility.main():
        sys.stdout.write("not released: stale files or broken promises\n")
        return 1
    folder = RELEASED / str(len(released()) + 1)
    save(folder, current())
    sys.stdout.write(f"released contracts/released/{folder.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
