"""`python docs/columns.py`: writes docs/columns.md, every column of what export-service writes.

With `--check` it writes nothing, and exits 1 when the file is not as it should be.
"""

import sys
from collections.abc import Sequence

import made_files

from export_service.members import columns as members
from export_service.rendering.columns import Kind
from export_service.rendering.language import Language
from export_service.runs.columns import COLUMNS, FORMAT_VERSION

_KINDS = {
    Kind.TEXT: "Text",
    Kind.PHONES: "Phone numbers",
    Kind.ENUM: "Word of a list",
    Kind.DATE: "Date",
    Kind.DECIMAL: "Amount",
    Kind.BOOL: "Truth value",
}


_HEAD = """\
# Columns of exports

Made by `python docs/columns.py` from what the code defines: do not edit. What the kinds look like
in a file is said in [exports](exports.md#columns).
"""


def document() -> str:
    """Return the file's content: the columns in the order in which they stand in a file."""
    return "\n".join((_HEAD, *_of_a_run(), *_of_the_overview()))


def _of_a_run() -> tuple[str, ...]:
    rows = [(f"`{column.name}`", _KINDS[column.kind], column.meaning) for column in COLUMNS]
    return (
        "## A run\n",
        f"The {len(rows)} columns of version {FORMAT_VERSION}; one row for each claim.\n",
        _table(("", "Column", "Kind", "What it holds"), rows),
    )


def _of_the_overview() -> tuple[str, ...]:
    german, english = (members.columns(language) for language in (Language.DE, Language.EN))
    rows = [
        (column.name, other.name, _KINDS[column.kind], column.meaning)
        for column, other in zip(german, english, strict=True)
    ]
    return (
        "## The members overview\n",
        "One row for each case; the headings are in German or English.\n",
        _table(("", "German", "English", "Kind", "What it holds"), rows),
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    numbered = [(str(number), *row) for number, row in enumerate(rows, 1)]
    first, *others = (f"| {' | '.join(cells)} |\n" for cells in (head, *numbered))
    return "".join((first, "|---" * len(head), "|\n", *others))


if __name__ == "__main__":
    sys.exit(made_files.main(__file__, document()))
