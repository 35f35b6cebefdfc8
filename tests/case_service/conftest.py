"""A case-service without Kafka: its database, its handlers, its HTTP, an issuer of tokens."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from case_service.main import service
from case_service.settings import Settings
from kit.auth import TokenVerifier
from kit.context import Context
from kit.database import Database
from kit.http import build_app
from local_stack.issuer import AUDIENCE, Issuer
from tests.case_service.world import World


@pytest.fixture
async def database_url(
    migrated: Callable[[str], AbstractAsyncContextManager[str]],
) -> AsyncIterator[str]:
    """The address of a migrated, empty database for this test alone."""
    async with migrated("case_service.migrations") as url:
        yield url


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    """Signs tokens, and serves its public key."""
    with Issuer() as issuer:
        yield issuer


@pytest.fixture
def context(
    database_url: str, pool_of: Callable[[str], Database], issuer: Issuer
) -> Context[Settings]:
    """The context of a service with a migrated, empty database."""
    settings = Settings(
        database_url=database_url,
        kafka_bootstrap_servers="127.0.0.1:1",
        auth_issuer=issuer.url,
        auth_audience=AUDIENCE,
        auth_jwks_url=issuer.jwks_url,
    )
    return Context(settings, pool_of(database_url))


@pytest.fixture(scope="session")
async def verifier(issuer: Issuer) -> AsyncIterator[TokenVerifier]:
    """What checks the tokens; one for all tests, for it reads the machine's certificates."""
    verifier = TokenVerifier(issuer.url, AUDIENCE, issuer.jwks_url)
    yield verifier
    await verifier.close()


@pytest.fixture(scope="session")
def app(verifier: TokenVerifier) -> FastAPI:
    """What answers HTTP; one for all tests, for it works out each route at its first request."""
    app = build_app(service.name, service.routers, _no_lifespan)
    app.state.token_verifier = verifier
    return app


@pytest.fixture
async def world(context: Context[Settings], issuer: Issuer, app: FastAPI) -> AsyncIterator[World]:
    """The service as those around it see it."""
    app.state.context = context
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield World(context, client, issuer)


@asynccontextmanager
async def _no_lifespan(_: FastAPI) -> AsyncIterator[None]:
    """The fixtures start and stop what there is."""
    yield
