"""A row of a file becomes a snapshot, or says what is wrong with it; pure."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from contracts import ClaimSnapshotV1, MemberSnapshotV1, StudioSnapshotV1
from run_service.imports.cells import CellError, as_id
from run_service.imports.columns import COLUMNS, Column
from run_service.imports.csv_reading import WINDOWS_1252
from run_service.imports.headings import Fault, column_of, heading_of
from run_service.imports.kinds import Kind

Snapshot = StudioSnapshotV1 | MemberSnapshotV1 | ClaimSnapshotV1

SNAPSHOTS: Final[Mapping[Kind, type[Snapshot]]] = {
    Kind.STUDIOS: StudioSnapshotV1,
    Kind.MEMBERS: MemberSnapshotV1,
    Kind.CLAIMS: ClaimSnapshotV1,
}

_NOBODY: Final = UUID(int=0)
_LATER: Final = {
    "studio_id": _NOBODY,
    "member_id": _NOBODY,
    "claim_id": _NOBODY,
    "sequence": 0,
}
"""What is only known on publication."""
_ALWAYS_THERE: Final[Mapping[Kind, Sequence[str]]] = {
    Kind.STUDIOS: ["address"],
    Kind.MEMBERS: ["dunning"],
    Kind.CLAIMS: ["amount", "paid_directly"],
}
"""Parts of a snapshot that are there without any cell."""
_LONGEST_NUMBER: Final = 60
_LONGEST_NAME: Final = 200
_SUSPICIOUS: Final = re.compile(r"[\x00\x80-\U0010ffff]")
_UNDECODED: Final = re.compile(r"[\ud800-\udfff]")

Way = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A row that was read."""

    row: int
    names: Mapping[Kind, str]
    """The things that it names, among them itself, by number or id."""
    snapshot: str | None
    """Its snapshot as JSON, without ids and sequence; None when something is wrong with it."""
    faults: Sequence[Fault]

    def name(self, kind: Kind) -> str | None:
        """Return the number or id of the thing of a kind."""
        return self.names.get(kind)

    def id(self, kind: Kind) -> UUID | None:
        """Return the thing's id, if it was named by that."""
        name = self.names.get(kind)
        return None if name is None else as_id(name)

    @property
    def content_hash(self) -> bytes | None:
        """What tells whether the content is another one; not of the things that it names."""
        return None if self.snapshot is None else hashlib.sha256(self.snapshot.encode()).digest()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a column stands in the file."""

    number: int
    heading: str
    column: Column | None
    fields: tuple[Way, ...]


class RowReader:
    """Reads the rows of one file."""

    def __init__(
        self, kind: Kind, headings: Sequence[str], encoding: str, time_zone: str = "Europe/Berlin"
    ) -> None:
        """`time_zone` is that of studios which name none."""
        self._kind = kind
        self._headings = tuple(headings)
        self._encoding = encoding
        self._time_zone = time_zone
        self._places = [
            _Place(place, heading, column, column.fields if column else ())
            for place, heading in enumerate(headings)
            for column in [column_of(kind, heading)]
        ]
        self._unnamed = [place for place in self._places if place.column is None]
        self._defaults = [
            (way, column.default)
            for column in COLUMNS[kind]
            if column.default is not None
            for way in column.fields
        ]
        self._by_field = {way: column for column in COLUMNS[kind] for way in column.fields}

    def read(self, row: int, cells: Sequence[str]) -> Row:
        """Read one row."""
        cells = [cell.strip() for cell in cells]
        faults = self._strange_cells(row, cells)
        strange = {fault.column for fault in faults}
        names: dict[Kind, str] = {}
        data = {**_LATER, **{part: {} for part in _ALWAYS_THERE[self._kind]}}
        beside: list[tuple[Way, Any]] = []
        for place in self._places:
            column = place.column
            if column is None or place.heading in strange:
                continue
            cell = cells[place.number] if place.number < len(cells) else ""
            if not cell:
                if column.required:
                    faults.append(Fault(row, place.heading, "Must not be empty"))
                continue
            try:
                value = column.read(cell)
            except CellError as error:
                faults.append(Fault(row, place.heading, error.message))
                continue
            if column.names is not None:
                names[column.names] = value
            for way in place.fields:
                if column.alone:
                    _put(data, way, cell if column.names else value)
                else:
                    beside.append((way, value))
        for way, value in beside:
            _put_beside(data, way, value)
        for way, value in self._defaults:
            _put_beside(data, way, value)
        faults += self._too_long_names(row, names)
        snapshot = self._snapshot(row, data, faults)
        return Row(row, names, None if faults else snapshot, faults)

    def _strange_cells(self, row: int, cells: Sequence[str]) -> list[Fault]:
        """Find what no cell may hold, and cells where there is no column."""
        faults = []
        if any(cells[len(self._places) :]):
            faults.append(Fault(row, None, "There are more cells than headings"))
        faults += [
            Fault(row, None, f"There is something in column {place.number + 1}, without a heading")
            for place in self._unnamed
            if any(cells[place.number : place.number + 1])
        ]
        if _SUSPICIOUS.search("".join(cells)):
            faults += [
                Fault(row, place.heading, message)
                for place, cell in zip(self._places, cells, strict=False)
                if _SUSPICIOUS.search(cell) and (message := self._strange(cell))
            ]
        return faults

    def _strange(self, cell: str) -> str | None:
        if "\x00" in cell:
            return "Holds a NUL character"
        if _UNDECODED.search(cell):
            return "Holds a character that is neither UTF-8 nor Windows-1252"
        if self._encoding == WINDOWS_1252 and _is_utf_8(cell):
            return "Is in UTF-8, but other cells of the file are in Windows-1252"
        return None

    def _too_long_names(self, row: int, names: Mapping[Kind, str]) -> list[Fault]:
        return [
            Fault(row, place.heading, f"Must have at most {_LONGEST_NUMBER} characters")
            for place in self._places
            if place.column
            and place.column.names
            and len(names.get(place.column.names, "")) > _LONGEST_NUMBER
        ]

    def _snapshot(self, row: int, data: dict[str, Any], faults: list[Fault]) -> str | None:
        """Return the snapshot as JSON; adds what the contract finds wrong to `faults`."""
        if self._kind is Kind.STUDIOS:
            # Nothing is said of it where the name itself is bad.
            data.setdefault("tenant_name", data.get("name1", "-")[:_LONGEST_NAME])
            data.setdefault("time_zone", self._time_zone)
        try:
            return SNAPSHOTS[self._kind].model_validate(data).model_dump_json()
        except ValidationError as error:
            known = {fault.column for fault in faults}
            for wrong in error.errors(include_url=False, include_input=False):
                column = self._column_at(wrong["loc"])
                heading = self._heading(column) if column else None
                if heading not in known:
                    known.add(heading)
                    faults.append(Fault(row, heading, _message(wrong)))
            return None

    def _column_at(self, location: Sequence[int | str]) -> Column | None:
        """Return the column whose field, or a part of it, a contract complains about."""
        way = tuple(str(part) for part in location)
        while way and way not in self._by_field:
            way = way[:-1]
        return self._by_field.get(way)

    def _heading(self, column: Column) -> str:
        return heading_of(self._kind, column.name, self._headings)


def _put(data: dict[str, Any], way: Way, value: Any) -> None:
    for part in way[:-1]:
        data = data.setdefault(part, {})
    data[way[-1]] = value


def _put_beside(data: dict[str, Any], way: Way, value: Any) -> None:
    """Set what is not set yet, if the part that it belongs to is there."""
    for part in way[:-1]:
        if part not in data:
            return
        data = data[part]
    data.setdefault(way[-1], value)


def _is_utf_8(cell: str) -> bool:
    """Say whether a text read as Windows-1252 would be one in UTF-8, too: `Ã¼` is an `ü`."""
    try:
        cell.encode(WINDOWS_1252).decode("utf-8")
    except UnicodeError:
        return False
    return True


def _message(wrong: ErrorDetails) -> str:
    """Return what is wrong in words that never repeat the value."""
    longest = wrong.get("ctx", {}).get("max_length")
    match wrong["type"]:
        case "missing":
            return "Must not be empty: other cells of the row go with it"
        case "string_too_long":
            return f"Must have at most {longest} characters"
        case "too_long":
            return f"Must not be more than {longest}"
        case _:
            return "Is not valid"
