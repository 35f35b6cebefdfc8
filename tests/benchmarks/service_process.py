"""One service as `make up` starts it, with PostgreSQL and Kafka of its own, for benchmarks."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
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


@dataclass(frozen=True)
class ServiceProcess:
    """The process, yet to be started, with its migrated database and its topics."""

    database: str

    program: Program
    postgres: Postgres
    kafka: Kafka
    tenant_id: UUID
    client: ServiceClient

    @property
    def owner_url(self) -> str:
        """Return the address of the database, for the role that owns it."""
        return self.postgres.owner_url(self.database)

    def value(self, query: str) -> Any:
        """Ask the database for one value."""
        ((value,),) = self.rows(query)
        return value

    def rows(self, query: str, *arguments: Any) -> Sequence[Any]:
        """Run a statement in the database, as its owner; return its rows."""
        return asyncio.run(self._ask(query, *arguments))

    async def _ask(self, query: str, *arguments: Any) -> Sequence[Any]:
        connection = await asyncpg.connect(self.owner_url)
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()


def case_service(logs: Path) -> AbstractContextManager[ServiceProcess]:
    """Prepare a case-service."""
    return _service("case-service", logs, {})


def partner_gateway(logs: Path) -> AbstractContextManager[ServiceProcess]:
    """Prepare a partner-gateway that may call partners on this machine."""
    key = Fernet.generate_key().decode()
    return _service(
        "partner-gateway", logs, {"ENCRYPTION_KEYS": key, "TRUSTED_PARTNER_HOSTS": HOST}
    )


def export_service(
    logs: Path, files: Path, temporary: Path
) -> AbstractContextManager[ServiceProcess]:
    """Prepare an export-service that keeps its files, and what is temporary, in these folders."""
    return _service(
        "export-service", logs, {"EXPORT_DIRECTORY": str(files), "TMPDIR": str(temporary)}
    )


def set_up_partner(gateway: ServiceProcess) -> tuple[str, str]:
    """Set up a partner with an API; return its id and its secret."""
    body = {"name": "Agentur", "channel": "API", "base_url": f"http://{HOST}:9"}
    partner_id = str(gateway.client.post("/v1/partners", body)["partner_id"])
    secret = gateway.client.post(f"/v1/partners/{partner_id}/secrets")["secret"]
    return partner_id, str(secret)


@contextmanager
def _service(name: str, logs: Path, settings: Mapping[str, str]) -> Iterator[ServiceProcess]:
    """Prepare a service; everything of it but its logs goes afterwards."""
    database = name.replace("-", "_")
    with ExitStack() as ends:
        data = Path(ends.enter_context(TemporaryDirectory()))
        issuer = ends.enter_context(Issuer())
        postgres = ends.enter_context(
            engines.postgres(data / "postgres", log=logs / "postgres.log")
        )
        kafka = ends.enter_context(engines.kafka(data / "kafka", log=logs / "kafka.log"))
        postgres.create_database(database, owner=f"{database}_owner")
        port = free_port()
        program = Program(
            name,
            "serve",
            port=port,
            ready_path="/health/ready",
            log=logs / f"{name}.log",
            settings={
                "HTTP_HOST": HOST,
                "HTTP_PORT": str(port),
                "DATABASE_URL": _for_service(postgres.url(database)),
                "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
                "AUTH_ISSUER": issuer.url,
                "AUTH_AUDIENCE": AUDIENCE,
                "AUTH_JWKS_URL": issuer.jwks_url,
                **settings,
            },
        )
        ends.callback(program.stop)
        owner = {"MIGRATIONS_DATABASE_URL": _for_service(postgres.owner_url(database))}
        program.run_or_fail("migrate", settings=owner)
        program.run_or_fail("topics", "--replication", "1")
        tenant_id = uuid4()
        client = ServiceClient(program.url, issuer.token(tenant_id, ROLES))
        ends.callback(client.close)
        yield ServiceProcess(database, program, postgres, kafka, tenant_id, client)


def _for_service(url: str) -> str:
    return url.replace("://", "+asyncpg://", 1)
