"""Tables of runs and of the rows of their exports, and the SQL that fills them."""

import json
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Column, Date, DateTime, Integer, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql import JSON, JSONB, insert
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import MemberHandedOverV1, RunCreatedV1
from kit.messages import Message

tables = MetaData()

_ID: Final = PG_UUID(as_uuid=True)

runs: Final = Table(
    "runs",
    tables,
    Column("tenant_id", _ID, primary_key=True),
    Column("run_id", _ID, primary_key=True),
    Column("booking_number", Text, nullable=False),
    Column("partner_id", _ID, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("collection_date", Date, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    comment="runs that were announced",
)

run_studios: Final = Table(
    "run_studios",
    tables,
    Column("tenant_id", _ID, primary_key=True),
    Column("run_id", _ID, primary_key=True),
    Column("studio_id", _ID, primary_key=True),
    Column("member_count", Integer, nullable=False),
    Column("claim_count", Integer, nullable=False),
    Column("totals", JSONB, nullable=False),
    comment="what was announced of each studio of a run; totals are amounts by currency",
)

handovers: Final = Table(
    "handovers",
    tables,
    Column("tenant_id", _ID, primary_key=True),
    Column("run_id", _ID, primary_key=True),
    Column("booking_number", Integer, primary_key=True),
    Column("studio_id", _ID, nullable=False),
    Column("studio_name", Text, nullable=False),
    Column("claim_count", Integer, nullable=False),
    comment="members that have arrived; narrow, so that counting a run's members is quick",
)

handover_rows: Final = Table(
    "handover_rows",
    tables,
    Column("tenant_id", _ID, primary_key=True),
    Column("run_id", _ID, primary_key=True),
    Column("booking_number", Integer, primary_key=True),
    Column("claim_index", Integer, primary_key=True),
    Column("studio_id", _ID, nullable=False),
    Column("cells", JSON, nullable=False),
    comment="the rows of exports, read in the order of the key; cells are texts, one a column",
)


async def insert_runs(
    connection: AsyncConnection, messages: Sequence[Message[RunCreatedV1]]
) -> None:
    """Keeps what was announced of runs; what is known already stays."""
    new_runs: list[dict[str, Any]] = []
    new_studios: list[dict[str, Any]] = []
    for message in messages:
        run = message.event
        key = {"tenant_id": message.tenant_id, "run_id": run.run_id}
        new_runs.append(
            {
                **key,
                "booking_number": run.booking_number,
                "partner_id": run.partner_id,
                "trigger": run.trigger,
                "collection_date": run.collection_date,
                "created_at": run.created_at,
            }
        )
        new_studios.extend(
            {
                **key,
                "studio_id": studio.studio_id,
                "member_count": studio.member_count,
                "claim_count": studio.claim_count,
                "totals": {money.currency: str(money.amount) for money in studio.totals},
            }
            for studio in run.studios
        )
    await connection.execute(insert(runs).on_conflict_do_nothing(), new_runs)
    await connection.execute(insert(run_studios).on_conflict_do_nothing(), new_studios)


_INSERT_HANDOVERS = text(
    """
    INSERT INTO handovers
        (tenant_id, run_id, booking_number, studio_id, studio_name, claim_count)
    SELECT * FROM unnest(
        CAST(:tenant_id AS uuid[]), CAST(:run_id AS uuid[]), CAST(:booking_number AS integer[]),
        CAST(:studio_id AS uuid[]), CAST(:studio_name AS text[]), CAST(:claim_count AS integer[]))
    ON CONFLICT DO NOTHING
    """
)

_INSERT_ROWS = text(
    """
    INSERT INTO handover_rows
        (tenant_id, run_id, booking_number, claim_index, studio_id, cells)
    SELECT tenant_id, run_id, booking_number, claim_index, studio_id, CAST(cells AS json)
    FROM unnest(
        CAST(:tenant_id AS uuid[]), CAST(:run_id AS uuid[]), CAST(:booking_number AS integer[]),
        CAST(:claim_index AS integer[]), CAST(:studio_id AS uuid[]), CAST(:cells AS text[]))
        AS new (tenant_id, run_id, booking_number, claim_index, studio_id, cells)
    ON CONFLICT DO NOTHING
    """
)


async def insert_handovers(
    connection: AsyncConnection,
    handed_over: Sequence[tuple[Message[MemberHandedOverV1], Sequence[Sequence[str]]]],
) -> None:
    """Keeps members with the rows of their claims; who is known already stays as he is."""
    members: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for message, cells_of_claims in handed_over:
        handover = message.event
        place = {
            "tenant_id": message.tenant_id,
            "run_id": handover.run_id,
            "booking_number": handover.booking_number,
            "studio_id": handover.studio.studio_id,
        }
        members.append(
            {
                **place,
                "studio_name": handover.studio.name1,
                "claim_count": len(cells_of_claims),
            }
        )
        rows.extend(
            {**place, "claim_index": index, "cells": json.dumps(cells, ensure_ascii=False)}
            for index, cells in enumerate(cells_of_claims)
        )
    await connection.execute(_INSERT_HANDOVERS, _columns(members))
    await connection.execute(_INSERT_ROWS, _columns(rows))


def _columns(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """The rows as one list for each column, as `unnest` takes them."""
    return {name: [row[name] for row in rows] for name in rows[0]}
