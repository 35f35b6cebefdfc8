"""Sums of money."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from contracts import Money


def money_of(totals: Iterable[tuple[str, str]] | None) -> tuple[Money, ...]:
    """Return the sums in a JSON array of pairs of amount and currency, in its order."""
    return tuple(
        Money(amount=Decimal(amount), currency=currency) for amount, currency in totals or ()
    )


def sums_of(amounts: Iterable[Money]) -> tuple[Money, ...]:
    """Return one sum for each currency, sorted by its code."""
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for money in amounts:
        sums[money.currency] += money.amount
    return tuple(Money(amount=sums[currency], currency=currency) for currency in sorted(sums))
