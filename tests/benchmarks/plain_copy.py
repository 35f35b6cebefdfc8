"""What opening cases is measured against: reads handovers, copies rows, and knows no rule.

A bare aiokafka consumer parses the JSON of each batch and COPYs the rows that case-service writes
for it into tables of the same shape in the schema `plain`. Those have the primary keys of the real
ones, and no other index, foreign key, check or trigger.

    python -m tests.benchmarks.plain_copy <bootstrap servers> <database URL> <number of messages>
"""

import asyncio
import json
import secrets
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from contracts import MemberHandedOverV1
from kit.ids import new_id

TABLES = (
    "cases", "case_claims", "claims", "members", "entries", "history", "outbox", "inbox",
)  # fmt: skip
COLUMNS = {
    "inbox": ("source", "id"),
    "members": (
        "tenant_id", "member_id", "studio_id", "name", "membership_number", "last_handed_over_on",
    ),
    "claims": (
        "tenant_id", "claim_id", "sequence", "amount", "paid_directly", "cancelled", "currency",
    ),
    "cases": (
        "tenant_id", "case_id", "run_id", "run_booking_number", "booking_number", "member_id",
        "studio_id", "partner_id", "partner_channel", "collection_date", "currency", "time_zone",
        "status", "handed_over", "collected", "open", "unallocated", "written_off", "created_at",
        "opened_at", "version",
    ),
    "case_claims": (
        "tenant_id", "case_id", "claim_id", "voucher_id", "snapshot_sequence", "kind",
        "designation", "voucher_date", "due_date", "amount", "paid_directly", "handed_over",
        "changed", "collected", "written_off", "released", "open",
    ),
    "entries": (
        "tenant_id", "posting_id", "case_id", "account", "claim_id", "kind", "amount", "currency",
        "booking_date", "recorded_at", "actor_kind", "actor", "correlation_id",
    ),
    "history": (
        "tenant_id", "case_id", "kind", "details", "posting_id", "event_ids", "recorded_at",
        "actor_kind", "actor", "correlation_id",
    ),
    "outbox": (
        "id", "aggregatetype", "aggregateid", "type", "payload", "tenantid", "correlationid",
        "traceparent", "time",
    ),
}  # fmt: skip

NOTHING = Decimal("0.00")
BATCH_RECORDS = 500

Rows = dict[str, list[tuple[Any, ...]]]


async def create_tables(owner_url: str) -> None:
    """Make the tables to copy into, empty."""
    connection = await asyncpg.connect(owner_url)
    await connection.execute("DROP SCHEMA IF EXISTS plain CASCADE; CREATE SCHEMA plain")
    for table in TABLES:
        key = await connection.fetchval(
            """
            SELECT pg_get_constraintdef(oid) FROM pg_constraint
            WHERE conrelid = CAST($1 AS regclass) AND contype = 'p'
            """,
            f"public.{table}",
        )
        await connection.execute(
            f"""
            CREATE TABLE plain.{table}
                (LIKE public.{table} INCLUDING DEFAULTS INCLUDING IDENTITY, {key})
            """
        )
    await connection.close()


