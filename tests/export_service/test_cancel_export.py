"""An export that nobody needs any more is cancelled, and leaves nothing behind (R41, R63)."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from export_service.exports import render_export
from export_service.exports.render_export import ExportRenderer
from export_service.runs import queries
from local_stack.issuer import Issuer
from tests.export_service.conftest import render_all
from tests.export_service.handed_over import run_of
from tests.export_service.ordering import ServiceContext, announce, folder, hand_over, published
from tests.export_service.staff import Staff

RUN, MEMBERS = run_of(members=5)
ENDED = "urn:collection:problem:export-ended"


@pytest.fixture
async def staff(client: httpx.AsyncClient, issuer: Issuer, context: ServiceContext) -> Staff:
    """Who orders; a run of five members is there."""
    await announce(context, RUN)
    await hand_over(context, MEMBERS)
    return Staff(client, issuer)


async def test_one_that_waits_is_cancelled_and_stays_so(
    context: ServiceContext, staff: Staff
) -> None:
    export_id = await staff.ordered(run_id=RUN.run_id)
    answer = await staff.cancel(export_id)
    cancelled = answer.json()
    assert answer.status_code == 200
    assert (cancelled["status"], cancelled["cancelled_by"]) == ("CANCELLED", "staff-7")
    assert cancelled["cancelled_at"] is not None
    await render_all(context)
    assert (await staff.get(f"/{export_id}")).json() == cancelled
    assert (await staff.cancel(export_id)).json() == cancelled
    assert await staff.ids(status="CANCELLED") == [export_id]
    no_file = await staff.get(f"/{export_id}/file")
    assert (no_file.status_code, no_file.json()["detail"]) == (409, "The export is CANCELLED.")


async def test_one_that_is_rendered_stops_at_its_next_batch(
    context: ServiceContext, staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is in storage, nor published."""
    monkeypatch.setattr(render_export, "STORED_ROWS_PER_BATCH", 2)
    export_id = await staff.ordered(run_id=RUN.run_id, format="xlsx")
    renderer = ExportRenderer()
    await renderer.turn(context)
    assert (await staff.get(f"/{export_id}")).json()["status"] == "RUNNING"
    cancelled = (await staff.cancel(export_id)).json()
    assert cancelled["status"] == "CANCELLED"
    assert await renderer.turn(context) is True
    assert await renderer.turn(context) is False
    assert (await staff.get(f"/{export_id}")).json() == cancelled
    assert list(folder(context).iterdir()) == []
    assert await published(context) == []


async def test_one_that_is_cancelled_when_its_file_is_whole_leaves_none(
    context: ServiceContext, staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_id = await staff.ordered(run_id=RUN.run_id)
    complete = render_export._complete
    whole: list[Path] = []

    async def cancel_and_complete(*arguments: object) -> bool:
        whole.extend(folder(context).iterdir())
        await staff.cancel(export_id)
        return await complete(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(render_export, "_complete", cancel_and_complete)
    await render_all(context)
    assert [path.name for path in whole] == [f"{export_id}.1.csv"]
    assert list(folder(context).iterdir()) == []
    assert await published(context) == []
    assert (await staff.get(f"/{export_id}")).json()["status"] == "CANCELLED"


async def test_nobody_who_cancels_waits_for_rows_that_are_read(
    context: ServiceContext, staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nobody is warned: it is what somebody wanted."""
    export_id = await staff.ordered(run_id=RUN.run_id)
    read = queries.next_rows

    async def read_when_cancelled(*arguments: Any, **more: Any) -> list[queries.RowsOfRun]:
        async with asyncio.timeout(5):
            await staff.cancel(export_id)
        return await read(*arguments, **more)

    monkeypatch.setattr(queries, "next_rows", read_when_cancelled)
    with structlog.testing.capture_logs() as lines:
        await render_all(context)
    told = [(line["event"], line["log_level"]) for line in lines if line["event"] != "request"]
    assert told == [("export-cancelled", "info")]
    assert (await staff.get(f"/{export_id}")).json()["status"] == "CANCELLED"


async def test_one_that_has_ended_cannot_be_cancelled(
    context: ServiceContext, staff: Staff
) -> None:
    export_id = await staff.ordered(run_id=RUN.run_id)
    await render_all(context)
    answer = await staff.cancel(export_id)
    assert (answer.status_code, answer.json()["type"]) == (409, ENDED)
    assert answer.json()["detail"] == "The export is COMPLETED."
    assert (await staff.get(f"/{export_id}/file")).status_code == 200


async def test_only_who_ordered_it_or_manages_may_cancel(
    client: httpx.AsyncClient, issuer: Issuer, staff: Staff
) -> None:
    """R63."""
    export_id = await staff.ordered(run_id=RUN.run_id)
    colleague = Staff(client, issuer, subject="staff-8")
    manager = Staff(
        client, issuer, subject="staff-9", roles=["collection:read", "collection:manage"]
    )
    assert (await colleague.cancel(export_id)).status_code == 403
    assert (await staff.get(f"/{export_id}")).json()["status"] == "WAITING"
    assert (await manager.cancel(export_id)).json()["cancelled_by"] == "staff-9"
    assert (await staff.cancel(export_id)).json()["cancelled_by"] == "staff-9"
