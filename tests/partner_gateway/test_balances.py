"""From balances follow payments and corrections that can be repeated (R50, R51)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import Money
from kit.ids import new_id
from partner_gateway.balances.account import Account, ContradictionError, take_balance
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

CASE = new_id()
FIRST_DAY = date(2026, 3, 1)


def balance(number: int, paid: int, own_fees: int = 0, **fields: Any) -> CaseBalance:
    """Return a balance of so many cents, of the so-manieth day."""
    currency = fields.pop("currency", "EUR")
    about: dict[str, Any] = {
        "case_id": CASE,
        "number": number,
        "as_of": FIRST_DAY + timedelta(days=number),
        "status": "OPEN",
        **fields,
    }
    return CaseBalance(
        **about,
        paid_so_far=Money(amount=Decimal(paid).scaleb(-2), currency=currency),
        own_fees_so_far=Money(amount=Decimal(own_fees).scaleb(-2), currency=currency),
    )


@dataclass
class Reader:
    """Whoever acts on reports: keeps each payment under its reference."""

    payments: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Cents for the creditor, and own fees."""
    account: Account | None = None

    def hear(self, said: CaseBalance) -> Sequence[Statement]:
        """Take what follows from a balance."""
        self.account, statements = take_balance(self.account, said)
        for statement in statements:
            if isinstance(statement, PaymentReceived):
                assert statement.partner_reference not in self.payments
                assert statement.amount.amount + statement.own_fees.amount > 0
                self._book(statement)
            elif isinstance(statement, PaymentCorrected):
                before = self.payments[statement.partner_reference]
                self._book(statement)
                after = self.payments[statement.partner_reference]
                assert after != before
                assert sum(after) <= sum(before), "no payment becomes larger"
        return statements

    def _book(self, said: PaymentReceived | PaymentCorrected) -> None:
        booked = (int(said.amount.amount * 100), int(said.own_fees.amount * 100))
        assert min(booked) >= 0
        self.payments[said.partner_reference] = booked

    @property
    def sums(self) -> tuple[int, int]:
        """All for the creditor, and all own fees."""
        amounts, own_fees = zip(*self.payments.values(), strict=True) if self.payments else ((), ())
        return sum(amounts), sum(own_fees)


_cents = st.integers(0, 400) | st.integers(0, 10**14 - 1)


@st.composite
def _told(draw: st.DrawFn) -> list[CaseBalance]:
    """Balances of a case, some of them several times, in any order."""
    pairs = draw(st.lists(st.tuples(_cents, _cents), min_size=1, max_size=12))
    balances = [balance(number, max(pair), min(pair)) for number, pair in enumerate(pairs, 1)]
    again = draw(st.lists(st.sampled_from(balances), max_size=8))
    return list(draw(st.permutations([*balances, *again])))


@given(_told())
def test_what_was_reported_is_what_the_newest_balance_says(told: list[CaseBalance]) -> None:
    reader = Reader()
    newest = told[0]
    for said in told:
        before = reader.account
        statements = reader.hear(said)
        if before is not None and said.number <= newest.number:
            assert (statements, reader.account) == ([], before), "late, or a repeat"
        newest = max(newest, said, key=lambda each: each.number)
        own_fees = int(newest.own_fees_so_far.amount * 100)
        assert reader.sums == (int(newest.paid_so_far.amount * 100) - own_fees, own_fees)


