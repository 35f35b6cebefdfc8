"""A ZIP archive written from the front to the back.

Nothing is ever sought or rewritten, so the output may be a file, a pipe or an upload. The sizes of
an entry follow its data (data descriptors). No ZIP64: some versions of Excel repair or refuse such
archives, so what would need it raises `ArchiveTooLargeError` instead of leaving a broken file.
"""

import struct
from dataclasses import dataclass
from typing import Protocol

from isal import isal_zlib

# What needs ZIP64: sizes, positions and numbers of entries from here on.
_LIMIT = 0xFFFFFFFF
_ENTRIES_LIMIT = 0xFFFF

_VERSION = 20
# Of Unix: unzip takes the names of others for code page 437, whatever the flag below says.
_MADE_BY = 3 << 8 | _VERSION
_OWNER_READS_AND_WRITES = 0o100600 << 16
_SIZES_FOLLOW = 0x0008
_NAME_IN_UTF_8 = 0x0800
_DEFLATED = 8
# 1980-01-01 00:00 is the time of every entry: the same content gives the same bytes.
_TIME, _DAY = 0, 0x0021

_FASTEST = 1
_RAW = -15


class Output(Protocol):
    """Where bytes go, one after the other."""

    def write(self, data: bytes, /) -> object:
        """Takes all of the bytes."""


class ArchiveTooLargeError(Exception):
    """The archive, or one entry of it, would have 4 GiB, or the archive 65,535 entries."""


@dataclass(slots=True)
class _Entry:
    name: str
    position: int
    crc: int = 0
    packed_size: int = 0
    size: int = 0

    def local_header(self) -> bytes:
        """What stands before the data: checksum and sizes are not known yet."""
        name = self.name.encode()
        return b"PK\x03\x04" + self._common() + struct.pack("<3I2H", 0, 0, 0, len(name), 0) + name

    def data_descriptor(self) -> bytes:
        """What stands after the data."""
        return b"PK\x07\x08" + self._checksum_and_sizes()

    def directory_record(self) -> bytes:
        """The entry's record in the directory at the end of the archive."""
        name = self.name.encode()
        return (
            b"PK\x01\x02"
            + struct.pack("<H", _MADE_BY)
            + self._common()
            + self._checksum_and_sizes()
            + struct.pack("<5H2I", len(name), 0, 0, 0, 0, _OWNER_READS_AND_WRITES, self.position)
            + name
        )

    def _common(self) -> bytes:
        flags = _SIZES_FOLLOW if self.name.isascii() else _SIZES_FOLLOW | _NAME_IN_UTF_8
        return struct.pack("<5H", _VERSION, flags, _DEFLATED, _TIME, _DAY)

    def _checksum_and_sizes(self) -> bytes:
        return struct.pack("<3I", self.crc, self.packed_size, self.size)


class ZipStream:
    """Writes entries one after the other: `begin`, `write` …, `end`; at last `finish`.

    All of them raise ArchiveTooLargeError as soon as the archive would need ZIP64.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._position = 0
        self._entries: list[_Entry] = []

    @property
    def entry_size(self) -> int:
        """Bytes written to the latest entry, before deflating."""
        return self._entries[-1].size

    def begin(self, name: str) -> None:
        """Opens the next entry."""
        if len(self._entries) + 1 >= _ENTRIES_LIMIT:
            raise ArchiveTooLargeError
        entry = _Entry(name, self._position)
        self._entries.append(entry)
        self._deflate = isal_zlib.compressobj(_FASTEST, isal_zlib.DEFLATED, _RAW)
        self._put(entry.local_header())

    def write(self, data: bytes) -> None:
        """Adds to the entry that is open."""
        entry = self._entries[-1]
        entry.crc = isal_zlib.crc32(data, entry.crc)
        entry.size += len(data)
        if entry.size >= _LIMIT:
            raise ArchiveTooLargeError
        entry.packed_size += self._put(self._deflate.compress(data))

    def end(self) -> None:
        """Closes the entry that is open."""
        entry = self._entries[-1]
        entry.packed_size += self._put(self._deflate.flush())
        self._put(entry.data_descriptor())

    def add(self, name: str, text: str) -> None:
        """Writes a whole entry."""
        self.begin(name)
        self.write(text.encode())
        self.end()

    def finish(self) -> None:
        """Writes the directory."""
        directory = b"".join(entry.directory_record() for entry in self._entries)
        count, start = len(self._entries), self._position
        self._put(directory)
        self._put(
            b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, count, count, len(directory), start, 0)
        )

    def _put(self, data: bytes) -> int:
        self._position += len(data)
        if self._position >= _LIMIT:
            raise ArchiveTooLargeError
        self._output.write(data)
        return len(data)
