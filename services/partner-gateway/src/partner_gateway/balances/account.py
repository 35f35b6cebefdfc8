"""What follows from balances of a case: payments and corrections that can be repeated. No I/O.

A partner of this kind says what was paid so far, never what was paid when. Whoever reads our
reports wants payments. So an account keeps the payments that were reported of a case, and each
newer balance is told as the difference to them. Invariant: the payments of an account add up to
its newest balance, in what goes to the creditor and in own fees; none of either is below zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from contracts import Money
from partner_gateway.statement import (
    CaseAccepted,
    CaseBalance,
    CaseClosed,
    CaseRejected,
    FileNumberAssigned,
    PaymentCorrected,
    PaymentReceived,
    Statement,
)

_NOTHING = Decimal("0.00")


class ContradictionError(Exception):
    """A balance cannot be true if an earlier one was; `reason` names fields, never values."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment that was reported because a balance had risen."""

    number: int
    """That of the balance."""
    amount: Decimal
    """What of it goes to the creditor, as far as is known now."""
    own_fees: Decimal
    """What of it the partner keeps, as far as is known now."""

    @property
    def partner_reference(self) -> str:
        """What the payment is called within its case."""
        return f"balance-{self.number}"


@dataclass(frozen=True, slots=True)
class Account:
    """What a partner said of a case so far, and was reported."""

    number: int
    """That of the newest balance."""
    as_of: date
    currency: str
    status: str
    file_number: str | None
    payments: Sequence[Payment]
    """Oldest first."""

    @property
    def amount(self) -> Decimal:
        """What goes to the creditor in all."""
        return sum((payment.amount for payment in self.payments), _NOTHING)

    @property
    def own_fees(self) -> Decimal:
        """What the partner keeps in all."""
        return sum((payment.own_fees for payment in self.payments), _NOTHING)


def take_balance(
    account: Account | None, balance: CaseBalance
) -> tuple[Account, Sequence[Statement]]:
    """Return the account with the balance in it, and what is new; None: it is the first one.

    A balance with a lower number than the newest one came late, and one with the same number came
    again: they say nothing new. Raises `ContradictionError` where numbers and days do not agree on
    which is newer, where one number stands for two balances, and for another currency.
    """
    if account is not None and not _is_newer(account, balance):
        return account, []
    known = () if account is None else account.payments
    corrected, received = derive_payments(known, balance)
    taken = Account(
        number=balance.number,
        as_of=balance.as_of,
        currency=balance.paid_so_far.currency,
        status=balance.status,
        file_number=balance.file_number or _file_number(account),
        payments=[*corrected, *received],
    )
    return taken, [
        *_answer(account, balance),
        *_corrections(known, corrected, balance),
        *_receipts(received, balance),
        *_end(account, balance),
    ]


def derive_payments(
    known: Sequence[Payment], balance: CaseBalance
) -> tuple[Sequence[Payment], Sequence[Payment]]:
    """Return the known payments as they must have been, and the one that came in since, if any.

    What was paid more since is a payment, with the own fees that rose with it. All else corrects
    what was reported: what was paid less is taken from the newest payments first, and where only
    the partner's part is another one, money moves between the parts of a payment. So no payment
    ever becomes larger, nor any of its parts less than nothing.
    """
    paid, own_fees = balance.paid_so_far.amount, balance.own_fees_so_far.amount
    amount_known = sum((payment.amount for payment in known), _NOTHING)
    fees_known = sum((payment.own_fees for payment in known), _NOTHING)
    rise = max(paid - amount_known - fees_known, _NOTHING)
    fees_in_rise = min(max(own_fees - fees_known, _NOTHING), rise)
    amount_in_rise = rise - fees_in_rise
    corrected = _brought_to(known, paid - own_fees - amount_in_rise, own_fees - fees_in_rise)
    received = [Payment(balance.number, amount_in_rise, fees_in_rise)] if rise else []
    return corrected, received


