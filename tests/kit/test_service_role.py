"""What a service's role may do in a database that another role owns, on the real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import make_url

from kit.database import Database, pending, upgrade
from kit.service import Service
from kit.service_role import ServiceRole
from kit.settings import ServiceSettings
from local_stack.postgres import PostgresServer
from tests.conftest import TwoRoles
from tests.kit.conftest import PLUMBING_MIGRATION, Migrations
from tests.kit.deliveries import subscriptions

LEDGER_MIGRATION = """
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.execute("CREATE TABLE accounts (id serial PRIMARY KEY, name text)")
    op.execute(
        "CREATE TABLE entries ("
        " id bigint GENERATED ALWAYS AS IDENTITY, account int REFERENCES accounts, amount int)"
    )
    op.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE EXCEPTION 'append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries"
        " EXECUTE FUNCTION refuse()"
    )
"""

LATER_MIGRATION = """
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade():
    op.execute("CREATE TABLE journal (id int)")
    op.execute("CREATE TABLE notes (id int)")
"""


@pytest.fixture
def package(migrations: Migrations) -> str:
    return migrations.package("ledger", v0001=PLUMBING_MIGRATION, v0002=LEDGER_MIGRATION)


@pytest.fixture
async def migrated_url(two_roles: TwoRoles, package: str) -> str:
    """The address of the migrated database for the service's role."""
    await migrate(two_roles, package, "entries")
    return two_roles.url


@pytest.fixture
async def service(migrated_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the service's role."""
    connection = await connect(migrated_url)
    yield connection
    await connection.close()


async def migrate(two_roles: TwoRoles, package: str, *append_only: str) -> None:
    """Migrate, and give the service's role its rights."""
    role = ServiceRole("service", append_only)
    await asyncio.to_thread(upgrade, two_roles.owner_url, package, role)


async def connect(url: str) -> asyncpg.Connection:
    """Open a connection without the kit between."""
    return await asyncpg.connect(url.replace("+asyncpg", ""))


async def test_the_role_of_the_service_can_do_all_that_a_service_does(
    service: asyncpg.Connection, migrated_url: str, package: str
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    await service.add_listener("outbox", lambda *heard_now: heard.put_nowait(heard_now[2]))
    account = await service.fetchval("INSERT INTO accounts (name) VALUES ('a') RETURNING id")
    await service.execute("INSERT INTO entries (account, amount) VALUES ($1, 1)", account)
    await service.execute(
        "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, time)"
        " VALUES (uuidv7(), 'topic', 'key', 'type', '', now())"
    )
    async with asyncio.timeout(60):
        assert await heard.get() == "outbox"
    assert await service.execute("DELETE FROM outbox") == "DELETE 1"
    assert await service.execute("UPDATE accounts SET name = 'b'") == "UPDATE 1"
    assert await service.fetchval("SELECT amount FROM entries") == 1
    await service.execute("CREATE TEMPORARY TABLE found AS SELECT * FROM entries")
    assert await service.fetchval("SELECT pg_try_advisory_lock(1)")
    database = Database(migrated_url)
    assert not await pending(database, package)
    await database.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET amount = 2",
        "DELETE FROM entries",
        "TRUNCATE entries",
        "SELECT * FROM entries FOR UPDATE",
        "MERGE INTO entries USING accounts ON true WHEN MATCHED THEN DELETE",
        "ALTER TABLE entries DISABLE TRIGGER append_only",
        "ALTER TABLE entries ADD COLUMN more int",
        "DROP TRIGGER append_only ON entries",
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE sql AS ''",
        "CREATE TRIGGER other BEFORE INSERT ON entries EXECUTE FUNCTION refuse()",
        "CREATE RULE other AS ON INSERT TO entries DO INSTEAD NOTHING",
        "DROP TABLE entries",
        "ALTER TABLE entries OWNER TO service",
        "SET session_replication_role = replica",
        "SET ROLE owner",
        "TRUNCATE accounts CASCADE",
        "ALTER TABLE accounts ADD COLUMN more int",
        "INSERT INTO alembic_version VALUES ('0009')",
        "UPDATE alembic_version SET version_num = '0009'",
        "DELETE FROM alembic_version",
        "CREATE TABLE more (id int)",
        "CREATE SCHEMA more",
        "DROP SCHEMA public CASCADE",
    ],
)
async def test_the_role_of_the_service_cannot_change_what_it_may_only_add_to_nor_what_there_is(
    service: asyncpg.Connection, statement: str
) -> None:
    """R30."""
    await service.execute(
        "WITH made AS (INSERT INTO accounts (name) VALUES ('a') RETURNING id)"
        " INSERT INTO entries (amount) SELECT 1 FROM made"
    )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute(statement)


async def test_the_tables_of_a_later_migration_are_the_services_too(
    two_roles: TwoRoles, migrations: Migrations, service: asyncpg.Connection
) -> None:
    newer = migrations.package(
        "newer_ledger", v0001=PLUMBING_MIGRATION, v0002=LEDGER_MIGRATION, v0003=LATER_MIGRATION
    )
    await migrate(two_roles, newer, "entries", "journal")
    for table in ("notes", "journal"):
        await service.execute(f"INSERT INTO {table} VALUES (1)")
    await service.execute("UPDATE notes SET id = 2")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute("UPDATE journal SET id = 2")


