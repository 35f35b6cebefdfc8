"""How the gateway is let send what partners are owed, and what became of it."""

from typing import Any

from contracts import MemberHandedOverV1
from partner_gateway.deliveries import deliver, store
from tests.partner_gateway.world import Gateway, Partner, Simulator, bearer, handed_over

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


async def held_by(
    gateway: Gateway, simulator: Simulator, count: int
) -> tuple[Partner, list[MemberHandedOverV1]]:
    """Let a partner hold so many cases."""
    partner = await gateway.set_up(simulator.url)
    await simulator.connect(gateway, partner, answer="ACCEPT_NOW")
    cases = handed_over(partner, count)
    await gateway.receive(cases)
    await serve(gateway, partner)
    return partner, cases


async def deliveries(gateway: Gateway, partner: Partner, query: str = "") -> list[Any]:
    """Return the requests to a partner as staff see them, newest first."""
    answer = await gateway.call("GET", f"/v1/partners/{partner.partner_id}/deliveries{query}")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def by_runs(gateway: Gateway, partner: Partner) -> dict[str, Any]:
    """Return the deliveries to a partner, as staff see them, by their runs."""
    return {each["run_id"]: each for each in await deliveries(gateway, partner)}


def change_settings(gateway: Gateway, **changed: Any) -> None:
    """Let the gateway have other settings from now on."""
    gateway.context.settings = gateway.context.settings.model_copy(update=changed)