def _brought_to(
    payments: Sequence[Payment], amount: Decimal, own_fees: Decimal
) -> Sequence[Payment]:
    """Return the payments so that they add up to these sums, which are not more than theirs."""
    less_amount = sum((payment.amount for payment in payments), _NOTHING) - amount
    less_fees = sum((payment.own_fees for payment in payments), _NOTHING) - own_fees
    newest_first = []
    for payment in reversed(payments):
        from_amount = min(payment.amount, max(less_amount, _NOTHING))
        from_fees = min(payment.own_fees, max(less_fees, _NOTHING))
        # One of the sums may have grown, by no more than the other one shrank.
        to_amount = min(from_fees, max(-less_amount, _NOTHING))
        to_fees = min(from_amount, max(-less_fees, _NOTHING))
        amount = payment.amount - from_amount + to_amount
        own_fees = payment.own_fees - from_fees + to_fees
        less_amount -= from_amount - to_amount
        less_fees -= from_fees - to_fees
        newest_first.append(replace(payment, amount=amount, own_fees=own_fees))
    return newest_first[::-1]


def _is_newer(account: Account, balance: CaseBalance) -> bool:
    if balance.paid_so_far.currency != account.currency:
        raise ContradictionError("currency: not that of the balance before")
    if balance.number == account.number and not _is_same(account, balance):
        raise ContradictionError("number: stands for another balance")
    if balance.number < account.number and balance.as_of > account.as_of:
        raise ContradictionError("number: lower than that of a balance of an earlier day")
    return balance.number > account.number


def _is_same(account: Account, balance: CaseBalance) -> bool:
    return (
        balance.as_of == account.as_of
        and balance.status == account.status
        and balance.file_number in (None, account.file_number)
        and balance.own_fees_so_far.amount == account.own_fees
        and balance.paid_so_far.amount == account.amount + account.own_fees
    )


def _answer(account: Account | None, balance: CaseBalance) -> Sequence[Statement]:
    """Say that the case is taken or declined, once; then the file number whenever it is new."""
    said: list[Statement] = []
    case_id = balance.case_id
    if balance.status == "DECLINED":
        if account is None and balance.reason_code is not None:
            said.append(
                CaseRejected(
                    case_id=case_id,
                    reason_code=balance.reason_code,
                    reason_text=balance.reason_text,
                )
            )
        return said
    if account is None or (account.status, balance.status) == ("DECLINED", "OPEN"):
        said.append(CaseAccepted(case_id=case_id))
    # By itself: the number that comes with a yes counts only where the case has none.
    if balance.file_number is not None and balance.file_number != _file_number(account):
        said.append(FileNumberAssigned(case_id=case_id, file_number=balance.file_number))
    return said


def _corrections(
    before: Sequence[Payment], after: Sequence[Payment], balance: CaseBalance
) -> Sequence[Statement]:
    return [
        PaymentCorrected(
            case_id=balance.case_id,
            partner_reference=now.partner_reference,
            amount=_money(now.amount, balance),
            own_fees=_money(now.own_fees, balance),
            corrected_on=balance.as_of,
        )
        for was, now in zip(before, after, strict=True)
        if now != was
    ]


def _receipts(received: Sequence[Payment], balance: CaseBalance) -> Sequence[Statement]:
    return [
        PaymentReceived(
            case_id=balance.case_id,
            partner_reference=payment.partner_reference,
            amount=_money(payment.amount, balance),
            own_fees=_money(payment.own_fees, balance),
            paid_on=balance.as_of,
        )
        for payment in received
    ]


def _end(account: Account | None, balance: CaseBalance) -> Sequence[Statement]:
    """Say that the case is closed, once.

    So is one that is declined: the partner may have taken it when it was handed over, and then
    gives it back. Of a case that was refused the end changes nothing any more.
    """
    if balance.status == "OPEN" or (account is not None and account.status != "OPEN"):
        return []
    code = balance.reason_code if balance.status == "DECLINED" else balance.result_code
    return [CaseClosed(case_id=balance.case_id, result_code=code, closed_on=balance.as_of)]


def _file_number(account: Account | None) -> str | None:
    return None if account is None else account.file_number


def _money(amount: Decimal, balance: CaseBalance) -> Money:
    return Money(amount=amount, currency=balance.paid_so_far.currency)
