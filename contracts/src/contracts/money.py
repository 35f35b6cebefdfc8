"""Amounts of money. Never a float: a decimal string in JSON, a Decimal in Python."""

import re
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from contracts.event import Contract, ListOf

AMOUNT_PATTERN = r"^(0|[1-9][0-9]{0,11})\.[0-9]{2}$"
"""At most twelve digits before the point: fits PostgreSQL's numeric(14, 2)."""

_CODES = """
    AED ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD
    CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ
    GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL
    MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR
    PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT
    TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW
"""
CURRENCIES = frozenset(_CODES.split())
"""ISO 4217 currencies with two decimals; no other is supported."""

_CENT = Decimal("0.01")


def _amount(value: Decimal | str) -> Decimal:
    """An amount from Python: a string as in JSON, or a Decimal of whole cents from 0 on."""
    if isinstance(value, str):
        if re.fullmatch(AMOUNT_PATTERN, value, re.ASCII) is None:
            raise ValueError("must be an amount like 12.30")
        return Decimal(value)
    if not isinstance(value, Decimal):
        raise ValueError("must be a Decimal or a string, never a float")
    if not value.is_finite() or value.is_signed() or value >= 10**12:
        raise ValueError("must be from 0.00 to 999999999999.99")
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -2:
        raise ValueError("must not have more than two decimals")
    return value.quantize(_CENT)


_amount_of_text = lru_cache(maxsize=10_000)(Decimal)
"""Prices and fees are the same again and again: one object stands for all of them."""


class _AmountSchema:
    """Reads amounts from JSON strings only, and writes them so; the schema is one in both ways."""

    def __get_pydantic_core_schema__(
        self, source: type[Decimal], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        text = core_schema.str_schema(pattern=AMOUNT_PATTERN, strict=True)
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_after_validator_function(_amount_of_text, text),
            python_schema=core_schema.no_info_plain_validator_function(_amount),
            serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json"),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "pattern": AMOUNT_PATTERN}


Amount = Annotated[Decimal, _AmountSchema()]
"""Whole cents, never negative."""


@lru_cache(maxsize=len(CURRENCIES))
def _known_currency(value: str) -> str:
    if value not in CURRENCIES:
        raise ValueError("must be an ISO 4217 currency with two decimals")
    return value


Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$"), AfterValidator(_known_currency)]


class Money(Contract):
    """An amount and its currency."""

    amount: Amount
    """Decimal string with two decimals, never negative."""
    currency: Currency
    """ISO 4217 code of a currency with two decimals."""


def require_one_currency(amounts: Iterable[Money]) -> None:
    """Raises ValueError unless all amounts have the same currency."""
    if len({money.currency for money in amounts}) > 1:
        raise ValueError("all amounts must have the same currency")


def _once_and_sorted(totals: tuple[Money, ...]) -> tuple[Money, ...]:
    currencies = [money.currency for money in totals]
    if currencies != sorted(set(currencies)):
        raise ValueError("each currency must stand once, sorted by its code")
    return totals


Totals = Annotated[
    ListOf[Money], Field(max_length=len(CURRENCIES)), AfterValidator(_once_and_sorted)
]
"""One sum for each currency, sorted by its code."""
