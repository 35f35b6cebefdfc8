"""The table of cases, which is the members overview, and the SQL that fills it.

A row has two halves, of which either may come first: what was handed over, and what has become of
it. Rows without the first half are not in the overview yet. Rows are locked in the order of their
keys.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Column, Date, DateTime, Integer, MetaData, Numeric, Table, Text, text
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncConnection

from export_service.members.case import Case, CaseStatus, Key

tables = MetaData()

_ID: Final = PG_UUID(as_uuid=True)
_AMOUNT: Final = Numeric(14, 2)

cases: Final = Table(
    "cases",
    tables,
    Column("tenant_id", _ID, primary_key=True),
    Column("case_id", _ID, primary_key=True),
    Column("run_id", _ID, comment="null, as all of the handover, until that has come"),
    Column("run_booking_number", Text),
    Column("booking_number", Integer),
    Column("member_id", _ID),
    Column("studio_id", _ID),
    Column("studio_name", Text),
    Column("partner_id", _ID),
    Column("name", Text),
    Column("membership_number", Text),
    Column("search_text", Text),
    Column("collection_date", Date),
    Column("currency", Text),
    Column("handed_over", _AMOUNT),
    Column("status", Text, nullable=False),
    Column("file_number", Text),
    Column("collected", _AMOUNT, nullable=False),
    Column("open", _AMOUNT, comment="null until it is told: all that was handed over is open"),
    Column("result", Text),
    Column("ended_at", DateTime(timezone=True)),
    comment="the members overview: what was handed over of a case, and what has become of it",
)

_INSERT_HANDED_OVER = text(
    """
    INSERT INTO cases
        (tenant_id, case_id, run_id, run_booking_number, booking_number, member_id, studio_id,
         studio_name, partner_id, name, membership_number, search_text, collection_date, currency,
         handed_over)
    SELECT * FROM unnest(
        CAST(:tenant_id AS uuid[]), CAST(:case_id AS uuid[]), CAST(:run_id AS uuid[]),
        CAST(:run_booking_number AS text[]), CAST(:booking_number AS integer[]),
        CAST(:member_id AS uuid[]), CAST(:studio_id AS uuid[]), CAST(:studio_name AS text[]),
        CAST(:partner_id AS uuid[]), CAST(:name AS text[]), CAST(:membership_number AS text[]),
        CAST(:search_text AS text[]), CAST(:collection_date AS date[]),
        CAST(:currency AS text[]), CAST(:handed_over AS numeric[]))
    ON CONFLICT (tenant_id, case_id) DO UPDATE
    SET run_id = excluded.run_id,
        run_booking_number = excluded.run_booking_number,
        booking_number = excluded.booking_number,
        member_id = excluded.member_id,
        studio_id = excluded.studio_id,
        studio_name = excluded.studio_name,
        partner_id = excluded.partner_id,
        name = excluded.name,
        membership_number = excluded.membership_number,
        search_text = excluded.search_text,
        collection_date = excluded.collection_date,
        currency = excluded.currency,
        handed_over = excluded.handed_over
    WHERE cases.run_id IS NULL
    RETURNING tenant_id, case_id
    """
)


async def insert_handed_over(
    connection: AsyncConnection, handed_over: Sequence[dict[str, Any]]
) -> set[Key]:
    """Keeps what was handed over of cases, in the order of their keys; returns which are new.

    Of a case that was handed over already nothing changes.
    """
    columns = {name: [row[name] for row in handed_over] for name in handed_over[0]}
    inserted = await connection.execute(_INSERT_HANDED_OVER, columns)
    return {(row.tenant_id, row.case_id) for row in inserted}


_ENTER = text(
    """
    INSERT INTO cases (tenant_id, case_id)
    SELECT * FROM unnest(CAST(:tenant_id AS uuid[]), CAST(:case_id AS uuid[]))
    ON CONFLICT DO NOTHING
    """
)

_LOCK = text(
    """
    SELECT tenant_id, case_id, status, file_number, collected, open, result, ended_at
    FROM cases
    JOIN unnest(CAST(:tenant_id AS uuid[]), CAST(:case_id AS uuid[])) AS given (tenant_id, case_id)
        USING (tenant_id, case_id)
    ORDER BY tenant_id, case_id
    FOR UPDATE OF cases
    """
)


async def lock_cases(connection: AsyncConnection, keys: Iterable[Key]) -> dict[Key, Case]:
    """Returns what was told of these cases so far, locked; of an unknown one that is nothing."""
    tenant_ids, case_ids = zip(*sorted(keys), strict=True)
    given = {"tenant_id": tenant_ids, "case_id": case_ids}
    await connection.execute(_ENTER, given)
    return {
        (row.tenant_id, row.case_id): Case(
            status=CaseStatus(row.status),
            file_number=row.file_number,
            collected=row.collected,
            open=row.open,
            result=row.result,
            ended_at=row.ended_at,
        )
        for row in await connection.execute(_LOCK, given)
    }


_SAVE = text(
    """
    UPDATE cases
    SET status = given.status, file_number = given.file_number, collected = given.collected,
        open = given.open, result = given.result, ended_at = given.ended_at
    FROM unnest(
        CAST(:tenant_id AS uuid[]), CAST(:case_id AS uuid[]), CAST(:status AS text[]),
        CAST(:file_number AS text[]), CAST(:collected AS numeric[]), CAST(:open AS numeric[]),
        CAST(:result AS text[]), CAST(:ended_at AS timestamptz[]))
        AS given (tenant_id, case_id, status, file_number, collected, open, result, ended_at)
    WHERE cases.tenant_id = given.tenant_id AND cases.case_id = given.case_id
    """
)


async def save_cases(connection: AsyncConnection, changed: Mapping[Key, Case]) -> None:
    """Keeps what was told of cases that this transaction has locked."""
    told = changed.values()
    await connection.execute(
        _SAVE,
        {
            "tenant_id": [tenant_id for tenant_id, _ in changed],
            "case_id": [case_id for _, case_id in changed],
            "status": [case.status for case in told],
            "file_number": [case.file_number for case in told],
            "collected": [case.collected for case in told],
            "open": [case.open for case in told],
            "result": [case.result for case in told],
            "ended_at": [case.ended_at for case in told],
        },
    )
