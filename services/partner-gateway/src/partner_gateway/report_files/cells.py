"""What stands in one cell of a report file, read without guessing; pure.

A cell of a CSV file is a text, without blanks around it and never empty; one of a workbook may be a
number or a day as well. Each function returns the value, or raises `CellError`, whose message says
how to write it and never repeats the cell.
"""

import re
from collections.abc import Container, Mapping
from datetime import date
from decimal import Decimal
from typing import Final
from uuid import UUID

from partner_gateway.report_files.kinds import Days, Kind, Numbers

Cell = str | Decimal | date | bool | None
"""None is an empty cell."""

SHORT: Final = 60
"""Characters of a file number, as `contracts.parts.ShortText` has it."""
IDENTIFIER: Final = 100
"""Characters of a partner's reference, as `contracts.parts.Identifier` has it."""
LONG: Final = 500
"""Characters of a reason, as `contracts.parts.LongText` has it."""

_CENT: Final = Decimal("0.01")
_NOISE: Final = Decimal("1e-9")
"""How far a number may be off a whole cent, for spreadsheets count in binary: 0.1 + 0.2."""
_TOO_MUCH: Final = Decimal(10**12)
_EXACT_INTEGERS: Final = Decimal(10**15)
"""A spreadsheet keeps fifteen digits of a number."""

_PLAIN: Final = re.compile(r"[0-9]{1,15}")
_GERMAN: Final = re.compile(r"(?:[0-9]{1,15}|[1-9][0-9]{0,2}(?:\.[0-9]{3})+)(?:,[0-9]{1,2})?")
_ENGLISH: Final = re.compile(r"(?:[0-9]{1,15}|[1-9][0-9]{0,2}(?:,[0-9]{3})+)(?:\.[0-9]{1,2})?")
_AMBIGUOUS: Final = re.compile(r"[1-9][0-9]{0,2}[.,][0-9]{3}")
_ISO_DAY: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_GERMAN_DAY: Final = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")
_FIRST_YEAR: Final = 1900
_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,59}")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class CellError(ValueError):
    """The cell does not hold what its column needs."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def plain(text: str) -> str:
    """Return a heading or word without what does not tell it from another: capitals and blanks."""
    return " ".join(text.casefold().split())


def text(cell: Cell, longest: int) -> str:
    """Return a text of at most so many characters; a whole number counts as its digits."""
    if isinstance(cell, Decimal):
        is_whole = cell.is_finite() and cell == cell.to_integral_value()
        if not is_whole or abs(cell) >= _EXACT_INTEGERS:
            raise CellError("Is a number that a spreadsheet may have changed: format it as text")
        return str(int(cell))
    if not isinstance(cell, str):
        raise CellError("Must be a text")
    if "\x00" in cell or _SURROGATE.search(cell):
        raise CellError("Holds characters that cannot be read: is the file saved as UTF-8?")
    if len(cell) > longest:
        raise CellError(f"Must have at most {longest} characters")
    return cell


def amount(cell: Cell, numbers: Numbers) -> Decimal:
    """Return an amount in whole cents, from 0 on.

    A number of a workbook may be off by what counting in binary costs, and no more.
    """
    if isinstance(cell, Decimal):
        value = _whole_cents(cell)
    elif isinstance(cell, str):
        value = _written(cell.removeprefix("-"), numbers)
        if cell.startswith("-"):
            value = -value
    else:
        raise CellError("Must be an amount")
    if value < 0:
        raise CellError("Must not be negative")
    if value >= _TOO_MUCH:
        raise CellError("Must be less than 1000000000000")
    return value.quantize(_CENT).copy_abs()


def _whole_cents(number: Decimal) -> Decimal:
    if not number.is_finite() or abs(number) >= _EXACT_INTEGERS:
        raise CellError("Must be less than 1000000000000")
    cents = number.quantize(_CENT)
    if abs(number - cents) > _NOISE:
        raise CellError("Must not have more than two decimals")
    return cents


def _written(cell: str, numbers: Numbers) -> Decimal:
    if _PLAIN.fullmatch(cell):
        return Decimal(cell)
    if numbers is Numbers.AUTO and _AMBIGUOUS.fullmatch(cell):
        raise CellError("Thousands or decimals? Let the format say how numbers are written")
    if numbers is not Numbers.ENGLISH and _GERMAN.fullmatch(cell):
        return Decimal(cell.replace(".", "").replace(",", "."))
    if numbers is not Numbers.GERMAN and _ENGLISH.fullmatch(cell):
        return Decimal(cell.replace(",", ""))
    examples = {Numbers.GERMAN: "1.234,56", Numbers.ENGLISH: "1,234.56"}
    raise CellError(f"Must be an amount like {examples.get(numbers, '1234,56 or 1234.56')}")


def day(cell: Cell, days: Days, today: date) -> date:
    """Return a day that is not after `today`: what a file reports has happened."""
    found = cell if isinstance(cell, date) else _written_day(cell, days)
    if found.year < _FIRST_YEAR:
        raise CellError(f"Must be a day from the year {_FIRST_YEAR} on")
    if found > today:
        raise CellError("Must not be a day to come")
    return found


def _written_day(cell: Cell, days: Days) -> date:
    written = cell if isinstance(cell, str) else ""
    if days is not Days.GERMAN and (parts := _ISO_DAY.fullmatch(written)):
        year, month, day_ = parts.groups()
    elif days is not Days.ISO and (parts := _GERMAN_DAY.fullmatch(written)):
        day_, month, year = parts.groups()
    else:
        examples = {Days.GERMAN: "31.12.2026", Days.ISO: "2026-12-31"}
        raise CellError(f"Must be a day like {examples.get(days, '2026-12-31 or 31.12.2026')}")
    try:
        return date(int(year), int(month), int(day_))
    except ValueError:
        raise CellError("The calendar has no such day") from None


def case_id(cell: Cell) -> UUID:
    """Return the id of a case, as exports have it."""
    written = text(cell, SHORT)
    try:
        found = UUID(written)
    except ValueError:
        found = None
    if found is None or len(written) != 36:
        raise CellError("Must be the id of a case, as the export has it")
    return found


def kind(cell: Cell, words: Mapping[str, str]) -> Kind:
    """Return what a row says; `words` (plain) lead to kinds, besides the kinds' own names."""
    word = plain(text(cell, IDENTIFIER))
    try:
        return Kind(words.get(word, word))
    except ValueError:
        raise CellError("The format does not know this kind of row") from None


def code(cell: Cell, words: Mapping[str, str]) -> str:
    """Return a code of an open list; `words` (plain) lead to codes."""
    word = text(cell, IDENTIFIER)
    found = words.get(plain(word)) or word.upper()
    if not _CODE.fullmatch(found):
        raise CellError("Must be a code like UNKNOWN_DEBTOR, or one that the format knows")
    return found


def currency(cell: Cell, known: Container[str]) -> str:
    """Return the ISO 4217 code of one of the known currencies; capitals do not matter."""
    word = text(cell, SHORT).upper()
    if word not in known:
        raise CellError("Must be the three letters of a currency with two decimals, like EUR")
    return word
