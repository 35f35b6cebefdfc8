"""One exchange with a partner over HTTP: bounded in time and size, and never trusted."""

import asyncio
import functools
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx

MAX_ANSWER_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Reply:
    """What the partner answered."""

    status: int
    body: bytes
    retry_after: str | None


class NoReplyError(Exception):
    """Nothing usable came back: whether the partner has the request is unknown."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def client() -> httpx.AsyncClient:
    """Return a client that follows no redirects and takes no proxies from the environment."""
    return httpx.AsyncClient(
        verify=_trusted_certificates(),
        follow_redirects=False,
        trust_env=False,
        timeout=None,  # noqa: S113 - `post` sets one limit for all of it
    )


async def post(
    http: httpx.AsyncClient, url: str, headers: Mapping[str, str], body: bytes, seconds: float
) -> Reply:
    """Send JSON and return the answer; raises `NoReplyError` for whatever else may happen.

    The time is that of the whole exchange: a partner that answers a byte now and then is too slow.
    """
    headers = {**headers, "Content-Type": "application/json", "Accept-Encoding": "identity"}
    try:
        async with (
            asyncio.timeout(seconds),
            http.stream("POST", url, headers=headers, content=body) as response,
        ):
            answer = await _read(response)
            return Reply(response.status_code, answer, response.headers.get("Retry-After"))
    except TimeoutError:
        raise NoReplyError("time-out") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NoReplyError(f"connection: {type(error).__name__}") from None


@functools.cache
def _trusted_certificates() -> ssl.SSLContext:
    """Read once: it keeps the event loop busy for some 30 ms, and each partner has its client."""
    return httpx.create_ssl_context(trust_env=False)


async def _read(response: httpx.Response) -> bytes:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise NoReplyError("answer in an encoding that was not asked for")
    answer = bytearray()
    async for chunk in response.aiter_raw():
        answer += chunk
        if len(answer) > MAX_ANSWER_BYTES:
            raise NoReplyError("answer too large")
    return bytes(answer)
