"""CSV as RFC 4180 has it, a piece of a file at a time; pure.

A piece is read up to its last whole record, and the next one begins there. So a file of any size
takes the memory of one piece, and reading can go on anywhere after a crash.
"""

import codecs
import csv
import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

LONGEST_RECORD: Final = 512 * 1024
"""Bytes of a piece; a row that is longer cannot be read."""

BROKEN_QUOTES: Final = (
    "Cannot be read as CSV: a cell with quotation marks in it stands in quotation marks, with each "
    "one in it doubled; a cell has at most 131072 characters"
)
UNCLOSED: Final = "Cannot be read from here on: is there a quotation mark that is not closed?"

UTF_8: Final = "utf-8"
WINDOWS_1252: Final = "cp1252"


class NotReadableError(Exception):
    """From a row on the file cannot be read."""

    def __init__(self, row: int, message: str) -> None:
        super().__init__(message)
        self.row = row
        self.message = message


@dataclass(frozen=True, slots=True)
class Form:
    """How a file is written."""

    encoding: str
    separator: str


@dataclass(frozen=True, slots=True)
class Records:
    """The whole records of a piece. Rows are counted as a spreadsheet does: the first is row 1."""

    cells: dict[int, list[str]]
    """The cells of each row that is not blank."""
    broken: dict[int, str]
    """What is wrong with each row that is no CSV."""
    next_row: int
    size: int
    """Bytes of the piece that were read; the next piece begins after them."""


@dataclass(frozen=True, slots=True)
class Content:
    """What is known of a file when all of it went by once."""

    size: int
    encoding: str
    sha256: str


def examine(pieces: Iterable[bytes]) -> Content:
    """Find out how a file is encoded: UTF-8 if all of it is, or it says so, else Windows-1252."""
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder(UTF_8)()
    size, valid, marked = 0, True, False
    for piece in pieces:
        marked = marked or (size == 0 and piece.startswith(codecs.BOM_UTF8))
        size += len(piece)
        digest.update(piece)
        valid = valid and _decodes(decoder, piece, final=False)
    valid = valid and _decodes(decoder, b"", final=True)
    return Content(size, UTF_8 if valid or marked else WINDOWS_1252, digest.hexdigest())


def read_records(
    piece: bytes, form: Form, first_row: int, *, is_last: bool, most: int | None = None
) -> Records:
    """Read the whole records of a piece; at most so many, if `most` says so.

    What cannot be decoded becomes a surrogate, and shows in its cell. Raises `NotReadableError`
    when the end of a record, and with it the number of the next row, cannot be told.
    """
    whole = len(piece) if is_last else _end_of_lines(piece)
    lines = _lines(piece[:whole], form.encoding)
    reader = csv.reader(lines, delimiter=form.separator, strict=True)
    cells: dict[int, list[str]] = {}
    broken: dict[int, str] = {}
    row, read = first_row, 0
    while most is None or row < first_row + most:
        try:
            record = next(reader)
        except StopIteration:
            break
        except csv.Error:
            if reader.line_num == len(lines) and not is_last:
                break  # it may go on in the next piece
            if reader.line_num > read + 1 or _opens_quotes_for_good(lines[read], form):
                raise NotReadableError(row, UNCLOSED) from None
            broken[row] = BROKEN_QUOTES
        else:
            if any(cell.strip() for cell in record):
                cells[row] = record
        row += 1
        read = reader.line_num
    if read == 0 and not is_last:
        raise NotReadableError(row, UNCLOSED)
    rest = sum(len(line.encode(form.encoding, "surrogateescape")) for line in lines[read:])
    return Records(cells, broken, row, whole - rest)


def without_mark(piece: bytes) -> bytes:
    """Return the beginning of a file without the byte order mark of UTF-8."""
    return piece.removeprefix(codecs.BOM_UTF8)


def _decodes(decoder: codecs.IncrementalDecoder, piece: bytes, *, final: bool) -> bool:
    try:
        decoder.decode(piece, final)
    except UnicodeDecodeError:
        return False
    return True


def _end_of_lines(piece: bytes) -> int:
    """Return where the last whole line ends. Both encodings write line ends as ASCII does."""
    return (piece.rfind(b"\n") + 1) or (piece.rfind(b"\r") + 1)


def _lines(piece: bytes, encoding: str) -> list[str]:
    """Return the lines with their ends: LF, CR LF or CR, and nothing else that Unicode has."""
    return list(io.StringIO(piece.decode(encoding, "surrogateescape"), newline=""))


def _opens_quotes_for_good(line: str, form: Form) -> bool:
    """Say whether the last line of a file opens quotation marks that nothing closes."""
    try:
        next(csv.reader([line + '"'], delimiter=form.separator, strict=True))
    except csv.Error:
        return False
    return True
