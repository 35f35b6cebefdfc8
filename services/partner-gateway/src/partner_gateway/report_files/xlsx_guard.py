"""Whether a workbook is safe to be read, found out before a reader sees it; pure.

Every part is unpacked here once, counted and thrown away. Nothing that a file says of itself is
believed: not how large a part becomes, nor where its sheets end.
"""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final
from xml.parsers import expat

from partner_gateway.report_files.refusal import NO_FORMAT, RefusedError

MAX_PARTS: Final = 1000
MAX_UNPACKED: Final = 256 * 1024 * 1024
MAX_RATIO: Final = 200
"""How much larger than packed a part may be, from 1 MB on."""
MAX_ROWS: Final = 200_000
"""Rows of a file, blank ones and the headings included."""
MAX_COLUMNS: Final = 256
MAX_CELLS: Final = 3_000_000
"""The area from the first cell to the last one, empty cells included: a reader keeps it whole."""

_RATIO_COUNTS_FROM: Final = 1024 * 1024
_CHUNK: Final = 64 * 1024
_BLOCK: Final = 1024 * 1024
_END: Final = b"PK\x05\x06"
_END_SIZE: Final = 22
_LOCAL_HEADER: Final = struct.Struct("<4s22xHH")
_ENCRYPTED: Final = 0x1
_CHECKED_AS_XML: Final = (".xml", ".rels")
_NOT_READ: Final = (
    ".bin", ".bmp", ".emf", ".gif", ".jpeg", ".jpg", ".png", ".svg", ".tif", ".tiff", ".vml",
    ".wmf",
)  # fmt: skip
_READ_TYPES: Final = ("/officeDocument", "/worksheet", "/sharedStrings", "/styles")
_WORKBOOK: Final = "spreadsheetml.sheet.main+xml"
_LETTERS: Final = re.compile("[A-Z]{1,3}")

STRANGE_PARTS: Final = "The workbook has parts that do not belong into one"
BROKEN: Final = "The workbook is damaged: save it again as .xlsx"
TOO_LARGE_AREA: Final = (
    f"The workbook has cells outside of {MAX_ROWS:,} rows, {MAX_COLUMNS} columns and "
    f"{MAX_CELLS:,} cells"
)


def check_workbook(content: bytes) -> None:
    """Raise `RefusedError` unless `content` is a workbook that can be read within the limits."""
    parts = _parts(content)
    for part in parts:
        _check_head(part)
    if sum(part.file_size for part in parts) > MAX_UNPACKED:
        raise RefusedError(f"The workbook unpacks to more than {MAX_UNPACKED // 1024**2} MB")
    is_workbook = False
    for part in parts:
        if part.filename.lower().endswith(_CHECKED_AS_XML):
            check = _XmlCheck()
            for block in _unpacked(content, part):
                check.feed(block)
            check.close()
            is_workbook = is_workbook or check.is_workbook
        else:
            for _ in _unpacked(content, part):
                pass
    if not is_workbook:
        raise RefusedError(NO_FORMAT)


def _parts(content: bytes) -> list[zipfile.ZipInfo]:
    # Nothing before the first part and behind the directory: else two readers of the same file
    # could find two different directories.
    if content[-_END_SIZE : -_END_SIZE + 4] != _END:
        raise RefusedError(BROKEN)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error):
        raise RefusedError(BROKEN) from None
    if len(parts) > MAX_PARTS:
        raise RefusedError(f"The workbook has more than {MAX_PARTS} parts")
    if not parts or min(part.header_offset for part in parts) != 0:
        raise RefusedError(BROKEN)
    if len({part.filename.lower() for part in parts}) != len(parts):
        raise RefusedError("The workbook has a part twice")
    return parts


def _check_head(part: zipfile.ZipInfo) -> None:
    name = part.filename.lower()
    if name.endswith("vbaproject.bin"):
        raise _has_macros()
    if part.flag_bits & _ENCRYPTED:
        raise RefusedError("The workbook is encrypted: save it without a password")
    if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise RefusedError("The workbook is packed in a way that Excel does not know")
    if part.file_size > max(_RATIO_COUNTS_FROM, MAX_RATIO * part.compress_size):
        raise RefusedError(f"The workbook unpacks to more than {MAX_RATIO} times its size")
    if not part.is_dir() and not name.endswith((*_CHECKED_AS_XML, *_NOT_READ)):
        raise RefusedError(STRANGE_PARTS)


