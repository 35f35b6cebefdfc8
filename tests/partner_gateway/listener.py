"""A partner that writes down what it gets, and answers as a test says."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request, Response

from tests.partner_gateway.serving import serving


@dataclass
class Listener:
    """A partner that writes down what it gets, and answers as the test says."""

    answer: Callable[[Request], Awaitable[Response]]
    url: str = ""
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def bodies(self) -> list[Any]:
        """Return what it was sent, in order."""
        return [json.loads(body) for _, _, body in self.requests]


@asynccontextmanager
async def listening(answer: Callable[[Request], Awaitable[Response]]) -> AsyncIterator[Listener]:
    """Let a partner listen."""
    listener = Listener(answer)
    app = FastAPI()

    @app.post("/{path:path}")
    async def take(path: str, request: Request) -> Response:
        listener.requests.append((path, dict(request.headers), await request.body()))
        return await listener.answer(request)

    async with serving(app) as listener.url:
        yield listener


def always(status: int, body: bytes = b"", **headers: str) -> Callable[[Request], Any]:
    """Answer everything the same."""

    async def answer(_: Request) -> Response:
        return Response(body, status, headers)

    return answer


async def never(_: Request) -> Response:
    """Answer long after everybody has given up."""
    await asyncio.sleep(5)
    return Response()
