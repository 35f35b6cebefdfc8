"""Listens for what the agency calls back, as the gateway would.

The first try of the first callback is answered with 500: an agency must repeat it.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from partner_conformance.shapes import Callback, UnreadableError, callback
from partner_conformance.signatures import fault

_MAX_BODY_BYTES: Final = 262_144


@dataclass(frozen=True, slots=True)
class Call:
    """One try of a callback."""

    webhook_id: str
    body: bytes
    signature_fault: str | None
    """What is wrong with its signature."""
    shape_fault: str | None
    """What is wrong with its body."""
    said: Callback | None
    """What it says, if its shape is right."""


class CannotListenError(Exception):
    """The port cannot be had."""


class Listener:
    """All callbacks that came, in their order."""

    def __init__(self, secret: str) -> None:
        self.calls: list[Call] = []
        self._secret = secret

    @property
    def failed_call(self) -> Call | None:
        """The call that was answered with 500."""
        return next((call for call in self.calls if call.signature_fault is None), None)

    @property
    def repetitions(self) -> list[Call]:
        """What came under the id of the failed call after it."""
        failed = self.failed_call
        if failed is None:
            return []
        return [
            call
            for call in self.calls
            if call is not failed and call.webhook_id == failed.webhook_id
        ]

    def answer(self, headers: dict[str, str], body: bytes) -> Response:
        """Take a callback in, and answer it."""
        webhook_id = headers.get("webhook-id", "")
        signature_fault = fault(self._secret, headers, body)
        shape_fault, said = _read(body)
        is_first = self.failed_call is None
        self.calls.append(Call(webhook_id, body, signature_fault, shape_fault, said))
        if signature_fault is not None:
            return JSONResponse({"detail": signature_fault}, 401)
        if is_first:
            return JSONResponse({"detail": "fails once, to see whether it is repeated"}, 500)
        if said is None:
            return JSONResponse({"status": "PARKED", "reason": shape_fault}, 202)
        return JSONResponse({"status": "RECEIVED"}, 202)


@asynccontextmanager
async def listening(secret: str, port: int) -> AsyncIterator[Listener]:
    """Listen on all addresses of the machine; raises `CannotListenError`."""
    listener = Listener(secret)
    app = FastAPI()

    @app.post("/{path:path}", response_model=None)
    async def take(request: Request) -> Response:
        return listener.answer(dict(request.headers), await request.body())

    server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve(sockets=[_bound(port)]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield listener
    finally:
        server.should_exit = True
        await serving


def _bound(port: int) -> socket.socket:
    """Return a socket on all addresses: the agency comes from outside."""
    try:
        return socket.create_server(("", port))
    except OSError as error:
        raise CannotListenError(f"cannot listen on port {port}: {error.strerror}") from None


def _read(body: bytes) -> tuple[str | None, Callback | None]:
    if len(body) > _MAX_BODY_BYTES:
        return f"more than {_MAX_BODY_BYTES:,} bytes", None
    try:
        return None, callback(body)
    except UnreadableError as error:
        return str(error), None