async def test_migrating_again_takes_back_what_was_given_by_hand(
    two_roles: TwoRoles, package: str, service: asyncpg.Connection
) -> None:
    owner = await connect(two_roles.owner_url)
    await owner.execute("GRANT ALL ON entries TO service; GRANT CREATE ON SCHEMA public TO service")
    await owner.execute("GRANT UPDATE (amount) ON entries TO service")
    await owner.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    await owner.close()
    await service.execute("CREATE TABLE more (id int); DROP TABLE more")
    await migrate(two_roles, package, "entries")
    for statement in (
        "UPDATE entries SET amount = 2",
        "TRUNCATE entries",
        "CREATE TABLE more (id int)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(statement)


@pytest.mark.parametrize(
    ("grant", "revoke"),
    [
        ("GRANT owner TO service", "REVOKE owner FROM service"),
        ("ALTER ROLE service SUPERUSER", "ALTER ROLE service NOSUPERUSER"),
        ("GRANT pg_write_all_data TO service", "REVOKE pg_write_all_data FROM service"),
    ],
)
async def test_a_role_that_could_get_around_it_is_refused(
    two_roles: TwoRoles, package: str, postgres: PostgresServer, grant: str, revoke: str
) -> None:
    superuser = await asyncpg.connect(postgres.superuser_url)
    await migrate(two_roles, package, "entries")
    await superuser.execute(grant)
    try:
        with pytest.raises(RuntimeError, match=r"the role service could change.* entries"):
            await migrate(two_roles, package, "entries")
    finally:
        await superuser.execute(revoke)
        await superuser.close()


async def test_an_append_only_table_that_everybody_may_change_is_refused(
    two_roles: TwoRoles, package: str, migrated_url: str
) -> None:
    owner = await connect(two_roles.owner_url)
    await owner.execute("GRANT UPDATE (amount) ON entries TO PUBLIC")
    await owner.close()
    with pytest.raises(RuntimeError, match=r"the role service could change.* entries"):
        await migrate(two_roles, package, "entries")


async def test_names_need_not_be_plain_words(
    postgres: PostgresServer, two_roles: TwoRoles, package: str
) -> None:
    name = 'Case: "%" service'
    superuser = await asyncpg.connect(postgres.superuser_url)
    await superuser.execute(f"""CREATE ROLE {'"' + name.replace('"', '""') + '"'}""")
    await superuser.close()
    await asyncio.to_thread(
        upgrade, two_roles.owner_url, package, ServiceRole(name, append_only=("entries",))
    )
    owner = await connect(two_roles.owner_url)
    may = "SELECT has_table_privilege($1, 'entries', $2)"
    assert await owner.fetchval(may, name, "INSERT")
    assert not await owner.fetchval(may, name, "UPDATE")
    await owner.close()


@pytest.fixture
def ledger_service(
    package: str, monkeypatch: pytest.MonkeyPatch, restored_logging: None
) -> Service[ServiceSettings]:
    """A service that still lacks the addresses of its database."""
    for name, value in {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "AUTH_ISSUER": "https://issuer.example",
        "AUTH_AUDIENCE": "collection",
        "AUTH_JWKS_URL": "https://issuer.example/jwks.json",
    }.items():
        monkeypatch.setenv(name, value)
    return Service("ledger", ServiceSettings, [], subscriptions, package, append_only=("entries",))


async def test_migrate_works_as_the_owner_for_the_role_that_serves(
    two_roles: TwoRoles, ledger_service: Service[ServiceSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", two_roles.url)
    monkeypatch.setenv("MIGRATIONS_DATABASE_URL", two_roles.owner_url)
    for _ in range(2):
        assert await asyncio.to_thread(ledger_service.run, ["migrate"]) == 0
    connection = await connect(two_roles.url)
    assert await connection.execute("UPDATE accounts SET name = 'b'") == "UPDATE 0"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("DELETE FROM entries")
    await connection.close()


async def test_one_role_alone_can_migrate_and_serve_and_is_warned_of(
    bare_database_url: str,
    ledger_service: Service[ServiceSettings],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", bare_database_url)
    assert await asyncio.to_thread(ledger_service.run, ["migrate"]) == 0
    assert "one role migrates and serves" in capsys.readouterr().out
    connection = await connect(bare_database_url)
    await connection.execute("CREATE TABLE more (id int)")
    await connection.close()


async def test_an_installation_with_one_role_gets_a_second_one(
    postgres: PostgresServer, package: str
) -> None:
    """The way of docs/operations.md."""
    postgres.create_database("alone")
    url = postgres.url("alone").replace("://", "+asyncpg://")
    await asyncio.to_thread(upgrade, url, package)
    service = await connect(url)
    await service.execute("INSERT INTO entries (amount) VALUES (1)")
    superuser = await asyncpg.connect(postgres.superuser_url, database="alone")
    await superuser.execute("CREATE ROLE alone_owner LOGIN PASSWORD 'x'")
    await superuser.execute("REASSIGN OWNED BY alone TO alone_owner")
    await superuser.close()
    owner_url = url.replace(f"alone:{make_url(url).password}", "alone_owner:x")
    await asyncio.to_thread(upgrade, owner_url, package, ServiceRole("alone", ("entries",)))
    assert await service.fetchval("SELECT amount FROM entries") == 1
    await service.execute("INSERT INTO entries (amount) VALUES (2)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute("DELETE FROM entries")
    await service.close()
