"""A partner-gateway as `make up` starts it, with PostgreSQL and Kafka of its own."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from cryptography.fernet import Fernet

from local_stack import engines
from local_stack.http_client import ServiceClient
from local_stack.issuer import AUDIENCE, ROLES, Issuer
from local_stack.kafka import Kafka
from local_stack.ports import HOST, free_port
from local_stack.postgres import Postgres
from local_stack.stack import Program

NAME = "partner_gateway"


@dataclass(frozen=True)
class PartnerGateway:
    """The process, yet to be started, with its migrated database and its topics."""

    program: Program
    postgres: Postgres
    kafka: Kafka
    tenant_id: UUID
    client: ServiceClient

    def set_up_partner(self) -> tuple[str, str]:
        """Set up a partner with an API; return its id and its secret."""
        body = {"name": "Agentur", "channel": "API", "base_url": f"http://{HOST}:9"}
        partner_id = str(self.client.post("/v1/partners", body)["partner_id"])
        secret = self.client.post(f"/v1/partners/{partner_id}/secrets")["secret"]
        return partner_id, str(secret)

    def sql(self, query: str, *arguments: Any) -> Sequence[Any]:
        """Run a statement in the database, as its owner."""
        return asyncio.run(self._ask(query, *arguments))

    async def _ask(self, query: str, *arguments: Any) -> Sequence[Any]:
        connection = await asyncpg.connect(self.postgres.owner_url(NAME))
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()


@contextmanager
def partner_gateway(logs: Path) -> Iterator[PartnerGateway]:
    """Prepare a partner-gateway; everything of it but its logs goes afterwards."""
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
            "partner-gateway",
            "serve",
            port=port,
            ready_path="/health/ready",
            log=logs / "partner-gateway.log",
            settings={
                "HTTP_HOST": HOST,
                "HTTP_PORT": str(port),
                "DATABASE_URL": _for_service(postgres.url(NAME)),
                "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
                "AUTH_ISSUER": issuer.url,
                "AUTH_AUDIENCE": AUDIENCE,
                "AUTH_JWKS_URL": issuer.jwks_url,
                "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
                "TRUSTED_PARTNER_HOSTS": HOST,
            },
        )
        ends.callback(program.stop)
        owner = {"MIGRATIONS_DATABASE_URL": _for_service(postgres.owner_url(NAME))}
        program.run_or_fail("migrate", settings=owner)
        program.run_or_fail("topics", "--replication", "1")
        tenant_id = uuid4()
        client = ServiceClient(program.url, issuer.token(tenant_id, ROLES))
        ends.callback(client.close)
        yield PartnerGateway(program, postgres, kafka, tenant_id, client)


def _for_service(url: str) -> str:
    return url.replace("://", "+asyncpg://", 1)
