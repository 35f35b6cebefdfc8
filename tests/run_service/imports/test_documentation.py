"""docs/import.md says what the code does."""

import re

import pytest

from local_stack.places import PROJECT
from run_service.imports.check_imports import MOST_ROWS
from run_service.imports.columns import COLUMNS, Column
from run_service.imports.create_import import KEPT_FOR
from run_service.imports.kinds import Kind, Status
from run_service.imports.store import MOST_FAULTS
from run_service.imports.uploads import MAX_FILE_BYTES

PAGE = (PROJECT / "docs" / "import.md").read_text("utf-8")


def empty_means(column: Column) -> str:
    """Return what the page says of an empty cell."""
    if column.required:
        return "**needed**"
    if column.default in (None, ""):
        return ""
    return f"`{str(column.default).lower() if column.default is False else column.default}`"


@pytest.mark.parametrize("kind", Kind)
def test_each_column_is_described(kind: Kind) -> None:
    section = PAGE.split(f"## {kind}.csv")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{column.name}` | {column.german} | {empty_means(column)} | {column.meaning} |"
        for column in COLUMNS[kind]
    ]


def test_limits_and_statuses_are_those_of_the_code() -> None:
    for limit in (
        f"{MAX_FILE_BYTES // 1024**2} MB",
        f"{MOST_ROWS:,} rows",
        f"{MOST_FAULTS:,} errors",
        f"{KEPT_FOR.total_seconds() / 3600:.0f} hours",
    ):
        assert limit in PAGE
    assert set(re.findall(r"^\| `([A-Z]+)` \|", PAGE, re.MULTILINE)) == set(Status)
