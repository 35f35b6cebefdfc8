"""A partner gateway and a partner simulator that speak to each other over real HTTP."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from kit.context import Context
from kit.database import Database
from partner_gateway.settings import Settings
from tests.partner_gateway.asking import Agency, agency_serving
from tests.partner_gateway.world import Gateway, Simulator, make_settings


@pytest.fixture
async def database_url(
    migrated: Callable[[str], AbstractAsyncContextManager[str]],
) -> AsyncIterator[str]:
    """The address of a migrated, empty database for this test alone."""
    async with migrated("partner_gateway.migrations") as url:
        yield url


@pytest.fixture
async def gateway(database_url: str, pool_of: Callable[[str], Database]) -> AsyncIterator[Gateway]:
    """A gateway with an empty database; its workers run when the test says so."""
    settings = make_settings(database_url)
    context: Context[Settings] = Context(settings, pool_of(database_url))
    gateway = Gateway(context)
    async with gateway.serving():
        yield gateway
    await context.database.close()


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """A simulator that knows no secret yet."""
    simulator = Simulator()
    async with simulator.serving():
        yield simulator


@pytest.fixture
async def agency() -> AsyncIterator[Agency]:
    """An agency with an empty memory that is asked."""
    async with agency_serving() as agency:
        yield agency
