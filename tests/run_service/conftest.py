"""A run-service without Kafka: its database, its handlers, its workers and its HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from fastapi import FastAPI
from jwt.algorithms import OKPAlgorithm

from kit import clock
from kit.auth import TokenVerifier
from kit.context import Context
from kit.database import Database
from kit.http import build_app
from run_service.main import service
from run_service.settings import Settings
from tests.run_service.world import AUDIENCE, ISSUER, TODAY, World

KEY = ed25519.Ed25519PrivateKey.generate()


@pytest.fixture(autouse=True)
def it_stays_today(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the service live on the day that the tests reckon with."""
    monkeypatch.setattr(clock, "today", lambda _time_zone: TODAY)


@pytest.fixture
async def database_url(
    migrated: Callable[[str], AbstractAsyncContextManager[str]],
) -> AsyncIterator[str]:
    """The address of a migrated, empty database for this test alone."""
    async with migrated("run_service.migrations") as url:
        yield url


@pytest.fixture(scope="session")
async def jwks_url() -> AsyncIterator[str]:
    """The address of an issuer that publishes the key of the tests."""
    public = json.loads(OKPAlgorithm.to_jwk(KEY.public_key()))
    body = json.dumps({"keys": [{**public, "kid": "tests"}]}).encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
    server.close()
    await server.wait_closed()


@pytest.fixture(scope="session")
async def verifier(jwks_url: str) -> AsyncIterator[TokenVerifier]:
    """What checks the tokens; one for all tests, for it reads the machine's certificates."""
    verifier = TokenVerifier(ISSUER, AUDIENCE, jwks_url)
    yield verifier
    await verifier.close()


@pytest.fixture(scope="session")
def app(verifier: TokenVerifier) -> FastAPI:
    """What answers HTTP; one for all tests, for it works out each route at its first request."""
    app = build_app("run-service", service.routers, _nothing_else)
    app.state.token_verifier = verifier
    return app


@pytest.fixture
def world(
    database_url: str, pool_of: Callable[[str], Database], jwks_url: str, app: FastAPI
) -> World:
    """A tenant with run-service."""
    settings = Settings(
        database_url=database_url,
        kafka_bootstrap_servers="127.0.0.1:1",
        auth_issuer=ISSUER,
        auth_audience=AUDIENCE,
        auth_jwks_url=jwks_url,
    )
    context = Context(settings, pool_of(database_url))
    app.state.context = context
    return World(context, app, KEY)


@asynccontextmanager
async def _nothing_else(_app: FastAPI) -> AsyncIterator[None]:
    yield
