"""Snapshots that an earlier release kept whole are handed over after the upgrade (R4, R12)."""

import json
from datetime import date
from uuid import UUID

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from contracts import ClaimSnapshotV1, LegalGuardian, MemberSnapshotV1
from contracts.parts import ClaimDetails, PersonDetails
from kit.database import _configuration
from run_service.candidates import versions
from tests.run_service.world import claim, euros, member, years_ago

TENANT, STUDIO = UUID(int=1), UUID(int=2)
GUARDIAN = LegalGuardian(first_name="Ida", name1='Vor"mund', birth_date=date(1970, 1, 1))
ADULT = member(UUID(int=3), STUDIO, 7, first_name="Zoë", name1='O\\"Neil')
MINOR = member(UUID(int=4), STUDIO, 8, birth_date=years_ago(12), guardian=GUARDIAN)
CLAIM = claim(UUID(int=5), ADULT.member_id, STUDIO, 9, amount=euros("12.30"))


@pytest.fixture
async def database_url(bare_database_url: str) -> str:
    """A database that the release before filled, and that was upgraded then."""
    engine = create_async_engine(bare_database_url)
    async with engine.connect() as connection:
        await connection.run_sync(_migrate, "0003")
    async with engine.begin() as connection:
        for snapshot in (ADULT, MINOR):
            await _keep(connection, "member", snapshot.member_id, snapshot)
        await _keep(connection, "claim", CLAIM.claim_id, CLAIM)
    async with engine.connect() as connection:
        await connection.run_sync(_migrate, "head")
    await engine.dispose()
    return bare_database_url


def _migrate(connection: Connection, revision: str) -> None:
    configuration = _configuration("run_service.migrations")
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, revision)


async def _keep(
    connection: AsyncConnection, kind: str, id_: UUID, snapshot: MemberSnapshotV1 | ClaimSnapshotV1
) -> None:
    await connection.execute(
        text(
            f"INSERT INTO {kind}_snapshots (tenant_id, {kind}_id, sequence, snapshot) "
            "VALUES (:tenant_id, :id, :sequence, CAST(:snapshot AS jsonb))"
        ),
        {
            "tenant_id": TENANT,
            "id": id_,
            "sequence": snapshot.sequence,
            "snapshot": snapshot.model_dump_json(),
        },
    )


async def test_parts_of_kept_snapshots_are_those_that_would_be_kept_now_r12(
    database_url: str,
) -> None:
    engine = create_async_engine(database_url)
    async with engine.connect() as connection:
        members = await connection.execute(
            text(
                "SELECT person::text, legal_guardian::text FROM member_snapshots ORDER BY sequence"
            )
        )
        details = await connection.scalar(text("SELECT details::text FROM claim_snapshots"))
        rows = members.all()
    await engine.dispose()
    for row, snapshot in zip(rows, (ADULT, MINOR), strict=True):
        assert json.loads(row.person) == json.loads(versions.person(snapshot))
        assert PersonDetails.model_validate_json(row.person).name1 == snapshot.name1
        kept = row.legal_guardian and LegalGuardian.model_validate_json(row.legal_guardian)
        assert kept == snapshot.legal_guardian
    assert json.loads(details) == json.loads(versions.claim_details(CLAIM))
    assert ClaimDetails.model_validate_json(details).amount == CLAIM.amount
