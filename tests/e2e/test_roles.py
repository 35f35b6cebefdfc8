"""Each service works under a role of its own that owns nothing (R30, R63)."""

import pytest

from local_stack.stack import SERVICES, Stack
from tests.e2e.story import rows


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_owns_none_of_its_tables_and_knows_no_role_that_does(
    stack: Stack, service: str
) -> None:
    owners = rows(
        stack, service, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
    )
    (role,) = rows(stack, service, "SELECT current_user AS name")
    assert role["name"] == service.replace("-", "_")
    assert [owner["tableowner"] for owner in owners] == [f"{role['name']}_owner"]
    assert "MIGRATIONS_DATABASE_URL" not in stack.service(service).settings
