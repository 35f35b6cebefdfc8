"""Checks of what was published: each event that the history names, as the entries have it."""

from collections.abc import AsyncIterator
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service.audit.difference import IN_RANGE, Difference, Range, found
from case_service.audit.facts import PUBLISHED, RECOMPUTED
from kit.database import Database

_CREATE: Final = (
    """
    CREATE TEMPORARY TABLE audit_told (
        tenant_id uuid, case_id uuid, event_id uuid, item_number bigint, kind text, details jsonb,
        type text, published_type text, payload jsonb
    ) ON COMMIT DROP
    """,
    # Wide, and never asked for.
    "ALTER TABLE audit_told ALTER payload SET STATISTICS 0, ALTER details SET STATISTICS 0",
    """
    CREATE TEMPORARY TABLE audit_moved (
        item_number bigint, claims jsonb, claim_ids jsonb, case_open text, case_collected text,
        let_go text, collected text, unallocated text, paid_out text, shortfall text, part text,
        unallocated_then text
    ) ON COMMIT DROP
    """,
)

# Which events tell an item, in their order.
_TYPES: Final = """
    (VALUES ('OPENED', 1, 'case.opened.v1'),
            ('REJECTED', 1, 'case.rejected.v1'), ('REJECTED', 2, 'member.released.v1'),
            ('FILE_NUMBER_SET', 1, 'case.file-number-set.v1'),
            ('PAYMENT_BOOKED', 1, 'case.payment-booked.v1'),
            ('PAYMENT_REDUCED', 1, 'case.payment-reduced.v1'),
            ('PAYMENT_REALLOCATED', 1, 'case.payment-reallocated.v1'),
            ('UNALLOCATED_SETTLED', 1, 'case.unallocated-settled.v1'),
            ('CLAIM_CHANGED', 1, 'case.claim-changed.v1'),
            ('HANDED_OVER_AGAIN', 1, 'case.handed-over-again.v1'),
            ('CLOSED', 1, 'case.closed.v1'), ('CLOSED', 2, 'member.released.v1'),
            ('CANCELLED', 1, 'case.cancelled.v1'), ('CANCELLED', 2, 'member.released.v1'),
            ('DUNNING_LEVEL_RESET', 1, 'member.dunning-level-reset.v1'))
"""

# The history from before it named events has none: `event_ids` is empty, here and for all that no
# event tells. An event may lie in Kafka twice; each is compared.
_TOLD: Final = f"""
    INSERT INTO audit_told
    SELECT tenant_id, case_id, event_id, named.item_number, named.kind, named.details, named.type,
           event.type, event.payload
    FROM (
        SELECT item.tenant_id, item.case_id, named.event_id, item.item_number, item.kind,
               item.details, known.type
        FROM (SELECT * FROM history WHERE {IN_RANGE} AND event_ids <> '{{}}') AS item
        CROSS JOIN LATERAL unnest(event_ids) WITH ORDINALITY AS named (event_id, place)
        LEFT JOIN {_TYPES} AS known (kind, place, type)
            ON (known.kind, known.place) = (item.kind, named.place)
    ) AS named
    FULL JOIN (
        SELECT tenant_id, case_id, id AS event_id, type, payload
        FROM audit_events WHERE {IN_RANGE}
    ) AS event USING (tenant_id, case_id, event_id)
"""  # noqa: S608 - constants

