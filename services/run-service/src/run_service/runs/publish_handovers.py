"""The members of a run go out, a batch at a time; after a crash it goes on where it stopped."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import ClaimSnapshotV1, HandoverStudio, MemberSnapshotV1
from kit import outbox
from kit.clock import now
from kit.context import Context
from run_service.candidates.recount import recount
from run_service.runs.handover import FrozenClaim, FrozenMember, member_handed_over
from run_service.runs.store import LockedRun, change_run, lock_run_to_publish
from run_service.runs.work_on_run import work_on_run

PUBLISH_HANDOVERS: Final = "publish handovers"
"""The worker's name."""

BATCH: Final = 500
"""Members of one transaction."""

# Claims are reserved in one order, so that whoever reserves at the same time never waits in turn.
# What belongs to one row is looked up by its key in a subquery: as a join it would hang on
# statistics, which know nothing of rows that came in just now. `owing` are those who owe the claims
# by now, which need not be the members that the preview showed.
_TAKE_NEXT = text(
    """
    WITH next AS MATERIALIZED (
        SELECT * FROM preview_members
        WHERE tenant_id = :tenant_id AND preview_id = :preview_id
          AND place > :last_place AND NOT left_out
        ORDER BY place LIMIT :batch
    ), reserved AS (
        INSERT INTO reservations (tenant_id, run_id, member_id, claim_id, voucher_id, to_collect)
        SELECT tenant_id, :run_id, member_id, claim_id, uuidv7(), to_collect
        FROM next CROSS JOIN unnest(claim_ids, claim_amounts) AS claim (claim_id, to_collect)
        ORDER BY claim_id
        RETURNING (SELECT claim.member_id FROM claims AS claim
                   WHERE claim.tenant_id = reservations.tenant_id
                     AND claim.claim_id = reservations.claim_id) AS owes
    ), taken AS (
        INSERT INTO run_members (
            tenant_id, run_id, member_id, case_id, booking_number, studio_id, name,
            membership_number, search_text, currency, total, case_status, taken_in_by,
            taken_in_as, taken_in_reason)
        SELECT tenant_id, :run_id, member_id, uuidv7(),
               :published + row_number() OVER (ORDER BY place), studio_id, name,
               membership_number, search_text, currency, total, 'PENDING',
               CASE WHEN minor THEN decided_by END, CASE WHEN minor THEN decided_as END,
               CASE WHEN minor THEN decision_reason END
        FROM next
        RETURNING member_id, case_id, booking_number
    )
    SELECT member_id, case_id, booking_number, place, studio_id,
           (SELECT transfer_id FROM run_studios AS part
            WHERE part.tenant_id = next.tenant_id AND part.run_id = :run_id
              AND part.studio_id = next.studio_id) AS transfer_id,
           (SELECT snapshot::text FROM member_snapshots AS version
            WHERE version.tenant_id = next.tenant_id AND version.member_id = next.member_id
              AND version.sequence = next.sequence) AS snapshot,
           (SELECT array_agg(DISTINCT owes) FROM reserved) AS owing
    FROM next JOIN taken USING (member_id)
    ORDER BY booking_number
    """
)
_CLAIMS = text(
    """
    SELECT member_id, to_collect,
           (SELECT voucher_id FROM reservations AS reserved
            WHERE reserved.tenant_id = frozen.tenant_id AND reserved.run_id = :run_id
              AND reserved.member_id = frozen.member_id
              AND reserved.claim_id = claim.claim_id) AS voucher_id,
           (SELECT snapshot::text FROM claim_snapshots AS version
            WHERE version.tenant_id = frozen.tenant_id AND version.claim_id = claim.claim_id
              AND version.sequence = claim_sequence) AS snapshot
    FROM preview_members AS frozen
    CROSS JOIN unnest(claim_ids, claim_sequences, claim_amounts) WITH ORDINALITY
               AS claim (claim_id, claim_sequence, to_collect, number)
    WHERE tenant_id = :tenant_id AND preview_id = :preview_id
      AND place > :last_place AND place <= :place AND NOT left_out
    ORDER BY place, number
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
    """Hand over the next members of one run, and tell whether there was one.

    The lock on the run lets one instance at a time publish it; `published` is saved with the
    events, so that each member goes out once. A run that fails is tried again after a minute, and
    holds no other up.
    """
    return await work_on_run(
        context, lock_run_to_publish, _publish_next, postponed_by="next_try_at"
    )


async def _publish_next(connection: AsyncConnection, run: LockedRun) -> None:
    keys = {**run.key, "preview_id": run.preview_id, "last_place": run.last_place}
    found = await connection.execute(
        _TAKE_NEXT, {**keys, "published": run.published, "batch": BATCH}
    )
    rows = found.all()
    members = await _load_members(connection, run, rows)
    await outbox.publish(
        connection, [(member_handed_over(run, member), run.creation) for member in members]
    )
    await recount(connection, ((run.tenant_id, member_id) for member_id in rows[0].owing))
    published = run.published + len(rows)
    await change_run(
        connection,
        run,
        published=published,
        last_place=rows[-1].place,
        published_at=now() if published == run.member_count else None,
        next_try_at=None,
    )


async def _load_members(
    connection: AsyncConnection, run: LockedRun, rows: Sequence[Row[Any]]
) -> list[FrozenMember]:
    places = {"last_place": run.last_place, "place": rows[-1].place}
    claims: defaultdict[UUID, list[FrozenClaim]] = defaultdict(list)
    for row in await connection.execute(
        _CLAIMS, {**run.key, "preview_id": run.preview_id, **places}
    ):
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
