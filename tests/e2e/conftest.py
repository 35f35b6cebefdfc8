"""One stack of real processes for all tests by users; its logs must hold no personal data."""

from collections.abc import Callable, Iterator

import pytest

from local_stack.stack import Stack
from tests.e2e.leaks import leaks
from tests.e2e.story import Tenant


@pytest.fixture(scope="session")
def tenants() -> list[Tenant]:
    """Every tenant that a test made."""
    return []


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, tenants: list[Tenant]) -> Iterator[Stack]:
    """The whole system; after the last test its logs are searched for personal data (R63)."""
    with Stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack
        assert not stack.dead
    populations = [tenant.population for tenant in tenants]
    ours = [log for log in stack.logs.glob("*.log") if log.stem not in ("kafka", "postgres")]
    found = [leak for log in ours for leak in leaks(log, populations)]
    assert not found, f"personal data in the logs: {found[:10]}"


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
