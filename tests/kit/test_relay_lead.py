"""Who leads the relays of a service when the leader is not heard of any more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from urllib.parse import urlsplit

import pytest

from contracts import PartnerSnapshotV1
from kit import relay
from kit.database import Database
from kit.outbox import publish
from kit.relay import Relay
from tests.kit.deliveries import cause, ends_of, partner, read_from, until

ASKS_FOR_ROWS = b"FROM outbox WHERE seq NOT IN"
"""Stands in what a leader says first; PostgreSQL waits for the rest of that."""


@pytest.mark.parametrize("last_word", [None, ASKS_FOR_ROWS])
async def test_a_leader_that_is_not_heard_of_any_more_loses_the_lead(
    deliveries: Database,
    database_url: str,
    kafka: str,
    monkeypatch: pytest.MonkeyPatch,
    last_word: bytes | None,
) -> None:
    """As when its machine is gone: nobody ends its connection, PostgreSQL thinks that it leads."""
    monkeypatch.setattr(relay, "_SILENT_SECONDS", 4)
    starts = await ends_of(kafka, PartnerSnapshotV1.TOPIC)
    event = partner()
    async with (
        falling_silent(database_url, last_word) as (url, silence),
        AsyncExitStack() as relays,
    ):
        first = await run(relays, url, kafka)
        await until(partial(leads, first))
        if last_word is None:
            silence.set()
        await silence.wait()
        second = await run(relays, database_url, kafka)
        async with deliveries.begin() as connection:
            await publish(connection, [(event, cause())])
        await until(partial(leads, second))
        found = await read_from(kafka, starts, bool)
    assert [record.key.decode() for record in found] == [event.key()]


async def run(relays: AsyncExitStack, database_url: str, kafka: str) -> Relay:
    """Run a relay until the others end, too."""
    one = Relay("note-service", database_url, kafka)
    task = asyncio.create_task(one.run())

    async def stop() -> None:
        task.cancel()
        await asyncio.wait([task])

    relays.push_async_callback(stop)
    return one


async def leads(one: Relay) -> bool:
    """Tell whether a relay has the lead."""
    return one.leads


@asynccontextmanager
async def falling_silent(
    database_url: str, last_word: bytes | None
) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Pass on what is said to a database and by it, until the event is set; then nothing.

    It is set by what has `last_word` in it, too, and that is passed on. Connections stay open on
    both sides for as long as the block lasts.
    """
    target = urlsplit(database_url)
    silence, done = asyncio.Event(), asyncio.Event()
    serving: list[asyncio.Task[None]] = []

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while content := await reader.read(65_536):
                if not silence.is_set():
                    writer.write(content)
                if last_word is not None and last_word in content:
                    silence.set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_database, to_database = await asyncio.open_connection(target.hostname, target.port)
        both = [
            asyncio.create_task(pass_on(reader, to_database)),
            asyncio.create_task(pass_on(from_database, writer)),
        ]
        await done.wait()
        for end in (to_database, writer):
            end.close()
        await asyncio.wait(both)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        url = target._replace(netloc=target.netloc.replace(str(target.port), str(port))).geturl()
        yield url, silence
    finally:
        server.close()
        done.set()
        await asyncio.wait(serving)
