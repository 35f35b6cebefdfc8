"""All that the simulated agency can be told to do: rules, and the steps that they name.

A rule says what it is about (`of`) and what happens then (`steps`), one step after the other. For
each request, and for each case of a handover, the first rule that fits counts. A step is its name,
such as `"TAKE"`, or an object with more: `{"step": "WAIT", "seconds": 3}`.

- A request is taken (`TAKE`), or only looked at (`LOOK`), and then answered (`ANSWER`) or not
  (`HANG_UP`). `["TAKE", {"step": "ANSWER", "status": 500}]` fails after having worked.
- A case is accepted, paid and so on, in the order of the steps: `["PAY", "ACCEPT"]` reports a
  payment before the acceptance, `[]` never says a word.
"""

import random
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


class Options(BaseModel):
    """What can be set from outside; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Wait(Options):
    """Do nothing for a while: of a request, the answer is late; of a case, what comes next is."""

    step: Literal["WAIT"] = "WAIT"
    seconds: float = Field(ge=0)


# --- What happens to a request


class Look(Options):
    """Check a request and forget it: a handover is answered with 202, a notice not acknowledged."""

    step: Literal["LOOK"] = "LOOK"


class Check(StrEnum):
    """What an agency looks at before it takes a request."""

    SIGNATURE = "SIGNATURE"
    TIMESTAMP = "TIMESTAMP"
    REPETITION = "REPETITION"
    """Without it, a request that comes again acts again."""


class Strictness(StrEnum):
    """What an agency must take, and may be told to refuse."""

    UNKNOWN_FIELDS = "UNKNOWN_FIELDS"
    UNKNOWN_KINDS = "UNKNOWN_KINDS"


class Take(Options):
    """Check a request and do what it asks for, once for each `request_id`."""

    step: Literal["TAKE"] = "TAKE"
    without: frozenset[Check] = frozenset()
    """Checks that are left out."""
    refuses: frozenset[Strictness] = frozenset()
    """What is refused with 400, though it must be taken."""
    most_cases: int = Field(default=200, ge=1)
    """More cases than that in one request are refused with 400."""


class Answer(Options):
    """Answer a request: as it should be, but for what is set here."""

    step: Literal["ANSWER"] = "ANSWER"
    status: int | None = Field(default=None, ge=200, le=599)
    retry_after: int | None = Field(default=None, ge=0)
    """Seconds."""
    location: str | None = None
    """With a redirect."""
    body: Literal["RIGHT", "NOTHING", "GARBAGE", "HUGE"] = "RIGHT"
    content: dict[str, Any] | None = None
    """Instead of `body`: any JSON object."""
    seconds_per_byte: float = Field(default=0, ge=0)
    """Above 0 the answer drips."""


class HangUp(Options):
    """Close the connection in the middle of an answer."""

    step: Literal["HANG_UP"] = "HANG_UP"


# --- What happens to a case


class Fault(StrEnum):
    """What is wrong with a callback."""

    OTHER_SECRET = "OTHER_SECRET"  # noqa: S105 - the name of a fault
    """Signed with a secret that is not the partner's."""
    OLD_TIMESTAMP = "OLD_TIMESTAMP"
    """Signed right, ten minutes ago."""
    CHANGED_BODY = "CHANGED_BODY"
    """Another body than was signed."""
    NEW_ID = "NEW_ID"
    """Sent under a new `webhook-id` at each try."""
    NOT_REPEATED = "NOT_REPEATED"
    """Given up when it was not taken."""


class Report(Options):
    """Something that is reported by callback."""

    times: int = Field(default=1, ge=1)
    """How often it is sent, under one `webhook-id`, though it was taken."""
    fault: Fault | None = None
    fault_tries: int = Field(default=1, ge=1)
    """How many tries have the fault; after them it is sent as it should be."""


class Decision(Report):
    """Saying yes or no to a case."""

    by: Literal["CALLBACK", "ANSWER"] = "CALLBACK"
    """ANSWER: at once, within the answer to the handover."""


