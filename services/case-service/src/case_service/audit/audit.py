"""`case-service audit`: is everything that is kept and published what the entries say? (R31)

It looks at one moment of the database, some cases at a time, and at all that was published of them:
however large the ledger is, memory stays small and nobody is held up.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service.audit.balances import BALANCES, ENDS
from case_service.audit.claims import CLAIMS_EVERYWHERE
from case_service.audit.course import follow_lines, follow_moments, prepare_course
from case_service.audit.difference import Difference, found, ranges, reason_of
from case_service.audit.events import compare_events, prepare_events
from case_service.audit.published import gather_events
from case_service.audit.store import Findings, save_audit
from kit.clock import now
from kit.context import Context
from kit.database import Database

CASES_AT_A_TIME: Final = 20_000
CLAIMS_AT_A_TIME: Final = 200_000
"""However large the ledger is, no statement takes long."""

# All is compared in sets; nothing is looked up row by row where the planner expects few. Each
# of the two connections may wait for the other.
_SESSION: Final = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET LOCAL enable_nestloop = off",
    "SET LOCAL work_mem = '64MB'",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
)


async def audit(context: Context[Any], _arguments: Sequence[str]) -> int:
    """Print each difference, how many there are, and keep the result for `GET /v1/audit`.

    Returns 0 when there is none, 1 when there are some, and 2 when it could not be done: then the
    last line says why, and the last result stays.
    """
    try:
        return 1 if await _audit(context) else 0
    except Exception as error:  # any other exit code would be taken for a result
        print(f"audit: could not be done: {reason_of(error)}")  # noqa: T201
        return 2


async def _audit(context: Context[Any]) -> int:
    started_at, count, findings = now(), 0, Findings()
    kafka = context.settings.kafka_bootstrap_servers
    async for difference in differences(context.database, kafka):
        count += 1
        findings.add(difference)
        print(difference)  # noqa: T201 - what the command is for
    async with context.database.begin() as connection:
        await save_audit(connection, findings.rows, started_at, now())
    print(f"audit: {count} differences")  # noqa: T201
    return count


async def differences(database: Database, kafka: str | None) -> AsyncIterator[Difference]:
    """Yield every difference in what all tenants have; without `kafka` of the outbox alone.

    Events are read and compared on one connection, and all else on another one meanwhile; both look
    at one moment. Raises what database and Kafka raise when it cannot be known.
    """
    async with database.begin() as one, database.begin() as other:
        await _begin(one)
        snapshot = await one.scalar(text("SELECT pg_export_snapshot()"))
        await _begin(other, snapshot)
        sources = (_in_events(one, database, kafka), _in_tables(other))
        async with aclosing(_together(sources)) as found_together:
            async for difference in found_together:
                yield difference


async def _begin(connection: AsyncConnection, snapshot: str | None = None) -> None:
    """Begin to look at one moment, at that of another connection if its snapshot is given."""
    isolation, *settings = _SESSION
    await connection.execute(text(isolation))
    if snapshot is not None:
        await connection.execute(text(f"SET TRANSACTION SNAPSHOT '{snapshot}'"))
    for setting in settings:
        await connection.execute(text(setting))
    await prepare_course(connection)


async def _in_events(
    connection: AsyncConnection, database: Database, kafka: str | None
) -> AsyncIterator[Difference]:
    await prepare_events(connection)
    async for difference in gather_events(connection, kafka):
        yield difference
    for bounds in await ranges(connection, "cases", "case_id", CASES_AT_A_TIME):
        await follow_lines(connection, bounds)
        await follow_moments(connection, bounds)
        async for difference in found(connection, ENDS, bounds):
            yield difference
        async for difference in compare_events(connection, bounds, database):
            yield difference


async def _in_tables(connection: AsyncConnection) -> AsyncIterator[Difference]:
    for bounds in await ranges(connection, "cases", "case_id", CASES_AT_A_TIME):
        await follow_lines(connection, bounds)
        for check in BALANCES:
            async for difference in found(connection, check, bounds):
                yield difference
    for bounds in await ranges(connection, "case_claims", "claim_id", CLAIMS_AT_A_TIME):
        for check in CLAIMS_EVERYWHERE:
            async for difference in found(connection, check, bounds):
                yield difference


async def _together(
    sources: Iterable[AsyncIterator[Difference]],
) -> AsyncGenerator[Difference, None]:
    """Yield what several sources yield, at the same time; raises the first error of any."""
    news: asyncio.Queue[Difference | asyncio.Task[None]] = asyncio.Queue()

    async def pass_on(source: AsyncIterator[Difference]) -> None:
        async for difference in source:
            news.put_nowait(difference)

    tasks = {asyncio.create_task(pass_on(source)) for source in sources}
    for task in tasks:
        task.add_done_callback(news.put_nowait)
    working = len(tasks)
    try:
        while working:
            match await news.get():
                case asyncio.Task() as ended:
                    ended.result()
                    working -= 1
                case difference:
                    yield difference
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
