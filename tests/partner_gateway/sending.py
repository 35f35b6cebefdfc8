"""How the gateway is let send what partners are owed, and what became of it."""

from typing import Any

from partner_gateway.deliveries import deliver, store
from tests.partner_gateway.world import Gateway, Partner, bearer

ANSWERS = ("report.accepted.v1", "report.rejected.v1")


async def serve(gateway: Gateway, partner: Partner) -> None:
    """Send a partner what it is owed now."""
    recipient = store.Recipient(partner.tenant_id, partner.partner_id)
    await deliver.serve(gateway.context, recipient)


async def delivery_of(gateway: Gateway, partner: Partner) -> dict[str, Any]:
    """Return the only delivery to a partner, as staff see it."""
    path = f"/v1/partners/{partner.partner_id}/deliveries"
    answer = await gateway.call("GET", path, **bearer(partner.tenant_id))
    (delivery,) = answer.json()["items"]
    shown: dict[str, Any] = delivery
    return shown


async def by_runs(gateway: Gateway, partner: Partner) -> dict[str, Any]:
    """Return the deliveries to a partner, as staff see them, by their runs."""
    path = f"/v1/partners/{partner.partner_id}/deliveries"
    return {each["run_id"]: each for each in (await gateway.call("GET", path)).json()["items"]}
