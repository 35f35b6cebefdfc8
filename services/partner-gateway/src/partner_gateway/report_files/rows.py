"""What the rows of a report file say, under the format of its partner; pure."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from partner_gateway.report_files import cells
from partner_gateway.report_files.cells import Cell, CellError, plain
from partner_gateway.report_files.kinds import (
    BY_ID_ONLY,
    FIELDS,
    PAYMENTS,
    Days,
    Field,
    Kind,
    Numbers,
)
from partner_gateway.report_files.refusal import RefusedError
from partner_gateway.report_files.table import Unreadable

SURPLUS: Final = (
    "Has more cells than there are headings: in a file with commas between cells, an amount with a "
    "decimal comma stands in quotation marks"
)
NEEDED: Final = "Must not be empty"
NO_CASE: Final = "Names no case: give the id of the case or its file number"


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is to be read: the format of its partner, as texts, and what day it is."""

    columns: Mapping[Field, str]
    """The heading of each column."""
    all_columns: bool
    """Whether each of them must be there, and others are left alone; else the other way round."""
    fixed_kind: Kind | None
    kinds: Mapping[str, str]
    codes: Mapping[str, str]
    numbers: Numbers
    days: Days
    currency: str
    currencies: frozenset[str]
    today: date

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Reading":
        """Return what the service sends to its reader process."""
        fixed = values["fixed_kind"]
        return cls(
            columns={Field(name): heading for name, heading in values["columns"].items()},
            all_columns=values["all_columns"],
            fixed_kind=None if fixed is None else Kind(fixed),
            kinds={plain(word): kind for word, kind in values["kinds"].items()},
            codes={plain(word): code for word, code in values["codes"].items()},
            numbers=Numbers(values["numbers"]),
            days=Days(values["days"]),
            currency=values["currency"],
            currencies=frozenset(values["currencies"]),
            today=date.fromisoformat(values["today"]),
        )


@dataclass(slots=True)
class Said:
    """What one row says; with faults it says nothing."""

    row: int
    values: dict[str, str] = field(default_factory=dict)
    """Texts by field, and `named_by_number`: the file number that stands for the case."""
    faults: list[tuple[str | None, str]] = field(default_factory=list)
    """Heading, if it is about one column, and what is wrong."""

    def line(self) -> Mapping[str, Any]:
        """Return it as the reader process writes it."""
        return {"row": self.row, "faults": self.faults, **({} if self.faults else self.values)}


def known_headings(reading: Reading, headings: Sequence[Cell]) -> int:
    """Count the headings that the format knows."""
    return sum(name is not None for name in _fields(reading, headings))


class RowReader:
    """Reads the rows of one file."""

    def __init__(self, reading: Reading, headings: Sequence[Cell]) -> None:
        """Take the first row; raises `RefusedError` unless it has the headings of the format."""
        self._reading = reading
        self._places = _places(reading, headings)
        self._headings = len(headings)
        self._named = max(n for n, heading in enumerate(headings, 1) if heading is not None)

    def read(self, row: int, record: Sequence[Cell] | Unreadable) -> Said:
        """Return what a row says."""
        said = Said(row)
        if isinstance(record, Unreadable):
            said.faults.append((None, record.value))
            return said
        if self._has_surplus(record):
            # Something was split, and what stands behind it may stand under a wrong heading.
            said.faults.append((None, SURPLUS))
            return said
        kind = self._kind(said, record)
        if kind is None:
            return said
        said.values["kind"] = kind
        self._name_case(said, kind, record)
        for name, is_needed in FIELDS[kind].items():
            self._put(said, name, record, is_needed=is_needed)
        if kind in PAYMENTS:
            said.values.setdefault(Field.CURRENCY, self._reading.currency)
            said.values.setdefault(Field.OWN_FEES, "0.00")
        return said

    def _has_surplus(self, record: Sequence[Cell]) -> bool:
        surplus = record[self._named :]
        return len(record) > self._headings or any(cell is not None for cell in surplus)

    def _kind(self, said: Said, record: Sequence[Cell]) -> Kind | None:
        if self._reading.fixed_kind is not None:
            return self._reading.fixed_kind
        self._put(said, Field.KIND, record, is_needed=True)
        found = said.values.get(Field.KIND)
        return None if found is None else Kind(found)

    def _name_case(self, said: Said, kind: Kind, record: Sequence[Cell]) -> None:
        self._put(said, Field.CASE_ID, record, is_needed=kind in BY_ID_ONLY)
        if kind in BY_ID_ONLY or Field.CASE_ID in said.values or said.faults:
            return
        self._put(said, Field.FILE_NUMBER, record, is_needed=False)
        if Field.FILE_NUMBER in said.values:
            said.values["named_by_number"] = said.values.pop(Field.FILE_NUMBER)
        elif not said.faults:
            said.faults.append((None, NO_CASE))

    def _put(self, said: Said, name: Field, record: Sequence[Cell], *, is_needed: bool) -> None:
        """Read one cell into what the row says."""
        place = self._places.get(name)
        cell = record[place] if place is not None and place < len(record) else None
        heading = self._reading.columns.get(name, name)
        if cell is None:
            if is_needed:
                said.faults.append((heading, NEEDED))
            return
        try:
            said.values[name] = str(_READERS[name](cell, self._reading))
        except CellError as error:
            said.faults.append((heading, error.message))


