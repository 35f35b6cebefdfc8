"""Whole files are read a piece at a time, and come out as they went in (R12)."""

import contextlib
import csv
import io
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from run_service.imports.csv_reading import (
    BROKEN_QUOTES,
    UTF_8,
    WINDOWS_1252,
    Form,
    NotReadableError,
    examine,
    read_records,
)
from run_service.imports.headings import RefusedError, read_headings
from run_service.imports.kinds import Kind

CELLS = st.text(
    st.characters(codec="cp1252", exclude_characters="\x00"), max_size=8
) | st.sampled_from(['"', '""', "a\nb", "a\r\nb", ",;", "ß ", '5" Rohr'])
TABLES = st.lists(st.lists(CELLS, min_size=2, max_size=4), min_size=1, max_size=12)


def written(table: list[list[str]], form: Form, end: str, quoting: bool) -> bytes:
    """Write a table as CSV."""
    output = io.StringIO()
    # By itself the writer does not see that a lone CR ends a line, too.
    quoting = quoting or any("\r" in cell for row in table for cell in row)
    writer = csv.writer(
        output,
        delimiter=form.separator,
        lineterminator=end,
        quoting=csv.QUOTE_ALL if quoting else csv.QUOTE_MINIMAL,
    )
    writer.writerows(table)
    return output.getvalue().encode(form.encoding)


def read_in_pieces(content: bytes, form: Form, size: int) -> Iterator[tuple[int, list[str]]]:
    """Read a file by pieces of a size, each from where the one before ended."""
    start, row = 0, 1
    while start < len(content):
        piece = content[start : start + size]
        records = read_records(piece, form, row, is_last=start + len(piece) == len(content))
        assert not records.broken
        yield from records.cells.items()
        start, row = start + records.size, records.next_row


@given(
    TABLES,
    st.sampled_from([UTF_8, WINDOWS_1252]),
    st.sampled_from([",", ";"]),
    st.sampled_from(["\r\n", "\n"]),
    st.booleans(),
    st.integers(min_value=600, max_value=900),
)
def test_what_was_written_is_read(
    table: list[list[str]], encoding: str, separator: str, end: str, quoting: bool, size: int
) -> None:
    form = Form(encoding, separator)
    content = written(table, form, end, quoting)
    expected = {
        row: cells for row, cells in enumerate(table, 1) if any(cell.strip() for cell in cells)
    }
    assert dict(read_in_pieces(content, form, size)) == expected


@given(TABLES, st.sampled_from([",", ";"]))
def test_rows_are_told_apart_by_a_lone_carriage_return_as_well(
    table: list[list[str]], separator: str
) -> None:
    plain = [[cell.replace("\r", "").replace("\n", "") for cell in row] for row in table]
    form = Form(UTF_8, separator)
    content = written(plain, form, "\r", quoting=False)
    expected = {
        row: cells for row, cells in enumerate(plain, 1) if any(cell.strip() for cell in cells)
    }
    assert dict(read_in_pieces(content, form, 600)) == expected


@given(st.text(), st.integers(min_value=1, max_value=5))
def test_utf_8_is_recognised_however_it_is_cut(text: str, size: int) -> None:
    content = text.encode()
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    found = examine(pieces)
    assert (found.encoding, found.size) == (UTF_8, len(content))


def test_what_is_not_utf_8_is_windows_1252_unless_it_says_otherwise() -> None:
    assert examine(["Müller".encode("cp1252")]).encoding == WINDOWS_1252
    assert examine(["Müller".encode()[:2]]).encoding == WINDOWS_1252
    assert examine([b"\xef\xbb\xbf", b"M\xfcller"]).encoding == UTF_8


@given(st.binary(max_size=300), st.sampled_from([UTF_8, WINDOWS_1252]), st.booleans())
def test_any_bytes_are_read_or_refused(content: bytes, encoding: str, is_last: bool) -> None:
    with contextlib.suppress(NotReadableError):
        records = read_records(content, Form(encoding, ";"), 1, is_last=is_last)
        assert records.size <= len(content)
        assert not is_last or records.size == len(content)


def test_a_record_that_goes_on_is_left_for_the_next_piece() -> None:
    piece = b'a;b\n"open\nstill'
    records = read_records(piece, Form(UTF_8, ";"), 1, is_last=False)
    assert (records.cells, records.next_row, records.size) == ({1: ["a", "b"]}, 2, 4)


def test_quotes_that_are_not_doubled_spoil_their_row_only() -> None:
    content = b'a;b\n"Fit "Pro" GmbH";c\nd;e\n'
    records = read_records(content, Form(UTF_8, ";"), 1, is_last=True)
    assert records.cells == {1: ["a", "b"], 3: ["d", "e"]}
    assert records.broken == {2: BROKEN_QUOTES}


def test_quotes_within_a_cell_that_does_not_begin_with_them_are_letters() -> None:
    records = read_records(b'Rohr 5";b\n', Form(UTF_8, ";"), 1, is_last=True)
    assert records.cells == {1: ['Rohr 5"', "b"]}


@pytest.mark.parametrize(
    "content", [b'a;b\n"open;c\nd;e\n', b'a;b\n"open', b'a;b\n"open\nd";"x" e;f\n']
)
def test_quotes_that_are_not_closed_are_found_where_they_begin(content: bytes) -> None:
    with pytest.raises(NotReadableError) as error:
        read_records(content, Form(UTF_8, ";"), 1, is_last=True)
    assert error.value.row == 2


@pytest.mark.parametrize("piece", [b"x" * 1000, b'"' + b"x\n" * 500])
def test_a_record_that_is_longer_than_a_piece_is_refused(piece: bytes) -> None:
    with pytest.raises(NotReadableError):
        read_records(piece, Form(UTF_8, ";"), 7, is_last=False)


def test_headings_whose_quotes_are_wrong_are_no_missing_headings() -> None:
    with pytest.raises(RefusedError) as error:
        read_headings(Kind.STUDIOS, b'studio_number,"name1" ,x\r\n', UTF_8, is_last=True)
    assert [fault.message for fault in error.value.faults] == [BROKEN_QUOTES]


@pytest.mark.parametrize(
    ("first", "separator"),
    [
        ("studio_number;name1;deducts_input_vat", ";"),
        ("studio_number,name1,deducts_input_vat", ","),
        (' STUDIONUMMER ,"Name", vorsteuerabzug ', ","),
        ("Studionummer;Name;Vorsteuerabzug;", ";"),
    ],
)
def test_the_separator_is_found_in_the_headings(first: str, separator: str) -> None:
    content = f"\ufeff{first}\r\nrest".encode()
    found = read_headings(Kind.STUDIOS, content, UTF_8, is_last=True)
    assert (found.separator, found.size) == (separator, len(content) - len("rest"))
    assert len([heading for heading in found.headings if heading]) == 3
