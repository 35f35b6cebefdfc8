"""What partners must be told, and those that are told by staff."""

from typing import Any
from uuid import UUID

from tests.partner_gateway.world import Gateway, Partner

NOTICES = (
    "notice.due.v1",
    "notice.sent.v1",
    "notice.acknowledged.v1",
    "notice.failed.v1",
)


async def by_hand(gateway: Gateway) -> Partner:
    """Set up a partner by hand."""
    body = {"name": "Kanzlei Beispiel", "channel": "BY_HAND"}
    made = await gateway.call("POST", "/v1/partners", body)
    return Partner(UUID(made.json()["partner_id"]), "")


async def listed(gateway: Gateway, query: str = "") -> list[Any]:
    """Return the notices as staff see them."""
    return list((await gateway.call("GET", f"/v1/notices{query}")).json()["items"])