_READERS: Final[Mapping[Field, Callable[[Cell, Reading], object]]] = {
    Field.CASE_ID: lambda cell, _: cells.case_id(cell),
    Field.FILE_NUMBER: lambda cell, _: cells.text(cell, cells.SHORT),
    Field.KIND: lambda cell, reading: cells.kind(cell, reading.kinds),
    Field.AMOUNT: lambda cell, reading: cells.amount(cell, reading.numbers),
    Field.OWN_FEES: lambda cell, reading: cells.amount(cell, reading.numbers),
    Field.CURRENCY: lambda cell, reading: cells.currency(cell, reading.currencies),
    Field.DAY: lambda cell, reading: cells.day(cell, reading.days, reading.today),
    Field.PARTNER_REFERENCE: lambda cell, _: cells.text(cell, cells.IDENTIFIER),
    Field.REASON_CODE: lambda cell, reading: cells.code(cell, reading.codes),
    Field.REASON_TEXT: lambda cell, _: cells.text(cell, cells.LONG),
    Field.RESULT_CODE: lambda cell, reading: cells.code(cell, reading.codes),
}


def _places(reading: Reading, headings: Sequence[Cell]) -> dict[Field, int]:
    """Return where each column stands."""
    found = _fields(reading, headings)
    counts = Counter(name for name in found if name is not None)
    if double := [reading.columns[name] for name, count in counts.items() if count > 1]:
        raise RefusedError(f"These headings are there more than once: {_list(double)}")
    missing = [heading for name, heading in reading.columns.items() if name not in counts]
    if reading.all_columns and missing:
        raise RefusedError(f"These headings are missing: {_list(missing)}")
    if not reading.all_columns:
        _check_own(reading, headings, counts)
    return {name: place for place, name in enumerate(found) if name is not None}


def _fields(reading: Reading, headings: Sequence[Cell]) -> list[Field | None]:
    """Return the column that each heading names, if any."""
    fields = {plain(heading): name for name, heading in reading.columns.items()}
    return [
        fields.get(plain(heading)) if isinstance(heading, str) else None for heading in headings
    ]


def _check_own(reading: Reading, headings: Sequence[Cell], counts: Mapping[Field, int]) -> None:
    """Check the headings of our own format: any of them, but no other, which may be misspelt."""
    if Field.KIND not in counts:
        raise RefusedError(f"These headings are missing: {Field.KIND}")
    if Field.CASE_ID not in counts and Field.FILE_NUMBER not in counts:
        either = _list([Field.CASE_ID, Field.FILE_NUMBER])
        raise RefusedError(f"One of these headings is missing: {either}")
    if known_headings(reading, headings) < sum(heading is not None for heading in headings):
        own = _list(list(reading.columns.values()))
        raise RefusedError(f"There are other headings than those of the format: {own}")


def _list(headings: Sequence[str]) -> str:
    return ", ".join(headings)
