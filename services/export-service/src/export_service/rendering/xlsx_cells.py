"""Cells of an Excel sheet as XML: what a value may look like inside SpreadsheetML (R41)."""

import re
from datetime import date
from decimal import Decimal
from functools import lru_cache

from export_service.rendering.texts import REPLACEMENT

LONGEST_TEXT = 32_767
"""What a cell holds at most, in UTF-16 units; Excel repairs files with longer ones."""

CUT_MARK = " […]"
"""The end of a text that was too long for a cell."""

# The cell styles, in the order in which xlsx_parts.STYLES lists them.
GENERAL, HEADER, TEXT, DATE, AMOUNT = range(5)

EMPTY_CELL = "<c/>"

_DAY_ZERO = date(1899, 12, 30)
_FIRST_RIGHT_DAY = "1900-03-01"  # the format believes in a 29 February 1900

_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_INSIDE_OF_ESCAPE = re.compile("(?<=_)(?=x[0-9A-Fa-f]{4}_)")
_KEEPS_SPACE = re.compile(r"\A | \Z|[\t\n\r]")


def escaped(text: str) -> str:
    """The text with what has a meaning in XML escaped; a bare CR would be read as a line feed."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("\r", "&#13;")


def text_cell(text: str, style: int = TEXT) -> str:
    """A text as an inline string, whatever it holds.

    Characters that XML forbids and lone surrogates become U+FFFD; what is longer than a cell is cut
    with `CUT_MARK`. Excel takes _x0041_ for an escaped A: a text with such a thing is written in
    two runs, of which neither holds the whole of it, so that every reader sees the text as it is.
    """
    if not text:
        return EMPTY_CELL
    runs = _INSIDE_OF_ESCAPE.split(_NOT_IN_XML.sub(REPLACEMENT, _cut(text)))
    if len(runs) == 1:
        string = _string(runs[0])
    else:
        string = "".join(f"<r>{_string(run)}</r>" for run in runs)
    return f'<c s="{style}" t="inlineStr"><is>{string}</is></c>'


@lru_cache(maxsize=20_000)
def date_cell(day: str) -> str:
    """An ISO date as a date; as text if it is before 1900-03-01.

    Days repeat themselves in a run, hence the cache.
    """
    if day < _FIRST_RIGHT_DAY:
        return text_cell(day)
    return f'<c s="{DATE}"><v>{(date.fromisoformat(day) - _DAY_ZERO).days}</v></c>'


def amount_cell(amount: Decimal) -> str:
    """An amount as a number with exactly the digits that are given."""
    return f'<c s="{AMOUNT}"><v>{amount}</v></c>'


def count_cell(count: int) -> str:
    """A whole number."""
    return f'<c s="{GENERAL}"><v>{count}</v></c>'


def column_letters(number: int) -> str:
    """What Excel calls the column with this number: 1 is A, 27 is AA."""
    letters = ""
    while number:
        number, letter = divmod(number - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters


def _cut(text: str) -> str:
    if len(text) * 2 <= LONGEST_TEXT:  # a character is two units at most
        return text
    units = text.encode("utf-16-le", "surrogatepass")
    if len(units) <= LONGEST_TEXT * 2:
        return text
    kept = units[: (LONGEST_TEXT - len(CUT_MARK)) * 2]
    # Half of a character that was cut through is dropped; lone surrogates of the text are replaced.
    return kept.decode("utf-16-le", "ignore") + CUT_MARK


def _string(text: str) -> str:
    space = ' xml:space="preserve"' if _KEEPS_SPACE.search(text) else ""
    return f"<t{space}>{escaped(text)}</t>"
