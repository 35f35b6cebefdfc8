"""The ledger under the role that case-service works under in production (R30)."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from case_service.main import service
from contracts import CaseOpenedV1
from kit.database import sqlstate, upgrade
from kit.service_role import ServiceRole
from tests.case_service.world import World, claim, corrected, handover, paid, reversal
from tests.conftest import TwoRoles

CHANGES = (
    "UPDATE {} SET why = 'x'",
    "DELETE FROM {}",
    "TRUNCATE {}",
    "MERGE INTO {} USING cases ON true WHEN MATCHED THEN DELETE",
    "ALTER TABLE {} DISABLE TRIGGER {}_append_only",
    "ALTER TABLE {} DISABLE TRIGGER ALL",
    "DROP TRIGGER {}_append_only ON {}",
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE sql AS ''",
    "SET session_replication_role = replica",
    "ALTER TABLE {} OWNER TO service",
    "ALTER TABLE {} ADD COLUMN more text",
    "DROP TABLE {}",
    "TRUNCATE cases CASCADE",
    "DROP TABLE cases CASCADE",
)


@pytest.fixture
async def database_url(two_roles: TwoRoles) -> str:
    """The address of a migrated, empty database for a role that does not own it."""
    role = ServiceRole("service", service.append_only)
    await asyncio.to_thread(upgrade, two_roles.owner_url, service.migrations, role)
    return two_roles.url


@pytest.mark.parametrize("table", ["entries", "history"])
async def test_the_role_of_the_service_has_no_right_to_change_what_was_booked(
    world: World, database_url: str, table: str
) -> None:
    """R30: not even by turning the triggers off."""
    case = await world.open()
    await world.pay(case, "1.00", comment="bar")
    booked = await world.rows(f"SELECT * FROM {table}")
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    for change in CHANGES:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(change.replace("{}", table))
    await connection.close()
    assert booked
    assert await world.rows(f"SELECT * FROM {table}") == booked


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM cases",
        "DELETE FROM case_claims",
        "DELETE FROM payments",
        "UPDATE cases SET case_id = uuidv7()",
        "UPDATE case_claims SET claim_id = uuidv7()",
        "UPDATE payments SET tenant_id = uuidv7()",
        "TRUNCATE cases CASCADE",
        "TRUNCATE payments CASCADE",
        "DELETE FROM runs",
        "DELETE FROM members",
        "UPDATE runs SET run_id = uuidv7()",
        "UPDATE members SET member_id = uuidv7()",
        "UPDATE cases SET run_id = uuidv7()",
        "UPDATE cases SET member_id = uuidv7()",
        "TRUNCATE runs CASCADE",
        "TRUNCATE members CASCADE",
    ],
)
async def test_what_entries_refer_to_is_there_for_good(
    world: World, two_roles: TwoRoles, statement: str
) -> None:
    """R30: for the owner of the tables, too; so a reference needs no lock."""
    case = await world.open()
    await world.pay(case, "1.00", comment="bar")
    connection = await asyncpg.connect(two_roles.owner_url.replace("+asyncpg", ""))
    with pytest.raises(asyncpg.RestrictViolationError):
        await connection.execute(statement)
    await connection.close()
    assert await world.differences() == []


@pytest.mark.parametrize(
    "statement",
    [
        """
        INSERT INTO entries ({}, case_id) SELECT {values}, uuidv7() FROM entries
        WHERE claim_id IS NULL
        """,
        """
        INSERT INTO entries ({}, case_id, claim_id) SELECT {values}, case_id, uuidv7() FROM entries
        WHERE claim_id IS NOT NULL
        """,
        """
        INSERT INTO entries ({}, case_id, payment_id) SELECT {values}, case_id, uuidv7()
        FROM entries WHERE claim_id IS NULL
        """,
        """
        INSERT INTO history (tenant_id, case_id, kind, details, recorded_at, actor_kind, actor,
                             correlation_id)
        SELECT tenant_id, uuidv7(), kind, details, recorded_at, actor_kind, actor, correlation_id
        FROM history
        """,
        """
        INSERT INTO case_claims
        SELECT (jsonb_populate_record(claim, jsonb_build_object('case_id', uuidv7()))).*
        FROM case_claims AS claim
        """,
        """
        INSERT INTO cases
        SELECT (jsonb_populate_record(
            cases, jsonb_build_object('case_id', uuidv7(), 'run_id', uuidv7())
        )).* FROM cases
        """,
        """
        INSERT INTO cases
        SELECT (jsonb_populate_record(
            cases, jsonb_build_object('case_id', uuidv7(), 'member_id', uuidv7())
        )).* FROM cases
        """,
    ],
)
async def test_nothing_is_booked_on_what_is_not_there(world: World, statement: str) -> None:
    """R30: a case, a claim or a payment; nor is there a case without its run and its member."""
    case = await world.open()
    await world.pay(case, "1.00", comment="bar")
    columns = (
        "tenant_id, posting_id, account, kind, amount, currency, booking_date, recorded_at,"
        " actor_kind, actor, correlation_id"
    )
    with pytest.raises(DBAPIError) as refused:
        async with world.context.database.begin() as connection:
            statement = statement.replace("{values}", columns.replace("amount", "0.00"))
            await connection.execute(text(statement.replace("{}", columns)))
    assert sqlstate(refused.value) == "23503"


async def test_the_role_of_the_service_has_all_the_rights_that_the_service_needs(
    world: World,
) -> None:
    case = await world.open(claim("30.00"))
    reversed_case = handover()
    await world.deliver(reversed_case, paid(case, "20.00"), corrected(case, "10.00"))
    assert (await world.pay(case, "5.00")).status_code == 201
    assert (await world.case(case))["open"]["amount"] == "15.00"
    await world.deliver(reversal(reversed_case))
    await world.work()
    assert (await world.case(reversed_case))["status"] == "CLOSED"
    assert len(await world.published(CaseOpenedV1)) == 2
    assert await world.dead_letters() == 0
    assert await world.differences() == []
