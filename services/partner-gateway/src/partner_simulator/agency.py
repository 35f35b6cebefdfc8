"""What the simulated agency knows and decides. No I/O; the same seed decides the same.

Decisions hang on the seed, the order of arrival and the case's id only, so a run of the same cases
goes the same way again, also after a restart.
"""

import hashlib
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any, Literal
from uuid import UUID

from partner_simulator.behaviour import Behaviour, HandedOverCase, Handover, NewPayment, Notice

_REASONS = ("DEBTOR_UNKNOWN", "CLAIM_TOO_SMALL", "INSOLVENT", "ABROAD")

Callback = dict[str, Any]


class UnknownCaseError(Exception):
    """The agency was never given this case."""


@dataclass
class Case:
    """A case as the agency keeps it."""

    case_id: UUID
    run_id: UUID
    total: Decimal
    currency: str
    status: Literal["ACCEPTED", "REJECTED"]
    file_number: str | None
    reason_code: str | None
    open: Decimal
    """What is still to be collected, as far as notices told."""
    stopped: bool = False
    payments: list[str] = field(default_factory=list)
    """References of the payments reported so far."""
    notices: list[Notice] = field(default_factory=list)
    """What the agency was told about the case, in the order in which it came."""

    def result(self) -> dict[str, Any]:
        """Answer for this case within the answer to a handover."""
        if self.status == "ACCEPTED":
            return {
                "case_id": str(self.case_id),
                "status": "ACCEPTED",
                "file_number": self.file_number,
            }
        return {
            "case_id": str(self.case_id),
            "status": "REJECTED",
            "reason_code": self.reason_code,
        }


class Agency:
    """The agency's memory."""

    def __init__(self, behaviour: Behaviour, seed: int) -> None:
        self.behaviour = behaviour
        self.cases: dict[UUID, Case] = {}
        self.counts: Counter[str] = Counter()
        self._seed = seed
        self._requests: dict[UUID, tuple[bytes, int, dict[str, Any]]] = {}

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
        """Take the cases in; each is accepted or rejected there and then."""
        cases = [self._decide(item, handover.run.run_id) for item in handover.items]
        self.cases.update((case.case_id, case) for case in cases)
        self.counts.update(case.status.lower() for case in cases)
        return cases

    def pay_at_once(self, case: Case) -> Callback | None:
        """Report the payment that the behaviour asks for, if any."""
        share = case.total * self.behaviour.pay_percent / 100
        amount = share.quantize(Decimal("0.01"), ROUND_DOWN)
        if case.status != "ACCEPTED" or not amount:
            return None
        return self.pay(NewPayment(case_id=case.case_id, amount=amount))

    def pay(self, payment: NewPayment) -> Callback:
        """Report a payment; raises `UnknownCaseError`."""
        case = self.cases.get(payment.case_id)
        if case is None:
            raise UnknownCaseError
        reference = payment.partner_reference or f"{case.case_id}-{len(case.payments) + 1}"
        case.payments.append(reference)
        self.counts["payments"] += 1
        currency = payment.currency or case.currency
        return callback(
            "payment.received",
            {
                "case_id": str(case.case_id),
                "run_id": str(case.run_id),
                "partner_reference": reference,
                "amount": {"amount": f"{payment.amount:.2f}", "currency": currency},
                "own_fees": {"amount": f"{payment.own_fees:.2f}", "currency": currency},
                "paid_on": (payment.paid_on or _today()).isoformat(),
            },
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

    def _decide(self, item: HandedOverCase, run_id: UUID) -> Case:
        self.counts["cases"] += 1
        every = self.behaviour.reject_every
        rejected = bool(every) and self.counts["cases"] % every == 0
        chance = random.Random(f"{self._seed}:{item.case_id}")
        file_number = f"AZ-{chance.randrange(10**12):012d}"
        total = sum((claim.to_collect.amount for claim in item.claims), Decimal(0))
        return Case(
            case_id=item.case_id,
            run_id=run_id,
            total=total,
            open=total,
            currency=item.claims[0].to_collect.currency,
            status="REJECTED" if rejected else "ACCEPTED",
            file_number=None if rejected else file_number,
            reason_code=chance.choice(_REASONS) if rejected else None,
        )


def answer_callback(case: Case) -> Callback:
    """Accept or reject a case by callback."""
    result = case.result()
    status = result.pop("status")
    return callback(f"case.{status.lower()}", {"run_id": str(case.run_id), **result})


def callback(type_: str, data: dict[str, Any]) -> Callback:
    """Make the body of a callback."""
    return {"type": type_, "timestamp": datetime.now(UTC).isoformat(), "data": data}


def _today() -> date:
    return datetime.now(UTC).date()