# What each item did; `claims` is what the events about it say of each claim. What is unallocated of
# a payment may have changed on another case than its shares did.
_MOVED: Final = f"""
    INSERT INTO audit_moved
    SELECT item_number, coalesce(moment.claims, '[]'), coalesce(moment.claim_ids, '[]'),
           moment.case_open, moment.case_collected, moment.let_go, line.collected,
           line.unallocated, line.paid_out, line.shortfall, line.part,
           CASE WHEN item.kind IN ('PAYMENT_REALLOCATED', 'UNALLOCATED_SETTLED') THEN (
               SELECT -sum(entry.amount) FROM entries AS entry
               WHERE (entry.tenant_id, entry.payment_id) = (line.tenant_id, line.payment_id)
                 AND entry.account = 'UNALLOCATED' AND entry.entry_number <= (
                     SELECT max(posted.entry_number) FROM entries AS posted
                     WHERE (posted.tenant_id, posted.posting_id)
                         = (line.tenant_id, line.posting_id)
                 )
           ) END
    FROM (
        SELECT item_number, kind FROM history WHERE {IN_RANGE} AND event_ids <> '{{}}'
    ) AS item
    LEFT JOIN (
        SELECT item_number, max(case_open) AS case_open, max(case_collected) AS case_collected,
               -sum(change) AS let_go,
               jsonb_agg(CASE
                   WHEN kind IN ('OPENED', 'HANDED_OVER_AGAIN')
                   THEN jsonb_build_array(claim_id, CAST(claim_open AS text))
                   WHEN kind IN ('CLOSED', 'CANCELLED')
                   THEN jsonb_build_array(claim_id, CAST(claim_collected AS text),
                                          CAST(-change AS text), CAST(written_off AS text))
                   WHEN kind = 'CLAIM_CHANGED'
                   THEN jsonb_build_array(claim_id, CAST(claim_open - change AS text),
                                          CAST(claim_open AS text))
                   ELSE jsonb_build_array(claim_id, CAST(abs(paid) AS text),
                                          CAST(claim_open AS text)) END
                   ORDER BY claim_id
               ) FILTER (WHERE claim_id IS NOT NULL) AS claims,
               jsonb_agg(claim_id ORDER BY claim_id) FILTER (
                   WHERE kind IN ('REJECTED', 'CLOSED', 'CANCELLED') AND claim_id IS NOT NULL
               ) AS claim_ids
        FROM audit_moments WHERE kind <> 'HANDED_OVER' GROUP BY item_number
    ) AS moment USING (item_number)
    LEFT JOIN (
        SELECT item_number, (array_agg(tenant_id))[1] AS tenant_id,
               (array_agg(posting_id))[1] AS posting_id, (array_agg(payment_id))[1] AS payment_id,
               sum(amount) FILTER (WHERE account = 'COLLECTED') AS collected,
               coalesce(-sum(amount) FILTER (WHERE account = 'UNALLOCATED'), 0.00) AS unallocated,
               -sum(amount) FILTER (WHERE account = 'PAID_OUT') AS paid_out,
               sum(amount) FILTER (WHERE account = 'SHORTFALL') AS shortfall,
               sum(amount) FILTER (WHERE account IN ('CLAIM', 'UNALLOCATED', 'SHORTFALL')) AS part
        FROM audit_lines WHERE payment_id IS NOT NULL
        GROUP BY item_number
    ) AS line USING (item_number)
"""  # noqa: S608

_CONTENT: Final = f"""
    SELECT tenant_id, case_id, 'event ' || type || ' ' || event_id || ' ' || fact.key,
           fact.value #>> '{{}}', recomputed ->> fact.key
    FROM (
        SELECT tenant_id, case_id, event_id, type, {PUBLISHED} AS published,
               {RECOMPUTED} AS recomputed
        FROM audit_told JOIN (
            SELECT tenant_id, case_id, currency, member_id, studio_id, partner_id, run_id
            FROM cases WHERE {IN_RANGE}
        ) AS kept USING (tenant_id, case_id)
        LEFT JOIN audit_moved USING (item_number)
        WHERE type = published_type
    ) AS compared
    CROSS JOIN LATERAL jsonb_each(published) AS fact (key, value)
    WHERE published <> recomputed AND fact.value IS DISTINCT FROM recomputed -> fact.key
"""  # noqa: S608

_MISSING: Final = """
    SELECT tenant_id, case_id, 'event ' || coalesce(type, 'of ' || kind) || ' ' || event_id,
           coalesce('published as ' || published_type, 'not published'), 'published'
    FROM audit_told WHERE item_number IS NOT NULL AND published_type IS DISTINCT FROM type
"""

