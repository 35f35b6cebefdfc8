"""The members overview; what has become of runs; rows in the order of studios.

Revision ID: 0002
Revises: 0001
"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from kit import plumbing
from kit.search_text import search_text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_MEMBERS_AT_A_TIME = 10_000

_CREATE_CASES = (
    """
    CREATE TABLE cases (
        tenant_id uuid NOT NULL,
        case_id uuid NOT NULL,
        run_id uuid,
        run_booking_number text,
        booking_number integer,
        member_id uuid,
        studio_id uuid,
        studio_name text,
        partner_id uuid,
        name text,
        membership_number text,
        search_text text,
        collection_date date,
        currency text,
        handed_over numeric(14, 2),
        status text NOT NULL DEFAULT 'PENDING'
            CHECK (status IN ('PENDING', 'OPEN', 'REJECTED', 'CLOSED', 'CANCELLED')),
        file_number text,
        collected numeric(14, 2) NOT NULL DEFAULT 0,
        open numeric(14, 2),
        result text,
        ended_at timestamptz,
        PRIMARY KEY (tenant_id, case_id),
        CHECK (num_nulls(run_id, run_booking_number, booking_number, member_id, studio_id,
                         studio_name, partner_id, name, membership_number, search_text,
                         collection_date, currency, handed_over) IN (0, 13))
    )
    """,
    """
    COMMENT ON TABLE cases IS
    'the members overview: what was handed over of a case, and what has become of it'
    """,
    "COMMENT ON COLUMN cases.run_id IS 'null, as all of the handover, until that has come'",
    "COMMENT ON COLUMN cases.open IS 'null until it is told: all that was handed over is open'",
)

_CHANGE_RUNS = (
    """
    ALTER TABLE runs
        ALTER COLUMN created_at DROP NOT NULL,
        ADD COLUMN heard_of_at timestamptz NOT NULL DEFAULT now(),
        ADD COLUMN handed_over_at timestamptz,
        ADD COLUMN rejected_at timestamptz,
        ADD COLUMN reversed_at timestamptz,
        ADD COLUMN accepted_count integer,
        ADD COLUMN rejected_count integer,
        ADD COLUMN details_deleted_at timestamptz,
        ADD COLUMN has_rows boolean NOT NULL DEFAULT true
    """,
    "UPDATE runs SET heard_of_at = created_at",
    """
    COMMENT ON TABLE runs IS
    'runs of which something is known; created_at is null until a run is announced'
    """,
    """
    ALTER TABLE run_studios
        ALTER COLUMN member_count DROP NOT NULL,
        ALTER COLUMN claim_count DROP NOT NULL,
        ALTER COLUMN totals DROP NOT NULL,
        ADD COLUMN studio_name text,
        ADD COLUMN members_arrived integer NOT NULL DEFAULT 0,
        ADD COLUMN claims_arrived integer NOT NULL DEFAULT 0,
        ADD CHECK (num_nulls(member_count, claim_count, totals) IN (0, 3))
    """,
    """
    COMMENT ON TABLE run_studios IS
    'what was announced of each studio of a run, and what has arrived; totals by currency'
    """,
)

_COUNT_ARRIVED = """
    UPDATE run_studios
    SET studio_name = arrived.studio_name, members_arrived = arrived.members,
        claims_arrived = arrived.claims
    FROM (
        SELECT tenant_id, run_id, studio_id, min(studio_name) AS studio_name,
               count(*) AS members, sum(claim_count) AS claims
        FROM handovers
        GROUP BY tenant_id, run_id, studio_id
    ) AS arrived
    WHERE run_studios.tenant_id = arrived.tenant_id AND run_studios.run_id = arrived.run_id
      AND run_studios.studio_id = arrived.studio_id
