"""How the simulated partner behaves: what `POST /behaviour` and a scenario file can say."""

import base64
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, Field

from partner_simulator import steps
from partner_simulator.steps import CaseStep, Of, Options, RequestStep, Rule, Subject


def _is_secret(secret: str) -> str:
    if not base64.b64decode(secret.removeprefix("whsec_"), validate=True):
        raise ValueError("must be whsec_ and base64")
    return secret


class Answer(StrEnum):
    """How a handover is answered where no rule says otherwise."""

    CALLBACK = "CALLBACK"
    """202 at once; each case is accepted or rejected by callback."""
    ACCEPT_NOW = "ACCEPT_NOW"
    """200 with the result of each case."""
    SILENT = "SILENT"
    """202, and never a word again."""
    UNAVAILABLE = "UNAVAILABLE"
    """503, and nothing is taken; of notices neither."""


class Behaviour(Options):
    """What can be changed while the simulator runs.

    `rules` say anything; the fields from `answer` on are short for what is wanted most, and count
    for what no rule is about.
    """

    callback_url: str | None = None
    """Where callbacks go: `…/v1/partners/{partner_id}/callbacks` of the gateway."""
    secret: Annotated[str, AfterValidator(_is_secret)] | None = Field(default=None, repr=False)
    """The secret of the partner, `whsec_…`; until it is known every request is a 401."""
    rules: list[Rule] = Field(default_factory=list)
    """What happens to requests and cases; the first that fits counts."""
    answer: Answer = Answer.CALLBACK
    reject_every: int = Field(default=0, ge=0)
    """Each so-manieth case is refused; 0: none."""
    pay_percent: int = Field(default=0, ge=0, le=100)
    """How much of an accepted case is paid right away, by callback; in whole cents."""
    answer_twice: bool = False
    """Whether each callback is sent twice, though the first one arrived."""
    acknowledge_notices: bool = True
    """Whether notices are acknowledged, or only taken."""

    def request_steps(self, subject: Subject, seed: int) -> list[RequestStep]:
        """Return what happens to a request."""
        return [step for step in self._steps(subject, seed) if isinstance(step, RequestStep)]

    def case_steps(self, subject: Subject, seed: int) -> list[CaseStep]:
        """Return what happens to a case."""
        return [step for step in self._steps(subject, seed) if isinstance(step, CaseStep)]

    def _steps(self, subject: Subject, seed: int) -> list[RequestStep | CaseStep]:
        return next(rule for rule in self._all_rules if rule.fits(subject, seed)).steps

    @cached_property
    def _all_rules(self) -> list[Rule]:
        """Return the rules, and those that the other fields stand for; one always fits."""
        rules = [*self.rules]
        if self.answer is Answer.UNAVAILABLE:
            rules += [Rule(of=of, steps=[_UNAVAILABLE]) for of in (Of.HANDOVER, Of.NOTICE)]
        if not self.acknowledge_notices:
            rules.append(Rule(of=Of.NOTICE, steps=[steps.Look(), steps.Answer()]))
        for of in (Of.HANDOVER, Of.NOTICE):
            rules.append(Rule(of=of, steps=[steps.Take(), steps.Answer()]))
        if self.answer is Answer.SILENT:
            rules.append(Rule(of=Of.CASE, steps=[]))
        by: Final = "ANSWER" if self.answer is Answer.ACCEPT_NOW else "CALLBACK"
        if self.reject_every:
            refuse = steps.Refuse(by=by)
            rules.append(Rule(of=Of.CASE, every=self.reject_every, steps=[refuse]))
        paid = [steps.Pay(percent=Decimal(self.pay_percent))] if self.pay_percent else []
        rules.append(Rule(of=Of.CASE, steps=[steps.Accept(by=by), *paid]))
        return rules


_UNAVAILABLE: Final = steps.Answer(status=503, content={"detail": "closed"})


class BehaviourChange(Options):
    """The fields of `Behaviour` that are to change."""

    callback_url: str | None = None
    secret: Annotated[str, AfterValidator(_is_secret)] | None = Field(default=None, repr=False)
    rules: list[Rule] | None = None
    answer: Answer | None = None
    reject_every: int | None = Field(default=None, ge=0)
    pay_percent: int | None = Field(default=None, ge=0, le=100)
    answer_twice: bool | None = None
    acknowledge_notices: bool | None = None


Amount = Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=2)]


class NewPayment(Options):
    """A payment of a debtor, for `POST /payments`."""

    case_id: UUID
    amount: Amount
    own_fees: Amount = Decimal("0.00")
    """What the partner keeps for itself; not part of the amount."""
    currency: str | None = Field(default=None, pattern="^[A-Z]{3}$")
    """Default: that of the case."""
    paid_on: date | None = None
    """Default: today."""
    partner_reference: str | None = Field(default=None, min_length=1, max_length=100)
    """Default: a new one, made of the case and a count."""


class NewCallback(Options):
    """Any callback, for `POST /callbacks`: corrections, closures, whole runs, nonsense."""

    type: str
    data: dict[str, Any]
