"""Money: decimal strings in JSON, Decimals in Python, never a float."""

import json
import re
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts import CURRENCIES, Money
from contracts.money import AMOUNT_PATTERN

amounts = st.decimals(min_value=0, max_value=Decimal("999999999999.99"), places=2)
currencies = st.sampled_from(sorted(CURRENCIES))


def from_python(amount: object, currency: object = "EUR") -> Money:
    return Money.model_validate({"amount": amount, "currency": currency})


def from_json(amount: object) -> Money:
    return Money.model_validate_json(json.dumps({"amount": amount, "currency": "EUR"}))


@given(amounts, currencies)
def test_money_comes_back_from_json_as_it_went(amount: Decimal, currency: str) -> None:
    money = Money(amount=amount, currency=currency)
    text = money.model_dump_json()
    assert re.fullmatch(AMOUNT_PATTERN, json.loads(text)["amount"], re.ASCII)
    again = Money.model_validate_json(text)
    assert again == money
    assert again.amount == amount
    assert again.model_dump_json() == text
    assert hash(again) == hash(money)


@given(st.text())
@example("12.30\n")
@example("١٢.٣٠")
@example("1_000.00")
@example("NaN")
@example("Infinity")
@example("1e3")
@example("-0.00")
@example("01.00")
@example("1234567890123.00")
def test_any_other_text_is_refused(text: str) -> None:
    if re.fullmatch(AMOUNT_PATTERN, text, re.ASCII):
        assert str(from_json(text).amount) == text
        return
    with pytest.raises(ValidationError):
        from_json(text)
    with pytest.raises(ValidationError):
        from_python(text)


@given(st.one_of(st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.text())))
def test_numbers_are_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        from_json(value)
    with pytest.raises(ValidationError):
        from_python(value)


@given(st.decimals(allow_nan=True, allow_infinity=True))
@example(Decimal("1.230"))
@example(Decimal("-0.00"))
@example(Decimal("sNaN"))
@example(Decimal("1E+12"))
@example(Decimal("1E+1000000"))
@example(Decimal("1E-1000000"))
def test_a_decimal_is_taken_when_it_is_whole_cents_from_zero_on(value: Decimal) -> None:
    exponent = value.as_tuple().exponent
    whole = isinstance(exponent, int) and exponent >= -2
    if whole and not value.is_signed() and value < 10**12:
        assert from_python(value).amount == value
        return
    with pytest.raises(ValidationError):
        from_python(value)


@pytest.mark.parametrize("value", ["0", "12.3", "1E+3"])
def test_a_decimal_gets_its_two_places(value: str) -> None:
    money = Money(amount=Decimal(value), currency="EUR")
    assert money.model_dump(mode="json")["amount"] == f"{Decimal(value):.2f}"


@pytest.mark.parametrize("currency", ["eur", "EURO", "XXX", "JPY", "KWD", "", "EUR\n", 978])
def test_only_currencies_with_two_decimals_are_taken(currency: object) -> None:
    with pytest.raises(ValidationError):
        from_python("1.00", currency)


def test_the_schema_of_an_amount_is_a_string_both_ways() -> None:
    for schema in (
        Money.model_json_schema(mode="validation"),
        Money.model_json_schema(mode="serialization"),
    ):
        amount = schema["properties"]["amount"]
        assert (amount["type"], amount["pattern"]) == ("string", AMOUNT_PATTERN)
        assert "anyOf" not in amount
