"""Keep what was announced of runs."""

import json
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import RunCreatedV1, RunStudio
from export_service.runs import store
from kit.messages import Message


async def keep_runs(connection: AsyncConnection, messages: Sequence[Message[RunCreatedV1]]) -> None:
    """Keeps how many members and claims each run has: an export waits until they have arrived."""
    announced = {(message.tenant_id, message.event.run_id): message.event for message in messages}
    in_order = [(key, announced[key]) for key in sorted(announced)]
    await store.announce_runs(
        connection,
        [_run_row(tenant_id, run) for (tenant_id, _), run in in_order],
        [
            _studio_row(tenant_id, run_id, studio)
            for (tenant_id, run_id), run in in_order
            for studio in sorted(run.studios, key=_studio_id)
        ],
    )


def _run_row(tenant_id: UUID, run: RunCreatedV1) -> store.Values:
    return {
        "tenant_id": tenant_id,
        "run_id": run.run_id,
        "booking_number": run.booking_number,
        "partner_id": run.partner_id,
        "trigger": run.trigger,
        "collection_date": run.collection_date,
        "created_at": run.created_at,
    }


def _studio_row(tenant_id: UUID, run_id: UUID, studio: RunStudio) -> store.Values:
    totals = {money.currency: str(money.amount) for money in studio.totals}
    return {
        "tenant_id": tenant_id,
        "run_id": run_id,
        "studio_id": studio.studio_id,
        "member_count": studio.member_count,
        "claim_count": studio.claim_count,
        "totals": json.dumps(totals),
    }


def _studio_id(studio: RunStudio) -> UUID:
    return studio.studio_id
