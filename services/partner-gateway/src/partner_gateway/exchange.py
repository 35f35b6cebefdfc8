"""One exchange with a partner over HTTP: bounded in time and size, and never trusted.

Every connection is opened here, to an address that was checked for this connection: a name that
changes its answer between check and connection gains nothing. The name itself stays what the
certificate and the `Host` header are about.
"""

import asyncio
import functools
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import SplitResult

import httpcore
import httpx

from partner_gateway.addresses import (
    AddressNotAllowedError,
    HostNotFoundError,
    find_addresses,
    host_of,
    port_of,
    split_url,
)

MAX_ANSWER_BYTES: Final = 1_000_000

Method = Literal["GET", "POST"]

_KEPT_SECONDS: Final = 5.0
"""How long a connection is kept for the next request."""
_CONNECT_SECONDS: Final = 5.0
"""How long an address may take to let us in while there is another one to try."""
_TROUBLES: Final = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
    OSError,  # and so `ssl.SSLError`, which httpcore lets through after the handshake
)


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


@dataclass(frozen=True, slots=True)
class Client:
    """Connections to partners, each to an address that was checked when it was opened."""

    connections: httpcore.AsyncConnectionPool
    trusted_hosts: AbstractSet[str]


@asynccontextmanager
async def client(trusted_hosts: AbstractSet[str]) -> AsyncIterator[Client]:
    """Open a client that follows no redirects and takes no proxies from the environment.

    `trusted_hosts` may be private and without TLS; every other host may not.
    """
    async with httpcore.AsyncConnectionPool(
        ssl_context=_trusted_certificates(),
        max_connections=None,  # who calls it knows how many requests a partner gets at a time
        keepalive_expiry=_KEPT_SECONDS,
        network_backend=_CheckedNetwork(trusted_hosts),
    ) as connections:
        yield Client(connections, trusted_hosts)


async def exchange(
    http: Client,
    method: Method,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
    seconds: float,
) -> Reply:
    """Send a request, with JSON if it has a body, and return the answer.

    Raises `NoReplyError` for whatever else may happen. The time is that of the whole exchange: a
    partner that answers a byte now and then is too slow.
    """
    try:
        parts = split_url(url, http.trusted_hosts)
        async with (
            asyncio.timeout(seconds),
            http.connections.stream(
                method, _target(parts), headers=_sent(headers, parts, body), content=body
            ) as response,
        ):
            answered = {name.lower(): value.decode("latin-1") for name, value in response.headers}
            answer = await _read(response, answered.get(b"content-encoding", "identity"))
            return Reply(response.status, answer, answered.get(b"retry-after"))
    except TimeoutError:
        raise NoReplyError("time-out") from None
    except AddressNotAllowedError as error:
        raise NoReplyError(f"address not allowed: {error}") from None
    except HostNotFoundError:
        raise NoReplyError("host not found") from None
    except _TROUBLES as error:
        raise NoReplyError(f"connection: {type(error).__name__}") from None


class _CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Opens each connection to an address that was looked up and checked for it."""

    def __init__(self, trusted_hosts: AbstractSet[str]) -> None:
        self._trusted_hosts = trusted_hosts
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of the host that lets us in.

        Raises as `find_addresses` does, before a byte is sent.
        """
        *others, last = await find_addresses(host, port, self._trusted_hosts)
        for address in others:
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._network.connect_tcp(address, port, _CONNECT_SECONDS)
        return await self._network.connect_tcp(last, port)


@functools.cache
def _trusted_certificates() -> ssl.SSLContext:
    """Read once: it keeps the event loop busy for some 30 ms, and each partner has its client."""
    return httpx.create_ssl_context(trust_env=False)


def _target(parts: SplitResult) -> httpcore.URL:
    """Return where to connect to, and what to ask for: the parts that were checked, no others."""
    query = f"?{parts.query}" if parts.query else ""
    return httpcore.URL(
        scheme=parts.scheme,
        host=host_of(parts),
        port=port_of(parts),
        target=(parts.path or "/") + query,
    )


def _sent(
    headers: Mapping[str, str], parts: SplitResult, body: bytes | None
) -> list[tuple[str, str]]:
    sent = {**headers, "Host": parts.netloc, "Accept-Encoding": "identity"}
    if body is not None:
        sent["Content-Type"] = "application/json"
    return list(sent.items())


async def _read(response: httpcore.Response, encoding: str) -> bytes:
    if encoding != "identity":
        raise NoReplyError("answer in an encoding that was not asked for")
    answer = bytearray()
    async for chunk in response.aiter_stream():
        answer += chunk
        if len(answer) > MAX_ANSWER_BYTES:
            raise NoReplyError("answer too large")
    return bytes(answer)