def _unpacked(content: bytes, part: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield a part in blocks; raises `RefusedError` where it is not as the directory says."""
    header = content[part.header_offset : part.header_offset + _LOCAL_HEADER.size]
    if len(header) != _LOCAL_HEADER.size:
        raise RefusedError(BROKEN)
    mark, name_size, extra_size = _LOCAL_HEADER.unpack(header)
    start = part.header_offset + _LOCAL_HEADER.size + name_size + extra_size
    packed = content[start : start + part.compress_size]
    if mark != b"PK\x03\x04" or len(packed) != part.compress_size:
        raise RefusedError(BROKEN)
    size = checksum = 0
    stored = part.compress_type == zipfile.ZIP_STORED
    for block in [packed] if stored else _inflated(packed):
        size += len(block)
        if size > part.file_size:
            raise RefusedError(BROKEN)
        checksum = zlib.crc32(block, checksum)
        yield block
    if (size, checksum) != (part.file_size, part.CRC):
        raise RefusedError(BROKEN)


def _inflated(packed: bytes) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for start in range(0, len(packed), _CHUNK):
            rest = packed[start : start + _CHUNK]
            while rest:
                yield inflater.decompress(rest, _BLOCK)
                rest = inflater.unconsumed_tail
        yield inflater.flush()
    except zlib.error:
        raise RefusedError(BROKEN) from None
    if not inflater.eof or inflater.unused_data:
        raise RefusedError(BROKEN)


class _XmlCheck:
    """Looks through the XML of one part for what no workbook needs, and for where a sheet ends."""

    def __init__(self) -> None:
        self.is_workbook = False
        self._row = self._column = 0
        self._reference: str | None = None
        self._last_row = self._last_column = 0
        self._parser = parser = expat.ParserCreate()
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = self._document_type
        parser.StartElementHandler = self._root

    def feed(self, block: bytes) -> None:
        """Look through the next block."""
        try:
            self._parser.Parse(block, False)
        except expat.ExpatError:
            raise RefusedError(BROKEN) from None

    def close(self) -> None:
        """End the part."""
        try:
            self._parser.Parse(b"", True)
        except expat.ExpatError:
            raise RefusedError(BROKEN) from None

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ("utf-8", "us-ascii"):
            raise RefusedError(BROKEN)

    def _document_type(self, *_: object) -> None:
        raise RefusedError("The workbook declares XML entities, which Excel never does")

    def _root(self, name: str, _: Mapping[str, str]) -> None:
        is_sheet = _local(name) == "worksheet"
        self._parser.StartElementHandler = self._in_sheet if is_sheet else self._elsewhere

    def _elsewhere(self, name: str, attributes: Mapping[str, str]) -> None:
        local = _local(name)
        if local in ("Override", "Default"):
            self._content_type(attributes.get("ContentType", ""))
        elif local == "Relationship":
            is_read = attributes.get("Type", "").endswith(_READ_TYPES)
            if is_read and not attributes.get("Target", "").lower().endswith(".xml"):
                raise RefusedError(STRANGE_PARTS)

    def _content_type(self, content_type: str) -> None:
        if "macroenabled" in content_type.lower():
            raise _has_macros()
        self.is_workbook = self.is_workbook or content_type.endswith(_WORKBOOK)

    def _in_sheet(self, name: str, attributes: Mapping[str, str]) -> None:
        local = _local(name)
        if local == "c":
            self._column += 1
            self._reference = attributes.get("r")
        elif local in ("v", "is"):
            # Only a cell with something in it counts: formats often reach far below the last row.
            self._at_value()
        elif local == "row":
            number = attributes.get("r")
            self._row = self._row + 1 if number is None else _number(number)
            self._column = 0

    def _at_value(self) -> None:
        if self._reference is not None:
            letters = self._reference.rstrip("0123456789")
            self._row = _number(self._reference[len(letters) :])
            self._column = _column(letters)
        if self._row > self._last_row or self._column > self._last_column:
            self._last_row = max(self._last_row, self._row)
            self._last_column = max(self._last_column, self._column)
            if (
                self._last_row > MAX_ROWS
                or self._last_column > MAX_COLUMNS
                or self._last_row * self._last_column > MAX_CELLS
            ):
                raise RefusedError(TOO_LARGE_AREA)


def _local(name: str) -> str:
    """Return the name of an element without the prefix of its namespace."""
    return name.rpartition(":")[2] if ":" in name else name


def _number(digits: str) -> int:
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 8):
        raise RefusedError(BROKEN)
    return int(digits)


@cache
def _column(letters: str) -> int:
    """Return the number of a column, from 1 on: 27 for AA."""
    if not _LETTERS.fullmatch(letters):
        raise RefusedError(BROKEN)
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _has_macros() -> RefusedError:
    return RefusedError("The workbook has macros: save it as .xlsx, without them")
