"""Cursors lead back to where they were made, and nowhere else."""

import base64
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.cursors import Place, decode, encode
from kit.problems import FieldError, Problem

KEY = (date, str, UUID)


def _made_of(json: str) -> str:
    return base64.urlsafe_b64encode(json.encode()).decode().rstrip("=")


@given(
    st.tuples(
        st.uuids(),
        st.dates(),
        st.datetimes(timezones=st.just(UTC)),
        st.integers(-(2**63), 2**63 - 1),
        st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
        st.decimals(allow_nan=False, allow_infinity=False, places=2),
        st.none() | st.dates(),
    )
)
def test_a_cursor_gives_back_the_key_it_was_made_of(key: tuple[Any, ...]) -> None:
    types = (UUID, date, datetime, int, str, Decimal, date | None)
    assert decode(encode(key), types) == key


def test_a_cursor_can_stand_in_an_address_as_it_is() -> None:
    assert set(encode(["ÿ>?" * 50, 1])) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
    )


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "%",
        "Ünicode",
        "abc",
        _made_of("null"),
        _made_of("{}"),
        _made_of("[]"),
        _made_of('["2026-01-01", "a"]'),
        _made_of('["2026-01-01", "a", "b"]'),
        _made_of('["2026-01-01", 1, "0199c2c9-7f6e-7cc1-9d2d-9d4d3a1e0d11"]'),
        _made_of('["2026-01-01", "\\u0000", "0199c2c9-7f6e-7cc1-9d2d-9d4d3a1e0d11"]'),
        _made_of('["2026-01-01", "\\ud800", "0199c2c9-7f6e-7cc1-9d2d-9d4d3a1e0d11"]'),
        _made_of('["2026-13-01", "a", "0199c2c9-7f6e-7cc1-9d2d-9d4d3a1e0d11"]'),
        _made_of("[" * 100_000),
    ],
)
def test_any_other_text_is_refused_by_name(cursor: str) -> None:
    with pytest.raises(Problem) as caught:
        decode(cursor, KEY)
    assert caught.value.status == 422
    assert caught.value.errors == [FieldError("cursor", "Not a cursor of this list")]


@given(st.text())
def test_no_text_breaks_the_reader(cursor: str) -> None:
    with pytest.raises(Problem):
        decode(cursor, KEY)


def test_numbers_that_no_column_holds_are_refused() -> None:
    with pytest.raises(Problem):
        decode(encode([2**63]), (int,))
    with pytest.raises(Problem):
        decode(_made_of("[true]"), (int,))
    with pytest.raises(Problem):
        decode(_made_of('["NaN"]'), (Decimal,))


@pytest.mark.parametrize("place", [-1, 2**31, "1"])
def test_a_place_is_one_that_an_integer_column_can_hold(place: object) -> None:
    assert decode(encode([2**31 - 1]), (Place,)) == (2**31 - 1,)
    with pytest.raises(Problem):
        decode(encode([place]), (Place,))


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_times_that_have_no_place_in_the_calendar_of_utc_are_refused(time: str) -> None:
    with pytest.raises(Problem):
        decode(encode([time]), (datetime,))
