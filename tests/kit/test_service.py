"""A service as a whole: what its probes say of it."""

import asyncio

import httpx

from kit.database import upgrade
from kit.service import Service
from kit.settings import ServiceSettings
from tests.kit.conftest import PLUMBING_MIGRATION, Migrations
from tests.kit.deliveries import subscriptions, until


async def test_a_running_service_is_live_and_ready(
    bare_database_url: str, kafka: str, migrations: Migrations
) -> None:
    package = migrations.package("service_migrations", v0001=PLUMBING_MIGRATION)
    await asyncio.to_thread(upgrade, bare_database_url, package)
    settings = ServiceSettings(
        database_url=bare_database_url,
        kafka_bootstrap_servers=kafka,
        auth_issuer="https://issuer.example",
        auth_audience="collection",
        auth_jwks_url="https://issuer.example/jwks",
    )
    app = Service("whole-service", ServiceSettings, [], subscriptions, package).app(settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://whole-service") as http,
    ):

        async def is_ready() -> bool:
            return (await http.get("/health/ready")).status_code == 200

        await until(is_ready)
        assert (await http.get("/health/live")).json() == {"troubles": []}
