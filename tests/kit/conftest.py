"""A migrated database, an issuer of tokens, and programs that answer HTTP."""

import asyncio
import json
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from fastapi import FastAPI
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from sqlalchemy import text

from kit.auth import TokenVerifier
from kit.context import Context
from kit.database import Database
from kit.ids import new_id
from kit.settings import ServiceSettings

PLUMBING_MIGRATION = """
from kit.plumbing import create_v1, drop_v1

revision = "0001"
down_revision = None


def upgrade():
    create_v1()


def downgrade():
    drop_v1()
"""

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
TENANT = new_id()


@dataclass
class Migrations:
    """Packages of migrations in a folder that Python imports from."""

    folder: Path

    def package(self, name: str, **files: str) -> str:
        """Write a package with these files in `versions`; return its name."""
        versions = self.folder / name / "versions"
        versions.mkdir(parents=True, exist_ok=True)
        (self.folder / name / "__init__.py").touch()
        for stem, content in files.items():
            (versions / f"{stem}.py").write_text(content)
        return name


@pytest.fixture
def migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Migrations:
    """Where a test can put migrations of its own."""
    monkeypatch.syspath_prepend(tmp_path)
    return Migrations(tmp_path)


@pytest.fixture(scope="session")
def plumbing_migrations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a package of migrations that make the plumbing's tables."""
    migrations = Migrations(tmp_path_factory.mktemp("plumbing"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(migrations.folder)
        yield migrations.package("plumbing_migrations", v0001=PLUMBING_MIGRATION)


@pytest.fixture
async def database_url(
    migrated: Callable[[str], AbstractAsyncContextManager[str]], plumbing_migrations: str
) -> AsyncIterator[str]:
    """The address of a database with the plumbing's empty tables for this test alone."""
    async with migrated(plumbing_migrations) as url:
        yield url


@pytest.fixture
def database(database_url: str, pool_of: Callable[[str], Database]) -> Database:
    """A database that holds the plumbing's tables."""
    return pool_of(database_url)


@pytest.fixture
async def deliveries(database: Database) -> AsyncIterator[Database]:
    """The database of the small service in `deliveries.py`."""
    async with database.begin() as connection:
        await connection.execute(
            text("CREATE TABLE handled (place serial, id text, key text, type text)")
        )
    yield database
    async with database.begin() as connection:
        await connection.execute(text("DROP TABLE handled"))


@dataclass
class Issuer:
    """An issuer of tokens with a JWKS that is fetched by HTTP."""

    name = "https://issuer.example"
    audience = "collection"
    url: str = ""
    keys: dict[str, PrivateKey] = field(default_factory=dict)
    answers: int = 0
    is_away: bool = False

    def jwks(self) -> dict[str, Any]:
        """Return the public keys."""
        return {"keys": [{**_public(key), "kid": kid} for kid, key in self.keys.items()]}

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Return the claims of a valid token, with some changed: None takes one out.

        A timedelta is a time from now on, whenever that is.
        """
        claims = {
            "iss": self.name,
            "aud": self.audience,
            "sub": "staff-1",
            "exp": int(time.time()) + 600,
            "tenant_id": str(TENANT),
            "roles": ["collection:read"],
            **changed,
        }
        return {name: _at(value) for name, value in claims.items() if value is not None}

    def token(self, kid: str = "rsa", algorithm: str = "RS256", **changed: Any) -> str:
        """Return a signed token."""
        headers = {"kid": kid}
        return jwt.encode(self.claims(**changed), self.keys[kid], algorithm, headers=headers)

    def bearer(self, **changed: Any) -> dict[str, str]:
        """Return the header that a request carries its token in."""
        return {"Authorization": f"Bearer {self.token(**changed)}"}


def _at(value: Any) -> Any:
    if isinstance(value, timedelta):
        return int(time.time() + value.total_seconds())
    return value


def _public(key: PrivateKey) -> Mapping[str, Any]:
    public: Any = key.public_key()
    algorithms: dict[type, Any] = {
        rsa.RSAPrivateKey: RSAAlgorithm,
        ec.EllipticCurvePrivateKey: ECAlgorithm,
        ed25519.Ed25519PrivateKey: OKPAlgorithm,
    }
    algorithm = next(each for kind, each in algorithms.items() if isinstance(key, kind))
    made: Mapping[str, Any] = json.loads(algorithm.to_jwk(public))
    return made


@pytest.fixture(scope="session")
def signing_keys() -> dict[str, PrivateKey]:
    """One key of each kind that is taken."""
    return {
        "rsa": rsa.generate_private_key(65537, 2048),
        "ec": ec.generate_private_key(ec.SECP256R1()),
        "ed": ed25519.Ed25519PrivateKey.generate(),
    }


@pytest.fixture
async def issuer(signing_keys: dict[str, PrivateKey]) -> AsyncIterator[Issuer]:
    """An issuer whose keys are fetched over a real connection."""
    issuer = Issuer(keys=dict(signing_keys))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        issuer.answers += 1
        status = "503 Away" if issuer.is_away else "200 OK"
        body = json.dumps(issuer.jwks()).encode()
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n".encode())
        writer.write(b"Connection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    issuer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
    yield issuer
    server.close()
    await server.wait_closed()


@pytest.fixture
async def verifier(issuer: Issuer) -> AsyncIterator[TokenVerifier]:
    """What checks the tokens of `issuer`."""
    verifier = TokenVerifier(issuer.name, issuer.audience, issuer.url)
    yield verifier
    await verifier.close()


@pytest.fixture
def context(database: Database, database_url: str, issuer: Issuer) -> Context[ServiceSettings]:
    """The context of a service that has nothing but a database."""
    settings = ServiceSettings(
        database_url=database_url,
        kafka_bootstrap_servers="127.0.0.1:1",
        auth_issuer=issuer.name,
        auth_audience=issuer.audience,
        auth_jwks_url=issuer.url,
    )
    return Context(settings, database)


@asynccontextmanager
async def no_lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Neither start nor stop anything."""
    yield


def client_of(app: FastAPI) -> httpx.AsyncClient:
    """Return a client that speaks to `app` without a network between."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Leave logging as it was."""
    root = logging.getLogger()
    handlers, level, config = root.handlers[:], root.level, structlog.get_config()
    hooks = sys.excepthook, threading.excepthook
    yield
    sys.excepthook, threading.excepthook = hooks
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)


def is_uuid(text: str) -> bool:
    """Say whether `text` is a UUID."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
