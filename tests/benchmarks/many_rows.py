"""Runs of a million rows, as export-service would keep them: made by SQL on sets.

The members are those of `Population`, again and again under other ids, numbers and amounts. Every
member has three claims, but for the last one, who has what is left.
"""

import json
from collections.abc import Iterator
from datetime import date
from typing import Final
from uuid import UUID, uuid4

import asyncpg
from tests.benchmarks.handovers import handovers

from contracts import MemberHandedOverV1
from export_service.runs.columns import COLUMNS
from export_service.runs.rows import rows_of
from kit.ids import new_id
from kit.search_text import search_text
from local_stack.data import Population

STUDIOS: Final = 20
CLAIMS_OF_A_MEMBER: Final = 3
_DIFFERENT_MEMBERS: Final = 2_000
_OF_EACH_MEMBER: Final = ("DebtorId", "MembershipNr", "CaseId")
_OF_EACH_CLAIM: Final = ("VoucherId", "Amount")

# The same number gives the same id, and the same row the same amount.
_FUNCTIONS: Final = """
    CREATE FUNCTION pg_temp.id(run uuid, kind text, number bigint) RETURNS uuid
    IMMUTABLE LANGUAGE sql AS $$ SELECT CAST(md5(run || kind || number) AS uuid) $$;
    CREATE FUNCTION pg_temp.amount(number bigint) RETURNS numeric
    IMMUTABLE LANGUAGE sql AS $$ SELECT CAST(0.99 + number * 7919 % 20000 / 100.0 AS numeric(14, 2)) $$;
    CREATE TEMPORARY TABLE templates (
        place integer, claim_index integer, studio_id uuid, studio_name text, currency text,
        name text, search_text text, cells text, claim text, PRIMARY KEY (place, claim_index)
    )
"""  # noqa: E501
_ROWS: Final = f"""
    INSERT INTO handover_rows
        (tenant_id, run_id, studio_id, booking_number, claim_index, cells, claims)
    SELECT $1, $2, studio_id, number, 0,
           CAST(format(cells, pg_temp.id($2, 'member', number), lpad(CAST(number AS text), 7, '0'),
                       pg_temp.id($2, 'case', number)) AS json),
           claims
    FROM generate_series(1, (CAST($3 AS bigint) - 1) / {CLAIMS_OF_A_MEMBER} + 1) AS number
    JOIN templates ON place = number % {_DIFFERENT_MEMBERS} AND claim_index = 0
    CROSS JOIN LATERAL (
        SELECT json_agg(CAST(format(owed.claim, pg_temp.id($2, 'claim', place_of_row),
                                    pg_temp.amount(place_of_row)) AS json)
                        ORDER BY owed.claim_index) AS claims
        FROM templates AS owed
        CROSS JOIN LATERAL (
            SELECT (number - 1) * {CLAIMS_OF_A_MEMBER} + owed.claim_index AS place_of_row
        ) AS counted
        WHERE owed.place = templates.place AND place_of_row < $3
    ) AS owed_by_member
"""
# Of ten cases six are open, and one each is closed, was cancelled, was rejected, and waits.
_CASES: Final = f"""
    INSERT INTO cases (
        tenant_id, case_id, run_id, run_booking_number, booking_number, member_id, studio_id,
        studio_name, partner_id, name, membership_number, search_text, collection_date, currency,
        handed_over, status, file_number, collected, open, result, ended_at
    )
    SELECT $1, pg_temp.id($2, 'case', number), $2, $4, number, pg_temp.id($2, 'member', number),
           studio_id, studio_name, $5, name, digits, search_text || E'\\n' || digits, $6, currency,
           handed_over, status,
           CASE WHEN status IN ('OPEN', 'CLOSED') THEN 'AZ-' || digits END,
           collected,
           CASE status WHEN 'OPEN' THEN handed_over - collected WHEN 'PENDING' THEN NULL ELSE 0 END,
           CASE status WHEN 'CLOSED' THEN 'PARTLY_PAID' END,
           CASE WHEN status IN ('CLOSED', 'CANCELLED', 'REJECTED') THEN now() END
    FROM (
        SELECT place_of_row / {CLAIMS_OF_A_MEMBER} + 1 AS number,
               sum(pg_temp.amount(place_of_row)) AS handed_over
        FROM generate_series(0, CAST($3 AS bigint) - 1) AS place_of_row
        GROUP BY 1
    ) AS members
    CROSS JOIN LATERAL (
        SELECT lpad(CAST(number AS text), 7, '0') AS digits,
               (ARRAY['CLOSED', 'CANCELLED', 'REJECTED', 'PENDING'])[number % 10 + 1] AS ended
    ) AS written
    CROSS JOIN LATERAL (
        SELECT coalesce(ended, 'OPEN') AS status,
               CASE WHEN number % 10 IN (0, 4) THEN trunc(handed_over / 3, 2) ELSE 0 END
                   AS collected
    ) AS worked
    JOIN templates ON place = number % {_DIFFERENT_MEMBERS} AND claim_index = 0
"""
_RUN: Final = """
    INSERT INTO runs (tenant_id, run_id, booking_number, partner_id, trigger, collection_date,
                      created_at)
    VALUES ($1, $2, $3, $4, 'RUN', $5, now())
"""
_STUDIOS: Final = """
    INSERT INTO run_studios (tenant_id, run_id, studio_id, studio_name, member_count, claim_count,
                             totals, members_arrived, claims_arrived)
    SELECT $1, $2, studio_id, studio_name, members, claims,
           jsonb_build_object(currency, CAST(total AS text)), members, claims
    FROM (
        SELECT studio_id, min(studio_name) AS studio_name, min(currency) AS currency,
               count(*) AS members, sum(handed_over) AS total
        FROM cases WHERE tenant_id = $1 AND run_id = $2
        GROUP BY studio_id
    ) AS handed_over
    JOIN (
        SELECT studio_id, sum(json_array_length(claims)) AS claims
        FROM handover_rows WHERE tenant_id = $1 AND run_id = $2
        GROUP BY studio_id
    ) AS owed USING (studio_id)
"""


