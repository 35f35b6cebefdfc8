"""The PostgreSQL of the local stack: real, durable, roles of its own for each database."""

from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from local_stack.postgres import PostgresServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as server:
        server.create_database("first")
        server.create_database("second", role="second_service")
        server.create_database("third", owner="third_owner")
        yield server


async def test_it_is_version_18_and_durable(server: PostgresServer) -> None:
    connection = await asyncpg.connect(server.url("first"))
    settings = {
        name: await connection.fetchval("SELECT current_setting($1)", name)
        for name in ("fsync", "synchronous_commit", "full_page_writes", "server_version")
    }
    await connection.close()
    assert settings.pop("server_version").startswith("18.")
    assert settings == {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


async def test_a_role_cannot_connect_to_the_database_of_another(server: PostgresServer) -> None:
    stranger = server.url("first").rpartition("/")[0] + "/second"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(stranger)


async def test_a_role_may_do_in_the_database_of_its_owner_what_the_owner_lets_it(
    server: PostgresServer,
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(server.url("third"))
    owner = await asyncpg.connect(server.owner_url("third"))
    await owner.execute("CREATE TABLE kept (number int)")
    await owner.execute("GRANT CONNECT ON DATABASE third TO third; GRANT INSERT ON kept TO third")
    await owner.close()
    role = await asyncpg.connect(server.url("third"))
    await role.execute("INSERT INTO kept VALUES (1)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await role.execute("UPDATE kept SET number = 2")
    await role.close()


def test_a_database_without_another_owner_belongs_to_its_role(server: PostgresServer) -> None:
    assert server.owner_url("second") == server.url("second")


async def test_a_wrong_password_is_refused(server: PostgresServer) -> None:
    role, _, rest = server.url("first").partition("@")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"{role}x@{rest}")


async def test_what_was_committed_survives_a_kill_and_a_stop(server: PostgresServer) -> None:
    url = server.url("second")
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE kept (number int)")
    await connection.execute("INSERT INTO kept VALUES (1)")
    server.kill()
    server.start()
    connection = await asyncpg.connect(url)
    await connection.execute("INSERT INTO kept VALUES (2)")
    server.stop("immediate")
    server.start()
    connection = await asyncpg.connect(url)
    assert [row["number"] for row in await connection.fetch("SELECT number FROM kept")] == [1, 2]
    await connection.close()


def test_two_servers_run_side_by_side(server: PostgresServer, tmp_path: Path) -> None:
    with PostgresServer(tmp_path / "other") as other:
        assert other.port != server.port
