"""One stack of real processes for all tests by users; its logs must hold no personal data."""

from collections.abc import Callable, Iterator

import pytest

from local_stack.stack import SERVICES, Stack
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
    leaks = [leak for service in SERVICES for leak in _leaks(stack, service, tenants)]
    assert not leaks, f"personal data in the logs: {leaks[:10]}"


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


def _leaks(stack: Stack, service: str, tenants: list[Tenant]) -> list[str]:
    """Return what a service's log says of members: name, street, IBAN or e-mail."""
    log = (stack.logs / f"{service}.log").read_text(errors="replace")
    return [
        f"{service}: {secret}" for tenant in tenants for secret in _secrets(tenant) if secret in log
    ]


def _secrets(tenant: Tenant) -> Iterator[str]:
    for seeded in tenant.population.members():
        member = seeded.member
        yield f"{member.first_name} {member.name1}"
        if member.address:
            yield member.address.street
        if member.email:
            yield member.email
        if member.bank_account and member.bank_account.iban:
            yield member.bank_account.iban
