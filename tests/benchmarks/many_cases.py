"""A million cases, as the ledger would have them: made by SQL on sets, through all its triggers.

Each case is told by its number: which run, studio, partner and member it belongs to, how far it has
come and what was paid. The audit finds nothing wrong with them; their events were never published,
as those of cases from before the history named its events.
"""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final
from uuid import UUID

import asyncpg

from kit.search_text import search_text, text_keys
from local_stack import vocabulary

CASES_OF_A_RUN: Final = 10_000
STUDIOS: Final = 200
PARTNERS: Final = 7
_AT_A_TIME: Final = 50_000

# The same number gives the same id.
_ID: Final = """
    CREATE FUNCTION pg_temp.id(tenant uuid, kind text, number bigint) RETURNS uuid
    IMMUTABLE LANGUAGE sql AS $$ SELECT CAST(md5(tenant || kind || number) AS uuid) $$
"""
_NAMES: Final = """
    CREATE TEMPORARY TABLE names (
        place integer PRIMARY KEY, name text, search_text text, search_keys integer[]
    )
"""
# One in ten members has two cases.
_MEMBERS: Final = f"""
    INSERT INTO members (tenant_id, member_id, studio_id, name, membership_number,
                         last_handed_over_on, search_text, search_keys)
    SELECT $1, pg_temp.id($1, 'member', number), pg_temp.id($1, 'studio', number % {STUDIOS}), name,
           digits, current_date - CAST(number / {CASES_OF_A_RUN} AS integer),
           search_text || E'\\n' || digits,
           ARRAY(
               SELECT unnest(search_keys)
               UNION
               SELECT keys[1 + CAST(substr(digits, start, 3) AS integer)]
               FROM generate_series(1, 5) AS start
               ORDER BY 1
           )
    FROM generate_series(CAST($2 AS bigint), CAST($3 AS bigint)) AS number
    CROSS JOIN LATERAL (SELECT lpad(CAST(number AS text), 7, '0') AS digits) AS written
    JOIN names ON place = number % (SELECT count(*) FROM names)
    CROSS JOIN (SELECT CAST($4 AS integer[]) AS keys) AS of_digits
"""
_RUNS: Final = f"""
    INSERT INTO runs (tenant_id, run_id)
    SELECT $1, pg_temp.id($1, 'run', number)
    FROM generate_series(0, CAST($2 AS bigint) / {CASES_OF_A_RUN}) AS number
"""

_MADE: Final = (
    # Of 20 cases 14 are open, 3 closed, and one each waits, was rejected and was cancelled.
    f"""
    CREATE TEMPORARY TABLE made_cases ON COMMIT DROP AS
    SELECT CAST($1 AS uuid) AS tenant_id, uuidv7() AS case_id, number, status,
           pg_temp.id($1, 'run', number / {CASES_OF_A_RUN}) AS run_id,
           pg_temp.id($1, 'member', number % $4) AS member_id,
           pg_temp.id($1, 'studio', number % $4 % {STUDIOS}) AS studio_id,
           pg_temp.id($1, 'partner', number / 2 % {PARTNERS}) AS partner_id,
           current_date - CAST(number / {CASES_OF_A_RUN} AS integer) AS collection_date,
           now() - number / {CASES_OF_A_RUN} * interval '1 day' AS created_at,
           status <> 'PENDING' AND status <> 'REJECTED' AS was_opened,
           status <> 'PENDING' AND status <> 'OPEN' AS has_ended,
           CASE WHEN number % 4 > 0 THEN NULL WHEN status = 'OPEN' THEN 0.5
                WHEN status = 'CLOSED' THEN 1 END AS part_paid,
           CASE WHEN number % 500 = 16 THEN 5.00 ELSE 0.00 END AS unallocated,
           CASE WHEN number % 10 < 8 AND (status = 'OPEN' OR status = 'CLOSED')
                THEN 'AZ-' || lpad(CAST(number / 2 AS text), 7, '0') END AS file_number,
           uuidv7() AS payment_id, uuidv7() AS posting_in, uuidv7() AS posting_paid,
           uuidv7() AS posting_out
    FROM generate_series(CAST($2 AS bigint), CAST($3 AS bigint)) AS number
    CROSS JOIN LATERAL (
        SELECT CASE number % 20 WHEN 14 THEN 'PENDING' WHEN 15 THEN 'CLOSED' WHEN 16 THEN 'CLOSED'
               WHEN 17 THEN 'CLOSED' WHEN 18 THEN 'REJECTED' WHEN 19 THEN 'CANCELLED'
               ELSE 'OPEN' END AS status
    ) AS stage
    """,
    # Every fifth case has a second claim, which is paid only by whoever pays all.
    """
    CREATE TEMPORARY TABLE made_claims ON COMMIT DROP AS
    SELECT tenant_id, case_id, uuidv7() AS claim_id, place, amount, has_ended,
           CASE WHEN part_paid = 1 OR part_paid = 0.5 AND place = 0
                THEN round(amount * part_paid, 2) ELSE 0.00 END AS collected
    FROM made_cases
    CROSS JOIN LATERAL generate_series(0, CASE number % 5 WHEN 0 THEN 1 ELSE 0 END) AS place
    CROSS JOIN LATERAL (
        SELECT CAST((1000 + (number * 37 + place * 11) % 9000) / 100.0 AS numeric(14, 2)) AS amount
    ) AS owed
    """,
    """
    CREATE TEMPORARY TABLE made_sums ON COMMIT DROP AS
    SELECT case_id, sum(amount) AS amount, sum(collected) AS collected,
           CASE WHEN bool_and(has_ended) THEN sum(amount - collected) END AS residual
    FROM made_claims GROUP BY case_id
    """,
    "CREATE INDEX ON made_claims (case_id)",
    "ANALYZE made_cases, made_claims, made_sums",
)

