"""What case-service must come to: a plain model in whole cents, written from the requirements."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any
from uuid import UUID

LIVE = {"PENDING", "OPEN"}
RANKS = {"DUNNING_FEE": 0, "INTEREST": 1, "CLAIM": 2}


@dataclass(frozen=True)
class Facts:
    """What receivables says of a claim."""

    sequence: int
    amount: int
    paid: int = 0
    cancelled: bool = False


@dataclass
class Case:
    """A member of a run at the partner: amounts by claim."""

    run: UUID
    member: UUID
    open: dict[UUID, int]
    written_off: defaultdict[UUID, int] = field(default_factory=lambda: defaultdict(int))
    released: defaultdict[UUID, int] = field(default_factory=lambda: defaultdict(int))
    status: str = "PENDING"
    result: str | None = None
    residual: int | None = None


@dataclass
class Payment:
    """Money that came in; each share lies on a claim of a case, the newest is the last."""

    case: UUID
    booked: tuple[Any, ...]
    amount: int
    unallocated: int
    shares: dict[tuple[UUID, UUID], int] = field(default_factory=dict)
    first_shares: dict[tuple[UUID, UUID], int] = field(default_factory=dict)
    """As they were booked."""
    automatic: bool = True
    paid_out: int = 0
    shortfall: int = 0


@dataclass
class Model:
    """A tenant. Ids grow, so the newest is the largest."""

    ages: dict[UUID, tuple[Any, ...]]
    """By claim: kind, due date, voucher date."""
    facts: dict[UUID, Facts] = field(default_factory=dict)
    cases: dict[UUID, Case] = field(default_factory=dict)
    payments: list[Payment] = field(default_factory=list)
    references: dict[tuple[UUID, str], list[Payment]] = field(default_factory=dict)
    waiting: list[tuple[Any, tuple[Any, ...]]] = field(default_factory=list)
    """Reports that came too early, and what each waits for."""
    answers: dict[UUID, str] = field(default_factory=dict)
    """What the partner said of whole runs."""
    reversed: set[UUID] = field(default_factory=set)
    resets: list[UUID] = field(default_factory=list)
    """Members whose dunning level starts again."""
    refused: int = 0
    """Reports that can never work."""
    writes_off: bool = False
    costs_first: bool = False

    def collected(self, claim: UUID, case: UUID | None = None) -> int:
        """Return what was paid on a claim, in one case or in all."""
        shares = [each for payment in self.payments for each in payment.shares.items()]
        return sum(part for place, part in shares if place == (case or place[0], claim))

    def owed(self, claim: UUID) -> int:
        """Return what receivables wants."""
        facts = self.facts[claim]
        return 0 if facts.cancelled else max(facts.amount - facts.paid, 0)

    def holders(self, claim: UUID) -> dict[UUID, Case]:
        """Return all cases with a claim, the newest first."""
        newest = sorted(self.cases, reverse=True)
        return {each: self.cases[each] for each in newest if claim in self.cases[each].open}

    # Claims (R20, R27, R28)

    def hand_over(self, case_id: UUID, case: Case, facts: dict[UUID, Facts], by_hand: bool) -> None:
        """Collect what is owed, and was neither collected nor given up; once for each case."""
        if case_id in self.cases:
            return
        self.learn(facts)
        for claim in case.open:
            for older in self.holders(claim).values():
                older.released[claim] += older.open[claim]
                older.open[claim] = 0
        self.cases[case_id] = case
        for claim in case.open:
            self._follow(claim)
        case.status = "OPEN" if by_hand else self.answers.get(case.run, "PENDING")
        if case.status == "REJECTED":
            self._end(case_id, "REJECTED")
        self.work()

    def learn(self, facts: dict[UUID, Facts]) -> None:
        """Take in what is newer than what is known of claims; their cases follow."""
        for claim, new in facts.items():
            known = self.facts.get(claim, Facts(-1, -1))
            if new.sequence > known.sequence:
                self.facts[claim] = new
                if replace(known, sequence=new.sequence) != new:
                    self._follow(claim)

    def _follow(self, claim: UUID) -> None:
        surplus = self.collected(claim) - self.owed(claim)
        for payment in reversed(self.payments):
            for place in [each for each in reversed(payment.shares) if each[1] == claim]:
                part = max(min(surplus, payment.shares[place]), 0)
                payment.shares[place] -= part
                payment.unallocated += part
                surplus -= part
        left = self.owed(claim) - self.collected(claim)
        holders = self.holders(claim).values()
        for case in holders:
            if case.status not in LIVE:
                case.open[claim] = min(case.open[claim], left)
                left -= case.open[claim]
        given_up = sum(case.written_off[claim] for case in holders)
        for case in holders:
            if case.status in LIVE:
                case.open[claim] = max(left - given_up, 0)

    # Money (R22, R23, R29)

    def pay(
        self, case_id: UUID, booked: tuple[Any, ...], shares: dict[UUID, int] | None = None
    ) -> Payment:
        """Spread a payment, as given or oldest first; what no claim can take is unallocated."""
        case, (left, *_) = self.cases[case_id], booked
        payment = Payment(case_id, booked, left, left, automatic=shares is None)
        self.payments.append(payment)
        for claim in sorted(case.open, key=self._age) if case.status == "OPEN" else []:
            part = min(case.open[claim], left) if shares is None else shares.get(claim, 0)
            self.give(payment, {(case_id, claim): part})
            left -= part
        payment.first_shares = dict(payment.shares)
        return payment

    def _age(self, claim: UUID) -> tuple[Any, ...]:
        kind, *dates = self.ages[claim]
        return RANKS[kind] if self.costs_first else 0, *dates, claim

    def give(self, payment: Payment, shares: dict[tuple[UUID, UUID], int]) -> None:
        """Bring unallocated money of a payment to claims."""
        for (case_id, claim), part in shares.items():
            if part:
                case = self.cases[case_id]
                again = max(part - case.open[claim], 0)
                case.released[claim] -= again
                case.open[claim] += again - part
                payment.unallocated -= part
                before = payment.shares.pop((case_id, claim), 0)
                payment.shares[case_id, claim] = before + part

    def takes(self, case_id: UUID, claim: UUID) -> int:
        """Return how much settled money a claim can take."""
        holders = self.holders(claim)
        case = holders[case_id]
        if any(each.status in LIVE for each in holders.values()):
            return case.open[claim]
        gone = sum(each.open[claim] + each.written_off[claim] for each in holders.values())
        unpaid = self.owed(claim) - self.collected(claim) - gone
        return case.open[claim] + max(min(case.released[claim], unpaid), 0)

    def reduce(
        self, payment: Payment, less: int, given: dict[tuple[UUID, UUID], int] | None = None
    ) -> None:
        """Take back what is unallocated, then as given or newest first; the rest is missing."""
        payment.amount -= less
        part = min(less, payment.unallocated)
        payment.unallocated -= part
        less -= part
        for place in list(reversed(payment.shares) if given is None else given):
            part = min(payment.shares[place], less if given is None else given[place])
            payment.shares[place] -= part
            self.cases[place[0]].open[place[1]] += part
            less -= part
        payment.shortfall += less

    # The end (R24 - R26, R10)

    def close(self, case_id: UUID) -> None:
        """Close an open case; the member's last one resets its dunning level."""
        self._end(case_id, "CLOSED", write_off=self.writes_off)
        member = self.cases[case_id].member
        if not any(each.member == member and each.status in LIVE for each in self.cases.values()):
            self.resets.append(member)

    def cancel(self, case_id: UUID) -> None:
        """Take an open case back."""
        self._end(case_id, "CANCELLED")

    def work(self) -> None:
        """Let what was said of whole runs come to the cases that wait for it."""
        for case_id, case in self.cases.items():
            if case.run in self.reversed and case.status in LIVE:
                waited = case.status == "PENDING"
                self._end(case_id, "CLOSED")
                self.arrived([("answer", case_id)] if waited else [])
            elif case.run in self.answers and case.status == "PENDING":
                self._answer(case_id, self.answers[case.run])
                self.arrived([("answer", case_id)])

    def _answer(self, case_id: UUID, answer: str) -> None:
        if answer == "OPEN":
            self.cases[case_id].status = "OPEN"
        else:
            self._end(case_id, answer)

    def _end(self, case_id: UUID, status: str, *, write_off: bool = False) -> None:
        case = self.cases[case_id]
        case.status, case.residual = status, sum(case.open.values())
        if status == "CLOSED":
            collected = sum(self.collected(claim, case_id) for claim in case.open)
            case.result = "PARTLY_PAID" if collected else "UNPAID"
            case.result = case.result if case.residual else "PAID"
        for claim, amount in case.open.items():
            (case.written_off if write_off else case.released)[claim] += amount
            case.open[claim] = 0

    # Reports of the partner, in any order (R23, R29)

    def hear(self, reports: Iterable[tuple[Any, ...]]) -> None:
        """Take in a batch of one member's reports: kind, case and more; what waits goes next."""
        for _, group in groupby(reports, key=lambda report: report[0]):
            self.arrived([each for report in group for each in self._take(report)])

    def arrived(self, things: list[Any]) -> None:
        """Take in what waited for things that are there now."""
        due = [report for thing, report in self.waiting if thing in things]
        self.waiting = [each for each in self.waiting if each[0] not in things]
        self.hear(due)

    def _take(self, report: tuple[Any, ...]) -> list[Any]:
        """Take in a report; return what has arrived with it."""
        kind, case_id, *said = report
        case = self.cases.get(case_id)
        if case is None:
            self.waiting.append((("case", case_id), report))
        elif kind in {"OPEN", "REJECTED"}:
            if case.status == "PENDING":
                self._answer(case_id, kind)
            return [("answer", case_id)]
        elif case.status == "PENDING":
            self.waiting.append((("answer", case_id), report))
        elif kind == "CLOSED":
            if case.status == "OPEN":
                self.close(case_id)
        elif kind == "PAID":
            return self._paid(case_id, *said)
        elif (case_id, said[0]) not in self.references:
            self.waiting.append((("payment", case_id, said[0]), report))
        else:
            self._correct(case_id, *said)
        return []

    def _paid(self, case_id: UUID, reference: str, *booked: Any) -> list[Any]:
        known = self.references.get((case_id, reference))
        if known is None:
            self.references[case_id, reference] = [self.pay(case_id, booked)]
        elif known[0].booked != booked:
            self.refused += 1
            return []
        return [("payment", case_id, reference)]

    def _correct(self, case_id: UUID, reference: str, amount: int, day: str) -> None:
        payments = self.references[case_id, reference]
        more = amount - sum(payment.amount for payment in payments)
        if more > 0:
            payments.append(self.pay(case_id, (more, 0, day)))
        for payment in reversed(payments):
            less = min(payment.amount, max(-more, 0))
            self.reduce(payment, less)
            more += less
