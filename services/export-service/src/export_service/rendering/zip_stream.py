"""A ZIP archive written from the front to the back.

Nothing is ever sought or rewritten, so the output may be a file, a pipe or an upload. The sizes of
an entry follow its data (data descriptors). No ZIP64: some versions of Excel repair or refuse such
archives, so what would need it raises `ArchiveTooLargeError` instead of leaving a broken file.
"""

import struct
from dataclasses import dataclass
from typing import Protocol

from isal import isal_zlib

_LIMIT = 0xFFFFFFFF  # sizes and positions from here on need ZIP64

# What each header of an entry has in common: version 2.0 of the format, sizes after the data,
# deflate, and 1980-01-01 00:00 as the time: the same content gives the same bytes.
_VERSION = 20
_COMMON = struct.pack("<5H", _VERSION, 0x0008, 8, 0, 0x0021)

_FASTEST = 1
_RAW = -15


class Output(Protocol):
    """Where bytes go, one after the other."""

    def write(self, data: bytes, /) -> object:
        """Takes all of the bytes."""


class ArchiveTooLargeError(Exception):
    """The archive, or one entry of it, would be larger than 4 GiB."""


@dataclass(slots=True)
class _Entry:
    name: bytes
    position: int
    crc: int = 0
    packed_size: int = 0
    size: int = 0

    def local_header(self) -> bytes:
        """What stands before the data: checksum and sizes are not known yet."""
        return (
            b"PK\x03\x04" + _COMMON + struct.pack("<3I2H", 0, 0, 0, len(self.name), 0) + self.name
        )

    def data_descriptor(self) -> bytes:
        """What stands after the data."""
        return b"PK\x07\x08" + self._checksum_and_sizes()

    def directory_record(self) -> bytes:
        """The entry's record in the directory at the end of the archive."""
        return (
            b"PK\x01\x02"
            + struct.pack("<H", _VERSION)
            + _COMMON
            + self._checksum_and_sizes()
            + struct.pack("<5H2I", len(self.name), 0, 0, 0, 0, 0, self.position)
            + self.name
        )

    def _checksum_and_sizes(self) -> bytes:
        return struct.pack("<3I", self.crc, self.packed_size, self.size)


class ZipStream:
    """Writes entries one after the other: `begin`, `write` …, `end`; at last `finish`."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._position = 0
        self._entries: list[_Entry] = []

    @property
    def entry_size(self) -> int:
        """Bytes written to the latest entry, before deflating."""
        return self._entries[-1].size

    def begin(self, name: str) -> None:
        """Opens the next entry; the name is ASCII."""
        entry = _Entry(name.encode("ascii"), self._position)
        self._entries.append(entry)
        self._deflate = isal_zlib.compressobj(_FASTEST, isal_zlib.DEFLATED, _RAW)
        self._put(entry.local_header())

    def write(self, data: bytes) -> None:
        """Adds to the entry that is open."""
        entry = self._entries[-1]
        entry.crc = isal_zlib.crc32(data, entry.crc)
        entry.size += len(data)
        entry.packed_size += self._put(self._deflate.compress(data))

    def end(self) -> None:
        """Closes the entry that is open; raises ArchiveTooLargeError if it is over 4 GiB."""
        entry = self._entries[-1]
        entry.packed_size += self._put(self._deflate.flush())
        if max(entry.size, entry.packed_size, entry.position) >= _LIMIT:
            raise ArchiveTooLargeError
        self._put(entry.data_descriptor())

    def add(self, name: str, text: str) -> None:
        """Writes a whole entry."""
        self.begin(name)
        self.write(text.encode())
        self.end()

    def finish(self) -> None:
        """Writes the directory; raises ArchiveTooLargeError if the archive is over 4 GiB."""
        directory = b"".join(entry.directory_record() for entry in self._entries)
        count, start = len(self._entries), self._position
        if start + len(directory) >= _LIMIT:
            raise ArchiveTooLargeError
        self._put(directory)
        self._put(
            b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, count, count, len(directory), start, 0)
        )

    def _put(self, data: bytes) -> int:
        self._output.write(data)
        self._position += len(data)
        return len(data)
