"""How a payment is spread over claims, and how it is taken back. Exact to the cent (R22, R23)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar
from uuid import UUID

NOTHING = Decimal("0.00")


class AllocationOrder(StrEnum):
    """Which claims a payment goes to first."""

    OLDEST_FIRST = "OLDEST_FIRST"
    """By due date, then voucher date, then id."""
    COSTS_FIRST = "COSTS_FIRST"
    """Costs, then interest, then principal (§ 367 BGB), each oldest first."""


@dataclass(slots=True)
class OpenClaim:
    """What the rules need to know of a claim in a case; `open` is never negative."""

    case_id: UUID
    claim_id: UUID
    kind: str
    due_date: date
    voucher_date: date
    open: Decimal


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a payment that belongs to one claim of one case; always above zero."""

    case_id: UUID
    claim_id: UUID
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Allocation:
    """Where each cent of an amount goes: shares and surplus add up to it."""

    shares: tuple[Share, ...]
    unallocated: Decimal

    @property
    def allocated(self) -> Decimal:
        """Return what belongs to claims."""
        return sum((share.amount for share in self.shares), NOTHING)

    @property
    def amount(self) -> Decimal:
        """Return the whole amount."""
        return self.allocated + self.unallocated

    def without_surplus(self, amount: Decimal) -> "Allocation":
        """Return the allocation after a part of what was unallocated is gone."""
        return Allocation(self.shares, self.unallocated - amount)

    def plus(self, shares: Sequence[Share]) -> "Allocation":
        """Return the allocation after `shares` of what was unallocated went to claims.

        A claim that gets more of a payment has its newest share, whatever it had of it before.
        """
        added: dict[tuple[UUID, UUID], Decimal] = {}
        for share in (*self.shares, *shares):
            key = (share.case_id, share.claim_id)
            added[key] = added.pop(key, NOTHING) + share.amount
        given = sum((share.amount for share in shares), NOTHING)
        return Allocation(
            tuple(Share(*key, amount) for key, amount in added.items()), self.unallocated - given
        )

    def minus(self, taken: "Allocation") -> "Allocation":
        """Return what is left after a part of it was taken back."""
        gone = {(share.case_id, share.claim_id): share.amount for share in taken.shares}
        left = (
            Share(
                share.case_id,
                share.claim_id,
                share.amount - gone.get((share.case_id, share.claim_id), NOTHING),
            )
            for share in self.shares
        )
        return Allocation(
            tuple(share for share in left if share.amount), self.unallocated - taken.unallocated
        )


_COSTS: Final = frozenset({"FLAT_FEE", "BANK_FEE", "DUNNING_FEE", "COSTS"})
_INTEREST: Final = frozenset({"INTEREST"})


def age(claim: OpenClaim) -> tuple[date, date, UUID]:
    """Return what claims are ordered by, oldest first: due date, voucher date, claim id."""
    return claim.due_date, claim.voucher_date, claim.claim_id


def costs_first(claim: OpenClaim) -> tuple[int, date, date, UUID]:
    """Return what claims are ordered by when costs come before interest and principal."""
    rank = 0 if claim.kind in _COSTS else 1 if claim.kind in _INTEREST else 2
    return rank, *age(claim)


_ORDERS: Final[dict[AllocationOrder, Callable[[OpenClaim], tuple[object, ...]]]] = {
    AllocationOrder.OLDEST_FIRST: age,
    AllocationOrder.COSTS_FIRST: costs_first,
}


C = TypeVar("C", bound=OpenClaim)


def in_order(claims: Iterable[C], order: AllocationOrder) -> list[C]:
    """Return claims in the order in which a payment goes to them."""
    return sorted(claims, key=_ORDERS[order])


def allocate(claims: Iterable[OpenClaim], amount: Decimal, order: AllocationOrder) -> Allocation:
    """Spread `amount` over the claims in this order, none below zero.

    What is more than all that is open stays unallocated.
    """
    shares = []
    left = amount
    for claim in in_order(claims, order):
        part = min(claim.open, left)
        if part > 0:
            shares.append(Share(claim.case_id, claim.claim_id, part))
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
            taken.append(Share(share.case_id, share.claim_id, part))
            amount -= part
    return tuple(taken), amount