async def fill(owner_url: str, tenant_id: UUID, booking_number: str, rows: int) -> UUID:
    """Make a whole run of so many rows, with its cases; return its id."""
    run_id, partner_id, today = new_id(), uuid4(), date.today()  # noqa: DTZ011  any day will do
    connection = await asyncpg.connect(owner_url)
    try:
        async with connection.transaction():
            await connection.execute(_FUNCTIONS)
            await connection.copy_records_to_table("templates", records=_templates(today))
            await connection.execute(_ROWS, tenant_id, run_id, rows)
            await connection.execute(
                _CASES, tenant_id, run_id, rows, booking_number, partner_id, today
            )
            await connection.execute(_RUN, tenant_id, run_id, booking_number, partner_id, today)
            await connection.execute(_STUDIOS, tenant_id, run_id)
    finally:
        await connection.close()
    return run_id


def _templates(today: date) -> Iterator[tuple[int, int, UUID, str, str, str, str, str, str]]:
    """Rows of some members, with places for what is another one's in each row."""
    population = Population(members=_DIFFERENT_MEMBERS, today=today)
    assert len(population.studios) == STUDIOS
    for place, handover in enumerate(handovers(population, uuid4(), today)):
        studio, debtor = handover.studio, handover.debtor
        name = " ".join(filter(None, (debtor.first_name, debtor.name1)))
        currency = handover.claims[0].to_collect.currency
        known = (studio.studio_id, studio.name1, currency, name, search_text(name, ""))
        for index, formats in enumerate(_formats(handover)):
            yield (place, index, *known, *formats)


def _formats(handover: MemberHandedOverV1) -> Iterator[tuple[str, str]]:
    """The cells of a member and those of each of three claims, as PostgreSQL's `format` takes them.

    The former are the same for all three.
    """
    claims = (handover.claims * CLAIMS_OF_A_MEMBER)[:CLAIMS_OF_A_MEMBER]
    (stored,) = rows_of(handover.model_copy(update={"claims": claims}))
    names = [column.name for column in COLUMNS]
    member = json.loads(stored.cells)
    cells = _format(member, names[: len(member)], _OF_EACH_MEMBER)
    for claim in json.loads(stored.claims):
        yield cells, _format(claim, names[len(member) :], _OF_EACH_CLAIM)


def _format(texts: list[str], names: list[str], filled_in: tuple[str, ...]) -> str:
    """Texts as JSON, with places for some of them."""
    cells = [text.replace("%", "%%") for text in texts]
    for number, name in enumerate(filled_in, start=1):
        cells[names.index(name)] = f"%{number}$s"
    return json.dumps(cells, ensure_ascii=False)
