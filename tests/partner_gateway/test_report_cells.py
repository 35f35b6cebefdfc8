"""Cells of report files are read without guessing, to the cent and to the day (R53)."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from contracts.money import Amount
from contracts.parts import Code, Identifier
from partner_gateway.report_files import cells
from partner_gateway.report_files.cells import CellError
from partner_gateway.report_files.kinds import Days, Kind, Numbers

TODAY = date(2026, 11, 23)
CENTS = st.decimals(min_value=0, max_value=Decimal("999999999999.99"), places=2)


def english(value: Decimal) -> str:
    """Return an amount with groups of thousands."""
    return f"{value:,.2f}"


def german(value: Decimal) -> str:
    """Return an amount as Germans write it."""
    return english(value).translate(str.maketrans(",.", ".,"))


@given(CENTS)
def test_an_amount_is_read_as_it_was_written(value: Decimal) -> None:
    for written, numbers in (
        (german(value), (Numbers.GERMAN, Numbers.AUTO)),
        (english(value), (Numbers.ENGLISH, Numbers.AUTO)),
        (str(value), (Numbers.ENGLISH, Numbers.AUTO)),
        (str(value).replace(".", ","), (Numbers.GERMAN, Numbers.AUTO)),
    ):
        for notation in numbers:
            found = cells.amount(written, notation)
            assert (found, str(found)) == (value, str(value))


@given(st.text("0123456789.,-", max_size=18))
def test_no_text_means_two_amounts(written: str) -> None:
    def read(numbers: Numbers) -> Decimal | None:
        try:
            return cells.amount(written, numbers)
        except CellError:
            return None

    automatic, either = read(Numbers.AUTO), {read(Numbers.GERMAN), read(Numbers.ENGLISH)} - {None}
    if automatic is not None:
        assert either == {automatic}
        TypeAdapter(Amount).validate_python(automatic)
    if len(either) == 2:
        assert automatic is None


# Of larger ones a binary fraction is not that near to whole cents.
@given(st.decimals(min_value=0, max_value=Decimal("999999.99"), places=2), st.integers(-3, 3))
def test_a_number_that_was_calculated_is_whole_cents(value: Decimal, steps: int) -> None:
    noisy = float(value) + steps * 1e-10
    assert cells.amount(Decimal(repr(abs(noisy))), Numbers.AUTO) == value


def test_what_is_off_a_whole_cent_is_an_error() -> None:
    assert cells.amount(Decimal(repr(0.1 + 0.2)), Numbers.AUTO) == Decimal("0.30")
    for wrong in ("0.001", "12.345", "0.3000001", "-0.01", "1000000000000", "1e300", "NaN"):
        with pytest.raises(CellError):
            cells.amount(Decimal(wrong), Numbers.AUTO)
    assert str(cells.amount(Decimal("-1e-12"), Numbers.AUTO)) == "0.00"


@pytest.mark.parametrize(
    "written",
    [
        "1.234",
        "1,234",
        "999.999",
        "",
        "1 234,50",
        "12,30 €",
        "1.23.456",
        "12,345",
        "1'234.50",
        "-5",
        "--5",
        "+5",
        "1e3",
        "١٢",
        "0x1",
        ".5",
        "5.",
        "1.234,5.6",
        "01.234,50",
    ],
)
def test_what_could_mean_two_things_or_nothing_is_no_amount(written: str) -> None:
    with pytest.raises(CellError):
        cells.amount(written, Numbers.AUTO)


def test_the_format_decides_what_a_point_means() -> None:
    assert cells.amount("1.234", Numbers.GERMAN) == 1234
    assert cells.amount("1,234", Numbers.ENGLISH) == 1234
    for written, numbers in (("12.5", Numbers.GERMAN), ("12,5", Numbers.ENGLISH)):
        with pytest.raises(CellError):
            cells.amount(written, numbers)


@given(st.dates(min_value=date(1900, 1, 1), max_value=TODAY))
def test_a_day_is_read_as_it_was_written(day: date) -> None:
    for written, days in (
        (day.isoformat(), (Days.ISO, Days.AUTO)),
        (f"{day.day}.{day.month}.{day.year}", (Days.GERMAN, Days.AUTO)),
        (f"{day:%d.%m.%Y}", (Days.GERMAN, Days.AUTO)),
    ):
        for notation in days:
            assert cells.day(written, notation, TODAY) == day
        with pytest.raises(CellError):
            cells.day(written, ({Days.ISO, Days.GERMAN} - {*days}).pop(), TODAY)
    assert cells.day(day, Days.AUTO, TODAY) == day


@pytest.mark.parametrize(
    "written",
    [
        "29.02.2026",
        "31.04.2026",
        "2026-13-01",
        "3/1/2026",
        "01.03.26",
        "20260301",
        "1899-12-31",
        "2026-11-24",
        "24.11.2026",
        "2026-3-1",
        "heute",
        "2026-03-01T10:00",
    ],
)
def test_what_is_no_day_that_has_been_is_an_error(written: str) -> None:
    with pytest.raises(CellError):
        cells.day(written, Days.AUTO, TODAY)
    for number in (Decimal(46082), True, TODAY + timedelta(days=1)):
        with pytest.raises(CellError):
            cells.day(number, Days.AUTO, TODAY)


@given(st.one_of(st.text(max_size=120), st.decimals(), st.dates(), st.booleans()))
def test_whatever_stands_there_is_read_or_refused_without_being_repeated(
    cell: cells.Cell,
) -> None:
    for read in (
        lambda: cells.amount(cell, Numbers.AUTO),
        lambda: cells.day(cell, Days.AUTO, TODAY),
        lambda: TypeAdapter(Identifier).validate_python(cells.text(cell or "x", 100)),
        lambda: TypeAdapter(Code).validate_python(cells.code(cell, {})),
        lambda: cells.case_id(cell),
        lambda: cells.kind(cell, {}),
        lambda: cells.currency(cell, {"EUR"}),
    ):
        message = ""
        try:
            read()
        except CellError as error:
            message = error.message
        assert len(str(cell)) < 12 or str(cell) not in message


def test_a_number_is_a_text_as_long_as_it_kept_its_digits() -> None:
    assert cells.text(Decimal("12345.0"), 60) == "12345"
    for changed in ("1e15", "12.5", "NaN", "Infinity"):
        with pytest.raises(CellError):
            cells.text(Decimal(changed), 60)


def test_words_of_the_partner_stand_for_ours() -> None:
    assert cells.kind("ZAHLUNG", {"zahlung": "payment.received"}) is Kind.PAYMENT_RECEIVED
    assert cells.kind("Payment.Received", {}) is Kind.PAYMENT_RECEIVED
    assert cells.code("verstorben", {"verstorben": "DEBTOR_DEAD"}) == "DEBTOR_DEAD"
    assert cells.code("paid", {}) == "PAID"
    with pytest.raises(CellError):
        cells.code("17", {})
