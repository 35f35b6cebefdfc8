"""What partner-gateway may never change, under the role that it works under in production."""

import asyncio

import asyncpg
import pytest

from kit.database import upgrade
from kit.service_role import ServiceRole
from partner_gateway.main import service
from tests.conftest import TwoRoles
from tests.partner_gateway.report_desk import Desk, as_csv
from tests.partner_gateway.saying import NOWHERE
from tests.partner_gateway.world import Gateway

PROOFS = ("callback_decisions", "ended_secrets", "reported_rows")


@pytest.fixture
async def database_url(two_roles: TwoRoles) -> str:
    """The address of a migrated, empty database for a role that does not own it."""
    role = ServiceRole("service", service.append_only)
    await asyncio.to_thread(upgrade, two_roles.owner_url, service.migrations, role)
    return two_roles.url


async def test_what_was_decided_and_reported_can_be_added_to_and_never_changed(
    gateway: Gateway, database_url: str
) -> None:
    desk = await Desk.open(gateway)
    await desk.read_in(as_csv(desk.payment()))
    again = await desk.read_in(as_csv(desk.payment(), desk.payment(partner_reference="Z-2")))
    assert (again["known"], again["applied"]) == (1, 1)
    partner = await gateway.set_up(NOWHERE)
    await gateway.call_back(partner, b"{}")
    path = f"/v1/partners/{partner.partner_id}/callbacks"
    (parked,) = (await gateway.call("GET", path)).json()["items"]
    path = f"{path}/{parked['callback_id']}/dismissal"
    assert (await gateway.call("POST", path, {"comment": "geklärt"})).status_code == 200
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    for table in PROOFS:
        for change in (f"UPDATE {table} SET tenant_id = tenant_id", f"DELETE FROM {table}"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(change)
    await connection.close()
    assert len(await gateway.rows("SELECT 1 FROM reported_rows")) == 2
    assert len(await gateway.rows("SELECT 1 FROM callback_decisions")) == 1
