"""What opening cases, and the whole path of a run, are measured against: rows, and no rule.

A bare aiokafka consumer parses the JSON of each batch and COPYs the rows that services write for it
into tables of the same shape in the schema `plain`, in one transaction of each database. Those have
the primary keys of the real ones, and no other index, foreign key, check or trigger.

    python -m tests.benchmarks.plain_copy <bootstrap servers> <number of messages> \\
        <service>=<database URL> …

It prints how many seconds that took, from the first batch on.
"""

import asyncio
import json
import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer
from tests.benchmarks import plain_case_rows, plain_export_rows
from tests.benchmarks.plain_case_rows import Rows

from contracts import MemberHandedOverV1

BATCH_RECORDS = 1_000

Message = tuple[Mapping[str, str], Mapping[str, Any]]
"""The headers and the event."""


@dataclass(frozen=True)
class Service:
    """What a service writes for a handover."""

    columns: Mapping[str, Sequence[str]]
    """The columns to copy, of each table."""
    add_rows: Callable[[Rows, Mapping[str, str], Mapping[str, Any]], None]


SERVICES = {
    "case-service": Service(plain_case_rows.COLUMNS, plain_case_rows.add_rows),
    "export-service": Service(plain_export_rows.COLUMNS, plain_export_rows.add_rows),
}


async def create_tables(owner_url: str, service: str) -> None:
    """Make the tables of a service to copy into, empty."""
    connection = await asyncpg.connect(owner_url)
    await connection.execute("DROP SCHEMA IF EXISTS plain CASCADE; CREATE SCHEMA plain")
    for table in SERVICES[service].columns:
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


async def copy(bootstrap_servers: str, messages: int, database_urls: Mapping[str, str]) -> float:
    """Copy the rows of the first messages of the topic, in batches as the services take them.

    Returns how many seconds that took, from the first batch on.
    """
    async with AsyncExitStack() as ends:
        connections = {}
        for service, url in database_urls.items():
            connections[service] = await asyncpg.connect(url)
            ends.push_async_callback(connections[service].close)
        consumer = await ends.enter_async_context(_consumer(bootstrap_servers))
        copied, started = 0, 0.0
        while copied < messages:
            batch = await consumer.getmany(timeout_ms=500, max_records=BATCH_RECORDS)
            records = [record for part in batch.values() for record in part]
            if not records:
                continue
            started = started or time.perf_counter()
            parsed = [_parse(record.headers, record.value) for record in records]
            await asyncio.gather(
                *(
                    _copy_rows(connection, SERVICES[service], parsed)
                    for service, connection in connections.items()
                )
            )
            await consumer.commit()
            copied += len(records)
    return time.perf_counter() - started


def _consumer(bootstrap_servers: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        MemberHandedOverV1.TOPIC,
        bootstrap_servers=bootstrap_servers,
        group_id=f"plain-{secrets.token_hex(4)}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )


def _parse(headers: Sequence[tuple[str, bytes]], value: bytes) -> Message:
    return {name: header.decode() for name, header in headers}, json.loads(value)


async def _copy_rows(
    connection: asyncpg.Connection, service: Service, messages: Sequence[Message]
) -> None:
    rows: Rows = {table: [] for table in service.columns}
    for headers, event in messages:
        service.add_rows(rows, headers, event)
    async with connection.transaction():
        for table, columns in service.columns.items():
            await connection.copy_records_to_table(
                table, schema_name="plain", columns=columns, records=rows[table]
            )


def main() -> None:
    """Copy what the command line says."""
    servers, count, *destinations = sys.argv[1:]
    urls = dict(destination.split("=", 1) for destination in destinations)
    print(asyncio.run(copy(servers, int(count), urls)))  # noqa: T201  what it is for


if __name__ == "__main__":
    main()
