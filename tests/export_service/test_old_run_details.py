"""Rows of runs hold personal data, and go when their time is over (R20, R63)."""

import asyncio
import json
from datetime import date, timedelta

from sqlalchemy import text

from contracts import MemberHandedOverV1
from export_service.plan_anew import plan_anew
from export_service.runs import queries, store
from export_service.runs.delete_old_run_details import delete_old_run_details
from kit.clock import now
from kit.ids import new_id
from tests.export_service.handed_over import announcement, handover
from tests.export_service.ordering import TENANT, ServiceContext, announce, hand_over

SCANS = text("SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'handover_rows'")
"""How often this connection has read all rows."""


def old_day(context: ServiceContext) -> date:
    """A day of which no details are kept any more."""
    return now().date() - timedelta(days=context.settings.run_details_days + 2)


def another_member_of(member: MemberHandedOverV1) -> MemberHandedOverV1:
    """Somebody else who was handed over in the same run."""
    return member.model_copy(update={"case_id": new_id(), "booking_number": 2})


async def delete_old_details(context: ServiceContext) -> None:
    """Lets the worker go on until it says that there is nothing left to do."""
    async with asyncio.timeout(60):
        while await delete_old_run_details(context):
            pass


async def rows_of(context: ServiceContext, member: MemberHandedOverV1) -> int:
    """How many rows there are of the member's run; its details are deleted if there are none."""
    async with context.database.connect() as connection:
        run = await queries.find_run(connection, TENANT, member.run_id, None)
        rows = await queries.next_rows(
            connection, TENANT, member.run_id, None, after=queries.START, limit=100
        )
    assert run is not None
    assert run.details_deleted == (not rows)
    return len(rows)


async def test_details_of_old_runs_are_deleted_and_the_overview_stays(
    context: ServiceContext,
) -> None:
    old = handover(collection_date=old_day(context))
    young = handover(collection_date=old_day(context) + timedelta(days=4))
    for member in (old, young):
        await announce(context, announcement([member]))
        await hand_over(context, [member])
    await delete_old_details(context)
    assert (await rows_of(context, old), await rows_of(context, young)) == (0, 1)

    await hand_over(context, [another_member_of(old)])
    await delete_old_details(context)
    assert await rows_of(context, old) == 0, "who comes late is deleted, too"
    async with context.database.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM cases")) == 3


async def test_a_row_that_comes_while_its_run_is_emptied_is_not_forgotten(
    context: ServiceContext,
) -> None:
    old = handover(collection_date=old_day(context))
    await announce(context, announcement([old]))
    run = {
        "tenant_id": TENANT,
        "run_id": old.run_id,
        "booking_number": old.run_booking_number,
        "partner_id": old.partner_id,
        "trigger": old.trigger,
        "collection_date": old.collection_date,
    }
    async with context.database.begin() as connection:
        await store.enter_runs(connection, [run])
        await delete_old_details(context)
        cells = json.dumps(["personal data"])
        row = (TENANT, old.run_id, old.studio.studio_id, 1, 0, cells, "[[]]")
        await store.copy_handover_rows(connection, [row])
    await delete_old_details(context)
    assert await rows_of(context, old) == 0


async def test_a_run_is_emptied_by_its_key_and_only_once(context: ServiceContext) -> None:
    """However many rows there are of other runs, which are not looked at."""
    old = handover(collection_date=old_day(context))
    await hand_over(context, [old, handover(collection_date=now().date())])
    async with context.database.begin() as connection:
        await connection.execute(
            text(
                """
                INSERT INTO handover_rows
                    (tenant_id, run_id, studio_id, booking_number, claim_index, cells, claims)
                SELECT tenant_id, run_id, studio_id, number, 0, cells, claims
                FROM handover_rows, generate_series(2, 5000) AS number
                ORDER BY random()
                """
            )
        )
        await connection.execute(text("ANALYZE"))
    before = old_day(context) + timedelta(days=1)
    async with context.database.begin() as connection:
        await plan_anew(connection)
        scans = await connection.scalar(SCANS)
        found = [
            await store.delete_rows_before(connection, before, now(), limit=4000) for _ in range(3)
        ]
        assert await connection.scalar(SCANS) == scans
    assert found == [True, True, False]
    assert await rows_of(context, old) == 0