_ROWS: Final = (
    """
    INSERT INTO cases (tenant_id, case_id, run_id, run_booking_number, booking_number, member_id,
                       studio_id, partner_id, partner_channel, collection_date, currency, time_zone,
                       status, handed_over, collected, open, unallocated, residual, written_off,
                       file_number, reason_code, close_reason, result, created_at, opened_at,
                       ended_at, version)
    SELECT tenant_id, case_id, run_id, '2026-000001', number % 10000 + 1, member_id, studio_id,
           partner_id, 'API', collection_date, 'EUR', 'Europe/Berlin', status, sums.amount,
           sums.collected, CASE WHEN has_ended THEN 0 ELSE sums.amount - sums.collected END,
           unallocated, residual, 0, file_number,
           CASE status WHEN 'REJECTED' THEN 'DEBTOR_UNKNOWN' END,
           CASE status WHEN 'CLOSED' THEN 'COMPLETED' END,
           CASE WHEN status <> 'CLOSED' THEN NULL WHEN residual = 0 THEN 'PAID' ELSE 'UNPAID' END,
           created_at, CASE WHEN was_opened THEN created_at END,
           CASE WHEN has_ended THEN created_at END, 1
    FROM made_cases JOIN made_sums AS sums USING (case_id)
    """,
    """
    INSERT INTO claims (tenant_id, claim_id, sequence, amount, paid_directly, cancelled, currency)
    SELECT tenant_id, claim_id, 1, amount, 0, false, 'EUR' FROM made_claims
    """,
    """
    INSERT INTO case_claims (tenant_id, case_id, claim_id, voucher_id, snapshot_sequence, kind,
                             designation, voucher_date, due_date, amount, paid_directly,
                             handed_over, changed, collected, written_off, released, open)
    SELECT tenant_id, case_id, claim_id, uuidv7(), 1, 'CLAIM', 'Mitgliedsbeitrag',
           current_date - 400, current_date - 390, amount, 0, amount, 0, collected, 0,
           CASE WHEN has_ended THEN amount - collected ELSE 0 END,
           CASE WHEN has_ended THEN 0 ELSE amount - collected END
    FROM made_claims
    """,
    """
    INSERT INTO payments (tenant_id, payment_id, case_id, amount, unallocated, own_fees,
                          booked_amount, booked_own_fees, paid_out, shortfall, currency,
                          booking_date, allocation, booked_by, partner_reference, recorded_at)
    SELECT tenant_id, payment_id, case_id, collected + unallocated, unallocated, 0,
           collected + unallocated, 0, 0, 0, 'EUR', collection_date, 'AUTOMATIC', 'PARTNER',
           'R-' || number, created_at
    FROM made_cases JOIN made_sums USING (case_id) WHERE part_paid IS NOT NULL
    """,
    """
    INSERT INTO entries (tenant_id, posting_id, case_id, account, claim_id, payment_id, kind,
                         amount, currency, booking_date, recorded_at, actor_kind, actor,
                         correlation_id)
    SELECT tenant_id, line.posting_id, case_id, line.account, line.claim_id, line.payment_id,
           line.kind, line.amount, 'EUR', collection_date, created_at, 'SYSTEM', 'run-service',
           'benchmark'
    FROM made_cases JOIN made_sums AS sums USING (case_id)
    CROSS JOIN LATERAL (
        SELECT 1, posting_in, 'CLAIM', claim_id, CAST(NULL AS uuid), 'HANDED_OVER', amount
        FROM made_claims AS claim WHERE claim.case_id = made_cases.case_id
        UNION ALL SELECT 1, posting_in, 'RECEIVABLES', NULL, NULL, 'HANDED_OVER', -sums.amount
        UNION ALL
        SELECT 2, posting_paid, 'CLAIM', claim_id, payment_id, 'PAYMENT_SHARE', -collected
        FROM made_claims AS claim WHERE claim.case_id = made_cases.case_id AND collected > 0
        UNION ALL
        SELECT 2, posting_paid, 'COLLECTED', NULL, payment_id, 'PAYMENT_SHARE',
               sums.collected + unallocated WHERE part_paid IS NOT NULL
        UNION ALL
        SELECT 2, posting_paid, 'UNALLOCATED', NULL, payment_id, 'PAYMENT_SHARE', -unallocated
        WHERE unallocated > 0
        UNION ALL
        SELECT 3, posting_out, 'CLAIM', claim_id, NULL, 'RELEASED', collected - amount
        FROM made_claims AS claim
        WHERE claim.case_id = made_cases.case_id AND has_ended AND collected < amount
        UNION ALL
        SELECT 3, posting_out, 'RECEIVABLES', NULL, NULL, 'RELEASED', residual WHERE residual > 0
    ) AS line (step, posting_id, account, claim_id, payment_id, kind, amount)
    ORDER BY number, line.step
    """,
    """
    INSERT INTO history (tenant_id, case_id, kind, details, posting_id, event_ids, recorded_at,
                         actor_kind, actor, correlation_id)
    SELECT tenant_id, case_id, item.kind, item.details, item.posting_id, '{}', created_at,
           'PARTNER', CAST(partner_id AS text), 'benchmark'
    FROM made_cases JOIN made_sums AS sums USING (case_id)
    CROSS JOIN LATERAL (
        SELECT 1, 'HANDED_OVER', jsonb_build_object('open', CAST(amount AS text)), posting_in
        UNION ALL
        SELECT 2, 'OPENED', jsonb_build_object('open', CAST(amount AS text)), NULL WHERE was_opened
        UNION ALL
        SELECT 3, 'FILE_NUMBER_SET', jsonb_build_object('file_number', file_number), NULL
        WHERE file_number IS NOT NULL
        UNION ALL
        SELECT 4, 'PAYMENT_BOOKED', jsonb_build_object(
            'payment_id', payment_id, 'amount', CAST(collected + unallocated AS text),
            'own_fees', '0.00', 'unallocated', CAST(unallocated AS text),
            'booking_date', collection_date, 'partner_reference', 'R-' || number
        ), posting_paid WHERE part_paid IS NOT NULL
        UNION ALL
        SELECT 5, status, jsonb_strip_nulls(jsonb_build_object(
            'reason', CASE status WHEN 'CLOSED' THEN 'COMPLETED' END,
            'result', CASE WHEN status <> 'CLOSED' THEN NULL WHEN residual = 0 THEN 'PAID'
                      ELSE 'UNPAID' END,
            'reason_code', CASE status WHEN 'REJECTED' THEN 'DEBTOR_UNKNOWN' END,
            'residual', CAST(residual AS text), 'collected', CAST(collected AS text),
            'written_off', '0.00'
        )), CASE WHEN residual > 0 THEN posting_out END WHERE has_ended
    ) AS item (step, kind, details, posting_id)
    ORDER BY number, item.step
    """,
)


