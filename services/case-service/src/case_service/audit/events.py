"""Checks of what was published: each event that the history names, as the entries have it."""

from collections.abc import AsyncIterator
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service.audit.difference import IN_RANGE, Difference, Range, found
from kit.database import Database

_CREATE: Final = (
    """
    CREATE TEMPORARY TABLE audit_told (
        tenant_id uuid, case_id uuid, event_id uuid, item_number bigint, kind text, details jsonb,
        type text, published_type text, payload jsonb
    ) ON COMMIT DROP
    """,
    """
    CREATE TEMPORARY TABLE audit_moved (
        tenant_id uuid, case_id uuid, item_number bigint, claims jsonb, claim_ids jsonb,
        case_open text, case_collected text, let_go text, collected text, unallocated text,
        paid_out text, shortfall text, part text, unallocated_then text
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
            ('CLOSED', 1, 'case.closed.v1'), ('CLOSED', 2, 'member.released.v1'),
            ('CANCELLED', 1, 'case.cancelled.v1'), ('CANCELLED', 2, 'member.released.v1'),
            ('DUNNING_LEVEL_RESET', 1, 'member.dunning-level-reset.v1'))
"""

# The history from before it named events has none: `event_ids` is empty, here and for all that no
# event tells. An event may lie in Kafka twice; the same id with other content shows as another.
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
        SELECT DISTINCT tenant_id, case_id, id AS event_id, type, payload
        FROM audit_events WHERE {IN_RANGE}
    ) AS event USING (tenant_id, case_id, event_id)
"""  # noqa: S608 - constants

# What each item did, as the events about it say it: `claims` holds what they say of each claim.
# What is unallocated of a payment may have changed on another case than its shares did.
_MOVED: Final = """
    INSERT INTO audit_moved
    SELECT item.tenant_id, item.case_id, item.item_number, coalesce(moment.claims, '[]'),
           coalesce(moment.claim_ids, '[]'), moment.case_open, moment.case_collected,
           moment.let_go, line.collected, line.unallocated, line.paid_out, line.shortfall,
           line.part,
           CASE WHEN item.kind IN ('PAYMENT_REALLOCATED', 'UNALLOCATED_SETTLED') THEN (
               SELECT CAST(-sum(entry.amount) AS text) FROM entries AS entry
               WHERE (entry.tenant_id, entry.payment_id) = (line.tenant_id, line.payment_id)
                 AND entry.account = 'UNALLOCATED' AND entry.entry_number <= (
                     SELECT max(posted.entry_number) FROM entries AS posted
                     WHERE (posted.tenant_id, posted.posting_id)
                         = (line.tenant_id, line.posting_id)
                 )
           ) END
    FROM (
        SELECT DISTINCT tenant_id, case_id, item_number, kind FROM audit_told
        WHERE item_number IS NOT NULL
    ) AS item
    LEFT JOIN (
        SELECT moment.tenant_id, moment.case_id, moment.item_number,
               CAST(max(case_open) AS text) AS case_open,
               CAST(max(case_collected) AS text) AS case_collected,
               CAST(-sum(change) AS text) AS let_go,
               jsonb_agg(CASE
                   WHEN history.kind = 'OPENED'
                   THEN jsonb_build_array(claim_id, CAST(claim_open AS text))
                   WHEN history.kind = 'CLAIM_CHANGED'
                   THEN jsonb_build_array(claim_id, CAST(claim_open - change AS text),
                                          CAST(claim_open AS text))
                   WHEN history.kind IN ('CLOSED', 'CANCELLED')
                   THEN jsonb_build_array(claim_id, CAST(claim_collected AS text),
                                          CAST(-change AS text), CAST(written_off AS text))
                   ELSE jsonb_build_array(claim_id, CAST(abs(paid) AS text),
                                          CAST(claim_open AS text)) END
                   ORDER BY CAST(claim_id AS text)
               ) FILTER (WHERE claim_id IS NOT NULL) AS claims,
               jsonb_agg(claim_id ORDER BY CAST(claim_id AS text)) FILTER (
                   WHERE history.kind IN ('REJECTED', 'CLOSED', 'CANCELLED')
                     AND claim_id IS NOT NULL
               ) AS claim_ids
        FROM audit_moments AS moment JOIN history USING (tenant_id, case_id, item_number)
        GROUP BY moment.tenant_id, moment.case_id, moment.item_number
    ) AS moment USING (tenant_id, case_id, item_number)
    LEFT JOIN (
        SELECT tenant_id, case_id, item_number,
               (array_agg(posting_id))[1] AS posting_id, (array_agg(payment_id))[1] AS payment_id,
               CAST(sum(amount) FILTER (WHERE account = 'COLLECTED') AS text) AS collected,
               CAST(coalesce(-sum(amount) FILTER (WHERE account = 'UNALLOCATED'), 0.00) AS text)
                   AS unallocated,
               CAST(-sum(amount) FILTER (WHERE account = 'PAID_OUT') AS text) AS paid_out,
               CAST(sum(amount) FILTER (WHERE account = 'SHORTFALL') AS text) AS shortfall,
               CAST(sum(amount) FILTER (
                   WHERE account IN ('CLAIM', 'UNALLOCATED', 'SHORTFALL')
               ) AS text) AS part
        FROM audit_lines WHERE payment_id IS NOT NULL
        GROUP BY tenant_id, case_id, item_number
    ) AS line USING (tenant_id, case_id, item_number)