class Accept(Decision):
    """Take the case."""

    step: Literal["ACCEPT"] = "ACCEPT"
    file_number: str | None = None
    """Default: a new one."""


class Refuse(Decision):
    """Refuse the case."""

    step: Literal["REFUSE"] = "REFUSE"
    reason_code: str | None = None
    """Default: one of several, by chance."""


class AssignFileNumber(Report):
    """Give the case a file number, the first or another one."""

    step: Literal["FILE_NUMBER"] = "FILE_NUMBER"
    file_number: str


class Pay(Report):
    """Report a payment of the debtor."""

    step: Literal["PAY"] = "PAY"
    percent: Decimal = Field(default=Decimal(100), ge=0)
    """Of what was handed over, in whole cents; more than 100 is too much."""
    own_fees: Decimal = Field(default=Decimal("0.00"), ge=0, decimal_places=2)


class Correct(Report):
    """Correct the payment that was reported last."""

    step: Literal["CORRECT"] = "CORRECT"
    percent: Decimal = Field(default=Decimal(0), ge=0)
    """What it was in truth, of what was handed over; 0 takes it back."""


class Close(Report):
    """Close the case."""

    step: Literal["CLOSE"] = "CLOSE"
    result_code: str = "PAID"


class Say(Report):
    """Report anything: nonsense, too."""

    step: Literal["SAY"] = "SAY"
    type: str
    data: dict[str, Any] = Field(default_factory=dict)
    """`case_id` and `run_id` are added unless they are given."""


class Repeat(Options):
    """Report the same as just now once more, under a new `webhook-id`."""

    step: Literal["REPEAT"] = "REPEAT"


# --- Rules

RequestStep = Wait | Look | Take | Answer | HangUp
CaseStep = Wait | Accept | Refuse | AssignFileNumber | Pay | Correct | Close | Say | Repeat


class Of(StrEnum):
    """What a rule is about."""

    HANDOVER = "HANDOVER"
    NOTICE = "NOTICE"
    CASE = "CASE"
    """Each case of a handover that is taken."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A request or a case, as rules look at it."""

    of: Of
    id: str
    """The `request_id` or the `case_id`."""
    number: int
    """Of a request, how many of its kind came by now; of a case, its number on its page."""
    count: int
    """How many of its kind came by now, with this one."""
    tries: int = 1
    """How often the request came by now."""


def _as_object(step: object) -> object:
    return {"step": step} if isinstance(step, str) else step


class Rule(Options):
    """What happens to requests or cases; without a condition, to all of them."""

    of: Of
    nth: frozenset[int] | None = None
    """Only the first, third … request since the start; of cases: on their page."""
    every: int | None = Field(default=None, ge=1)
    """Only each so-manieth request or case since the start."""
    share: float | None = Field(default=None, ge=0, le=1)
    """Only about that share, chosen by the seed."""
    first_tries: int | None = Field(default=None, ge=1)
    """Only the first so many tries of each request."""
    steps: list[
        Annotated[
            Annotated[RequestStep | CaseStep, Field(discriminator="step")],
            BeforeValidator(_as_object),
        ]
    ]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        allowed: Final = CaseStep if self.of is Of.CASE else RequestStep
        for step in self.steps:
            if not isinstance(step, allowed):
                raise ValueError(f"{step.step} is no step of a {self.of}")
        if self.of is not Of.CASE and not (
            self.steps and isinstance(self.steps[-1], Answer | HangUp)
        ):
            raise ValueError("the last step of a request must be ANSWER or HANG_UP")
        if self.of is Of.CASE and self.first_tries is not None:
            raise ValueError("first_tries is for requests")
        return self

    def fits(self, subject: Subject, seed: int) -> bool:
        """Say whether the rule counts for a request or case."""
        return (
            self.of is subject.of
            and (self.nth is None or subject.number in self.nth)
            and (self.every is None or subject.count % self.every == 0)
            and (self.first_tries is None or subject.tries <= self.first_tries)
            and (self.share is None or _chance(seed, subject.id) < self.share)
        )


def _chance(seed: int, id_: str) -> float:
    return random.Random(f"{seed}:share:{id_}").random()
