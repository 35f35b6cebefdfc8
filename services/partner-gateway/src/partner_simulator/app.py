"""HTTP in: the Partner API, and how to steer the simulator.

The steering (`/state`, `/cases`, `/behaviour`, `/payments`, `/callbacks`) asks for no signature:
the simulator is for tests and demonstrations, on an address that only those reach.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar
from uuid import UUID

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError

from partner_simulator.agency import (
    Agency,
    Case,
    UnknownCaseError,
    answer_callback,
    callback,
)
from partner_simulator.behaviour import (
    Answer,
    Behaviour,
    BehaviourChange,
    Handover,
    NewCallback,
    NewPayment,
    Notice,
)
from partner_simulator.callbacks import CallbackSender
from partner_simulator.signatures import verify

M = TypeVar("M", bound=BaseModel)

_COUNTED = (
    "requests",
    "repeated_requests",
    "conflicting_requests",
    "wrong_signatures",
    "cases",
    "accepted",
    "rejected",
    "payments",
    "notices",
    "notices_not_acknowledged",
)
"""What `/state` tells of the agency."""


def create_app(behaviour: Behaviour, seed: int = 1) -> FastAPI:
    """Return a simulator with an empty memory."""
    agency = Agency(behaviour, seed)
    sender = CallbackSender()
    sender.behaviour = behaviour

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        sending = asyncio.create_task(sender.run())
        yield
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending

    app = FastAPI(title="Partner simulator", lifespan=lifespan)
    _add_partner_api(app, agency, sender)
    _add_steering(app, agency, sender)
    return app


def _add_partner_api(app: FastAPI, agency: Agency, sender: CallbackSender) -> None:
    @app.post("/v1/handovers", response_model=None)
    async def post_handover(request: Request) -> JSONResponse:
        body = await _verified(request, agency)
        handover = _parsed(Handover, body)
        _check_request_id(request, handover.request_id)
        if (earlier := agency.earlier_answer(handover.request_id, body)) is not None:
            return JSONResponse(earlier[1], earlier[0])
        cases = agency.take(handover)
        status, answer = _answer(agency, sender, cases)
        agency.remember(handover.request_id, body, status, answer)
        return JSONResponse(answer, status)

    @app.post("/v1/notices", response_model=None)
    async def post_notice(request: Request) -> JSONResponse:
        body = await _verified(request, agency)
        notice = _parsed(Notice, body)
        _check_request_id(request, notice.request_id)
        if not agency.behaviour.acknowledge_notices:
            agency.counts["notices_not_acknowledged"] += 1
            return JSONResponse({"acknowledged": False}, 202)
        if (earlier := agency.earlier_answer(notice.request_id, body)) is not None:
            return JSONResponse(earlier[1], earlier[0])
        if not agency.take_note(notice):
            raise HTTPException(404, "no such case")
        answer = {"acknowledged": True}
        agency.remember(notice.request_id, body, 200, answer)
        return JSONResponse(answer)


def _add_steering(app: FastAPI, agency: Agency, sender: CallbackSender) -> None:
    @app.get("/state")
    async def get_state() -> dict[str, Any]:
        """Count what came in, was decided and was called back."""
        callbacks = {name: sender.counts[name] for name in ("waiting", "delivered", "tries")}
        return {
            **{name: agency.counts[name] for name in _COUNTED},
            "callbacks": {**callbacks, "last_error": sender.last_error},
        }

    @app.get("/cases")
    async def get_cases() -> dict[str, Any]:
        """List the cases with what was decided on them, and what was told about them."""
        return {"items": [_shown(case) for case in agency.cases.values()]}

    @app.post("/behaviour")
    async def post_behaviour(change: BehaviourChange) -> dict[str, Any]:
        """Change how the partner behaves from now on; what is left out stays."""
        changed = {**agency.behaviour.model_dump(), **change.model_dump(exclude_unset=True)}
        agency.behaviour = sender.behaviour = Behaviour.model_validate(changed)
        return agency.behaviour.model_dump(exclude={"secret"})

    @app.post("/payments", status_code=202)
    async def post_payment(payment: NewPayment) -> dict[str, Any]:
        """Let a debtor pay: the gateway is told by callback."""
        try:
            reported = agency.pay(payment)
        except UnknownCaseError:
            raise HTTPException(404, "no such case") from None
        sender.add([reported])
        return reported

    @app.post("/callbacks", status_code=202)
    async def post_callback(new: NewCallback) -> dict[str, Any]:
        """Call the gateway back with anything."""
        said = callback(new.type, new.data)
        sender.add([said])
        return said


def _answer(
    agency: Agency, sender: CallbackSender, cases: list[Case]
) -> tuple[int, dict[str, Any]]:
    """Answer a handover as the behaviour says, and queue the callbacks that follow."""
    answer = agency.behaviour.answer
    if answer is Answer.SILENT:
        return 202, {}
    for case in cases:
        said = [answer_callback(case)] if answer is Answer.CALLBACK else []
        if (payment := agency.pay_at_once(case)) is not None:
            said.append(payment)
        if said:
            sender.add(said)
    if answer is Answer.CALLBACK:
        return 202, {}
    return 200, {"results": [case.result() for case in cases]}


async def _verified(request: Request, agency: Agency) -> bytes:
    """Return the body of a request that is signed right, unless the partner is unavailable."""
    if agency.behaviour.answer is Answer.UNAVAILABLE:
        raise HTTPException(503, "closed")
    body = await request.body()
    secret = agency.behaviour.secret
    if secret is None or not verify(secret, request.headers, body):
        agency.counts["wrong_signatures"] += 1
        raise HTTPException(401, "the signature does not fit")
    return body


def _parsed(model: type[M], body: bytes) -> M:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        fields = [".".join(map(str, problem["loc"])) for problem in error.errors()]
        raise HTTPException(400, {"wrong": fields}) from None


def _check_request_id(request: Request, request_id: UUID) -> None:
    if request.headers.get("webhook-id") != str(request_id):
        raise HTTPException(400, "webhook-id and request_id must be the same")


def _shown(case: Case) -> dict[str, Any]:
    return {
        "case_id": str(case.case_id),
        "run_id": str(case.run_id),
        "status": case.status,
        "file_number": case.file_number,
        "reason_code": case.reason_code,
        "total": {"amount": f"{case.total:.2f}", "currency": case.currency},
        "open": {"amount": f"{case.open:.2f}", "currency": case.currency},
        "payments": case.payments,
        "stopped": case.stopped,
        "notices": [_told(notice) for notice in case.notices],
    }


def _told(notice: Notice) -> dict[str, Any]:
    return notice.model_dump(mode="json", include={"notice_id", "kind", "claim_change"})
