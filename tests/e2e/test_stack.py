"""The stack as programs find it: described, and each service for itself."""

import json
from typing import Any

import asyncpg
import httpx
import pytest

from local_stack.issuer import ROLES
from local_stack.processes import LocalStackError
from local_stack.stack import SERVICES, Stack


async def test_it_describes_itself_for_programs(stack: Stack) -> None:
    description = json.loads(stack.description.read_text())
    assert description["services"].keys() == description["postgres"].keys() == set(SERVICES)
    assert description["tokens"].keys() == set(ROLES)
    assert description["kafka"] == stack.kafka.bootstrap_servers
    await check_roles(description["postgres"])
    await check_addresses(description)


def test_there_is_one_in_a_directory(stack: Stack) -> None:
    with pytest.raises(LocalStackError, match="another local stack runs"):
        Stack(stack.directory)


async def check_roles(addresses: dict[str, str]) -> None:
    """Each service's role connects to its own database and to no other."""
    run_service, case_service = addresses["run-service"], addresses["case-service"]
    await (await asyncpg.connect(run_service)).close()
    stranger = run_service.rpartition("/")[0] + "/" + case_service.rpartition("/")[2]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(stranger)


async def check_addresses(description: dict[str, Any]) -> None:
    """The programs answer where it says, and a token has the one role that it is named after."""
    runs = f"{description['services']['run-service']}/v1/runs"
    token = description["tokens"]["collection:read"]
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:
        assert (await client.get(f"{description['partner_simulator']}/state")).is_success
        assert (await client.get(runs)).json() == {"items": [], "next": None}
        order = {"preview_id": "00000000-0000-7000-8000-000000000000"}
        assert (await client.post(runs, json=order)).status_code == 403
