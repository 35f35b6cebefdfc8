"""A case-service as `make up` starts it, with PostgreSQL and Kafka of its own, for benchmarks."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from local_stack import engines
from local_stack.http_client import ServiceClient
from local_stack.issuer import AUDIENCE, ROLES, Issuer
from local_stack.kafka import Kafka
from local_stack.ports import HOST, free_port
from local_stack.postgres import Postgres
from local_stack.stack import Program

NAME = "case_service"


@dataclass(frozen=True)
class CaseService:
    """The process, yet to be started, with its migrated database and its topics."""

    program: Program
    postgres: Postgres
    kafka: Kafka
    tenant_id: UUID
    client: ServiceClient

    @property
    def owner_url(self) -> str:
        """Return the address of the database, for the role that owns it."""
        return self.postgres.owner_url(NAME)

    def sql(self, query: str) -> Any:
        """Ask the database for one value."""
        return asyncio.run(self._ask(query))

    async def _ask(self, query: str) -> Any:
        connection = await asyncpg.connect(self.owner_url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()


@contextmanager
def case_service(logs: Path) -> Iterator[CaseService]:
    """Prepare a case-service; everything of it but its logs goes afterwards."""
    with ExitStack() as ends:
        data = Path(ends.enter_context(TemporaryDirectory()))
        issuer = ends.enter_context(Issuer())
        postgres = ends.enter_context(
            engines.postgres(data / "postgres", log=logs / "postgres.log")
        )
        kafka = ends.enter_context(engines.kafka(data / "kafka", log=logs / "kafka.log"))
        postgres.create_database(NAME, owner=f"{NAME}_owner")
        port = free_port()
        program = Program(
            "case-service",
            "serve",
            port=port,
            ready_path="/health/ready",
            log=logs / "case-service.log",
            settings={
                "HTTP_HOST": HOST,
                "HTTP_PORT": str(port),
                "DATABASE_URL": _for_service(postgres.url(NAME)),
                "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
                "AUTH_ISSUER": issuer.url,
                "AUTH_AUDIENCE": AUDIENCE,
                "AUTH_JWKS_URL": issuer.jwks_url,
            },
        )
        ends.callback(program.stop)
        owner = {"MIGRATIONS_DATABASE_URL": _for_service(postgres.owner_url(NAME))}
        program.run_or_fail("migrate", settings=owner)
        program.run_or_fail("topics", "--replication", "1")
        tenant_id = uuid4()
        client = ServiceClient(program.url, issuer.token(tenant_id, ROLES))
        ends.callback(client.close)
        yield CaseService(program, postgres, kafka, tenant_id, client)


def _for_service(url: str) -> str:
    return url.replace("://", "+asyncpg://", 1)
