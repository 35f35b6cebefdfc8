"""The relay publishes a service's outbox to Kafka: in order, at least once, by one leader.

Invariants, each with a failure behind it:

- The advisory lock, the fetches and the deletes share one connection: who loses the connection
  has lost the leadership with it, and deletes nothing any more.
- Rows are taken from the head of what is there, without those on their way; never by `seq > last`:
  ids commit out of order.
- A wave is sent when the one before it is acknowledged. While one is on its way the next is made
  ready; when it fails both are thrown away, and all begins again at the head.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import asyncpg
import structlog

from kit import metrics
from kit.database import MISSED_SOON
from kit.publisher import NOTHING, NotSentError, Publisher, Wave

log = structlog.stdlib.get_logger(__name__)

_WAVE_ROWS = 500
"""More make it slower: each wave is then copied through memory that is new to the process."""
_WAVE_BYTES = 4 * 1024 * 1024
_LEADER_LOCK = 0x6F7574626F78
_STANDBY_PAUSE = 0.5
_IDLE_PAUSE = 1.0
_ERROR_PAUSE = 1.0
_SILENT_SECONDS = 120
"""After so long without a word PostgreSQL ends the session, and another relay may lead.

Also if a proxy keeps the connection of a machine that is gone; else nobody would publish. Longer
than a wave takes that Kafka does not acknowledge.
"""

# PostgreSQL keeps the plan that it made for a few rows. By that it would read a large outbox as a
# whole, with all rows that were deleted since the last vacuum, and sort it for each wave.
_SESSION = {"jit": "off", "enable_seqscan": "off"}
_SILENCE = ("idle_session_timeout", "transaction_timeout")
"""Between two statements, and within one of which PostgreSQL has heard a part."""

_LOST = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # What comes when the session has ended, and the end of its connection was not heard yet.
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)

# A row of any size goes alone in a wave if need be; more come along while they fit.
_FETCH = f"""
    SELECT seq, id, aggregatetype, aggregateid, payload, type, time, tenantid, correlationid,
           traceparent, headers
    FROM (
        SELECT *, sum(octet_length(payload)) OVER (ORDER BY seq) - octet_length(payload) AS ahead
        FROM (
            SELECT * FROM outbox WHERE seq NOT IN (SELECT unnest($1::bigint[]))
            ORDER BY seq LIMIT {_WAVE_ROWS}
        ) AS head
    ) AS wave
    WHERE ahead < {_WAVE_BYTES}
    ORDER BY seq
"""  # noqa: S608 - constants
_DELETE = "DELETE FROM outbox WHERE seq = ANY ($1::bigint[])"


class Relay:
    """Publishes one service's outbox; any number of them may run, one leads."""

    def __init__(self, service: str, database_url: str, bootstrap_servers: str) -> None:
        self._database_url = database_url.replace("postgresql+asyncpg://", "postgresql://", 1)
        self._publisher = Publisher(service, bootstrap_servers)
        self._news = asyncio.Event()
        """Set when the outbox may have rows that were not seen: what is added notifies."""
        self.leads = False
        self.last_turn = time.monotonic()
        """When the relay last proved to be alive (monotonic seconds)."""

    async def run(self) -> None:
        """Publish until cancelled; survives the loss of database and Kafka."""
        while True:
            try:
                await self._with_connection()
            except _LOST as error:
                log.warning("relay lost its database", error=type(error).__name__)
                self.last_turn = time.monotonic()
                await asyncio.sleep(_ERROR_PAUSE)

    async def _with_connection(self) -> None:
        connection = await asyncpg.connect(
            self._database_url,
            timeout=10,
            command_timeout=60,
            server_settings=_SESSION | MISSED_SOON | dict.fromkeys(_SILENCE, f"{_SILENT_SECONDS}s"),
        )
        try:
            await connection.add_listener("outbox", lambda *_: self._news.set())
            # asyncpg asks once for each connection what an array is: not when there is work to do.
            await connection.prepare(_DELETE)
            while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LEADER_LOCK):
                self.last_turn = time.monotonic()
                await asyncio.sleep(_STANDBY_PAUSE)
            self.leads = True
            log.info("relay leads")
            await self._lead(connection)
        finally:
            self.leads = False
            # Not a polite close: that would wait for a database that may be gone.
            connection.terminate()

    async def _lead(self, connection: Any) -> None:
        while True:
            try:
                await self._publish(connection)
            except NotSentError as error:
                log.warning("wave failed, again from the head", error=str(error))
            finally:
                await self._publisher.abandon()
            self.last_turn = time.monotonic()
            await asyncio.sleep(_ERROR_PAUSE)

    async def _publish(self, connection: Any) -> None:
        """Publish wave after wave, from the head on."""
        delivered: Sequence[int] = []
        self._news.set()
        wave = await self._next_wave(connection, [], [])
        while True:
            self.last_turn = time.monotonic()
            if not (wave.rows or delivered):
                await self._wait_for_news()
            following, failure = await asyncio.gather(
                self._next_wave(connection, delivered, wave.rows),
                self._publisher.send(wave),
                return_exceptions=True,
            )
            if isinstance(following, BaseException):
                raise following
            if isinstance(failure, BaseException):
                raise failure
            metrics.relay_published_total.inc(len(wave.rows))
            delivered, wave = wave.rows, following

    async def _next_wave(
        self, connection: Any, delivered: Sequence[int], on_their_way: Sequence[int]
    ) -> Wave:
        """Delete what was delivered; prepare what is at the head, but for what is on its way."""
        if delivered:
            await connection.execute(_DELETE, delivered)
        if not self._news.is_set():
            return NOTHING
        self._news.clear()
        rows = await connection.fetch(_FETCH, on_their_way)
        if len(rows) == _WAVE_ROWS or sum(len(row["payload"]) for row in rows) >= _WAVE_BYTES:
            self._news.set()  # there may be more
        return await self._publisher.prepare(rows)

    async def _wait_for_news(self) -> None:
        # Not `wait_for`: woken and cancelled at once, it forgets that it was cancelled.
        with suppress(TimeoutError):
            async with asyncio.timeout(_IDLE_PAUSE):
                await self._news.wait()
        self._news.set()
