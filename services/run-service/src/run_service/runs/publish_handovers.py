"""The members of a run go out, a batch at a time; after a crash it goes on where it stopped."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import HandoverStudio, MemberHandedOverV1
from kit import outbox
from kit.clock import now
from kit.context import Context
from run_service.candidates.recount import recount, share_settings
from run_service.runs import handover
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
# statistics, which know nothing of rows that came in just now. Kept texts lose their last brace, as
# bytes, for PostgreSQL walks through the characters of a text. Where a kept text is missing there
# is no event, and that is an error. The id of a case is that of its handover, too, if it is written
# here: no other event has it, and making one takes 2 µs. Returned is what the contract's model is
# to read: the first of the batch, and members with a legal guardian, which are not published yet.
# The last one tells how far the batch goes.
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
    ), handover AS MATERIALIZED (
        SELECT case_id, CAST(member_id AS text) AS key, booking_number, place, legal_guardian,
               convert_to(format(CAST(:start AS text), case_id, transfer_id, booking_number,
                                 member_id) || studio || CAST(:after_studio AS text), 'UTF8')
               || substring(person FROM 1 FOR octet_length(person) - 1)
               || convert_to(format(CAST(:debtor AS text), member_id), 'UTF8')
               || claims || CAST(:end AS bytea) AS payload
        FROM next LEFT JOIN unnest(
            CAST(:studio_ids AS uuid[]), CAST(:transfer_ids AS text[]), CAST(:studios AS text[])
        ) AS part (studio_id, transfer_id, studio) USING (studio_id)
        LEFT JOIN LATERAL (
            SELECT convert_to(CAST(person AS text), 'UTF8') AS person,
                   CAST(legal_guardian AS text) AS legal_guardian
            FROM member_snapshots AS version
            WHERE version.tenant_id = next.tenant_id AND version.member_id = next.member_id
              AND version.sequence = next.sequence
            OFFSET 0
        ) AS version ON true
        LEFT JOIN LATERAL (
            SELECT string_agg(
                substring(details FROM 1 FOR octet_length(details) - 1)
                || convert_to(format(CAST(:claim AS text), greatest(claim_sequence, 0),
                                     voucher_id, claim_amount, next.currency), 'UTF8'),
                CAST(:between_claims AS bytea) ORDER BY number) AS claims
            FROM (
                SELECT *, (SELECT convert_to(CAST(details AS text), 'UTF8')
                           FROM claim_snapshots AS version
                           WHERE version.tenant_id = next.tenant_id
                             AND version.claim_id = claim.claim_id
                             AND version.sequence = claim_sequence) AS details
                FROM unnest(claim_ids, claim_sequences, voucher_ids, claim_amounts)
                     WITH ORDINALITY
                     AS claim (claim_id, claim_sequence, voucher_id, claim_amount, number)
                OFFSET 0
            ) AS claim
            HAVING count(details) = count(*)
        ) AS claims ON true
    ), written AS (
        SELECT case_id AS id, key, payload, place FROM handover WHERE legal_guardian IS NULL
    ), published AS ({outbox.INSERT_WRITTEN})
    SELECT booking_number, place, payload, legal_guardian FROM handover
    WHERE legal_guardian IS NOT NULL
       OR booking_number IN (:published + 1, (SELECT max(booking_number) FROM next))
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
    f"""
    SELECT studio_id, CAST(transfer_id AS text) AS transfer_id,
           CAST(snapshot AS text) AS snapshot
    FROM preview_studios JOIN run_studios USING (tenant_id, studio_id)
    WHERE tenant_id = :tenant_id AND preview_id = :preview_id AND run_id = :run_id
      AND studio_id = ANY(ARRAY(SELECT DISTINCT next.studio_id FROM ({_NEXT}) AS next))
    """  # noqa: S608 - constants
)


class HandoverNotWrittenError(Exception):
    """A handover of a run has not all its parts, or is larger than its topic takes."""

    def __init__(self, run_id: UUID) -> None:
        self.safe_message: Final = (
            f"a handover of run {run_id} lacks a part, or is larger than its topic takes"
        )
        super().__init__(self.safe_message)


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
    rows = await _take_next(connection, run, {**batch, "run_id": run.run_id})
    MemberHandedOverV1.model_validate_json(rows[0].payload)
    await outbox.publish(
        connection,
        (
            (handover.with_guardian(row.payload, row.legal_guardian), run.creation)
            for row in rows
            if row.legal_guardian is not None
        ),
    )
    if others:
        # Counted again, and so are those who owe the claims by now, whom the preview did not show
        # with them.
        owing = await connection.scalars(_OWE_WHAT_GOES, {**preview, "member_ids": list(others)})
        wanted = {*others, *owing}
        await recount(connection, ((run.tenant_id, member_id) for member_id in wanted))
    published = rows[-1].booking_number
    await change_run(
        connection,
        run,
        published=published,
        last_place=rows[-1].place,
        published_at=now() if published == run.member_count else None,
        next_try_at=None,
    )


async def _take_next(
    connection: AsyncConnection, run: LockedRun, taken: dict[str, object]
) -> Sequence[Row[Any]]:
    """Take the next members, and return of their handovers what the model is to read."""
    parameters = {
        **taken,
        "published": run.published,
        "start": handover.start_format(run),
        "after_studio": handover.AFTER_STUDIO,
        "debtor": handover.DEBTOR_FORMAT,
        "claim": handover.CLAIM_FORMAT,
        "between_claims": handover.BETWEEN_CLAIMS,
        "end": handover.END,
        **await _load_studios(connection, taken),
        **outbox.written_parameters(MemberHandedOverV1, run.creation),
    }
    try:
        rows = (await connection.execute(_TAKE_NEXT, parameters)).all()
    except IntegrityError as error:
        if outbox.lacks_payload(error):
            raise HandoverNotWrittenError(run.run_id) from error
        raise
    if any(row.payload is None for row in rows):  # of members with a guardian
        raise HandoverNotWrittenError(run.run_id)
    return rows


async def _load_studios(
    connection: AsyncConnection, taken: dict[str, object]
) -> dict[str, list[object]]:
    """Return the studios of the next members, as the preview froze them and handovers repeat them.

    They are columns, in one order.
    """
    rows = (await connection.execute(_STUDIOS, taken)).all()
    return {
        "studio_ids": [row.studio_id for row in rows],
        "transfer_ids": [row.transfer_id for row in rows],
        "studios": [
            HandoverStudio.model_validate_json(row.snapshot).model_dump_json() for row in rows
        ],
    }
