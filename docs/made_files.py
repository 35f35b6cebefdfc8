"""The command of the scripts that write files of this folder from what the code defines."""

import argparse
import sys
from pathlib import Path


def main(script: str, document: str) -> int:
    """Writes the document beside the script, as a .md; returns the exit status.

    With `--check` it writes nothing, and the status is 1 when the file is not as it should be.
    """
    command = f"python docs/{Path(script).name}"
    parser = argparse.ArgumentParser(prog=command)
    parser.add_argument("--check", action="store_true", help="write nothing, say what is stale")
    file = Path(script).with_suffix(".md")
    if not parser.parse_args().check:
        file.write_text(document, "utf-8")
        return 0
    if file.is_file() and file.read_text("utf-8") == document:
        return 0
    sys.stdout.write(f"docs/{file.name} is stale: run {command}\n")
    return 1