@pytest.mark.parametrize(
    ("balances", "payments"),
    [
        ([(12000, 2000)], [(10000, 2000)]),
        ([(5000, 0), (12000, 2000)], [(5000, 0), (5000, 2000)]),
        ([(5000, 0), (12000, 2000), (12000, 2000)], [(5000, 0), (5000, 2000)]),
        ([(5000, 0), (12000, 2000), (9000, 0)], [(5000, 0), (4000, 0)]),
        ([(5000, 0), (12000, 2000), (3000, 0)], [(3000, 0), (0, 0)]),
        ([(5000, 0), (12000, 2000), (0, 0), (100, 0)], [(0, 0), (0, 0), (100, 0)]),
        ([(5000, 1000), (5000, 3000)], [(2000, 3000)]),
        ([(5000, 1000), (8000, 1000), (8000, 0)], [(5000, 0), (3000, 0)]),
        ([(5000, 0), (6000, 3000)], [(3000, 2000), (0, 1000)]),
        ([(5000, 2000), (6000, 1000)], [(4000, 1000), (1000, 0)]),
    ],
)
def test_rises_are_payments_and_falls_take_from_the_newest(
    balances: list[tuple[int, int]], payments: list[tuple[int, int]]
) -> None:
    reader = Reader()
    for number, (paid, own_fees) in enumerate(balances, 1):
        reader.hear(balance(number, paid, own_fees))
    assert list(reader.payments.values()) == payments


def test_a_payment_is_called_after_its_balance_and_dated_by_it() -> None:
    reader = Reader()
    reader.hear(balance(7, 5000))
    (received,) = reader.hear(balance(9, 6000))
    assert isinstance(received, PaymentReceived)
    assert received.partner_reference == "balance-9"
    assert received.paid_on == FIRST_DAY + timedelta(days=9)
    (corrected,) = reader.hear(balance(10, 5500))
    assert isinstance(corrected, PaymentCorrected)
    assert corrected.partner_reference == "balance-9"
    assert corrected.corrected_on == FIRST_DAY + timedelta(days=10)


def test_answer_file_number_and_end_are_told_once() -> None:
    reader = Reader()
    said = [
        reader.hear(balance(1, 0, file_number="D-1")),
        reader.hear(balance(2, 100, file_number="D-1")),
        reader.hear(balance(3, 100)),
        reader.hear(balance(4, 100, file_number="D-2")),
        reader.hear(balance(5, 200, status="CLOSED", result_code="PAID")),
        reader.hear(balance(6, 100, status="CLOSED", result_code="PAID")),
    ]
    assert [[type(each) for each in statements] for statements in said] == [
        [CaseAccepted, FileNumberAssigned],
        [PaymentReceived],
        [],
        [FileNumberAssigned],
        [PaymentReceived, CaseClosed],
        [PaymentCorrected],
    ]


def test_a_case_may_be_declined_taken_after_all_and_given_back() -> None:
    reader = Reader()
    reason: dict[str, Any] = {"status": "DECLINED", "reason_code": "INSOLVENT"}
    said = [
        reader.hear(balance(1, 0, **reason)),
        reader.hear(balance(2, 0, **reason)),
        reader.hear(balance(3, 0)),
        reader.hear(balance(4, 0, **reason)),
        reader.hear(balance(5, 0, status="CLOSED")),
    ]
    assert [[type(each) for each in statements] for statements in said] == [
        [CaseRejected, CaseClosed],
        [],
        [CaseAccepted],
        [CaseClosed],
        [],
    ]
    (given_back,) = said[3]
    assert isinstance(given_back, CaseClosed)
    assert given_back.result_code == "INSOLVENT"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (balance(6, 100, currency="CHF"), "currency: not that of the balance before"),
        (balance(5, 101), "number: stands for another balance"),
        (balance(5, 100, status="CLOSED"), "number: stands for another balance"),
        (
            balance(4, 300, as_of=FIRST_DAY + timedelta(days=30)),
            "number: lower than that of a balance of an earlier day",
        ),
    ],
)
def test_what_contradicts_an_earlier_balance_is_not_taken(said: CaseBalance, reason: str) -> None:
    account, _ = take_balance(None, balance(5, 100))
    with pytest.raises(ContradictionError) as error:
        take_balance(account, said)
    assert error.value.reason == reason


def test_what_is_paid_on_a_declined_or_closed_case_is_money_all_the_same() -> None:
    """R29."""
    reader = Reader()
    reader.hear(balance(1, 0, status="CLOSED"))
    reader.hear(balance(2, 500, status="CLOSED"))
    reader.hear(balance(3, 900, status="DECLINED", reason_code="OTHER"))
    assert reader.sums == (900, 0)
