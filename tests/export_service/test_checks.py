"""IBANs, BICs and VAT numbers: right ones pass, wrong ones do not (R40)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from export_service.runs.checks import is_bic, is_iban, is_vat_number

IBANS = [
    "DE89370400440532013000",
    "DE89 3704 0044 0532 0130 00",
    "AT611904300234573201",
    "CH9300762011623852957",
    "GB29NWBK60161331926819",
    "NO9386011117947",
    "MT84MALT011000012345MTLCAST001S",
]


@pytest.mark.parametrize("iban", IBANS)
def test_a_right_iban_passes(iban: str) -> None:
    assert is_iban(iban)


@given(
    st.sampled_from(["DE89370400440532013000", "GB29NWBK60161331926819"]),
    st.integers(4, 21),
    st.integers(1, 9),
)
def test_one_wrong_digit_is_always_found(iban: str, position: int, difference: int) -> None:
    """R40: mod-97 finds every single wrong digit."""
    if not iban[position].isdigit():
        return
    digit = (int(iban[position]) + difference) % 10
    assert not is_iban(f"{iban[:position]}{digit}{iban[position + 1 :]}")


@pytest.mark.parametrize("text", ["", "DE", "de89370400440532013000", "DE89３704", "=1"])
def test_what_has_no_shape_of_an_iban_fails(text: str) -> None:
    assert not is_iban(text)


@given(st.text())
def test_no_text_breaks_a_check(text: str) -> None:
    assert is_iban(text) in {True, False}
    assert is_bic(text) in {True, False}
    assert is_vat_number(text) in {True, False}


def test_a_bic_has_8_or_11_characters() -> None:
    assert is_bic("COBADEFF")
    assert is_bic("COBADEFFXXX")
    assert not is_bic("COBADEFFX")
    assert not is_bic("COBADEFFXXXX")
    assert not is_bic("cobadeff")


@pytest.mark.parametrize(
    "number",
    ["DE136695976", "DE 136 695 976", "ATU12345678", "CHE-123.456.789 MWST", "EL123456789"],
)
def test_a_vat_number_of_its_countrys_structure_passes(number: str) -> None:
    assert is_vat_number(number)


@pytest.mark.parametrize("number", ["DE12345678", "AT12345678", "ZZ123456789", "123456789", ""])
def test_another_vat_number_fails(number: str) -> None:
    assert not is_vat_number(number)