"""

_FINISH = (
    """
    ALTER TABLE handover_rows
        DROP CONSTRAINT handover_rows_pkey,
        ADD PRIMARY KEY (tenant_id, run_id, studio_id, booking_number, claim_index)
    """,
    "DROP TABLE handovers",
    "CREATE INDEX cases_newest ON cases (tenant_id, collection_date, case_id)",
    "CREATE INDEX runs_with_rows ON runs (collection_date) WHERE has_rows",
    """
    CREATE INDEX run_studios_incomplete ON run_studios (tenant_id)
    WHERE members_arrived < member_count
    """,
)

_UNANNOUNCED = sa.text(
    """
    SELECT count(*) FROM handovers
    LEFT JOIN run_studios USING (tenant_id, run_id, studio_id)
    WHERE run_studios.run_id IS NULL
    """
)

# Columns of the rows: 50 the case, 25 the member, 41 and 42 its name, 26 its number, 55 currency,
# 54 the amount to collect.
_NEXT = sa.text(
    """
    SELECT member.tenant_id, member.run_id, member.booking_number,
           row.cells->>50 AS case_id, row.cells->>25 AS member_id,
           concat_ws(' ', nullif(row.cells->>41, ''), nullif(row.cells->>42, '')) AS name,
           row.cells->>26 AS membership_number, row.cells->>55 AS currency,
           CAST(amount AS text) AS handed_over
    FROM (
        SELECT * FROM handovers
        WHERE (tenant_id, run_id, booking_number) > (:tenant_id, :run_id, :booking_number)
        ORDER BY tenant_id, run_id, booking_number
        LIMIT :limit
    ) AS member
    JOIN handover_rows AS row USING (tenant_id, run_id, booking_number)
    CROSS JOIN LATERAL (
        SELECT sum(CAST(claim.cells->>54 AS numeric)) AS amount
        FROM handover_rows AS claim
        WHERE claim.tenant_id = member.tenant_id AND claim.run_id = member.run_id
          AND claim.booking_number = member.booking_number
    ) AS claims
    WHERE row.claim_index = 0
    ORDER BY member.tenant_id, member.run_id, member.booking_number
    """
)
_FILL = sa.text(
    """
    INSERT INTO cases
        (tenant_id, case_id, run_id, run_booking_number, booking_number, member_id, studio_id,
         studio_name, partner_id, name, membership_number, search_text, collection_date, currency,
         handed_over)
    SELECT tenant_id, case_id, run_id, runs.booking_number, booking_number_of_member, member_id,
           handovers.studio_id, handovers.studio_name, runs.partner_id, name, membership_number,
           search_text, runs.collection_date, currency, handed_over
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given (
        tenant_id uuid, run_id uuid, booking_number_of_member integer, case_id uuid,
        member_id uuid, name text, membership_number text, currency text, handed_over numeric,
        search_text text
    )
    JOIN runs USING (tenant_id, run_id)
    JOIN handovers USING (tenant_id, run_id)
    WHERE handovers.booking_number = booking_number_of_member
    """
)
_BEFORE_ALL = "00000000-0000-0000-0000-000000000000"

_DOWNGRADE = (
    """
    CREATE TABLE handovers (
        tenant_id uuid NOT NULL,
        run_id uuid NOT NULL,
        booking_number integer NOT NULL,
        studio_id uuid NOT NULL,
        studio_name text NOT NULL,
        claim_count integer NOT NULL,
        PRIMARY KEY (tenant_id, run_id, booking_number)
    )
    """,
    """
    COMMENT ON TABLE handovers IS
    'members that have arrived; narrow, so that counting a run''s members is quick'
    """,
    """
    INSERT INTO handovers
    SELECT tenant_id, run_id, booking_number, studio_id, studio_name, claims
    FROM (
        SELECT tenant_id, run_id, booking_number, studio_id, count(*) AS claims
        FROM handover_rows
        GROUP BY tenant_id, run_id, booking_number, studio_id
    ) AS arrived
    JOIN run_studios USING (tenant_id, run_id, studio_id)
    """,
    "DROP TABLE cases",
    "DELETE FROM run_studios WHERE member_count IS NULL",
    "DELETE FROM runs WHERE created_at IS NULL",
    "DROP INDEX runs_with_rows, run_studios_incomplete",
    """
    ALTER TABLE run_studios
        DROP COLUMN studio_name, DROP COLUMN members_arrived, DROP COLUMN claims_arrived,
        DROP CONSTRAINT run_studios_check,
        ALTER COLUMN member_count SET NOT NULL,
        ALTER COLUMN claim_count SET NOT NULL,
        ALTER COLUMN totals SET NOT NULL
    """,
    """
    COMMENT ON TABLE run_studios IS
    'what was announced of each studio of a run; totals are amounts by currency'
    """,
    """
    ALTER TABLE runs
        DROP COLUMN heard_of_at, DROP COLUMN handed_over_at, DROP COLUMN rejected_at,
        DROP COLUMN reversed_at,
        DROP COLUMN accepted_count, DROP COLUMN rejected_count, DROP COLUMN details_deleted_at,
        DROP COLUMN has_rows,
        ALTER COLUMN created_at SET NOT NULL
    """,
    "COMMENT ON TABLE runs IS 'runs that were announced'",
    """
    ALTER TABLE handover_rows
        DROP CONSTRAINT handover_rows_pkey,
        ADD PRIMARY KEY (tenant_id, run_id, booking_number, claim_index)
    """,
)


def upgrade() -> None:
    """Makes the overview of what is there; raises if a run is not announced yet."""
    if op.get_bind().scalar(_UNANNOUNCED):
        raise RuntimeError(
            "members of runs have arrived that are not announced yet: let the release before go on"
            " until it has read all of collection.run.v1, and replay its dead letters"
        )
    for statement in (*_CREATE_CASES, *_CHANGE_RUNS, _COUNT_ARRIVED):
        op.execute(statement)
    _fill_cases()
    for statement in _FINISH:
        op.execute(statement)
    plumbing.expect_new_tenants()


def downgrade() -> None:
    """Goes back: what has become of cases and runs is lost, and rows that were deleted stay so."""
    for statement in _DOWNGRADE:
        op.execute(statement)


def _fill_cases() -> None:
    connection = op.get_bind()
    place: dict[str, Any] = {
        "tenant_id": _BEFORE_ALL,
        "run_id": _BEFORE_ALL,
        "booking_number": 0,
    }
    while found := connection.execute(_NEXT, place | {"limit": _MEMBERS_AT_A_TIME}).all():
        last = found[-1]
        place = {
            "tenant_id": last.tenant_id,
            "run_id": last.run_id,
            "booking_number": last.booking_number,
        }
        rows = [
            {
                "tenant_id": str(row.tenant_id),
                "run_id": str(row.run_id),
                "booking_number_of_member": row.booking_number,
                "case_id": row.case_id,
                "member_id": row.member_id,
                "name": row.name,
                "membership_number": row.membership_number,
                "currency": row.currency,
                "handed_over": row.handed_over,
                "search_text": search_text(row.name, row.membership_number),
            }
            for row in found
        ]
        connection.execute(_FILL, {"rows": json.dumps(rows)})
