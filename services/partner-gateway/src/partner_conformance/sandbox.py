"""An agency's sandbox, as we speak to it."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from partner_conformance.samples import Body
from partner_conformance.signatures import sign

HANDOVERS: Final = "/v1/handovers"
NOTICES: Final = "/v1/notices"

_MAX_ANSWER_BYTES: Final = 1_000_000


class NoAnswerError(Exception):
    """Nothing usable came back, for the reason given."""


class UnreachableError(NoAnswerError):
    """There is nobody at the address."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the agency answered."""

    status: int
    body: bytes
    seconds: float

    @property
    def taken(self) -> bool:
        """Whether the agency says that it has the request."""
        return 200 <= self.status < 300

    @property
    def value(self) -> Any:
        """What the body says as JSON; None if it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Sandbox:
    """Sends signed requests, each as the gateway would."""

    def __init__(self, base_url: str, secret: str, token: str | None, limit: float) -> None:
        self.secret = secret
        self.limit = limit
        self.slowest = 0.0
        """Seconds that the slowest answer took."""
        self._base_url = base_url.rstrip("/")
        self._token = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._http = httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=None)  # noqa: S113 - `send` limits all of it

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(
        self,
        path: str,
        request: Body,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Send a request, signed right and now unless `headers` and `body` are given.

        Raises `NoAnswerError`.
        """
        content = encoded(request) if body is None else body
        signed = sign(self.secret, request["request_id"], content) if headers is None else headers
        began = time.monotonic()
        try:
            async with asyncio.timeout(self.limit):
                response = await self._http.post(
                    self._base_url + path,
                    content=content,
                    headers={"Content-Type": "application/json", **self._token, **signed},
                )
        except TimeoutError:
            self.slowest = max(self.slowest, self.limit)
            raise NoAnswerError(f"no answer within {self.limit:g} s") from None
        except httpx.ConnectError as error:
            raise UnreachableError(f"no connection to {self._base_url}: {error}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoAnswerError(f"no answer: {type(error).__name__}") from None
        self.slowest = max(self.slowest, time.monotonic() - began)
        if len(response.content) > _MAX_ANSWER_BYTES:
            raise NoAnswerError(f"an answer of more than {_MAX_ANSWER_BYTES:,} bytes")
        return Answer(response.status_code, response.content, time.monotonic() - began)


def encoded(request: Body) -> bytes:
    """Return a request as it travels."""
    return json.dumps(request, ensure_ascii=False).encode()
