"""What comes over HTTP is bounded before anybody looks at it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import uvicorn

from kit import bounded_http
from kit.bounded_http import MAX_HEAD_BYTES, BoundedHttp


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Answer every request with how long its body is."""
    length, more = 0, True
    while more:
        message = await receive()
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(length).encode()})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A server that reads HTTP as the services do."""
    config = uvicorn.Config(answer, port=0, http=BoundedHttp, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


async def exchange(port: int, *requests: bytes) -> bytes:
    """Send requests over one connection; return all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answered = asyncio.create_task(reader.read())
    try:
        for request in requests:
            writer.write(request)
            await writer.drain()
    except ConnectionError:
        pass  # cut before all was sent
    try:
        return await answered
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_a_request_with_ordinary_headers_and_a_large_body_is_read(port: int) -> None:
    body = b"x" * 300_000
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n"
    again = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answered = await exchange(port, head + b"\r\n" + body, again)
    assert answered.count(b"HTTP/1.1 200") == 2
    assert b"300000" in answered


@pytest.mark.parametrize("part", [b"X-Header: value\r\n", b"x"])
async def test_headers_without_end_are_cut_off(port: int, part: bytes) -> None:
    """Many of them, or one."""
    endless = b"GET / HTTP/1.1\r\nHost: a\r\nX-First: " + (b"" if part == b"x" else b"a\r\n")
    parts = [part * (4096 // len(part))] * (50 * MAX_HEAD_BYTES // 4096)
    answered = await exchange(port, endless, *parts)
    assert b"200" not in answered.partition(b"\r\n")[0]


HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n"
ANSWERED = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that waits for a moment only."""
    monkeypatch.setattr(bounded_http, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(bounded_http, "_LOOK_EVERY_SECONDS", 0.05)


@pytest.mark.parametrize(
    "begun", [b"", b"GET / HTTP", HEAD, HEAD + b"\r\nbody", ANSWERED + HEAD + b"\r\nbody"]
)
async def test_whoever_keeps_us_waiting_is_cut_off(port: int, hurried: None, begun: bytes) -> None:
    """Connections that do nothing would be held for ever, until there are no more of them."""
    async with asyncio.timeout(10):
        answered = await exchange(port, begun)
    assert answered.count(b"HTTP/1.1 200") == begun.count(ANSWERED)


async def test_a_byte_now_and_then_is_not_enough(port: int, hurried: None) -> None:
    async with asyncio.timeout(10):
        answered = await trickle(port, HEAD, [b"X: y\r\n"] * 1_000_000)
    assert answered == b""


async def test_a_slow_request_that_keeps_coming_is_read(port: int, hurried: None) -> None:
    head = HEAD + b"Connection: close\r\n\r\n"
    async with asyncio.timeout(10):
        answered = await trickle(port, head, [b"x" * 20_000] * 50)
    assert answered.startswith(b"HTTP/1.1 200")


async def trickle(port: int, head: bytes, parts: Sequence[bytes]) -> bytes:
    """Send a request part by part, a fiftieth of a second apart; return what comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answered = asyncio.create_task(reader.read())
    writer.write(head)
    for part in parts:
        done, _ = await asyncio.wait([answered], timeout=0.02)
        if done:
            break
        writer.write(part)
    try:
        return await answered
    except ConnectionError:
        return b""
    finally:
        writer.close()
