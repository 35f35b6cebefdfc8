"""Counting: what became of a run's members, without batches that wait for each other.

A batch of answers changes the rows of its members, and adds what that comes to as a new row to
`run_tallies`. Whoever holds the lock of the run adds the tallies up: so it is one transaction at a
time that sees a run complete, and says so.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from run_service.candidates.recount import recount
from run_service.runs.run import CaseStatus, Progress
from run_service.runs.store import LockedRun


class Answer(NamedTuple):
    """What became of one member of a run, beside the status that its case has now."""

    case_id: UUID
    run_id: UUID
    reason_code: str | None = None
    reversed: bool = False


# Members are locked in one order, and so are claims, so that batches that meet never wait for each
# other. The transitions allowed here are those of CaseStatus; any other answer is a repetition, but
# for the partner's yes to a case of whose end was heard first: its member is not unanswered after
# all. Free claims count for who owes them by now, which need not be the member that was handed
# over. They stay that one's until the end: else one could go to another member meanwhile, who would
# be counted without it, as it is still reserved there.
_ANSWER = text(
    """
    WITH answer AS (
        SELECT DISTINCT ON (tenant_id, case_id) *, CAST(:status AS text) AS status
        FROM unnest(CAST(:tenant_ids AS uuid[]), CAST(:case_ids AS uuid[]),
                    CAST(:reason_codes AS text[]), CAST(:reversed AS boolean[]))
             AS new (tenant_id, case_id, reason_code, reversed)
        ORDER BY tenant_id, case_id
    ), locked AS (
        SELECT answer.*, member.*
        FROM answer CROSS JOIN LATERAL (
            SELECT run_id, member_id, studio_id, case_status AS before, accepted
            FROM run_members AS member
            WHERE member.tenant_id = answer.tenant_id AND member.case_id = answer.case_id
            FOR NO KEY UPDATE
        ) AS member
    ), changed AS (
        UPDATE run_members AS member
        SET case_status = CASE WHEN locked.before IN ('PENDING', 'OPEN')
                               THEN locked.status ELSE locked.before END,
            accepted = locked.accepted OR locked.status = 'OPEN',
            reason_code = locked.reason_code
        FROM locked
        WHERE member.tenant_id = locked.tenant_id AND member.case_id = locked.case_id
          AND (locked.before = 'PENDING' AND locked.status <> 'PENDING'
               OR locked.before = 'OPEN' AND locked.status IN ('CLOSED', 'CANCELLED')
               OR locked.before IN ('CLOSED', 'CANCELLED') AND locked.status = 'OPEN'
                  AND NOT locked.accepted)
        RETURNING locked.*
    ), released AS (
        UPDATE reservations AS reserved SET released_at = now()
        FROM changed
        WHERE reserved.tenant_id = changed.tenant_id AND reserved.run_id = changed.run_id
          AND reserved.member_id = changed.member_id
          AND reserved.released_at IS NULL AND changed.status <> 'OPEN'
        RETURNING reserved.tenant_id, reserved.claim_id
    ), freed AS (
        SELECT released.tenant_id, claim.owes
        FROM (SELECT * FROM released ORDER BY tenant_id, claim_id) AS released
        CROSS JOIN LATERAL (
            SELECT member_id AS owes FROM claims AS claim
            WHERE claim.tenant_id = released.tenant_id AND claim.claim_id = released.claim_id
            FOR SHARE
        ) AS claim
    ), tallied AS (
        INSERT INTO run_tallies (
            tenant_id, run_id, studio_id, accepted, rejected, unanswered, ended, reversed)
        SELECT tenant_id, run_id, studio_id,
               count(*) FILTER (WHERE status = 'OPEN'),
               count(*) FILTER (WHERE status = 'REJECTED'),
               count(*) FILTER (WHERE before = 'PENDING' AND status IN ('CLOSED', 'CANCELLED'))
               - count(*) FILTER (WHERE before IN ('CLOSED', 'CANCELLED')),
               count(*) FILTER (WHERE status IN ('CLOSED', 'CANCELLED')),
               count(*) FILTER (WHERE status IN ('CLOSED', 'CANCELLED') AND reversed)
        FROM changed
        GROUP BY tenant_id, run_id, studio_id
    )
    SELECT tenant_id, case_id, CAST(NULL AS uuid) AS owes FROM answer
    WHERE (tenant_id, case_id) NOT IN (SELECT tenant_id, case_id FROM locked)
    UNION ALL
    SELECT DISTINCT tenant_id, CAST(NULL AS uuid), owes FROM freed
    """
)
_ADD_UP = text(
    """
    WITH taken AS (
        DELETE FROM run_tallies WHERE tenant_id = :tenant_id AND run_id = :run_id RETURNING *
    ), added AS (
        SELECT studio_id, sum(accepted) AS accepted, sum(rejected) AS rejected,
               sum(unanswered) AS unanswered, sum(ended) AS ended, sum(reversed) AS reversed
        FROM taken GROUP BY studio_id
    ), answered AS (
        UPDATE runs SET last_answer_at = now()
        WHERE tenant_id = :tenant_id AND run_id = :run_id
          AND EXISTS (SELECT FROM taken WHERE accepted > 0 OR rejected > 0)
    )
    UPDATE run_studios AS studio
    SET accepted = studio.accepted + added.accepted,
        rejected = studio.rejected + added.rejected,
        unanswered = studio.unanswered + added.unanswered,
        ended = studio.ended + added.ended,
        reversed = studio.reversed + added.reversed
    FROM added
    WHERE tenant_id = :tenant_id AND run_id = :run_id AND studio.studio_id = added.studio_id
    """
)
_PROGRESS = text(
    """
    SELECT sum(member_count) AS members, sum(accepted) AS accepted, sum(rejected) AS rejected,
           sum(unanswered) AS unanswered, sum(ended) AS ended, sum(reversed) AS reversed
    FROM run_studios WHERE tenant_id = :tenant_id AND run_id = :run_id
    """
)


async def record(
    connection: AsyncConnection, status: CaseStatus, answers: Sequence[tuple[UUID, Answer]]
) -> set[tuple[UUID, UUID]]:
    """Save that cases have a status now, free the claims of those that ended, and tally it.

    Each answer comes with its tenant. Returns tenant and case of each answer whose case is not
    known; a repeated answer changes nothing.
    """
    found = await connection.execute(
        _ANSWER,
        {
            "status": status.value,
            "tenant_ids": [tenant_id for tenant_id, _ in answers],
            "case_ids": [answer.case_id for _, answer in answers],
            "reason_codes": [answer.reason_code for _, answer in answers],
            "reversed": [answer.reversed for _, answer in answers],
        },
    )
    unknown: set[tuple[UUID, UUID]] = set()
    owing: list[tuple[UUID, UUID]] = []
    for tenant_id, case_id, owes in found:
        if owes is None:
            unknown.add((tenant_id, case_id))
        else:
            owing.append((tenant_id, owes))
    await recount(connection, owing)
    return unknown


async def add_up(connection: AsyncConnection, run: LockedRun) -> Progress:
    """Add the tallies to the counts of a locked run, and return where it stands."""
    await connection.execute(_ADD_UP, run.key)
    row = (await connection.execute(_PROGRESS, run.key)).one()
    return Progress(**row._mapping)
