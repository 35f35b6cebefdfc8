"""The adapter for our own Partner API, as `contracts/partner-api` describes it to agencies."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import Field

from contracts.event import Contract, ListOf
from contracts.parts import Code, LongText, ShortText
from partner_gateway.adapters.adapter import (
    PAGE_SIZE,
    HandoverPage,
    Notice,
    Request,
    UnreadableError,
)
from partner_gateway.adapters.reading import read
from partner_gateway.statement import (
    CaseAccepted,
    CaseClosed,
    CaseRejected,
    FileNumberAssigned,
    PaymentCorrected,
    PaymentReceived,
    RunAccepted,
    RunRejected,
    Statement,
)

STATEMENTS: Final[dict[str, type[Statement]]] = {
    "run.accepted": RunAccepted,
    "run.rejected": RunRejected,
    "case.accepted": CaseAccepted,
    "case.rejected": CaseRejected,
    "file-number.assigned": FileNumberAssigned,
    "payment.received": PaymentReceived,
    "payment.corrected": PaymentCorrected,
    "case.closed": CaseClosed,
}
"""What each type of callback says; its `data` has the fields of that statement."""


class _AcceptedResult(Contract):
    status: Literal["ACCEPTED"]
    case_id: UUID
    file_number: ShortText | None = None


class _RejectedResult(Contract):
    status: Literal["REJECTED"]
    case_id: UUID
    reason_code: Code
    reason_text: LongText | None = None


_Result = Annotated[_AcceptedResult | _RejectedResult, Field(discriminator="status")]


class _HandoverAnswer(Contract):
    results: Annotated[ListOf[_Result], Field(max_length=PAGE_SIZE)] | None = None


class _NoticeAnswer(Contract):
    acknowledged: bool = False


class _Callback(Contract):
    type: Annotated[str, Field(max_length=100)]
    data: dict[str, Any]


def handover_request(request_id: UUID, page: HandoverPage) -> Request:
    """Return `POST /v1/handovers`; the items travel as they are stored, byte for byte."""
    head = {
        "request_id": str(request_id),
        "run": {
            "run_id": str(page.run_id),
            "booking_number": page.booking_number,
            "collection_date": page.collection_date.isoformat(),
        },
    }
    start = json.dumps(head).encode().removesuffix(b"}")
    return Request("/v1/handovers", start + b', "items": [' + b", ".join(page.items) + b"]}")


def handover_answer(body: bytes) -> Sequence[CaseAccepted | CaseRejected]:
    """Read the results of a page; an empty body or no `results` means: later, by callback."""
    if not body.strip():
        return []
    results = read(_HandoverAnswer, body).results or ()
    return [
        CaseAccepted(case_id=result.case_id, file_number=result.file_number)
        if isinstance(result, _AcceptedResult)
        else CaseRejected(
            case_id=result.case_id,
            reason_code=result.reason_code,
            reason_text=result.reason_text,
        )
        for result in results
    ]


def notice_request(request_id: UUID, notice: Notice) -> Request:
    """Return `POST /v1/notices`."""
    body: dict[str, Any] = {
        "request_id": str(request_id),
        "notice_id": str(notice.notice_id),
        "kind": notice.kind,
        "case_id": str(notice.case_id),
    }
    if notice.claim_change is not None:
        body["claim_change"] = notice.claim_change.model_dump(mode="json", exclude_none=True)
    return Request("/v1/notices", json.dumps(body).encode())


def notice_acknowledged(body: bytes) -> bool:
    """Read `acknowledged`; an empty body acknowledges nothing."""
    return bool(body.strip()) and read(_NoticeAnswer, body).acknowledged


def statement(body: bytes) -> Statement:
    """Read what a callback says; fields that we do not know are left alone."""
    envelope = read(_Callback, body)
    model = STATEMENTS.get(envelope.type)
    if model is None:
        raise UnreadableError("type: unknown")
    # Once more from JSON: only that way are ids, days and amounts read from texts.
    return read(model, json.dumps(envelope.data).encode(), within="data.")
