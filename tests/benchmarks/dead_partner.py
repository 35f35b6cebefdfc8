"""How long a partner waits for its handovers beside partners that are dead: as long as alone.

`python -m pytest -s tests/benchmarks/dead_partner.py`, against the real process with a real
PostgreSQL and a real Kafka; takes a minute. One partner works. In every second phase three more
are owed many requests: one refuses connections, one takes requests and never answers, one answers
a byte now and then. Measured is the time from the event on Kafka to the request at the partner.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from aiokafka import AIOKafkaProducer
from tests.benchmarks.measuring import Figure, percentile
from tests.benchmarks.service_process import ServiceProcess, partner_gateway
from tests.partner_gateway.world import Partner, handed_over, record_of

from contracts import MemberHandedOverV1
from local_stack.http_client import until
from local_stack.ports import HOST, free_port

PHASES = 4
SECONDS = 10
RATE = 10
"""Handovers a second, each a request of its own."""
OWED = 20
"""Requests that each dead partner is owed when its phase begins."""
ANSWER_SECONDS = 0.02
TIMES_ALONE = 1.1

Take = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class WorkingPartner:
    """A partner that answers, and knows when each run came."""

    def __init__(self) -> None:
        self.came_at: dict[str, float] = {}

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        while body := await _body(reader):
            run_id = body.partition(b'"run_id": "')[2][:36].decode()
            self.came_at.setdefault(run_id, time.monotonic())
            await asyncio.sleep(ANSWER_SECONDS)
            writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Take a request and say nothing until the other side has had enough."""
    await reader.read()


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a byte now and then, until the other side has had enough."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    ended = asyncio.create_task(reader.read())
    while not ended.done():
        writer.write(b" ")
        await asyncio.wait({ended}, timeout=0.2)


@asynccontextmanager
async def listening(take: Take) -> AsyncIterator[str]:
    """Let a partner listen; yield its address."""
    tasks: list[asyncio.Task[None]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await take(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.create_task(handle(reader, writer)))

    server = await asyncio.start_server(begin, HOST, 0)
    try:
        yield f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _body(reader: asyncio.StreamReader) -> bytes:
    """Return the body of the next request; empty at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return await reader.readexactly(int(length))


@pytest.mark.timeout(600)
def test_a_working_partner_notices_nothing_of_dead_ones(tmp_path: Path) -> None:
    with partner_gateway(tmp_path) as gateway:
        gateway.program.start()
        alone, beside = asyncio.run(measure(gateway))
    figures = [
        Figure("median, alone", percentile(alone, 50) * 1000, "ms"),
        Figure("median, beside dead partners", percentile(beside, 50) * 1000, "ms"),
        Figure("p99, alone", percentile(alone, 99) * 1000, "ms"),
        Figure("p99, beside dead partners", percentile(beside, 99) * 1000, "ms"),
        Figure(
            "p99 beside dead partners, beside that alone",
            percentile(beside, 99) / percentile(alone, 99),
            "times",
            TIMES_ALONE,
        ),
    ]
    print("", f"{len(alone)} + {len(beside)} handovers", *figures, sep="\n")  # noqa: T201
    assert not [figure.what for figure in figures if figure.is_too_much]


async def measure(gateway: ServiceProcess) -> tuple[Sequence[float], Sequence[float]]:
    """Return how many seconds handovers took: alone, and beside dead partners."""
    times: tuple[list[float], list[float]] = ([], [])
    async with AsyncExitStack() as ends:
        working = WorkingPartner()
        refusing = f"http://{HOST}:{free_port()}"
        dead_addresses = [refusing] + [
            await ends.enter_async_context(listening(take)) for take in (silent, dripping)
        ]
        partner = set_up(gateway, await ends.enter_async_context(listening(working.take)))
        producer = await ends.enter_async_context(
            AIOKafkaProducer(bootstrap_servers=gateway.kafka.bootstrap_servers)
        )
        await hand_over(gateway, producer, working, partner, seconds=2)  # warm
        for phase in range(PHASES):
            is_beside = phase % 2 == 1
            dead = [set_up(gateway, address) for address in dead_addresses if is_beside]
            for other in dead:
                for _ in range(OWED):
                    await publish(gateway, producer, handed_over(other, 1)[0])
            await asyncio.to_thread(await_tries, gateway, dead)
            times[is_beside].extend(
                await hand_over(gateway, producer, working, partner, seconds=SECONDS)
            )
            for other in dead:
                await asyncio.to_thread(pause, gateway, other)
    return times


async def hand_over(
    gateway: ServiceProcess,
    producer: AIOKafkaProducer,
    working: WorkingPartner,
    partner: Partner,
    *,
    seconds: float,
) -> Sequence[float]:
    """Hand over at the rate for so long; return how many seconds each took to the partner."""
    published: dict[str, float] = {}
    began = time.monotonic()
    for number in range(int(seconds * RATE)):
        await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
        (case,) = handed_over(partner, 1)
        published[str(case.run_id)] = time.monotonic()
        await publish(gateway, producer, case)
    async with asyncio.timeout(60):
        while not working.came_at.keys() >= published.keys():
            await asyncio.sleep(0.05)
    return [working.came_at[run_id] - at for run_id, at in published.items()]


async def publish(
    gateway: ServiceProcess, producer: AIOKafkaProducer, case: MemberHandedOverV1
) -> None:
    """Publish a handover, without waiting for Kafka."""
    record = record_of(case, gateway.tenant_id)
    await producer.send(
        record.topic, key=record.key, value=record.value, headers=list(record.headers)
    )


def set_up(gateway: ServiceProcess, base_url: str) -> Partner:
    """Set up a partner with an API at an address."""
    body = {"name": "Agentur", "channel": "API", "base_url": base_url}
    partner_id = str(gateway.client.post("/v1/partners", body)["partner_id"])
    secret = gateway.client.post(f"/v1/partners/{partner_id}/secrets")["secret"]
    return Partner(UUID(partner_id), secret, gateway.tenant_id)


def await_tries(gateway: ServiceProcess, partners: Sequence[Partner]) -> None:
    """Wait until the gateway knows what it owes to partners, and all of them are being tried."""
    for partner in partners:
        path = f"/v1/partners/{partner.partner_id}/deliveries/summary"
        until(
            partial(gateway.client.get, path),
            lambda summary: summary["open"] and summary["open"] + summary["waiting_cases"] == OWED,
            limit=60,
            what="the first tries",
        )


def pause(gateway: ServiceProcess, partner: Partner) -> None:
    """Let nothing more go to a partner."""
    gateway.rows("UPDATE partners SET status = 'PAUSED' WHERE partner_id = $1", partner.partner_id)
