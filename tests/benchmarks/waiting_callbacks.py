"""A hundred thousand callbacks wait for cases that never come: nobody else notices (R51).

`python -m pytest -s tests/benchmarks/waiting_callbacks.py`
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from sqlalchemy import text
from tests.benchmarks.measuring import Figure
from tests.partner_gateway.saying import NOWHERE
from tests.partner_gateway.world import TENANT, Gateway, make_settings

from kit.context import Context
from kit.database import Database
from kit.ids import new_id
from partner_gateway.callbacks.release_callbacks import release_callbacks
from partner_gateway.callbacks.translate_callbacks import translate_callbacks
from partner_gateway.settings import Settings

WAITING = 100_000
OTHERS = 200_000
"""Cases that partners hold, for which nothing waits."""
COMING = 2_000
_WAIT = text(
    """
    INSERT INTO callbacks (callback_id, tenant_id, partner_id, webhook_id, body, received_at,
                           status, waits_for, handled_at, correlation_id)
    SELECT uuidv7(), :tenant_id, :partner_id, 'msg_' || number,
           convert_to(json_build_object('type', 'case.accepted', 'data',
                                        json_build_object('case_id', case_id))::text, 'UTF8'),
           now(), 'WAITING', case_id, now(), 'benchmark'
    FROM (SELECT number, uuidv7() AS case_id FROM generate_series(1, :count) AS number) AS named
    """
)
_HOLD = """
    WITH delivery AS (
        INSERT INTO deliveries (request_id, tenant_id, partner_id, kind, status, tries,
                                next_try_at, created_at, finished_at, correlation_id)
        VALUES (:request_id, :tenant_id, :partner_id, 'HANDOVER', 'DONE', 1, now(), now(), now(),
                'benchmark')
        RETURNING request_id
    )
    INSERT INTO cases (tenant_id, case_id, partner_id, run_id, member_id, request_id,
                       correlation_id)
    SELECT :tenant_id, case_id, :partner_id, :run_id, uuidv7(), request_id, 'benchmark'
    FROM delivery, ({case_ids}) AS held (case_id)
"""
_HOLD_OTHERS = text(_HOLD.format(case_ids="SELECT uuidv7() FROM generate_series(1, :count)"))
_COME = text(
    _HOLD.format(case_ids="SELECT waits_for FROM callbacks WHERE status = 'WAITING' LIMIT :count")
)


@pytest.fixture
async def gateway(
    migrated: Callable[[str], AbstractAsyncContextManager[str]],
) -> AsyncIterator[Gateway]:
    """A gateway with an empty database."""
    async with migrated("partner_gateway.migrations") as url:
        context: Context[Settings] = Context(make_settings(url), Database(url))
        gateway = Gateway(context)
        async with gateway.serving():
            yield gateway
        await context.database.close()


async def test_the_wait_of_many_costs_others_little(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    ids = {"tenant_id": TENANT, "partner_id": partner.partner_id}

    async def change(statement: object, **more: object) -> None:
        async with gateway.database.begin() as connection:
            await connection.execute(statement, {**ids, **more})  # type: ignore[call-overload]

    async def release() -> None:
        await release_callbacks(gateway.context)

    async def translate() -> None:
        while await translate_callbacks(gateway.context):
            pass

    await change(_HOLD_OTHERS, request_id=new_id(), run_id=new_id(), count=OTHERS)
    await change(_WAIT, count=WAITING)
    figures = [
        Figure("a look at what was sent", await seconds_of(release), "s", 2),
        Figure(
            "a turn of the translator with nothing to do", await seconds_of(translate), "s", 0.1
        ),
    ]
    await change(_COME, request_id=new_id(), run_id=new_id(), count=COMING)
    figures += [
        Figure(f"release of {COMING}", await seconds_of(release), "s", 4),
        Figure("their translation", await seconds_of(translate), "s", 10),
        Figure("a look when nothing more was sent", await seconds_of(release), "s", 0.1),
    ]
    for figure in figures:
        print(figure)  # noqa: T201
    rows = await gateway.rows("SELECT status, count(*) FROM callbacks GROUP BY status ORDER BY 1")
    assert [tuple(row) for row in rows] == [("TRANSLATED", COMING), ("WAITING", WAITING - COMING)]
    assert not any(figure.is_too_much for figure in figures)


async def seconds_of(do: Callable[[], Awaitable[None]]) -> float:
    """Return how long it takes."""
    started = time.perf_counter()
    await do()
    return time.perf_counter() - started