_NAMED_TWICE: Final = """
    SELECT tenant_id, case_id, 'event ' || event_id, 'told ' || count(DISTINCT item_number)
           || ' times in the history', 'once'
    FROM audit_told WHERE item_number IS NOT NULL
    GROUP BY tenant_id, case_id, event_id HAVING count(DISTINCT item_number) > 1
"""

# Cases from before there was double entry have a history that names no events.
_IS_OLD: Final = """
    SELECT tenant_id, case_id FROM history
    WHERE kind = 'HANDED_OVER' AND posting_id IS NULL
"""

_UNTOLD: Final = f"""
    SELECT tenant_id, case_id, 'events of ' || item.kind || ' ' || item.item_number,
           CAST(cardinality(item.event_ids) AS text), CAST(known.number AS text)
    FROM (SELECT * FROM history WHERE {IN_RANGE}) AS item
    JOIN (
        SELECT kind, count(*) AS number FROM {_TYPES} AS type (kind, place, type) GROUP BY kind
    ) AS known USING (kind)
    WHERE cardinality(event_ids) <> known.number
      AND NOT (event_ids = '{{}}' AND (
          kind = 'PAYMENT_REALLOCATED'
          OR (tenant_id, case_id) IN ({_IS_OLD} AND {IN_RANGE})
      ))
"""  # noqa: S608

_UNNAMED: Final = f"""
    SELECT DISTINCT tenant_id, case_id, event_id, published_type FROM audit_told
    WHERE item_number IS NULL AND NOT (
        (tenant_id, case_id) IN ({_IS_OLD} AND {IN_RANGE})
        AND (tenant_id, case_id, published_type) IN (
            SELECT tenant_id, case_id, known.type
            FROM (SELECT * FROM history WHERE {IN_RANGE} AND event_ids = '{{}}') AS old
            JOIN {_TYPES} AS known (kind, place, type) USING (kind)
            UNION ALL
            SELECT tenant_id, case_id, 'member.dunning-level-reset.v1'
            FROM history WHERE {IN_RANGE} AND event_ids = '{{}}' AND kind = 'CLOSED'
        )
    )
"""  # noqa: S608

# By now the history of a case may have gone on.
_STILL_UNNAMED: Final = text(
    """
    SELECT event.tenant_id, event.case_id, 'event ' || event.type || ' ' || event.id,
           'published', 'in the history'
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:cases AS uuid[]), CAST(:ids AS uuid[]),
                CAST(:types AS text[])) AS event (tenant_id, case_id, id, type)
    WHERE NOT EXISTS (
        SELECT FROM history
        WHERE (history.tenant_id, history.case_id) = (event.tenant_id, event.case_id)
          AND event.id = ANY(history.event_ids)
    )
    """
)


async def prepare_events(connection: AsyncConnection) -> None:
    """Make the tables, for this transaction."""
    for statement in _CREATE:
        await connection.execute(text(statement))


async def compare_events(
    connection: AsyncConnection, bounds: Range, database: Database
) -> AsyncIterator[Difference]:
    """Yield what is published otherwise than the cases of a range have it.

    Their course must have been followed. What cases did after this transaction's snapshot may be
    published already: that is looked up in `database`, and left to the next audit.
    """
    for table in ("audit_told", "audit_moved"):
        await connection.execute(text(f"TRUNCATE {table}"))
    await connection.execute(text(_TOLD), bounds)
    await connection.execute(text("ANALYZE audit_told"))
    await connection.execute(text(_MOVED), bounds)
    await connection.execute(text("ANALYZE audit_moved"))
    for check in _CHECKS:
        async for difference in found(connection, check, bounds):
            yield difference
    unnamed = (await connection.execute(text(_UNNAMED), bounds)).all()
    if unnamed:
        names = ("tenants", "cases", "ids", "types")
        columns = dict(zip(names, map(list, zip(*unnamed, strict=True)), strict=True))
        async with database.connect() as later:
            for row in await later.execute(_STILL_UNNAMED, columns):
                yield Difference(*row)


_CHECKS: Final = [text(check) for check in (_CONTENT, _MISSING, _NAMED_TWICE, _UNTOLD)]
