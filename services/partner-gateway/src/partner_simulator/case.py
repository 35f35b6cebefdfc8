"""A case as the simulated agency keeps it, and what it reports about it. No I/O."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any, Literal
from uuid import UUID

from partner_simulator import steps
from partner_simulator.callbacks import Callback, Message, again, message
from partner_simulator.partner_api import Notice
from partner_simulator.steps import CaseStep, Report

_REASONS = ("DEBTOR_UNKNOWN", "CLAIM_TOO_SMALL", "INSOLVENT", "ABROAD")


@dataclass
class Case:
    """A case, and what the agency decided and was told about it."""

    case_id: UUID
    run_id: UUID
    total: Decimal
    currency: str
    open: Decimal
    """What is still to be collected, as far as notices told."""
    chance: random.Random
    """What is left to chance: the same for the same seed and case."""
    status: Literal["UNDECIDED", "ACCEPTED", "REJECTED"] = "UNDECIDED"
    file_number: str | None = None
    reason_code: str | None = None
    answered: bool = False
    """Whether the decision stands in the answer to the handover."""
    closed: bool = False
    stopped: bool = False
    payments: list[str] = field(default_factory=list)
    """References of the payments reported so far."""
    notices: list[Notice] = field(default_factory=list)
    """What the agency was told about the case, in the order in which it came."""

    def play(self, script: Sequence[CaseStep], *, late: bool = False) -> list[Message]:
        """Do what the steps say; return what is called back, in this order.

        `late`: the handover was answered long ago, so that decisions are called back in any case.
        """
        messages: list[Message] = []
        pause = 0.0
        for step in script:
            match step:
                case steps.Wait():
                    pause += step.seconds
                    continue
                case steps.Repeat():
                    messages += [again(last, pause) for last in messages[-1:]]
                    pause = 0.0
                    continue
                case steps.Accept() | steps.Refuse():
                    self._decide(step)
                    if step.by == "ANSWER" and not late:
                        self.answered = True
                        continue
            made = message(self._report(step), step)
            messages += [replace(made, pause=pause), *[made] * (step.times - 1)]
            pause = 0.0
        return messages

    def pay(
        self,
        amount: Decimal,
        own_fees: Decimal = Decimal(0),
        *,
        currency: str | None = None,
        paid_on: date | None = None,
        reference: str | None = None,
    ) -> Callback:
        """Report a payment."""
        reference = reference or f"{self.case_id}-{len(self.payments) + 1}"
        self.payments.append(reference)
        paid = self._payment(reference, amount, own_fees, currency or self.currency)
        return callback("payment.received", {**paid, "paid_on": _day(paid_on)})

    def result(self) -> dict[str, Any]:
        """Return the result of this case within the answer to a handover."""
        if self.status == "REJECTED":
            said = {"reason_code": self.reason_code}
        else:
            said = {"file_number": self.file_number}
        return {"case_id": str(self.case_id), "status": self.status, **said}

    def shown(self) -> dict[str, Any]:
        """Return the case as `GET /cases` shows it."""
        return {
            "case_id": str(self.case_id),
            "run_id": str(self.run_id),
            "status": self.status,
            "file_number": self.file_number,
            "reason_code": self.reason_code,
            "total": self._money(self.total),
            "open": self._money(self.open),
            "payments": self.payments,
            "closed": self.closed,
            "stopped": self.stopped,
            "notices": [
                notice.model_dump(mode="json", include={"notice_id", "kind", "claim_change"})
                for notice in self.notices
            ],
        }

    def _decide(self, step: steps.Accept | steps.Refuse) -> None:
        if isinstance(step, steps.Accept):
            new = f"AZ-{self.chance.randrange(10**12):012d}"
            self.status, self.file_number = "ACCEPTED", step.file_number or self.file_number or new
        else:
            new = self.chance.choice(_REASONS)
            self.status, self.reason_code = "REJECTED", step.reason_code or self.reason_code or new

    def _report(self, step: Report) -> Callback:
        about = {"case_id": str(self.case_id), "run_id": str(self.run_id)}
        match step:
            case steps.Accept() | steps.Refuse():
                said = {**about, **self.result()}
                return callback(f"case.{said.pop('status').lower()}", said)
            case steps.AssignFileNumber():
                self.file_number = step.file_number
                return callback("file-number.assigned", {**about, "file_number": self.file_number})
            case steps.Pay():
                return self.pay(self._part(step.percent), step.own_fees)
            case steps.Correct():
                reference = self.payments[-1] if self.payments else f"{self.case_id}-1"
                paid = self._payment(reference, self._part(step.percent), Decimal(0), self.currency)
                return callback("payment.corrected", {**paid, "corrected_on": _day(None)})
            case steps.Close():
                self.closed = True
                said = {**about, "result_code": step.result_code, "closed_on": _day(None)}
                return callback("case.closed", said)
            case steps.Say():
                return callback(step.type, {**about, **step.data})
        raise AssertionError(step)

    def _payment(
        self, reference: str, amount: Decimal, own_fees: Decimal, currency: str
    ) -> dict[str, Any]:
        return {
            "case_id": str(self.case_id),
            "run_id": str(self.run_id),
            "partner_reference": reference,
            "amount": {"amount": f"{amount:.2f}", "currency": currency},
            "own_fees": {"amount": f"{own_fees:.2f}", "currency": currency},
        }

    def _part(self, percent: Decimal) -> Decimal:
        return (self.total * percent / 100).quantize(Decimal("0.01"), ROUND_DOWN)

    def _money(self, amount: Decimal) -> dict[str, str]:
        return {"amount": f"{amount:.2f}", "currency": self.currency}


def callback(type_: str, data: dict[str, Any]) -> Callback:
    """Make the body of a callback."""
    return {"type": type_, "timestamp": datetime.now(UTC).isoformat(), "data": data}


def _day(day: date | None) -> str:
    return (day or datetime.now(UTC).date()).isoformat()
