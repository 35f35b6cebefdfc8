"""The members of a run go out, a batch at a time; after a crash it goes on where it stopped."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import HandoverStudio, MemberHandedOverV1
from kit import outbox
from kit.clock import now
from kit.context import Context
from kit.outbox import WrittenEvent
from run_service.candidates.recount import recount, share_settings
from run_service.runs.handover import FrozenMember, members_handed_over
from run_service.runs.store import LockedRun, change_run, lock_run_to_publish
from run_service.runs.work_on_run import work_on_run

PUBLISH_HANDOVERS: Final = "publish handovers"
"""The worker's name."""

BATCH: Final = 500
"""Members of one transaction."""

_NEXT: Final = """
    SELECT * FROM preview_members
    WHERE tenant_id = :tenant_id AND preview_id = :preview_id
      AND place > :last_place AND NOT left_out
    ORDER BY place LIMIT :batch
    """
# Who goes with all that it owes owes nothing more that could go; returned is who else goes. All are
# locked before anybody looks at whose the claims are: a claim that goes to another member meanwhile
# is either seen to have gone, or waits until its reservation is seen.
_LEAVE_NOTHING: Final = text(
    f"""
    WITH going AS MATERIALIZED (
        SELECT tenant_id, member_id, claim_ids FROM ({_NEXT}) AS next ORDER BY tenant_id, member_id
    ), locked AS MATERIALIZED (
        SELECT going.* FROM going CROSS JOIN LATERAL (
            SELECT FROM members AS member
            WHERE member.tenant_id = going.tenant_id AND member.member_id = going.member_id
            FOR NO KEY UPDATE
        ) AS member
    ), whole AS (
        UPDATE members AS member
        SET claim_ids = '{{}}', claim_sequences = '{{}}', claim_amounts = '{{}}',
            currency = NULL, total = NULL, arose_on = NULL
        FROM locked
        WHERE member.tenant_id = locked.tenant_id AND member.member_id = locked.member_id
          AND member.claim_ids = locked.claim_ids
        RETURNING member.member_id
    )
    SELECT member_id FROM locked WHERE member_id NOT IN (SELECT member_id FROM whole)
    """  # noqa: S608 - constants
)
# Claims are reserved in one order, so that whoever reserves at the same time never waits in turn.
# What belongs to one row is looked up by its key in a subquery: as a join it would hang on
# statistics, which know nothing of rows that came in just now.
_TAKE_NEXT: Final = text(
    f"""
    WITH next AS MATERIALIZED (
        SELECT *, uuidv7() AS case_id,
               :published + row_number() OVER (ORDER BY place) AS booking_number,
               ARRAY(SELECT uuidv7() FROM unnest(claim_ids)) AS voucher_ids
        FROM ({_NEXT}) AS frozen
    ), reserved AS (
        INSERT INTO reservations (tenant_id, run_id, member_id, claim_id, voucher_id, to_collect)
        SELECT tenant_id, :run_id, member_id, unnest(claim_ids) AS claim_id, unnest(voucher_ids),
               unnest(claim_amounts)
        FROM next ORDER BY claim_id
    ), taken AS (
        INSERT INTO run_members (
            tenant_id, run_id, member_id, case_id, booking_number, studio_id, name,
            membership_number, search_text, currency, total, case_status, taken_in_by,
            taken_in_as, taken_in_reason)
        SELECT tenant_id, :run_id, member_id, case_id, booking_number, studio_id, name,
               membership_number, search_text, currency, total, 'PENDING',
               CASE WHEN minor THEN decided_by END, CASE WHEN minor THEN decided_as END,
               CASE WHEN minor THEN decision_reason END
        FROM next
    )
    SELECT CAST(member_id AS text), CAST(case_id AS text), booking_number, place,
           CAST(studio_id AS text),
           (SELECT CAST(transfer_id AS text) FROM run_studios AS part
            WHERE part.tenant_id = next.tenant_id AND part.run_id = :run_id
              AND part.studio_id = next.studio_id),
           CAST(person AS text), CAST(legal_guardian AS text), currency,
           ARRAY(SELECT (SELECT CAST(details AS text) FROM claim_snapshots AS version
                         WHERE version.tenant_id = next.tenant_id
                           AND version.claim_id = claim.claim_id
                           AND version.sequence = claim_sequence)
                 FROM unnest(claim_ids, claim_sequences) WITH ORDINALITY
                      AS claim (claim_id, claim_sequence, number)
                 ORDER BY number),
           claim_sequences, CAST(claim_amounts AS text[]), CAST(voucher_ids AS text[])
    FROM next LEFT JOIN LATERAL (
        SELECT person, legal_guardian FROM member_snapshots AS version
        WHERE version.tenant_id = next.tenant_id AND version.member_id = next.member_id
          AND version.sequence = next.sequence
        OFFSET 0
    ) AS version ON true
    ORDER BY booking_number
    """  # noqa: S608 - constants
)
_OWE_WHAT_GOES: Final = text(
    """
    SELECT DISTINCT claim.member_id
    FROM preview_members AS going CROSS JOIN unnest(claim_ids) AS goes (claim_id)
    JOIN claims AS claim ON claim.tenant_id = going.tenant_id AND claim.claim_id = goes.claim_id
    WHERE going.tenant_id = :tenant_id AND going.preview_id = :preview_id
      AND going.member_id = ANY(CAST(:member_ids AS uuid[]))
    """
)
_STUDIOS: Final = text(
    """
    SELECT CAST(studio_id AS text), CAST(snapshot AS text) FROM preview_studios
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
    preview = {"tenant_id": run.tenant_id, "preview_id": run.preview_id}
    batch = {**preview, "last_place": run.last_place, "batch": BATCH}
    await share_settings(connection, [run.tenant_id])
    others = (await connection.scalars(_LEAVE_NOTHING, batch)).all()
    found = await connection.execute(
        _TAKE_NEXT, {**batch, "run_id": run.run_id, "published": run.published}
    )
    members = [FrozenMember._make(row) for row in found]
    published, place = run.published + len(members), members[-1].place
    if others:
        # Counted again, and so are those who owe the claims by now, whom the preview did not show
        # with them.
        owing = await connection.scalars(_OWE_WHAT_GOES, {**preview, "member_ids": list(others)})
        wanted = {*others, *owing}
        await recount(connection, ((run.tenant_id, member_id) for member_id in wanted))
    payloads = members_handed_over(run, members, await _load_studios(connection, run, members))
    await outbox.publish_written(
        connection,
        (
            (WrittenEvent(MemberHandedOverV1, member.member_id, payload), run.creation)
            for member, payload in zip(members, payloads, strict=True)
        ),
    )
    await change_run(
        connection,
        run,
        published=published,
        last_place=place,
        published_at=now() if published == run.member_count else None,
        next_try_at=None,
    )


async def _load_studios(
    connection: AsyncConnection, run: LockedRun, members: Sequence[FrozenMember]
) -> dict[str, str]:
    """Return the studios of members, as the preview froze them and handovers repeat them."""
    found = await connection.execute(
        _STUDIOS,
        {
            "tenant_id": run.tenant_id,
            "preview_id": run.preview_id,
            "studio_ids": list({member.studio_id for member in members}),
        },
    )
    return {
        studio_id: HandoverStudio.model_validate_json(snapshot).model_dump_json()
        for studio_id, snapshot in found
    }