async def copy(bootstrap_servers: str, database_url: str, messages: int) -> None:
    """Copy the rows of the first messages of the topic, in batches as case-service takes them."""
    connection = await asyncpg.connect(database_url)
    consumer = AIOKafkaConsumer(
        MemberHandedOverV1.TOPIC,
        bootstrap_servers=bootstrap_servers,
        group_id=f"plain-{secrets.token_hex(4)}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    async with consumer:
        copied = 0
        while copied < messages:
            batch = await consumer.getmany(timeout_ms=500, max_records=BATCH_RECORDS)
            records = [record for part in batch.values() for record in part]
            if not records:
                continue
            rows: Rows = {table: [] for table in COLUMNS}
            for record in records:
                add_rows(rows, record)
            async with connection.transaction():
                for table, columns in COLUMNS.items():
                    await connection.copy_records_to_table(
                        table, schema_name="plain", columns=columns, records=rows[table]
                    )
            await consumer.commit()
            copied += len(records)
    await connection.close()


def add_rows(rows: Rows, record: ConsumerRecord) -> None:
    """Add the rows of one handover; ids stay text, as COPY takes them so."""
    headers = {name: value.decode() for name, value in record.headers}
    event = json.loads(record.value)
    tenant, correlation = headers["ce_tenantid"], headers["ce_correlationid"]
    case, member, studio = event["case_id"], event["member_id"], event["studio"]
    claims, day = event["claims"], date.fromisoformat(event["collection_date"])
    currency = claims[0]["amount"]["currency"]
    opens = [
        Decimal(claim["amount"]["amount"]) - Decimal(claim["paid_directly"]["amount"])
        for claim in claims
    ]
    total = sum(opens, NOTHING)
    now, posting, event_id = datetime.now(UTC), new_id(), new_id()
    done = (now, "SYSTEM", "run-service", correlation)
    rows["inbox"].append((headers["ce_source"], headers["ce_id"]))
    debtor = event["debtor"]
    name = f"{debtor['first_name'] or ''} {debtor['name1']}".strip()
    rows["members"].append(
        (tenant, member, studio["studio_id"], name, debtor["membership_number"], day)
    )
    rows["cases"].append(
        (
            tenant, case, event["run_id"], event["run_booking_number"], event["booking_number"],
            member, studio["studio_id"], event["partner_id"], event["partner_channel"], day,
            currency, studio["time_zone"], "OPEN", total, NOTHING, total, NOTHING, NOTHING,
            now, now, 1,
        )
    )  # fmt: skip
    for claim, left in zip(claims, opens, strict=True):
        id_, sequence = claim["claim_id"], claim["snapshot_sequence"]
        amount, paid = claim["amount"]["amount"], claim["paid_directly"]["amount"]
        rows["claims"].append((tenant, id_, sequence, amount, paid, False, currency))
        rows["case_claims"].append(
            (
                tenant, case, id_, claim["voucher_id"], sequence, claim["kind"],
                claim["designation"], date.fromisoformat(claim["voucher_date"]),
                date.fromisoformat(claim["due_date"]), amount, paid, left, NOTHING, NOTHING,
                NOTHING, NOTHING, left,
            )
        )  # fmt: skip
        rows["entries"].append(
            (tenant, posting, case, "CLAIM", id_, "HANDED_OVER", left, currency, day, *done)
        )
    rows["entries"].append(
        (tenant, posting, case, "RECEIVABLES", None, "HANDED_OVER", -total, currency, day, *done)
    )
    details = json.dumps({"open": str(total)})
    rows["history"].append((tenant, case, "HANDED_OVER", details, posting, [], *done))
    rows["history"].append((tenant, case, "OPENED", details, None, [event_id], *done))
    traceparent = f"{headers['ce_traceparent'][:36]}{secrets.token_hex(8)}-01"
    opened = _opened(event, opens, total, currency, now)
    rows["outbox"].append(
        (
            event_id, "collection.case.v1", member, "case.opened.v1", opened, tenant,
            correlation, traceparent, now,
        )
    )  # fmt: skip


def _opened(
    event: dict[str, Any], opens: list[Decimal], total: Decimal, currency: str, now: datetime
) -> bytes:
    """Write the event that the service publishes of it."""
    at = f"{now.replace(tzinfo=None).isoformat()}Z"
    opened = {
        "case_id": event["case_id"],
        "run_id": event["run_id"],
        "member_id": event["member_id"],
        "studio_id": event["studio"]["studio_id"],
        "partner_id": event["partner_id"],
        "occurred_at": at,
        "opened_at": at,
        "claims": [
            {"claim_id": claim["claim_id"], "open": {"amount": str(left), "currency": currency}}
            for claim, left in zip(event["claims"], opens, strict=True)
        ],
        "open": {"amount": str(total), "currency": currency},
    }
    return json.dumps(opened, separators=(",", ":")).encode()


if __name__ == "__main__":
    servers, url, count = sys.argv[1:]
    asyncio.run(copy(servers, url, int(count)))