"""


def _claims(name: str, *amounts: str) -> str:
    """Return the SQL for what an event says of each claim in a list, in the order of their ids."""
    parts = "".join(f", each #>> '{{{amount},amount}}'" for amount in amounts)
    return f"""
        coalesce((
            SELECT jsonb_agg(jsonb_build_array(each ->> 'claim_id'{parts})
                             ORDER BY each ->> 'claim_id')
            FROM jsonb_path_query(payload, '$.{name}[*]') AS each
        ), '[]')
    """  # noqa: S608 - constants


_CLAIM_IDS: Final = """
    coalesce((
        SELECT jsonb_agg(each ORDER BY each #>> '{}')
        FROM jsonb_path_query(payload, '$.claims[*]') AS each
    ), '[]')
"""


# NULL where one of them is no amount.
_TAKEN_BACK: Final = """
    CASE WHEN pg_input_is_valid(payload #>> '{amount_before,amount}', 'numeric')
          AND pg_input_is_valid(payload #>> '{amount_after,amount}', 'numeric')
         THEN CAST(CAST(payload #>> '{amount_before,amount}' AS numeric)
                   - CAST(payload #>> '{amount_after,amount}' AS numeric) AS text) END
"""

_FACTS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "case.opened.v1": {
        "open": ("payload #> '{open,amount}'", "case_open"),
        "claims": (_claims("claims", "open"), "claims"),
    },
    "case.rejected.v1": {
        "reason_code": ("payload -> 'reason_code'", "details -> 'reason_code'"),
        "claims": (_CLAIM_IDS, "claim_ids"),
    },
    "member.released.v1": {
        "reason": (
            "payload -> 'reason'",
            """CASE WHEN kind <> 'CLOSED' THEN 'CASE_' || kind
                    WHEN details ->> 'reason' = 'RUN_REVERSED' THEN 'RUN_REVERSED'
                    ELSE 'CASE_CLOSED' END""",
        ),
        "claims": (_CLAIM_IDS, "claim_ids"),
    },
    "case.file-number-set.v1": {
        "file_number": ("payload -> 'file_number'", "details -> 'file_number'"),
        "previous": ("payload ->> 'previous'", "details ->> 'previous'"),
    },
    "case.payment-booked.v1": {
        "payment_id": ("payload -> 'payment_id'", "details -> 'payment_id'"),
        "amount": ("payload #> '{amount,amount}'", "collected"),
        "unallocated": ("payload #> '{unallocated,amount}'", "unallocated"),
        "own_fees": ("payload #> '{own_fees,amount}'", "details -> 'own_fees'"),
        "booking_date": ("payload -> 'booking_date'", "details -> 'booking_date'"),
        "shares": (_claims("shares", "amount", "open"), "claims"),
        "open": ("payload #> '{open,amount}'", "case_open"),
    },
    "case.payment-reduced.v1": {
        "payment_id": ("payload -> 'payment_id'", "details -> 'payment_id'"),
        "amount_before": ("payload #> '{amount_before,amount}'", "details -> 'amount_before'"),
        "amount_after": ("payload #> '{amount_after,amount}'", "details -> 'amount_after'"),
        "difference": (_TAKEN_BACK, "part"),
        "shortfall": ("payload #>> '{shortfall,amount}'", "shortfall"),
        "booking_date": ("payload -> 'booking_date'", "details -> 'booking_date'"),
        "shares": (_claims("shares", "amount", "open"), "claims"),
        "open": ("payload #> '{open,amount}'", "case_open"),
    },
    "case.payment-reallocated.v1": {
        "payment_id": ("payload -> 'payment_id'", "details -> 'payment_id'"),
        "reason": ("payload -> 'reason'", "details -> 'reason'"),
        "taken": (
            _claims("taken", "amount", "open"),
            "CASE details ->> 'reason' WHEN 'CLAIM_CHANGED' THEN claims ELSE '[]' END",
        ),
        "given": (
            _claims("given", "amount", "open"),
            "CASE details ->> 'reason' WHEN 'SETTLED' THEN claims ELSE '[]' END",
        ),
        "unallocated": ("payload #> '{unallocated,amount}'", "unallocated_then"),
        "open": ("payload #> '{open,amount}'", "case_open"),
    },
    "case.unallocated-settled.v1": {
        "payment_id": ("payload -> 'payment_id'", "details -> 'payment_id'"),
        "outcome": ("payload -> 'outcome'", "details -> 'outcome'"),
        "amount": ("payload #> '{amount,amount}'", "paid_out"),
        "unallocated": ("payload #> '{unallocated,amount}'", "unallocated_then"),
    },
    "case.claim-changed.v1": {
        "claim": (
            """jsonb_build_array(jsonb_build_array(
                   payload -> 'claim_id', payload #> '{open_before,amount}',
                   payload #> '{open,amount}'))""",
            "claims",
        ),
        "amount": ("payload #> '{amount,amount}'", "details -> 'amount'"),
        "paid_directly": ("payload #> '{paid_directly,amount}'", "details -> 'paid_directly'"),
        "cancelled": ("payload ->> 'cancelled'", "lower(details ->> 'cancelled')"),
        "case_open": ("payload #> '{case_open,amount}'", "case_open"),
    },
    "case.closed.v1": {
        "reason": ("payload -> 'reason'", "details -> 'reason'"),
        "result": ("payload -> 'result'", "details -> 'result'"),
        "collected": ("payload #> '{collected,amount}'", "case_collected"),
        "residual": ("payload #> '{residual,amount}'", "let_go"),
        "claims": (_claims("claims", "collected", "residual", "written_off"), "claims"),
    },
    "case.cancelled.v1": {
        "claims": (_claims("claims", "collected", "residual", "written_off"), "claims"),
    },
    "member.dunning-level-reset.v1": {},
}
"""Of each type what an event says, and the same from history and entries; in SQL."""

_OF_ALL: Final = {
    "member_id": ("payload -> 'member_id'", "member_id"),
    "studio_id": ("payload -> 'studio_id'", "studio_id"),
    "other currencies": (
        """jsonb_path_exists(payload, '$.**.currency ? (@ != $currency)',
                             jsonb_build_object('currency', currency))""",
        "false",
    ),
}


def _all_facts(side: int) -> str:
    """Return the SQL for what all events say (side 0), or for what they should (side 1)."""
    cases = ""
    for type_, facts in _FACTS.items():
        pairs = ", ".join(f"'{name}', {both[side]}" for name, both in (facts | _OF_ALL).items())
        cases += f" WHEN '{type_}' THEN jsonb_build_object({pairs})"
    return f"CASE type {cases} END"


_CONTENT: Final = f"""
    SELECT tenant_id, case_id, 'event ' || type || ' ' || event_id || ' ' || fact.key,
           fact.value #>> '{{}}', recomputed ->> fact.key
    FROM (
        SELECT tenant_id, case_id, event_id, type, {_all_facts(0)} AS published,
               {_all_facts(1)} AS recomputed
        FROM audit_told JOIN (
            SELECT tenant_id, case_id, currency, member_id, studio_id FROM cases WHERE {IN_RANGE}
        ) AS kept USING (tenant_id, case_id)
        LEFT JOIN audit_moved USING (tenant_id, case_id, item_number)
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
    SELECT tenant_id, case_id, event_id, published_type FROM audit_told
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
    await connection.execute(text(_MOVED))
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
