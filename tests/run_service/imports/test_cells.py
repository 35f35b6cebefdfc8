"""What stands in a cell is read without guessing (R12)."""

from datetime import date
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from run_service.imports import cells
from run_service.imports.cells import CellError, Reader

AMOUNTS = st.decimals(min_value=0, max_value=Decimal("999999999999.99"), places=2, allow_nan=False)
READERS: list[Reader] = [
    cells.amount,
    cells.day,
    cells.boolean,
    cells.level,
    cells.code,
    cells.country,
    cells.currency,
    cells.time_zone,
    cells.phone_numbers,
    cells.number,
]
DAYS = st.dates(min_value=date(1900, 1, 1))


def grouped(value: Decimal, thousands: str, decimals: str) -> str:
    """Write an amount with groups of thousands."""
    whole, cents = f"{value:,.2f}".split(".")
    return f"{whole.replace(',', thousands)}{decimals}{cents}"


@given(AMOUNTS)
def test_an_amount_is_read_in_each_way_to_write_it(value: Decimal) -> None:
    plain = f"{value:.2f}"
    for written in (
        plain,
        plain.replace(".", ","),
        grouped(value, ",", "."),
        grouped(value, ".", ","),
    ):
        assert cells.amount(written) == value


@given(st.integers(min_value=0, max_value=999_999_999_999))
def test_a_whole_amount_needs_no_decimals(value: int) -> None:
    assert cells.amount(str(value)) == value


@given(st.integers(min_value=1_000, max_value=999_999))
def test_one_group_of_thousands_without_decimals_is_ambiguous(value: int) -> None:
    for separator in ".,":
        with pytest.raises(CellError) as error:
            cells.amount(f"{value:,}".replace(",", separator))
        assert "1234.00" in error.value.message


@given(st.integers(min_value=1_000_000, max_value=999_999_999_999))
def test_several_groups_of_thousands_are_not_ambiguous(value: int) -> None:
    for separator in ".,":
        assert cells.amount(f"{value:,}".replace(",", separator)) == value


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("-5,00", "negative"),
        ("0.123", "like 1234.56"),
        ("1234.567", "like 1234.56"),
        ("1.234.56", "like 1234.56"),
        ("1.23,456", "like 1234.56"),
        ("1,2,3", "like 1234.56"),
        (",50", "like 1234.56"),
        ("5,", "like 1234.56"),
        ("12 €", "like 1234.56"),
        ("1e3", "like 1234.56"),
        ("NaN", "like 1234.56"),
        ("١٢", "like 1234.56"),
        ("1000000000000", "less than"),
    ],
)
def test_what_is_no_amount_is_refused(written: str, message: str) -> None:
    with pytest.raises(CellError) as error:
        cells.amount(written)
    assert message in error.value.message


@given(DAYS)
def test_a_day_is_read_as_iso_and_as_germans_write_it(day: date) -> None:
    assert cells.day(day.isoformat()) == day
    assert cells.day(f"{day.day:02}.{day.month:02}.{day.year}") == day
    assert cells.day(f"{day.day}.{day.month}.{day.year}") == day


@pytest.mark.parametrize(
    "written",
    [
        "30.02.2026",
        "2026-13-01",
        "31.12.25",
        "12/31/2025",
        "31.12.1899",
        "2026-01-01T00:00:00",
        "20260101",
        "٢٠٢٦-٠١-٠١",
        "00.00.2026",
    ],
)
def test_what_is_no_day_is_refused(written: str) -> None:
    with pytest.raises(CellError):
        cells.day(written)


@pytest.mark.parametrize("written", ["true", "JA", "Yes", "1"])
def test_yes_is_read(written: str) -> None:
    assert cells.boolean(written) is True


@pytest.mark.parametrize("written", ["false", "Nein", "NO", "0"])
def test_no_is_read(written: str) -> None:
    assert cells.boolean(written) is False


@pytest.mark.parametrize(
    ("read", "written"),
    [
        (cells.boolean, "x"),
        (cells.level, "100"),
        (cells.level, "-1"),
        (cells.level, "1.5"),
        (cells.code, "FEE 1"),
        (cells.code, "A" * 41),
        (cells.country, "DEU"),
        (cells.country, "Ä1"),
        (cells.currency, "JPY"),
        (cells.currency, "Euro"),
        (cells.time_zone, "Europe/Buxtehude"),
        (cells.time_zone, "../etc/passwd"),
        (cells.one_of({"m": "MALE"}), "x"),
    ],
)
def test_what_is_not_in_a_list_is_refused(read: Reader, written: str) -> None:
    with pytest.raises(CellError) as error:
        read(written)
    assert written not in error.value.message.split()


def test_words_of_lists_are_read_whatever_their_capitals() -> None:
    assert cells.code("flat_fee") == "FLAT_FEE"
    assert cells.country("at") == "AT"
    assert cells.currency("chf") == "CHF"
    assert cells.one_of({"m": "MALE"})("M") == "MALE"


@given(st.uuids())
def test_an_id_is_one_however_it_is_written(id_: UUID) -> None:
    assert cells.number(str(id_).upper()) == str(id_)
    assert cells.as_id(cells.number(str(id_))) == id_


@given(st.text(min_size=1))
def test_every_other_number_is_kept_as_it_is(written: str) -> None:
    if cells.as_id(written) is None:
        assert cells.number(written) == written
    assert cells.as_id(uuid4().hex) is None


@given(st.text(min_size=1))
def test_any_text_is_read_or_refused_without_being_repeated(written: str) -> None:
    mark = "\ue000"
    messages = []
    for read in READERS:
        for cell in (written, written + mark):
            try:
                read(cell)
            except CellError as error:
                messages.append(error.message)
    assert messages
    assert not any(mark in message for message in messages)
