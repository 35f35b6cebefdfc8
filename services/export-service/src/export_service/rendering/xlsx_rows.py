"""Rows of texts as rows of an Excel sheet, many at a time (R41).

A cell takes Python longer than it takes to deflate its XML. So the cells of many rows are made
column by column: what holds for all texts of a column is found out, and done, in a few calls that
run in C, and a text that a column repeats is looked at once.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, repeat

from export_service.rendering.columns import Kind
from export_service.rendering.xlsx_cells import (
    AMOUNT,
    EMPTY_CELL,
    LONGEST_TEXT,
    TEXT,
    date_cell,
    escaped,
    text_cell,
)

_SEPARATOR = "\x00"


def rows_xml(kinds: Sequence[Kind], rows: Sequence[Sequence[str]]) -> str:
    """At least one row of texts as XML; the kinds are those of the columns."""
    columns = zip(kinds, zip(*rows, strict=True), strict=True)
    cells = [_CELLS[kind](texts) for kind, texts in columns]
    xml_of_rows = zip(repeat("<row>"), *cells, repeat("</row>"), strict=False)
    return "".join(chain.from_iterable(xml_of_rows))


def _text_cells(texts: Sequence[str]) -> Iterable[str]:
    distinct = list(set(texts))
    if len(distinct) * 2 > len(texts):
        return _cells_of_each(texts)
    cells = dict(zip(distinct, _cells_of_each(distinct), strict=True))
    return map(cells.__getitem__, texts)


def _cells_of_each(texts: Sequence[str]) -> Iterable[str]:
    if _are_plain(texts):
        return _filled(f'<c s="{TEXT}" t="inlineStr"><is><t>', texts, "</t></is></c>")
    return map(text_cell, texts)


def _date_cells(days: Sequence[str]) -> Iterable[str]:
    return map(date_cell, days)


def _amount_cells(amounts: Sequence[str]) -> Iterable[str]:
    return _filled(f'<c s="{AMOUNT}"><v>', amounts, "</v></c>")


_CELLS: dict[Kind, Callable[[Sequence[str]], Iterable[str]]] = {
    Kind.TEXT: _text_cells,
    Kind.PHONES: _text_cells,
    Kind.ENUM: _text_cells,
    Kind.DATE: _date_cells,
    Kind.DECIMAL: _amount_cells,
    Kind.BOOL: _text_cells,  # a cell of truth is a formula for LibreOffice
}


def _filled(start: str, texts: Sequence[str], end: str) -> list[str]:
    """Each text as a cell, between its start and its end; all of them are plain."""
    joined = escaped(_SEPARATOR.join(texts)).replace(_SEPARATOR, end + _SEPARATOR + start)
    return (start + joined + end).replace(start + end, EMPTY_CELL).split(_SEPARATOR)


def _are_plain(texts: Sequence[str]) -> bool:
    """Whether the texts need no more than escaping.

    Not so if one may be too long, holds characters that are not printable (control characters, line
    breaks, lone surrogates …) or could be read as an escape, or has a space at an end.
    """
    together = "".join(texts)
    fenced = _SEPARATOR + _SEPARATOR.join(texts) + _SEPARATOR
    return (
        together.isprintable()
        and "_x" not in together
        and f"{_SEPARATOR} " not in fenced
        and f" {_SEPARATOR}" not in fenced
        and len(max(texts, key=len)) * 2 <= LONGEST_TEXT
    )