async def fill(url: str, tenant_id: UUID, cases: int) -> None:
    """Give a tenant, who has nothing yet, so many cases. `url` is that of the database's owner."""
    connection = await asyncpg.connect(url)
    try:
        for statement in (_ID, _NAMES):
            await connection.execute(statement)
        await connection.copy_records_to_table("names", records=_names(tenant_id))
        await connection.execute(_RUNS, tenant_id, cases)
        members = cases - cases // 10
        keys = [text_keys(tenant_id, f"{digits:03}")[0] for digits in range(1_000)]
        for first, last in _parts(members):
            await connection.execute(_MEMBERS, tenant_id, first, last, keys)
        for first, last in _parts(cases):
            async with connection.transaction():
                await connection.execute(_MADE[0], tenant_id, first, last, members)
                for statement in (*_MADE[1:], *_ROWS):
                    await connection.execute(statement)
        await connection.execute("VACUUM (ANALYZE)")
    finally:
        await connection.close()


def id_of(tenant_id: UUID, kind: str, number: int) -> UUID:
    """Return the id of a run, a studio, a partner or a member, counted from 0 on."""
    text = f"{tenant_id}{kind}{number}"
    return UUID(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest())


def _names(tenant_id: UUID) -> Iterator[tuple[int, str, str, Sequence[int]]]:
    """Return all names there are, with what a search looks for."""
    first_names = (*vocabulary.MALE_NAMES, *vocabulary.FEMALE_NAMES)
    for number, parts in enumerate(product(first_names, vocabulary.SURNAMES, vocabulary.SURNAMES)):
        first, *last = parts
        name = f"{first} {'-'.join(last)}"
        found = search_text(name, "")
        yield number, name, found, text_keys(tenant_id, found)


def _parts(count: int) -> Iterator[tuple[int, int]]:
    """Return the first and the last number of each part."""
    for first in range(0, count, _AT_A_TIME):
        yield first, min(first + _AT_A_TIME, count) - 1
