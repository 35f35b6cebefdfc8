"""The table of cases, which is the members overview, and the SQL that fills it.

A row has two halves, of which either may come first: what was handed over, and what has become of
it. Rows without the first half are not in the overview yet. Rows are locked in the order of their
keys.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any, Final

from sqlalchemy import Column, Date, DateTime, Integer, MetaData, Numeric, Table, Text, text
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncConnection

from export_service.members.case import Case, CaseRow, CaseStatus, Key

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
    WITH kept AS (
        INSERT INTO cases
            (tenant_id, case_id, run_id, run_booking_number, booking_number, member_id, studio_id,
             studio_name, partner_id, name, membership_number, search_text, collection_date,
             currency, handed_over)
        SELECT tenant_id, case_id, run_id, run_booking_number, booking_number, member_id,
               studio_id, studio_name, partner_id, name, membership_number, search_text,
               collection_date, currency, CAST(handed_over AS numeric)
        FROM unnest(
            CAST(:tenant_id AS uuid[]), CAST(:case_id AS uuid[]), CAST(:run_id AS uuid[]),
            CAST(:run_booking_number AS text[]), CAST(:booking_number AS integer[]),
            CAST(:member_id AS uuid[]), CAST(:studio_id AS uuid[]), CAST(:studio_name AS text[]),
            CAST(:partner_id AS uuid[]), CAST(:name AS text[]), CAST(:membership_number AS text[]),
            CAST(:search_text AS text[]), CAST(:collection_date AS date[]),
            CAST(:currency AS text[]), CAST(:handed_over AS text[]))
            AS given (tenant_id, case_id, run_id, run_booking_number, booking_number, member_id,
                      studio_id, studio_name, partner_id, name, membership_number, search_text,
                      collection_date, currency, handed_over)
        ORDER BY tenant_id, case_id
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
    )
    SELECT * FROM unnest(CAST(:tenant_id AS uuid[]), CAST(:case_id AS uuid[]))
    EXCEPT
    SELECT tenant_id, case_id FROM kept
    """
)


async def insert_handed_over(
    connection: AsyncConnection, handed_over: Mapping[Key, CaseRow]
) -> set[Key]:
    """Keeps what was handed over of cases, in the order of their keys; returns who was known.

    Of a case that was handed over already nothing changes.
    """
    columns = dict(zip(CaseRow._fields, zip(*handed_over.values(), strict=True), strict=True))
    tenant_ids = [tenant_id for tenant_id, _ in handed_over]
    known = await connection.execute(_INSERT_HANDED_OVER, columns | {"tenant_id": tenant_ids})
    return {(tenant_id, case_id) for tenant_id, case_id in known}


# All rows are locked in the order of their keys, also those that stay as they are. What was told
# from nothing holds where nothing was told before but a file number, which depends on nothing; and
# where it has an end that tells all of the money, and nothing had ended the case.
_TELL = text(
    """
    WITH told AS (
        INSERT INTO cases
            (tenant_id, case_id, status, file_number, collected, open, result, ended_at)
        SELECT tenant_id, case_id, status, file_number, CAST(collected AS numeric),
               CAST(open AS numeric), result, ended_at
        FROM unnest(
            CAST(:tenant_id AS uuid[]), CAST(:case_id AS uuid[]), CAST(:status AS text[]),
            CAST(:file_number AS text[]), CAST(:collected AS text[]), CAST(:open AS text[]),
            CAST(:result AS text[]), CAST(:ended_at AS timestamptz[]))
            AS given (tenant_id, case_id, status, file_number, collected, open, result, ended_at)
        ORDER BY tenant_id, case_id
        ON CONFLICT (tenant_id, case_id) DO UPDATE
        SET status = excluded.status,
            file_number = coalesce(excluded.file_number, cases.file_number),
            collected = excluded.collected,
            open = excluded.open,
            result = excluded.result,
            ended_at = excluded.ended_at
        WHERE cases.ended_at IS NULL
          AND (cases.status = 'PENDING' AND cases.open IS NULL
               OR excluded.status IN ('CLOSED', 'CANCELLED'))
        RETURNING tenant_id, case_id
    )
    SELECT * FROM unnest(CAST(:tenant_id AS uuid[]), CAST(:case_id AS uuid[]))
    EXCEPT
    SELECT tenant_id, case_id FROM told
    """
)


async def tell_cases(connection: AsyncConnection, told: Mapping[Key, Case]) -> list[Key]:
    """Keeps what was told of cases, as followed from nothing, where nothing before matters.

    Returns the others, of which nothing was kept. All of them are locked.
    """
    others = await connection.execute(_TELL, _columns(told))
    return [(tenant_id, case_id) for tenant_id, case_id in others]


_TOLD = text(
    """
    SELECT tenant_id, case_id, status, file_number, collected, open, result, ended_at
    FROM cases
    JOIN unnest(CAST(:tenant_id AS uuid[]), CAST(:case_id AS uuid[])) AS given (tenant_id, case_id)
        USING (tenant_id, case_id)
    """
)


async def find_told(connection: AsyncConnection, keys: Iterable[Key]) -> dict[Key, Case]:
    """Returns what was told so far of cases that this transaction has locked."""
    tenant_ids, case_ids = zip(*keys, strict=True)
    found = await connection.execute(_TOLD, {"tenant_id": tenant_ids, "case_id": case_ids})
    return {
        (row.tenant_id, row.case_id): Case(
            status=CaseStatus(row.status),
            file_number=row.file_number,
            collected=row.collected,
            open=row.open,
            result=row.result,
            # asyncpg writes the first and the last instant as infinities, and reads those naive.
            ended_at=row.ended_at and row.ended_at.replace(tzinfo=UTC),
        )
        for row in found
    }


_SAVE = text(
    """
    UPDATE cases
    SET status = given.status, file_number = given.file_number,
        collected = CAST(given.collected AS numeric), open = CAST(given.open AS numeric),
        result = given.result, ended_at = given.ended_at
    FROM unnest(
        CAST(:tenant_id AS uuid[]), CAST(:case_id AS uuid[]), CAST(:status AS text[]),
        CAST(:file_number AS text[]), CAST(:collected AS text[]), CAST(:open AS text[]),
        CAST(:result AS text[]), CAST(:ended_at AS timestamptz[]))
        AS given (tenant_id, case_id, status, file_number, collected, open, result, ended_at)
    WHERE cases.tenant_id = given.tenant_id AND cases.case_id = given.case_id
    """
)


async def save_cases(connection: AsyncConnection, changed: Mapping[Key, Case]) -> None:
    """Keeps what was told of cases that this transaction has locked."""
    await connection.execute(_SAVE, _columns(changed))


def _columns(told: Mapping[Key, Case]) -> dict[str, Any]:
    """Cases as one list for each column, as `unnest` takes them; amounts as texts.

    asyncpg takes four times as long to write an amount as to write its text.
    """
    cases_ = told.values()
    return {
        "tenant_id": [tenant_id for tenant_id, _ in told],
        "case_id": [case_id for _, case_id in told],
        "status": [case.status for case in cases_],
        "file_number": [case.file_number for case in cases_],
        "collected": [str(case.collected) for case in cases_],
        "open": [None if case.open is None else str(case.open) for case in cases_],
        "result": [case.result for case in cases_],
        "ended_at": [case.ended_at for case in cases_],
    }
