"""Every record of a fetch comes out, in order, also around those that cannot be read."""

from aiokafka.record.default_records import (
    DefaultRecordBatch,
    _DefaultRecordBatchBuilderPy,
)
from hypothesis import given
from hypothesis import strategies as st

from kit.records import ReadableBatch, ReadableRecords, unreadable_reason

Content = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]


class RawName(str):
    """A header name that is sent as bytes which are no UTF-8."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """Return what no decoder takes."""
        return b"\xff\xfe"


def batch_of(contents: list[Content], base_offset: int = 0, codec: int = 0) -> bytes:
    """Return a record batch as it lies in the log."""
    builder = _DefaultRecordBatchBuilderPy(2, codec, 0, -1, -1, -1, 1 << 20)
    for offset, (key, value, headers) in enumerate(contents):
        builder.append(offset, 1_700_000_000_000 + offset, key, value, headers)
    data = bytearray(builder.build())
    data[:8] = base_offset.to_bytes(8, "big")
    return bytes(data)


def good(number: int) -> Content:
    """Return a healthy record."""
    return (b"key", b"value %d" % number, [("name", b"text"), ("none", None)])


def read(data: bytes) -> list[tuple[int, bytes | None, str | None]]:
    """Return offset, value and what is wrong, for each record."""
    records, found = ReadableRecords(data), []
    while records.has_next():
        found += [
            (record.offset, record.value, unreadable_reason(tuple(record.headers)))
            for record in records.next_batch()
        ]
    return found


def test_a_header_name_that_is_not_utf8_hides_no_record() -> None:
    data = batch_of([good(0), (b"k", b"bad", [(RawName("xx"), b"1")]), good(2)])
    assert [value for _, value, _ in read(data)] == [b"value 0", b"bad", b"value 2"]


def test_a_wrong_checksum_names_the_offsets_and_the_next_batch_is_read() -> None:
    broken = bytearray(batch_of([good(0), good(1), good(2)], base_offset=7))
    broken[-1] ^= 1
    found = read(bytes(broken) + batch_of([good(3)], base_offset=10))
    assert found == [
        (9, None, "offsets 7 to 9: checksum does not match"),
        (10, b"value 3", None),
    ]


def test_an_unknown_codec_is_one_unreadable_record() -> None:
    data = bytearray(batch_of([good(0), good(1)]))
    data[22] |= 0x07  # the codec's bits of the attributes
    batch = ReadableBatch(with_checksum(data))
    (record,) = list(batch)
    assert unreadable_reason(tuple(record.headers)) == "offsets 0 to 1: UnsupportedCodecError"


def test_a_record_that_lies_about_its_length_leaves_those_before_it() -> None:
    data = bytearray(batch_of([good(0), good(1)]))
    start = 61 + data[61] // 2 + 1  # the second record; lengths are zigzag numbers
    data[start] -= 4
    found = read(with_checksum(data))
    assert found[0] == (0, b"value 0", None)
    assert found[1][0] == 1
    assert found[1][2] == "offsets 1 to 1: ValueError"


def with_checksum(data: bytearray) -> bytes:
    """Return the batch with a checksum that is right."""
    from aiokafka.record.util import calc_crc32c

    data[17:21] = calc_crc32c(bytes(data[21:])).to_bytes(4, "big")
    return bytes(data)


def test_what_is_cut_off_at_the_end_is_left_for_the_next_fetch() -> None:
    whole = batch_of([good(0)])
    assert read(whole + whole[:40]) == [(0, b"value 0", None)]
    assert read(whole[:5]) == []


def test_all_codecs_are_read() -> None:
    for codec in (0, 1, 2, 3, 4):
        assert len(read(batch_of([good(0), good(1)], codec=codec))) == 2


texts = st.text(max_size=10)
values = st.none() | st.binary(max_size=20)
contents = st.lists(
    st.tuples(values, values, st.lists(st.tuples(texts, values), max_size=3)), max_size=5
)


@given(contents)
def test_reads_healthy_batches_as_aiokafka_does(contents: list[Content]) -> None:
    data = batch_of(contents)
    ours, theirs = ReadableBatch(data)._read_leniently(), DefaultRecordBatch(data)
    for our, their in zip(ours, theirs, strict=True):
        for name in ("offset", "timestamp", "timestamp_type", "key", "value"):
            assert getattr(our, name) == getattr(their, name)
        assert list(our.headers) == list(their.headers)


@given(contents, st.data())
def test_never_raises_whatever_was_changed(contents: list[Content], data: st.DataObject) -> None:
    batch = bytearray(batch_of(contents))
    for _ in range(3):
        batch[data.draw(st.integers(21, len(batch) - 1))] = data.draw(st.integers(0, 255))
    for record in ReadableBatch(with_checksum(batch)):
        assert record is not None
