"""The members of a run go out, a batch at a time; after a crash it goes on where it stopped."""

from collections import defaultdict
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import ClaimSnapshotV1, HandoverStudio, MemberSnapshotV1
from kit import outbox
from kit.context import Context
from run_service.runs.handover import FrozenClaim, FrozenMember, member_handed_over
from run_service.runs.store import LockedRun, change_run, lock_run_to_publish

PUBLISH_HANDOVERS: Final = "publish handovers"
"""The worker's name."""

BATCH: Final = 500
"""Members of one transaction."""

_MEMBERS = text(
    """
    SELECT member_id, case_id, booking_number, member.studio_id, transfer_id,
           frozen.snapshot::text AS snapshot
    FROM run_members AS member
    JOIN run_studios USING (tenant_id, run_id, studio_id)
    JOIN preview_members AS frozen USING (tenant_id, member_id)
    WHERE tenant_id = :tenant_id AND run_id = :run_id AND preview_id = :preview_id
      AND booking_number > :published AND booking_number <= :last
    ORDER BY booking_number
    """
)
_CLAIMS = text(
    """
    SELECT member_id, voucher_id, reserved.to_collect, frozen.snapshot::text AS snapshot
    FROM run_members
    JOIN reservations AS reserved USING (tenant_id, run_id, member_id)
    JOIN preview_claims AS frozen USING (tenant_id, member_id, claim_id)
    WHERE tenant_id = :tenant_id AND run_id = :run_id AND preview_id = :preview_id
      AND booking_number > :published AND booking_number <= :last
    ORDER BY booking_number, frozen.snapshot ->> 'due_date', claim_id
    """
)
_STUDIOS = text(
    """
    SELECT studio_id, snapshot::text AS snapshot FROM preview_studios
    WHERE tenant_id = :tenant_id AND preview_id = :preview_id
      AND studio_id = ANY(CAST(:studio_ids AS uuid[]))
    """
)


async def publish_handovers(context: Context[Any]) -> bool:
    """Publish the next members of one run, and tell whether there was one.

    The lock on the run lets one instance at a time publish it; `published` is saved with the
    events, so that each member goes out once.
    """
    async with context.database.begin() as connection:
        run = await lock_run_to_publish(connection)
        if run is None:
            return False
        last = min(run.published + BATCH, run.member_count)
        members = await _load_members(connection, run, last)
        await outbox.publish(
            connection, [(member_handed_over(run, member), run.creation) for member in members]
        )
        await change_run(connection, run, published=last)
        return True


async def _load_members(
    connection: AsyncConnection, run: LockedRun, last: int
) -> list[FrozenMember]:
    parameters = {**run.key, "preview_id": run.preview_id}
    batch = {**parameters, "published": run.published, "last": last}
    rows = (await connection.execute(_MEMBERS, batch)).all()
    claims: defaultdict[UUID, list[FrozenClaim]] = defaultdict(list)
    for row in await connection.execute(_CLAIMS, batch):
        snapshot = ClaimSnapshotV1.model_validate_json(row.snapshot)
        claims[row.member_id].append(FrozenClaim(snapshot, row.voucher_id, row.to_collect))
    studio_ids = list({row.studio_id for row in rows})
    studios = {
        row.studio_id: HandoverStudio.model_validate_json(row.snapshot)
        for row in await connection.execute(
            _STUDIOS,
            {
                "tenant_id": run.tenant_id,
                "preview_id": run.preview_id,
                "studio_ids": studio_ids,
            },
        )
    }
    return [
        FrozenMember(
            case_id=row.case_id,
            booking_number=row.booking_number,
            transfer_id=row.transfer_id,
            snapshot=MemberSnapshotV1.model_validate_json(row.snapshot),
            studio=studios[row.studio_id],
            claims=claims[row.member_id],
        )
        for row in rows
    ]
