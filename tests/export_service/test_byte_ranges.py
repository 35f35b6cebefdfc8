"""Parts of files as RFC 9110 has them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from export_service.exports.byte_ranges import (
    UnsatisfiableRangeError,
    asked_part,
    is_known,
    is_wanted,
    still_holds,
)

SIZES = st.integers(1, 10**12)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-499", range(500)),
        ("bytes=500-999", range(500, 1000)),
        ("bytes=9500-", range(9500, 10_000)),
        ("bytes=-500", range(9500, 10_000)),
        ("bytes=0-0", range(1)),
        ("bytes=-1", range(9999, 10_000)),
        ("bytes=9999-10000", range(9999, 10_000)),
        ("bytes=-20000", range(10_000)),
        ("BYTES= 0-1 ", range(2)),
    ],
)
def test_a_part_is_what_the_standard_says(header: str, expected: range) -> None:
    assert asked_part(header, 10_000) == expected


@pytest.mark.parametrize("header", ["bytes=10000-", "bytes=10000-10001", "bytes=-0"])
def test_what_the_file_does_not_have_cannot_be_asked_for(header: str) -> None:
    with pytest.raises(UnsatisfiableRangeError):
        asked_part(header, 10_000)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5-1",
        "bytes=0-1,3-4",
        "bytes=0-1,",
        "lines=0-1",
        "bytes=a-b",
        "bytes=+1-2",
        "bytes=0-1\n",
        "bytes=٠-١",
        "bytes=0-" + "9" * 5000,
    ],
)
def test_what_is_not_one_range_of_bytes_asks_for_nothing(header: str | None) -> None:
    assert asked_part(header, 10_000) is None


@given(st.text() | st.from_regex(r"bytes=[0-9-]{0,25}", fullmatch=True), SIZES)
def test_whatever_is_asked_a_part_lies_within_the_file(header: str, size: int) -> None:
    try:
        part = asked_part(header, size)
    except UnsatisfiableRangeError:
        return
    if part is not None:
        assert 0 <= part.start < part.stop <= size


@given(SIZES, st.sets(st.integers(1, 10**12), max_size=10))
def test_parts_in_a_row_are_the_whole(size: int, cuts: set[int]) -> None:
    ends = sorted({cut for cut in cuts if cut < size} | {size})
    starts = [0, *ends[:-1]]
    for start, end in zip(starts, ends, strict=True):
        assert asked_part(f"bytes={start}-{end - 1}", size) == range(start, end)
        assert asked_part(f"bytes={start}-", size) == range(start, size)
        assert asked_part(f"bytes=-{size - start}", size) == range(start, size)


def test_a_part_is_of_the_file_that_the_caller_knows() -> None:
    date = "Mon, 02 Mar 2026 08:15:00 GMT"
    for same in (None, '"a"', date):
        assert still_holds(same, '"a"', date)
    for other in ('"b"', 'W/"a"', "a", "Mon, 02 Mar 2026 08:15:01 GMT", ""):
        assert not still_holds(other, '"a"', date)


def test_a_file_is_wanted_by_its_tag_or_else_by_its_age() -> None:
    at = datetime(2026, 3, 2, 8, 15, 0, 999_999, tzinfo=UTC)
    for same in ('"a"', '"b", "a"', '"b","a"', "*", " * "):
        assert is_wanted(same, None, '"a"', at)
    for other in ("", '"b"', 'W/"a"', "a", '"*"', '"ab"'):
        assert not is_wanted(other, None, '"a"', at)
    for date in (
        *("Mon, 02 Mar 2026 08:15:00 GMT", "Monday, 02-Mar-26 08:15:00 GMT"),
        *("Mon Mar  2 08:15:00 2026", "Mon, 02 Mar 2026 09:15:00 +0100", None, "", "yesterday"),
        *("2026-03-02", "99 99 99 99", f"Mon, 02 Mar {10**30} 08:15:00 GMT"),
    ):
        assert is_wanted(None, date, '"a"', at)
    for date in ("Mon, 02 Mar 2026 08:14:59 GMT", "Mon Mar  2 08:14:59 2026"):
        assert not is_wanted(None, date, '"a"', at)
        assert is_wanted("*", date, '"a"', at)


@given(st.text())
def test_whatever_is_no_date_asks_for_nothing(date: str) -> None:
    assert is_wanted(None, date, '"a"', datetime(1, 1, 1, tzinfo=UTC))


def test_who_has_the_file_is_not_sent_it_again() -> None:
    for same in ('"a"', 'W/"a"', '"b", "a"', '"b",W/"a"', "*", " * "):
        assert is_known(same, '"a"')
    for other in (None, "", '"b"', "a", '"ab"', '"*"'):
        assert not is_known(other, '"a"')
