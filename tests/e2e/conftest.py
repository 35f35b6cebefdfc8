"""One stack of real processes for all tests by users; its logs must hold no personal data."""

from collections.abc import Callable, Iterator
from contextlib import closing

import httpx
import pytest

from local_stack.stack import Stack
from tests.e2e.leaks import leaks
from tests.e2e.story import Tenant
from tests.e2e.whole_story import Story, tell_whole_story
from tests.local_stack.family import family


@pytest.fixture(scope="session")
def tenants() -> list[Tenant]:
    """Every tenant that a test made."""
    return []


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory, tenants: list[Tenant]) -> Iterator[Stack]:
    """The whole system; it goes without a trace, and no personal data is in its logs (R63).

    It goes with the last test here: at rest, too, it takes time from the tests after it.
    """
    before = family()
    with Stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack
        assert not stack.dead
    assert not stack.description.exists()
    assert family() <= before
    populations = [tenant.population for tenant in tenants]
    ours = [log for log in stack.logs.glob("*.log") if log.stem not in ("kafka", "postgres")]
    found = leaks(ours, populations)
    assert not found, f"personal data in the logs: {found[:10]}"


@pytest.fixture(scope="package")
def http() -> Iterator[httpx.Client]:
    """A client that knows nothing."""
    with httpx.Client(timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
def make_tenant(stack: Stack, tenants: list[Tenant]) -> Iterator[Callable[[int], Tenant]]:
    """Make a tenant with so many members."""
    made: list[Tenant] = []

    def make(members: int) -> Tenant:
        tenant = Tenant(stack, members)
        made.append(tenant)
        tenants.append(tenant)
        return tenant

    yield make
    for tenant in made:
        tenant.close()


@pytest.fixture(scope="package")
def story(stack: Stack, tenants: list[Tenant]) -> Iterator[Story]:
    """A tenant to whose members everything has happened."""
    with closing(Tenant(stack, members=60)) as tenant:
        tenants.append(tenant)
        yield tell_whole_story(tenant)
