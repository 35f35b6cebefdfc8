"""The rule for changed claims, without a database: whatever happens, its sums stay right (R28)."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from case_service.cases.case import Case, Claim, Status
from case_service.ledger.events import ClaimFacts
from case_service.ledger.journal import Journal
from case_service.ledger.occasion import ActorKind, Occasion
from case_service.payments.allocation import NOTHING, AllocationOrder
from case_service.payments.book_payment import enter_payment
from case_service.payments.payment import Payment
from case_service.payments.shrink import shrink
from case_service.receivables.claim_change import (
    ClaimChange,
    change_claim,
    due_in_new_case,
    holders_of,
)
from contracts import CaseClaimChangedV1, CasePaymentReallocatedV1
from kit.ids import new_id
from kit.trace import Cause
from tests.case_service.world import HANDED_OVER_ON, MOMENT, PAID_ON

TENANT, CLAIM, MEMBER = new_id(), new_id(), new_id()

amounts = st.integers(0, 60).map(lambda cents: Decimal(cents) / 100)
steps = st.one_of(
    st.tuples(st.just("hand over")),
    st.tuples(st.just("pay"), amounts),
    st.tuples(st.just("shrink"), st.integers(0, 9), amounts),
    st.tuples(st.just("end"), st.booleans()),
    st.tuples(st.just("change"), amounts, amounts, st.booleans()),
)

OPEN_IN_TWO_CASES: list[tuple[object, ...]] = [
    ("pay", Decimal("0.20")),
    ("end", False),
    ("hand over",),
    ("shrink", 0, Decimal("0.08")),
    ("change", Decimal("0.30"), Decimal("0.05"), False),
]
"""Open again on a case that has ended, and open in the one after it."""


def occasion() -> Occasion:
    return Occasion(ActorKind.SYSTEM, "receivables", MOMENT, Cause(TENANT, "request-1", None))


@dataclass
class Life:
    """The life of one claim: its cases, one after the other, and the payments on it."""

    facts: ClaimFacts = field(
        default_factory=lambda: ClaimFacts(1, Decimal("0.30"), NOTHING, cancelled=False)
    )
    cases: list[Case] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)

    def live(self) -> Case | None:
        return next((case for case in self.cases if case.is_live), None)

    def hand_over(self) -> None:
        """As `open_cases` does it."""
        if self.live():
            return
        for case in self.cases:
            case.claim(CLAIM).release()
        due = due_in_new_case(self.facts.owed, self.cases, CLAIM)
        case_id = new_id()
        claim = Claim(
            case_id=case_id,
            claim_id=CLAIM,
            kind="CLAIM",
            due_date=date(2026, 1, 15),
            voucher_date=date(2026, 1, 1),
            open=due,
            handed_over=due,
        )
        case = Case(
            tenant_id=TENANT,
            case_id=case_id,
            run_id=new_id(),
            member_id=MEMBER,
            studio_id=new_id(),
            partner_id=new_id(),
            collection_date=HANDED_OVER_ON,
            currency="EUR",
            time_zone="Europe/Berlin",
            status=Status.OPEN,
            claims=[claim],
        )
        self.cases.append(case)

    def pay(self, amount: Decimal) -> None:
        """The partner reports a payment, on the latest case, whether it has ended or not."""
        if self.cases and amount:
            order = AllocationOrder.OLDEST_FIRST
            payment = enter_payment(self.cases[-1], amount, PAID_ON, order, occasion(), Journal())
            self.payments.append(payment)

    def shrink(self, number: int, amount: Decimal) -> None:
        if self.payments:
            payment = self.payments[number % len(self.payments)]
            part = min(amount, payment.amount)
            if part:
                cases = {case.key: case for case in self.cases}
                shrink(cases, payment, part, PAID_ON, occasion(), Journal())

    def end(self, write_off: bool) -> None:
        if case := self.live():
            case.complete(MOMENT, write_off=write_off)

    def change(self, amount: Decimal, paid: Decimal, cancelled: bool) -> Journal:
        """As `change_claims` does it."""
        before = self.facts
        self.facts = ClaimFacts(before.sequence + 1, amount, paid, cancelled)
        change = ClaimChange((TENANT, CLAIM), before, self.facts, occasion())
        journal = Journal()
        concerned = sorted(
            (payment for payment in self.payments if payment.allocation.shares),
            key=lambda payment: payment.payment_id,
            reverse=True,
        )
        holders = holders_of(self.cases).get((TENANT, CLAIM), [])
        change_claim({case.key: case for case in self.cases}, holders, concerned, change, journal)
        return journal

    def do(self, name: str, *what: object) -> None:
        getattr(self, name.replace(" ", "_"))(*what)

    def check(self) -> None:
        claims = [case.claim(CLAIM) for case in self.cases]
        collected = sum((claim.collected for claim in claims), NOTHING)
        for claim in claims:
            parts = (claim.open, claim.collected, claim.written_off, claim.released)
            assert min(parts) >= 0
            assert claim.open == (
                claim.handed_over
                + claim.changed
                - claim.collected
                - claim.written_off
                - claim.released
            )
        assert sum((claim.open for claim in claims), NOTHING) + collected <= max(
            self.facts.owed, collected
        )
        assert collected <= self.facts.owed
        for payment in self.payments:
            assert payment.allocation.unallocated >= 0
            assert payment.allocation.amount == payment.amount
        for case in self.cases:
            shares = [share for payment in self.payments for share in payment.allocation.shares]
            own = [payment for payment in self.payments if payment.case_id == case.case_id]
            assert case.collected == sum(
                (share.amount for share in shares if share.case_id == case.case_id), NOTHING
            )
            assert case.unallocated == sum(
                (payment.allocation.unallocated for payment in own), NOTHING
            )


@given(st.lists(steps, max_size=25))
@example(OPEN_IN_TWO_CASES)
def test_whatever_happens_the_sums_stay_right(story: list[tuple[object, ...]]) -> None:
    """Nothing below zero; no more open than is owed; no cent of a payment comes or goes."""
    life = Life()
    life.hand_over()
    for name, *what in story:
        money = [payment.allocation.amount for payment in life.payments]
        life.do(str(name), *what)
        if name == "change":
            assert [payment.allocation.amount for payment in life.payments] == money
        life.check()


@given(st.lists(steps, max_size=25))
@example(OPEN_IN_TWO_CASES)
def test_an_echo_changes_nothing(story: list[tuple[object, ...]]) -> None:
    """The same amounts under a higher sequence, after anything that can happen."""
    life = Life()
    life.hand_over()
    for name, *what in story:
        life.do(str(name), *what)
        facts = life.facts
        assert life.change(facts.amount, facts.paid_directly, facts.cancelled) == Journal()


@given(st.lists(steps, max_size=15), amounts, amounts, st.booleans())
def test_entries_history_and_events_tell_the_same(
    story: list[tuple[object, ...]], amount: Decimal, paid: Decimal, cancelled: bool
) -> None:
    """R30: each event's amounts are those of its entries, in an order that a reader can follow."""
    life = Life()
    life.hand_over()
    for name, *what in story:
        life.do(str(name), *what)
    open_ = {case.case_id: case.open for case in life.cases}

    journal = life.change(amount, paid, cancelled)

    entered = dict(open_)
    for entry in (line for posting in journal.postings for line in posting.lines):
        if entry.claim_id:
            entered[entry.case_id] += entry.amount
            assert entered[entry.case_id] >= 0
    assert entered == {case.case_id: case.open for case in life.cases}
    for event, _ in journal.outgoing:
        match event:
            case CasePaymentReallocatedV1():
                (share,) = event.taken
                open_[event.case_id] += share.amount.amount
                assert share.open.amount == event.open.amount == open_[event.case_id]
            case CaseClaimChangedV1():
                assert event.open_before.amount == open_[event.case_id]
                open_[event.case_id] = event.open.amount
                assert event.case_open.amount == event.open.amount
    assert open_ == entered
    assert {item.posting_id for item in journal.history} == {
        posting.posting_id for posting in journal.postings
    }
