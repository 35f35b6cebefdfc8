"""What stands in one cell: texts as people and their programs write them, read without guessing.

Each function takes the text of a cell, without blanks around it and never empty. It returns the
value, or raises `CellError`, whose message says how to write it and never repeats the text.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any, Final
from uuid import UUID
from zoneinfo import available_timezones

from contracts.money import CURRENCIES

Reader = Callable[[str], Any]

_DECIMAL: Final = re.compile(r"[0-9]+(?:[.,][0-9]{1,2})?")
_GROUPED: Final = re.compile(
    r"[0-9]{1,3}(?:(?:\.[0-9]{3})+,[0-9]{1,2}|(?:,[0-9]{3})+\.[0-9]{1,2}"
    r"|(?:\.[0-9]{3}){2,}|(?:,[0-9]{3}){2,})"
)
_AMBIGUOUS: Final = re.compile(r"[1-9][0-9]{0,2}[.,][0-9]{3}")
_ISO_DAY: Final = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})")
_GERMAN_DAY: Final = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")
_FIRST_YEAR: Final = 1900
_LEVEL: Final = re.compile(r"[0-9]{1,2}")
_CODE: Final = re.compile(r"[A-Z][A-Z_]{0,39}")
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_TRUE: Final = frozenset({"true", "ja", "yes", "1"})
_FALSE: Final = frozenset({"false", "nein", "no", "0"})


class CellError(ValueError):
    """The cell does not hold what its column needs."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def text(cell: str) -> str:
    """Return the text as it is."""
    return cell


def amount(cell: str) -> Decimal:
    """Return an amount: 1234.56, 1234,56, 1.234,56 or 1,234.56.

    1.234 and 1,234 are refused: they mean a thousand to some, and a few cents to others.
    """
    if _AMBIGUOUS.fullmatch(cell):
        raise CellError("Thousands or decimals? Write 1234.00 or 1234,00, or 1.23 or 1,23")
    if _DECIMAL.fullmatch(cell):
        value = Decimal(cell.replace(",", "."))
    elif _GROUPED.fullmatch(cell):
        value = Decimal(_ungrouped(cell))
    elif cell.startswith("-"):
        raise CellError("Must not be negative")
    else:
        raise CellError("Must be an amount like 1234.56, 1234,56, 1.234,56 or 1,234.56")
    if value >= 10**12:
        raise CellError("Must be less than 1000000000000")
    return value


def _ungrouped(cell: str) -> str:
    """Return a number with groups of thousands as Python writes it."""
    last = max(cell.rfind("."), cell.rfind(","))
    digits = re.sub("[.,]", "", cell)
    decimals = len(cell) - last - 1
    return digits if decimals == 3 else f"{digits[:-decimals]}.{digits[-decimals:]}"


def day(cell: str) -> date:
    """Return a day: 2025-12-31 or 31.12.2025."""
    if found := _ISO_DAY.fullmatch(cell):
        year, month, day_ = found.groups()
    elif found := _GERMAN_DAY.fullmatch(cell):
        day_, month, year = found.groups()
    else:
        raise CellError("Must be a day like 2025-12-31 or 31.12.2025")
    if int(year) < _FIRST_YEAR:
        raise CellError(f"Must be a day from the year {_FIRST_YEAR} on")
    try:
        return date(int(year), int(month), int(day_))
    except ValueError:
        raise CellError("The calendar has no such day") from None


def boolean(cell: str) -> bool:
    """Return whether it is so: true, ja, yes, 1, or false, nein, no, 0; capitals do not matter."""
    word = cell.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise CellError("Must be true or false, ja or nein, yes or no, 1 or 0")


def level(cell: str) -> int:
    """Return a dunning level from 0 to 99."""
    if not _LEVEL.fullmatch(cell):
        raise CellError("Must be a whole number from 0 to 99")
    return int(cell)


def code(cell: str) -> str:
    """Return a word of an open list, such as FLAT_FEE; capitals do not matter."""
    word = cell.upper()
    if not _CODE.fullmatch(word):
        raise CellError("Must be a word like CLAIM or FLAT_FEE: letters A to Z and _, at most 40")
    return word


def country(cell: str) -> str:
    """Return the ISO 3166-1 alpha-2 code of a country; capitals do not matter."""
    word = cell.upper()
    if not _COUNTRY.fullmatch(word):
        raise CellError("Must be the two letters of a country, like DE")
    return word


def currency(cell: str) -> str:
    """Return the ISO 4217 code of a currency with two decimals; capitals do not matter."""
    word = cell.upper()
    if word not in CURRENCIES:
        raise CellError("Must be the three letters of a currency with two decimals, like EUR")
    return word


def time_zone(cell: str) -> str:
    """Return an IANA time zone."""
    if cell not in _time_zones():
        raise CellError("Must be an IANA time zone like Europe/Berlin")
    return cell


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def phone_numbers(cell: str) -> tuple[str, ...]:
    """Return phone numbers, separated by |."""
    return tuple(number for each in cell.split("|") if (number := each.strip()))


def number(cell: str) -> str:
    """Return the number by which users know a thing; an id in the one way to write it."""
    found = as_id(cell)
    return str(found) if found else cell


def as_id(cell: str) -> UUID | None:
    """Return the id that a number is, or None where it is just a number."""
    if len(cell) != 36:
        return None
    try:
        return UUID(cell)
    except ValueError:
        return None


def one_of(words: Mapping[str, str]) -> Reader:
    """Return a reader of a closed list: from words in small letters to what they stand for."""

    def choose(cell: str) -> str:
        try:
            return words[cell.lower()]
        except KeyError:
            raise CellError(f"Must be one of: {', '.join(words)}") from None

    return choose
