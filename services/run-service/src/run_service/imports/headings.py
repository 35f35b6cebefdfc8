"""The headings of a file: which separator it has, and which column stands where; pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from run_service.imports.columns import COLUMNS, Column
from run_service.imports.csv_reading import Form, NotReadableError, read_records, without_mark
from run_service.imports.kinds import Kind

_SEPARATORS: Final = (";", ",")
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_LONGEST_SHOWN: Final = 60

_KNOWN: Final[Mapping[Kind, Mapping[str, tuple[str, Column]]]] = {
    kind: {
        heading.lower(): (heading, column)
        for column in columns
        for heading in (column.german, column.name)
    }
    for kind, columns in COLUMNS.items()
}
"""By a heading in small letters: how it is written, and its column."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a row; `column` is the heading as people know it, if it is one column."""

    row: int
    column: str | None
    message: str


class RefusedError(Exception):
    """The file cannot be read at all."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("the file cannot be read")
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Headings:
    """The first row of a file."""

    separator: str
    headings: tuple[str, ...]
    """As this service writes them; empty for a column without a heading."""
    size: int
    """Bytes that they take."""


def column_of(kind: Kind, heading: str) -> Column | None:
    """Return the column that a heading names; None for an empty one."""
    known = _KNOWN[kind].get(heading.lower())
    return known[1] if known else None


def heading_of(kind: Kind, name: str, headings: Sequence[str]) -> str:
    """Return what a column is called in a file; its name where the file does not have it."""
    for heading in headings:
        column = column_of(kind, heading)
        if column is not None and column.name == name:
            return heading
    return name


def read_headings(kind: Kind, piece: bytes, encoding: str, *, is_last: bool) -> Headings:
    """Read the first row of a file.

    The separator is the one with which more of the headings are known. Raises `RefusedError`, which
    repeats what stands there only if some of it is a heading: else it may be a member.
    """
    if piece.startswith(_UTF_16):
        raise _refused("The file is in UTF-16: save it as CSV in UTF-8")
    content = without_mark(piece)
    if not content.strip():
        raise _refused("The file is empty")
    best, most, wrong = None, 0, f"Row 1 must hold the headings of {kind}"
    for separator in _SEPARATORS:
        try:
            first = read_records(content, Form(encoding, separator), 1, is_last=is_last, most=1)
        except NotReadableError as error:
            wrong = error.message
            continue
        headings = tuple(cell.strip() for cell in first.cells.get(1, ()))
        known = sum(heading.lower() in _KNOWN[kind] for heading in headings)
        if known > most:
            best, most = Headings(separator, headings, first.size), known
        wrong = first.broken.get(1, wrong)
    if best is None:
        raise _refused(wrong)
    size = len(piece) - len(content) + best.size
    return Headings(best.separator, _checked(kind, best.headings), size)


def _checked(kind: Kind, headings: Sequence[str]) -> tuple[str, ...]:
    """Return the headings as this service writes them; raises `RefusedError`."""
    found = [_KNOWN[kind].get(heading.lower()) for heading in headings]
    names = Counter(known[1].name for known in found if known)
    unknown = [
        Fault(1, _shown(heading), "There is no such column")
        for heading, known in zip(headings, found, strict=True)
        if heading and not known
    ]
    missing = [
        Fault(1, column.name, "The column is missing")
        for column in COLUMNS[kind]
        if column.required and column.name not in names
    ]
    double = [
        Fault(1, name, "The column is there more than once")
        for name, count in names.items()
        if count > 1
    ]
    if faults := [*missing, *unknown, *double]:
        raise RefusedError(*faults)
    return tuple(known[0] if known else "" for known in found)


def _shown(heading: str) -> str:
    """Return a heading as it can be stored: not too long, and without half characters."""
    return heading[:_LONGEST_SHOWN].encode(errors="replace").decode().replace("\x00", "?")


def _refused(message: str) -> RefusedError:
    return RefusedError(Fault(1, None, message))
