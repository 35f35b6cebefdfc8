"""The stack as a whole: what fails at its start is named, and leaves nothing behind."""

import json
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
import pytest

from local_stack.issuer import ROLES
from local_stack.processes import LocalStackError
from local_stack.stack import SERVICES, Stack


def family() -> set[psutil.Process]:
    watchdog = {"-I", "-S"}  # it lives as long as this program
    return {
        child
        for child in psutil.Process().children(recursive=True)
        if not watchdog <= set(child.cmdline())
    }


def test_a_service_that_does_not_start_is_named_with_its_log_and_nothing_is_left(
    tmp_path: Path,
) -> None:
    before = family()
    broken = {"run-service": {"LOG_LEVEL": "LOUD"}}
    with pytest.raises(LocalStackError, match=r"run-service.*run-service\.log"):
        Stack(tmp_path, settings=broken).__enter__()
    assert "LOG_LEVEL" in (tmp_path / "logs/run-service.log").read_text().upper()
    assert family() <= before


async def test_it_describes_itself_for_programs_and_goes_without_a_trace(tmp_path: Path) -> None:
    before = family()
    with Stack(tmp_path) as stack:
        description = json.loads((tmp_path / "stack.json").read_text())
        assert description["services"].keys() == description["postgres"].keys() == set(SERVICES)
        assert description["tokens"].keys() == set(ROLES)
        assert description["kafka"] == stack.kafka.bootstrap_servers
        await check_roles(description["postgres"])
        await check_addresses(description)
        with pytest.raises(LocalStackError, match="another local stack runs"):
            Stack(tmp_path)
        check_restart(stack)
    assert not (tmp_path / "stack.json").exists()
    assert family() <= before


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


def check_restart(stack: Stack) -> None:
    service = stack.service("case-service")
    service.kill()
    assert stack.dead == [service]
    service.start()
    assert stack.dead == []
    assert service.is_ready()
