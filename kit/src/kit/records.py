"""Every record of a fetch comes out, also those that aiokafka itself cannot decode.

aiokafka raises in the middle of a fetch when a header name is not UTF-8, a codec is unknown or a
checksum is wrong: healthy records around the bad one are then lost or block the partition for
ever. Here such a record comes out as an ordinary one that says what is wrong with it
(`unreadable_reason`), so that the subscriber can dead-letter it and go on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import unpack_from
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.util import decode_varint

UNREADABLE_HEADER = "kit-unreadable"
"""Names the reason on a record whose content could not be read; the record has no key or value."""

BAD_NAME_HEADER = "kit-header-name-not-utf8"
"""Takes the place of a header whose name is not UTF-8."""

_OFFSET_AND_LENGTH = 12

Headers = list[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class ReadableRecord:
    """One record in the shape that aiokafka's fetcher expects."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    checksum: None = None


class ReadableBatch:
    """One record batch; iterating it never raises."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._batch = DefaultRecordBatch(data)
        self.base_offset: int = self._batch.base_offset
        self.next_offset: int = self._batch.next_offset
        self.producer_id: int = self._batch.producer_id
        self.is_transactional: bool = self._batch.is_transactional
        self.is_control_batch: bool = self._batch.is_control_batch

    def validate_crc(self) -> bool:
        """Always true: a wrong checksum comes out as an unreadable record instead."""
        return True

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        if not self._batch.validate_crc():
            return iter([self._unreadable(self.base_offset, "checksum does not match")])
        try:
            return iter(list(self._batch))
        except Exception:
            # Slow and rare: read again, record by record, up to what cannot be read at all.
            return self._read_leniently()

    def _read_leniently(self) -> Iterator[ReadableRecord]:
        batch = _DefaultRecordBatchPy(self._data)
        offset = self.base_offset
        try:
            batch._maybe_uncompress()
            position = batch._pos
            for _ in range(batch._num_records):
                record, position = _read_record(batch, position)
                offset = record.offset + 1
                yield record
        except Exception as error:
            yield self._unreadable(offset, type(error).__name__)

    def _unreadable(self, first_offset: int, reason: str) -> ReadableRecord:
        """Stand for all that is left of this batch, at its last offset."""
        last_offset = self.next_offset - 1
        text = f"offsets {first_offset} to {last_offset}: {reason}"
        headers: Headers = [(UNREADABLE_HEADER, text.encode())]
        return ReadableRecord(last_offset, 0, 0, None, None, headers)


def _read_record(batch: _DefaultRecordBatchPy, position: int) -> tuple[ReadableRecord, int]:
    """Read one record of message format v2, also with header names that are not UTF-8."""
    buffer = batch._buffer
    length, position = decode_varint(buffer, position)
    end = position + length
    _attributes, position = decode_varint(buffer, position)
    timestamp_delta, position = decode_varint(buffer, position)
    offset_delta, position = decode_varint(buffer, position)
    key, position = _read_bytes(buffer, position)
    value, position = _read_bytes(buffer, position)
    count, position = decode_varint(buffer, position)
    headers: Headers = []
    for _ in range(count):
        name, position = _read_bytes(buffer, position)
        header_value, position = _read_bytes(buffer, position)
        headers.append((_decode_name(name or b""), header_value))
    if position != end:
        raise ValueError("record length does not match")
    record = ReadableRecord(
        batch.base_offset + offset_delta,
        batch.first_timestamp + timestamp_delta,
        batch.timestamp_type,
        key,
        value,
        headers,
    )
    return record, position


def _decode_name(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return BAD_NAME_HEADER


def _read_bytes(buffer: bytearray, position: int) -> tuple[bytes | None, int]:
    length, position = decode_varint(buffer, position)
    if length < 0:
        return None, position
    if position + length > len(buffer):
        raise ValueError("field reaches over the end of the record")
    return bytes(buffer[position : position + length]), position + length


class ReadableRecords:
    """The record batches in the bytes of one fetch; takes the place of aiokafka's MemoryRecords."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def size_in_bytes(self) -> int:
        """Return the size of what was fetched; aiokafka asks when no whole batch is in it."""
        return len(self._data)

    def has_next(self) -> bool:
        """Tell whether a whole batch is left (the broker cuts the last one off anywhere)."""
        return self._end() <= len(self._data)

    def next_batch(self) -> ReadableBatch:
        """Return the next whole batch."""
        start, self._position = self._position, self._end()
        return ReadableBatch(self._data[start : self._position])

    def _end(self) -> int:
        if self._position + _OFFSET_AND_LENGTH > len(self._data):
            return len(self._data) + 1
        (length,) = unpack_from(">i", self._data, self._position + 8)
        return self._position + _OFFSET_AND_LENGTH + int(length)


def read_everything() -> None:
    """Make all aiokafka consumers of this process read through `ReadableRecords`."""
    fetcher.MemoryRecords = ReadableRecords


def unreadable_reason(headers: Sequence[tuple[str, bytes | None]]) -> str | None:
    """Return what is wrong with a record that could not be read; None for any other."""
    if headers and headers[0][0] == UNREADABLE_HEADER:
        return (headers[0][1] or b"").decode("utf-8", "replace")
    return None
