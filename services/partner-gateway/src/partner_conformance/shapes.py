"""The answers and callbacks of an agency, as `contracts/partner-api/openapi.json` describes them.

Unknown fields are passed over, by us as by agencies.
"""

import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

_LEFT_OUT: Final = "-"  # what may be left out may still not be null
_LEFT_OUT_ID: Final = UUID(int=0)

M = TypeVar("M", bound=BaseModel)

Code = Annotated[str, Field(pattern="^[A-Z][A-Z0-9_]{0,59}$")]
FileNumber = Annotated[str, Field(min_length=1, max_length=60)]
ReasonText = Annotated[str, Field(min_length=1, max_length=500)]
Reference = Annotated[str, Field(min_length=1, max_length=100)]


def _moment(text: str) -> str:
    if not re.match(r"\d{4}-\d{2}-\d{2}[Tt]", text) or not datetime.fromisoformat(text).tzinfo:
        raise ValueError("must be a date and time with its zone, after RFC 3339")
    return text


class _Strict(BaseModel):
    """Read from JSON without guessing: a number is no text."""

    model_config = ConfigDict(strict=True)


class Money(_Strict):
    """An amount and its currency."""

    amount: str = Field(pattern=r"^(0|[1-9][0-9]{0,11})\.[0-9]{2}$")
    currency: str = Field(pattern="^[A-Z]{3}$")


class Accepted(_Strict):
    """The agency takes a case."""

    status: Literal["ACCEPTED"]
    case_id: UUID
    file_number: FileNumber = _LEFT_OUT


class Rejected(_Strict):
    """The agency refuses a case."""

    status: Literal["REJECTED"]
    case_id: UUID
    reason_code: Code
    reason_text: ReasonText = _LEFT_OUT


Result = Annotated[Accepted | Rejected, Field(discriminator="status")]


class HandoverAnswer(_Strict):
    """What was decided at once."""

    results: Annotated[list[Result], Field(max_length=200)] | None = None


class NoticeAnswer(_Strict):
    """Whether a notice was taken note of."""

    acknowledged: bool


class _AboutRun(_Strict):
    run_id: UUID


class _RunRejected(_AboutRun):
    reason_code: Code
    reason_text: ReasonText = _LEFT_OUT


class _AboutCase(_Strict):
    run_id: UUID = _LEFT_OUT_ID
    case_id: UUID


class _CaseAccepted(_AboutCase):
    file_number: FileNumber = _LEFT_OUT


class _CaseRejected(_AboutCase):
    reason_code: Code
    reason_text: ReasonText = _LEFT_OUT


class _FileNumberAssigned(_AboutCase):
    file_number: FileNumber


class _Payment(_AboutCase):
    partner_reference: Reference
    amount: Money
    own_fees: Money


class _PaymentReceived(_Payment):
    paid_on: date


class _PaymentCorrected(_Payment):
    corrected_on: date


class _CaseClosed(_AboutCase):
    result_code: Code = _LEFT_OUT
    closed_on: date


DATA: Final[Mapping[str, type[_AboutRun] | type[_AboutCase]]] = {
    "run.accepted": _AboutRun,
    "run.rejected": _RunRejected,
    "case.accepted": _CaseAccepted,
    "case.rejected": _CaseRejected,
    "file-number.assigned": _FileNumberAssigned,
    "payment.received": _PaymentReceived,
    "payment.corrected": _PaymentCorrected,
    "case.closed": _CaseClosed,
}
"""What each type of callback holds as `data`."""


class Callback(_Strict):
    """Something that the agency reports."""

    type: str
    timestamp: Annotated[str, AfterValidator(_moment)]
    data: dict[str, Any]


class UnreadableError(Exception):
    """What came has not the shape that it must have; the text names fields."""


def handover_answer(body: bytes) -> HandoverAnswer:
    """Read the answer to a handover; raises `UnreadableError`."""
    return _read(HandoverAnswer, body) if body.strip() else HandoverAnswer()


def notice_answer(body: bytes) -> NoticeAnswer:
    """Read the answer to a notice; raises `UnreadableError`."""
    return _read(NoticeAnswer, body) if body.strip() else NoticeAnswer(acknowledged=False)


def callback(body: bytes) -> Callback:
    """Read a callback; raises `UnreadableError`."""
    said = _read(Callback, body)
    model = DATA.get(said.type)
    if model is None:
        raise UnreadableError("type: unknown")
    _read(model, json.dumps(said.data).encode(), within="data.")
    return said


def _read(model: type[M], body: bytes, within: str = "") -> M:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise UnreadableError(
            "; ".join(
                f"{within}{'.'.join(map(str, problem['loc'])) or 'body'}: {problem['type']}"
                for problem in error.errors()[:3]
            )
        ) from None
