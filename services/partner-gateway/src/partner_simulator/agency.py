"""What the simulated agency knows and decides. No I/O; the same seed decides the same.

Decisions hang on the seed, the order of arrival and the case's id only, so a run of the same cases
goes the same way again, also after a restart.
"""

import hashlib
import random
from collections import Counter
from decimal import Decimal
from typing import Any
from uuid import UUID

from partner_simulator.behaviour import Behaviour, NewPayment
from partner_simulator.callbacks import Callback, Message
from partner_simulator.case import Case
from partner_simulator.journal import Journal
from partner_simulator.partner_api import HandedOverCase, Handover, Notice
from partner_simulator.steps import Of, Subject


class UnknownCaseError(Exception):
    """The agency was never given this case."""


class Agency:
    """The agency's memory."""

    def __init__(self, behaviour: Behaviour, seed: int) -> None:
        self.behaviour = behaviour
        self.seed = seed
        self.reset()

    def reset(self) -> None:
        """Forget everything but how to behave."""
        self.cases: dict[UUID, Case] = {}
        self.counts: Counter[str] = Counter()
        self.journal = Journal()
        self._requests: dict[UUID, tuple[bytes, int, dict[str, Any]]] = {}
        self._to_say: list[list[Message]] = []

    def earlier_answer(self, request_id: UUID, body: bytes) -> tuple[int, dict[str, Any]] | None:
        """Return how a request was answered before; None for a new one.

        Another body under a known id is answered with 422: that must never happen.
        """
        known = self._requests.get(request_id)
        if known is None:
            return None
        digest, status, answer = known
        if digest != hashlib.sha256(body).digest():
            self.counts["conflicting_requests"] += 1
            return 422, {"error": "this request_id came with another body before"}
        self.counts["repeated_requests"] += 1
        return status, answer

    def remember(self, request_id: UUID, body: bytes, status: int, answer: dict[str, Any]) -> None:
        """Keep an answer for when the request comes again."""
        self.counts["requests"] += 1
        self._requests[request_id] = (hashlib.sha256(body).digest(), status, answer)

    def take(self, handover: Handover) -> list[Case]:
        """Take the cases in, and do with each what the behaviour says."""
        cases = [self._open(item, handover.run.run_id) for item in handover.items]
        for number, case in enumerate(cases, 1):
            self.counts["cases"] += 1
            self._play(case, number, self.counts["cases"])
        return cases

    def catch_up(self) -> int:
        """Do with the undecided cases what the behaviour says now; return how many they were."""
        undecided = [case for case in self.cases.values() if case.status == "UNDECIDED"]
        for number, case in enumerate(undecided, 1):
            self._play(case, number, number, late=True)
        return len(undecided)

    def to_say(self) -> list[list[Message]]:
        """Take out what is to be called back: of each case, what must arrive in this order."""
        said, self._to_say = self._to_say, []
        return said

    def pay(self, payment: NewPayment) -> Callback:
        """Report a payment; raises `UnknownCaseError`."""
        case = self.cases.get(payment.case_id)
        if case is None:
            raise UnknownCaseError
        self.counts["payments"] += 1
        return case.pay(
            payment.amount,
            payment.own_fees,
            currency=payment.currency,
            paid_on=payment.paid_on,
            reference=payment.partner_reference,
        )

    def take_note(self, notice: Notice) -> bool:
        """Do what a notice says; False when the case is not ours."""
        case = self.cases.get(notice.case_id)
        if case is None:
            return False
        case.notices.append(notice)
        case.stopped |= notice.kind == "STOP"
        if notice.claim_change is not None:
            case.open = notice.claim_change.case_open.amount
        self.counts["notices"] += 1
        return True

    def _open(self, item: HandedOverCase, run_id: UUID) -> Case:
        """Open a case anew, even if there is one: whoever takes a request twice acts twice."""
        times = "" if item.case_id not in self.cases else ":again"
        total = sum((claim.to_collect.amount for claim in item.claims), Decimal(0))
        case = self.cases[item.case_id] = Case(
            case_id=item.case_id,
            run_id=run_id,
            total=total,
            open=total,
            currency=item.claims[0].to_collect.currency,
            chance=random.Random(f"{self.seed}:{item.case_id}{times}"),
        )
        return case

    def _play(self, case: Case, number: int, count: int, *, late: bool = False) -> None:
        """Play the steps of a case; `number` is that on its page, `count` that of all cases."""
        subject = Subject(Of.CASE, str(case.case_id), number, count)
        payments = len(case.payments)
        if messages := case.play(self.behaviour.case_steps(subject, self.seed), late=late):
            self._to_say.append(messages)
        self.counts["payments"] += len(case.payments) - payments
        self.counts[case.status.lower()] += 1
