"""How a payment is spread over claims, and how it is taken back. Exact to the cent (R22, R23)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

NOTHING = Decimal("0.00")


@dataclass(slots=True)
class OpenClaim:
    """What the rules need to know of a claim; `open` is never negative."""

    claim_id: UUID
    due_date: date
    voucher_date: date
    open: Decimal


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a payment that belongs to one claim; always above zero."""

    claim_id: UUID
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Allocation:
    """Where each cent of an amount goes: shares and surplus add up to it."""

    shares: tuple[Share, ...]
    unallocated: Decimal


def age(claim: OpenClaim) -> tuple[date, date, UUID]:
    """Return what claims are ordered by, oldest first: due date, voucher date, claim id."""
    return claim.due_date, claim.voucher_date, claim.claim_id


def allocate_oldest_first(claims: Iterable[OpenClaim], amount: Decimal) -> Allocation:
    """Spread `amount` over the claims, the oldest first, none below zero.

    What is more than all that is open stays unallocated.
    """
    shares = []
    left = amount
    for claim in sorted(claims, key=age):
        part = min(claim.open, left)
        if part > 0:
            shares.append(Share(claim.claim_id, part))
            left -= part
    return Allocation(tuple(shares), left)


def take_back_newest_first(booked: Allocation, amount: Decimal) -> Allocation:
    """Say what to take back of a payment that shrinks by `amount`.

    The surplus goes first, for it paid nothing; then the shares, the one booked last first.
    Raises `ValueError` when the payment is smaller than `amount`.
    """
    surplus = min(booked.unallocated, amount)
    shares, left = _take(booked.shares[::-1], amount - surplus)
    if left:
        raise ValueError("more is taken back than was booked")
    return Allocation(shares, surplus)


def _take(shares: Sequence[Share], amount: Decimal) -> tuple[tuple[Share, ...], Decimal]:
    taken = []
    for share in shares:
        part = min(share.amount, amount)
        if part > 0:
            taken.append(Share(share.claim_id, part))
            amount -= part
    return tuple(taken), amount
