"""Where the project lies, and where the local stack keeps its things."""

from pathlib import Path

PROJECT = Path(__file__).parents[4]
WORKING_DIRECTORY = PROJECT / ".local"
