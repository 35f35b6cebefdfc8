"""What the first release kept is carried over, and the tables are those of the code."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from contracts import MemberHandedOverV1, RunCreatedV1
from export_service.exports.store import tables as exports
from export_service.members import queries as members
from export_service.members.store import tables as cases
from export_service.members.wanted import WantedMembers
from export_service.runs import queries as runs
from export_service.runs.rows import rows_of, texts_of
from export_service.runs.store import tables as of_runs
from kit.database import _configuration
from kit.ids import new_id
from kit.plumbing import plumbing
from tests.export_service.handed_over import run_of, studio

TENANT = new_id()


@pytest.fixture
async def old(bare_database_url: str) -> AsyncIterator[AsyncEngine]:
    """A database of the first release."""
    engine = create_async_engine(bare_database_url)
    await migrate(engine, "0001")
    yield engine
    await engine.dispose()


async def migrate(engine: AsyncEngine, revision: str, *, down: bool = False) -> None:
    """Goes to a revision."""

    def go(connection: Connection) -> None:
        configuration = _configuration("export_service.migrations")
        configuration.attributes["connection"] = connection
        (command.downgrade if down else command.upgrade)(configuration, revision)

    async with engine.begin() as connection:
        await connection.run_sync(go)


async def announce(engine: AsyncEngine, run: RunCreatedV1) -> None:
    """Keeps a run as the first release did."""
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO runs VALUES (:tenant_id, :run_id, :booking_number, :partner_id,"
                " :trigger, :collection_date, :created_at)"
            ),
            {"tenant_id": TENANT, **run.model_dump(include=set(RUN))},
        )
        for part in run.studios:
            totals = {money.currency: str(money.amount) for money in part.totals}
            await connection.execute(
                text(
                    "INSERT INTO run_studios VALUES (:tenant_id, :run_id, :studio_id,"
                    " :member_count, :claim_count, CAST(:totals AS jsonb))"
                ),
                {
                    "tenant_id": TENANT,
                    "run_id": run.run_id,
                    "studio_id": part.studio_id,
                    "member_count": part.member_count,
                    "claim_count": part.claim_count,
                    "totals": json.dumps(totals),
                },
            )


RUN = ("run_id", "booking_number", "partner_id", "trigger", "collection_date", "created_at")


async def hand_over(engine: AsyncEngine, members: list[MemberHandedOverV1]) -> None:
    """Keeps members as the first release did."""
    async with engine.begin() as connection:
        for each in members:
            place: dict[str, Any] = {
                "tenant_id": TENANT,
                "run_id": each.run_id,
                "number": each.booking_number,
                "studio_id": each.studio.studio_id,
            }
            await connection.execute(
                text(
                    "INSERT INTO handovers VALUES (:tenant_id, :run_id, :number, :studio_id,"
                    " :name, :claims)"
                ),
                place | {"name": each.studio.name1, "claims": len(each.claims)},
            )
            for index, texts in enumerate(rows_of_exports(each)):
                await connection.execute(
                    text(
                        "INSERT INTO handover_rows VALUES (:tenant_id, :run_id, :number, :index,"
                        " :studio_id, CAST(:cells AS json))"
                    ),
                    place | {"index": index, "cells": json.dumps(texts)},
                )


def rows_of_exports(handed_over: MemberHandedOverV1) -> list[list[str]]:
    """One for each claim."""
    return [row for _, *stored in rows_of(handed_over) for row in texts_of(*stored)]


async def test_members_of_the_first_release_are_in_the_overview(old: AsyncEngine) -> None:
    """R20: and their runs are as whole as they were; there and back, and there again."""
    run, handed_over = run_of(members=5, claims=2, studios=[studio("A"), studio("B")])
    handed_over = [
        each.model_copy(update={"member_id": each.debtor.debtor_id}) for each in handed_over
    ]
    await announce(old, run)
    await hand_over(old, handed_over[:4])
    await migrate(old, "head")
    for there_again in (False, True):
        if there_again:
            await migrate(old, "0001", down=True)
            await migrate(old, "head")
        async with old.connect() as connection:
            known = await runs.find_run(connection, TENANT, run.run_id, None)
            assert known is not None
            assert known.announced
            assert (known.member_count, known.claim_count) == (5, 10)
            assert sum(part.members_arrived for part in known.studios) == 4
            rows = await runs.next_rows(
                connection, TENANT, run.run_id, None, after=runs.START, limit=100
            )
            assert sorted(texts for row in rows for texts in row.texts()) == sorted(
                texts for each in handed_over[:4] for texts in rows_of_exports(each)
            )
            found = await members.next_rows(
                connection,
                TENANT,
                None,
                WantedMembers(search="mull zoe"),
                "Europe/Berlin",
                after=members.START,
                limit=100,
            )
        assert sorted(json.loads(row.cells)[15] for row in found) == sorted(
            str(each.case_id) for each in handed_over[:4]
        )
        (first,) = (row for row in found if row.position[1] == handed_over[0].case_id)
        assert json.loads(first.cells) == [
            *("Zoë Müller", "000123", "2026-03-02", "3.20", "EUR", "PENDING", "", "0.00"),
            *("3.20", "", "", "B", "2026-000001", "1"),
            *(str(handed_over[0].member_id), str(handed_over[0].case_id), str(run.partner_id)),
        ]


async def test_claims_that_were_kept_together_come_apart_again(old: AsyncEngine) -> None:
    """R40: in the release before each row was whole; what each kept, the other reads."""
    run, members = run_of(members=3, claims=12)
    await migrate(old, "head")
    place = {"tenant_id": TENANT, "run_id": run.run_id}
    async with old.begin() as connection:
        for each in members:
            for index, cells, claims in rows_of(each):
                await connection.execute(
                    text(
                        "INSERT INTO handover_rows VALUES (:tenant_id, :run_id, :number, :index,"
                        " :studio_id, CAST(:cells AS json), CAST(:claims AS json))"
                    ),
                    place
                    | {"number": each.booking_number, "studio_id": each.studio.studio_id}
                    | {"index": index, "cells": cells, "claims": claims},
                )
    expected = [texts for each in members for texts in rows_of_exports(each)]
    await migrate(old, "0004", down=True)
    async with old.connect() as connection:
        found = await connection.execute(
            text(
                "SELECT claim_index, cells FROM handover_rows ORDER BY booking_number, claim_index"
            )
        )
        assert [tuple(row) for row in found] == [
            (number % 12, texts) for number, texts in enumerate(expected)
        ]
    await migrate(old, "head")
    async with old.connect() as connection:
        rows = await runs.next_rows(
            connection, TENANT, run.run_id, None, after=runs.START, limit=100
        )
    assert [texts for row in rows for texts in row.texts()] == expected


async def test_a_row_without_its_claims_is_refused(old: AsyncEngine) -> None:
    """R40: it would be a row of the export that lacks its last columns."""
    await migrate(old, "head")
    with pytest.raises(IntegrityError, match="claims"):
        async with old.begin() as connection:
            await connection.execute(
                text(
                    "INSERT INTO handover_rows"
                    " (tenant_id, run_id, studio_id, booking_number, claim_index, cells)"
                    " VALUES (uuidv7(), uuidv7(), uuidv7(), 1, 0, '[]')"
                )
            )


async def test_a_run_that_is_not_announced_stops_the_upgrade(old: AsyncEngine) -> None:
    """Nothing says to which partner its members went: nobody is to be missing in the overview."""
    run, handed_over = run_of(members=1)
    await hand_over(old, handed_over)
    with pytest.raises(RuntimeError, match="not announced yet"):
        await migrate(old, "head")
    await announce(old, run)
    await migrate(old, "head")


async def test_migrated_database_has_the_tables_of_the_code(old: AsyncEngine) -> None:
    await migrate(old, "head")

    def differences(connection: Connection) -> list[object]:
        known = MetaData()
        for tables in (exports, of_runs, cases, plumbing):
            for table in tables.sorted_tables:
                table.to_metadata(known)
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_object": _is_no_index}
        )
        return list(compare_metadata(context, known))

    async with old.begin() as connection:
        found = await connection.run_sync(differences)
    own = [each for each in found if "inbox" not in str(each) and "idempotency" not in str(each)]
    assert own == []


def _is_no_index(_: object, _name: str | None, kind: str, *_more: object) -> bool:
    """Leave out what only migrations say."""
    return kind not in ("index", "unique_constraint", "foreign_key_constraint")


async def test_exports_of_the_first_release_are_what_they_were(old: AsyncEngine) -> None:
    """R41: but for their files, which are found under other names now, and so have expired."""
    run, _ = run_of(members=1)
    await announce(old, run)
    states = {
        "WAITING": "0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL",
        "COMPLETED": "1, 1, NULL, NULL, 'a.csv', 7, 'abc', now(), now() + interval '9 days'",
        "FAILED": "0, 1, 'RUN_INCOMPLETE', NULL, NULL, NULL, NULL, NULL, NULL",
    }
    async with old.begin() as connection:
        for status, values in states.items():
            await connection.execute(
                text(
                    "INSERT INTO exports (export_id, tenant_id, run_id, format, status,"
                    " created_by, created_at, correlation_id, rows_done, attempt,"
                    " failure_reason, leased_until, file_name, size_bytes, sha256,"
                    " completed_at, expires_at) VALUES (uuidv7(), :tenant_id, :run_id, 'csv',"
                    f" :status, 'staff-1', now(), 'correlation-1', {values})"
                ),
                {"tenant_id": TENANT, "run_id": run.run_id, "status": status},
            )
    for _ in range(2):
        await migrate(old, "head")
        async with old.connect() as connection:
            found = await connection.execute(
                text(
                    "SELECT status, kind, language, csv_dialect, csv_guarded, per_studio,"
                    " delete_file_at <= now() AS is_over FROM exports ORDER BY status"
                )
            )
        assert [tuple(row) for row in found] == [
            ("COMPLETED", "RUN", "de", "STANDARD", True, False, True),
            ("FAILED", "RUN", "de", "STANDARD", True, False, True),
            ("WAITING", "RUN", "de", "STANDARD", True, False, None),
        ]
        await migrate(old, "0002", down=True)
