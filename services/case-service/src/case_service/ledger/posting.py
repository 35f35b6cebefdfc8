"""Postings: which entries belong together, and what they stand for. Pure.

The ledger is double-entry. What happens is posted as entries that belong together and add up to
0.00 and are never changed; the database refuses anything else. Above zero, an entry adds to its
account; below zero, it takes off it. Every amount of money in a case follows from its entries
(R30); `docs/ledger.md` has the postings.

Each function returns lines that add up to 0.00.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from case_service.cases.case import Case
from case_service.ledger.occasion import Occasion
from case_service.payments.allocation import NOTHING, Allocation, Share
from case_service.payments.payment import Payment


class Account(StrEnum):
    """Where an amount is put, or taken from."""

    CLAIM = "CLAIM"
    """What is open on one claim of a case."""
    UNALLOCATED = "UNALLOCATED"
    """Money that belongs to no claim; below zero, for it is owed to somebody."""
    COLLECTED = "COLLECTED"
    """Money that came in through collection."""
    RECEIVABLES = "RECEIVABLES"
    """The creditor's own books: claims come from there and go back there."""
    WRITTEN_OFF = "WRITTEN_OFF"
    """What was given up."""
    PAID_OUT = "PAID_OUT"
    """Unallocated money that was paid back or given to the debtor; below zero."""
    SHORTFALL = "SHORTFALL"
    """Money that was paid out although, as was heard later, it had never come in."""


class EntryKind(StrEnum):
    """What a posting stands for."""

    HANDED_OVER = "HANDED_OVER"
    PAYMENT_SHARE = "PAYMENT_SHARE"
    PAYMENT_REDUCTION = "PAYMENT_REDUCTION"
    DIRECT_PAYMENT = "DIRECT_PAYMENT"
    CLAIM_CHANGE = "CLAIM_CHANGE"
    SURPLUS = "SURPLUS"
    PAID_OUT = "PAID_OUT"
    WRITTEN_OFF = "WRITTEN_OFF"
    RELEASED = "RELEASED"


class Line(NamedTuple):
    """An amount that is put into an account of a case, or taken out of it."""

    case_id: UUID
    account: Account
    amount: Decimal
    claim_id: UUID | None = None
    """The claim, for account CLAIM only."""
    payment_id: UUID | None = None


class Posting(NamedTuple):
    """Entries that belong together: their lines add up to 0.00."""

    posting_id: UUID
    kind: EntryKind
    currency: str
    booking_date: date
    occasion: Occasion
    lines: Sequence[Line]
    """What each entry has for itself."""


def handed_over(case: Case) -> list[Line]:
    """Claims come from the creditor's books."""
    lines = [
        Line(case.case_id, Account.CLAIM, claim.handed_over, claim.claim_id)
        for claim in case.claims
    ]
    return [*lines, Line(case.case_id, Account.RECEIVABLES, -_total(lines))]


def payment_booked(payment: Payment) -> list[Line]:
    """Money comes in, and pays claims."""
    return [
        _line(payment, Account.COLLECTED, payment.amount),
        *_claims(payment, payment.allocation.shares, -1),
        _line(payment, Account.UNALLOCATED, -payment.allocation.unallocated),
    ]


def payment_reduced(payment: Payment, taken: Allocation, shortfall: Decimal) -> list[Line]:
    """Less came in than was booked; claims open again."""
    return [
        _line(payment, Account.COLLECTED, -taken.amount - shortfall),
        *_claims(payment, taken.shares, 1),
        _line(payment, Account.UNALLOCATED, taken.unallocated),
        _line(payment, Account.SHORTFALL, shortfall),
    ]


def shares_given(payment: Payment, shares: Iterable[Share]) -> list[Line]:
    """Unallocated money goes to claims."""
    lines = _claims(payment, shares, -1)
    return [*lines, _line(payment, Account.UNALLOCATED, -_total(lines))]


def surplus(payment: Payment, shares: Iterable[Share]) -> list[Line]:
    """Money leaves claims that are less than was paid on them."""
    lines = _claims(payment, shares, 1)
    return [*lines, _line(payment, Account.UNALLOCATED, -_total(lines))]


def paid_out(payment: Payment, amount: Decimal) -> list[Line]:
    """Unallocated money leaves."""
    return [
        _line(payment, Account.UNALLOCATED, amount),
        _line(payment, Account.PAID_OUT, -amount),
    ]


def claims_changed(
    case: Case, differences: Iterable[tuple[UUID, Decimal]], against: Account
) -> list[Line]:
    """Claims of a case change by signed amounts, against one other account."""
    lines = [
        Line(case.case_id, Account.CLAIM, amount, claim_id) for claim_id, amount in differences
    ]
    return [*lines, Line(case.case_id, against, -_total(lines))]


def _claims(payment: Payment, shares: Iterable[Share], sign: int) -> list[Line]:
    return [
        Line(share.case_id, Account.CLAIM, sign * share.amount, share.claim_id, payment.payment_id)
        for share in shares
    ]


def _line(payment: Payment, account: Account, amount: Decimal) -> Line:
    return Line(payment.case_id, account, amount, payment_id=payment.payment_id)


def _total(lines: Iterable[Line]) -> Decimal:
    return sum((line.amount for line in lines), NOTHING)
