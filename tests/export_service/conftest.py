"""An export-service without Kafka: its database, its worker, its HTTP, an issuer of tokens."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from export_service import api
from export_service.exports import download
from export_service.exports.render_export import ExportRenderer
from export_service.settings import Settings
from kit.auth import TokenVerifier
from kit.context import Context
from kit.database import Database
from kit.http import build_app
from local_stack.issuer import AUDIENCE, Issuer
from tests.export_service.storage import S3Server, s3_server


@pytest.fixture
async def database_url(
    migrated: Callable[[str], AbstractAsyncContextManager[str]],
) -> AsyncIterator[str]:
    """The address of a migrated, empty database for this test alone."""
    async with migrated("export_service.migrations") as url:
        yield url


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    """Signs tokens, and serves its public key."""
    with Issuer() as issuer:
        yield issuer


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A server that speaks S3."""
    with s3_server() as server:
        yield server


@pytest.fixture
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """The settings that say where files are: in a folder, unless a test asks for a bucket."""
    if getattr(request, "param", "folder") == "folder":
        return {"export_directory": tmp_path / "exports"}
    server: S3Server = request.getfixturevalue("s3")
    return server.new_bucket()


@pytest.fixture
def context(
    database_url: str,
    pool_of: Callable[[str], Database],
    issuer: Issuer,
    storage: dict[str, Any],
) -> Context[Settings]:
    """The context of a service with a migrated, empty database."""
    settings = Settings(
        database_url=database_url,
        kafka_bootstrap_servers="127.0.0.1:1",
        auth_issuer=issuer.url,
        auth_audience=AUDIENCE,
        auth_jwks_url=issuer.jwks_url,
        **storage,
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
    app = build_app("export-service", [api.router, download.router], _no_lifespan)
    app.state.token_verifier = verifier
    return app


@pytest.fixture
async def client(context: Context[Settings], app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks to the service without a network between."""
    app.state.context = context
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://service"
    ) as client:
        yield client


@asynccontextmanager
async def _no_lifespan(_: FastAPI) -> AsyncIterator[None]:
    """The fixtures start and stop what there is."""
    yield


async def render_all(context: Context[Settings]) -> None:
    """Lets a worker render until nothing is left to do."""
    renderer = ExportRenderer()
    while await renderer.turn(context):
        pass
