"""One request to the agency, played step by step, and its answer."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final, TypeVar

from fastapi import HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ValidationError
from starlette.types import Receive, Scope, Send

from partner_simulator import steps
from partner_simulator.agency import Agency
from partner_simulator.callbacks import CallbackSender
from partner_simulator.journal import Entry, subject
from partner_simulator.partner_api import NOTICE_KINDS, Handover, Notice
from partner_simulator.signatures import is_recent, is_signed
from partner_simulator.steps import Check, Of, Strictness

M = TypeVar("M", bound=BaseModel)

Said = tuple[int, dict[str, Any]]
"""A status and a body."""

_HUGE: Final = b" " * 2_000_000
_GARBAGE: Final = b"\x00\xff<html>not JSON"


async def play(agency: Agency, sender: CallbackSender, of: Of, request: Request) -> Response:
    """Answer a request as the behaviour says, and write it down."""
    body = await request.body()
    entry = agency.journal.write(of, request.headers.get("webhook-id", ""))
    this_try = entry.tries[-1]
    exchange = Exchange(agency, sender, entry, request, body)
    try:
        response = await exchange.play()
    except HTTPException as refused:
        this_try.answered = str(refused.status_code)
        raise
    hung_up = isinstance(response, HungUp)
    this_try.answered = "hung up" if hung_up else str(response.status_code)
    return response


class Exchange:
    """A request and what came of it by now."""

    def __init__(
        self, agency: Agency, sender: CallbackSender, entry: Entry, request: Request, body: bytes
    ) -> None:
        self.agency = agency
        self.sender = sender
        self.entry = entry
        self.headers = request.headers
        self.body = body

    async def play(self) -> Response:
        """Go through the steps; raises `HTTPException` for what a right agency refuses."""
        said: Said = (200, {})
        for step in self.agency.behaviour.request_steps(subject(self.entry), self.agency.seed):
            match step:
                case steps.Wait():
                    await asyncio.sleep(step.seconds)
                case steps.Look():
                    said = self._look()
                case steps.Take():
                    said = self._take(step)
                case steps.Answer():
                    return _answer(step, said)
                case steps.HangUp():
                    return HungUp()
        raise AssertionError("the last step answers or hangs up")

    def _look(self) -> Said:
        self._read(steps.Take())
        if self.entry.of is Of.NOTICE:
            self.agency.counts["notices_not_acknowledged"] += 1
            return 202, {"acknowledged": False}
        return 202, {}

    def _take(self, step: steps.Take) -> Said:
        message = self._read(step)
        if Check.REPETITION not in step.without:
            earlier = self.agency.earlier_answer(message.request_id, self.body)
            if earlier is not None:
                return earlier
        said = self._take_cases(message) if isinstance(message, Handover) else self._note(message)
        self.entry.effects += 1
        self.agency.remember(message.request_id, self.body, *said)
        return said

    def _take_cases(self, handover: Handover) -> Said:
        cases = self.agency.take(handover)
        for messages in self.agency.to_say():
            self.sender.add(messages)
        results = [case.result() for case in cases if case.answered]
        return (200, {"results": results}) if results else (202, {})

    def _note(self, notice: Notice) -> Said:
        if not self.agency.take_note(notice):
            raise HTTPException(404, "no such case")
        return 200, {"acknowledged": True}

    def _read(self, step: steps.Take) -> Handover | Notice:
        """Check a request and return what it says."""
        self._check_signature(step)
        message: Handover | Notice
        if self.entry.of is Of.HANDOVER:
            message = _parsed(Handover, self.body)
            _refuse(len(message.items) > step.most_cases, "too many cases")
        else:
            message = _parsed(Notice, self.body)
            unknown = message.kind not in NOTICE_KINDS
            _refuse(unknown and Strictness.UNKNOWN_KINDS in step.refuses, "unknown kind")
        more = json.loads(self.body).keys() - type(message).model_fields.keys()
        _refuse(bool(more) and Strictness.UNKNOWN_FIELDS in step.refuses, "unknown field")
        same_id = self.headers.get("webhook-id") == str(message.request_id)
        _refuse(not same_id, "webhook-id and request_id must be the same")
        return message

    def _check_signature(self, step: steps.Take) -> None:
        secret = self.agency.behaviour.secret
        recent = Check.TIMESTAMP in step.without or is_recent(self.headers)
        signed = Check.SIGNATURE in step.without or (
            secret is not None and is_signed(secret, self.headers, self.body)
        )
        if not (recent and signed):
            self.agency.counts["wrong_signatures"] += 1
            raise HTTPException(401, "the signature does not fit")


class HungUp(Response):
    """The beginning of an answer, and then nothing: the server closes the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send less than was announced."""
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"resu', "more_body": True})


def _answer(step: steps.Answer, said: Said) -> Response:
    status, content = said
    headers = {"Content-Type": "application/json"}
    if step.retry_after is not None:
        headers["Retry-After"] = str(step.retry_after)
    if step.location is not None:
        headers["Location"] = step.location
    right = JSONResponse(content if step.content is None else step.content).body
    bodies = {"RIGHT": bytes(right), "NOTHING": b"", "GARBAGE": _GARBAGE, "HUGE": _HUGE}
    body = bodies[step.body]
    status = step.status or status
    if step.seconds_per_byte:
        return StreamingResponse(_dripping(body, step.seconds_per_byte), status, headers)
    return Response(body, status, headers)


async def _dripping(body: bytes, seconds: float) -> AsyncIterator[bytes]:
    for byte in body:
        await asyncio.sleep(seconds)
        yield bytes([byte])


def _parsed(model: type[M], body: bytes) -> M:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        fields = [".".join(map(str, problem["loc"])) for problem in error.errors()]
        raise HTTPException(400, {"wrong": fields}) from None


def _refuse(wrong: bool, why: str) -> None:
    if wrong:
        raise HTTPException(400, why)
