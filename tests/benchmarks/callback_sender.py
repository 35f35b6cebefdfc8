"""A process that sends callbacks at a fixed rate, however long the answers take.

Takes an order as JSON on standard input and prints what came of it. Each callback has its moment;
what it takes is counted from that moment on, not from when there was time to send it.
"""

import asyncio
import json
import sys
import time
import uuid
from collections import deque
from datetime import UTC, datetime
from urllib.parse import urlsplit

import uvloop

from partner_gateway.standard_webhooks import sign

_HEAD_START = 0.5
"""Seconds until the first one goes out."""
_CALM = 50
"""Connections that are open before it begins."""


class Sender:
    """Connections to the gateway; a callback has one for itself."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port
        # In turn: the gateway closes a connection that nobody uses for seconds.
        self._free: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()

    async def open(self, count: int) -> None:
        """Open connections before they are needed."""
        self._free += [await asyncio.open_connection(self._host, self._port) for _ in range(count)]

    async def send(self, request: bytes) -> int:
        """Send a request; return the status of the answer."""
        if not self._free:
            await self.open(1)
        connection = self._free.popleft()
        reader, writer = connection
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        await reader.readexactly(length)
        self._free.append(connection)
        return int(head.split(" ")[1])


def requests_of(order: dict[str, str], path: str, count: int, case_ids: list[str]) -> list[bytes]:
    """Return so many signed callbacks that report a payment each."""
    made = []
    for number in range(count):
        data = {
            "case_id": case_ids[number % len(case_ids)],
            "partner_reference": str(uuid.uuid4()),
            "amount": {"amount": "0.01", "currency": "EUR"},
            "own_fees": {"amount": "0.00", "currency": "EUR"},
            "paid_on": "2026-11-02",
        }
        body = json.dumps({"type": "payment.received", "data": data}).encode()
        headers = sign([order["secret"]], f"msg_{uuid.uuid4()}", datetime.now(UTC), body)
        lines = [f"POST {path} HTTP/1.1", "Host: gateway", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        made.append("\r\n".join([*lines, "", ""]).encode() + body)
    return made


async def main() -> None:
    """Send all; print the seconds that each took, and how often each status came."""
    order = json.loads(sys.stdin.read())
    rate, count = int(order["rate"]), int(order["rate"]) * int(order["seconds"])
    requests = requests_of(order, urlsplit(order["url"]).path, count, order["case_ids"])
    sender = Sender(order["url"])
    await sender.open(_CALM)
    seconds = [0.0] * count
    statuses: dict[int, int] = {}
    begins_at = time.perf_counter() + _HEAD_START

    async def send(number: int) -> None:
        status = await sender.send(requests[number])
        seconds[number] = time.perf_counter() - begins_at - number / rate
        statuses[status] = statuses.get(status, 0) + 1

    tasks = []
    for number in range(count):
        await asyncio.sleep(max(0, begins_at + number / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(send(number)))
    await asyncio.gather(*tasks)
    sys.stdout.write(json.dumps({"seconds": seconds, "statuses": statuses}))


if __name__ == "__main__":
    uvloop.run(main())
