"""What partners say in the tests, and what it is said of."""

import json
from typing import Any

from kit.ids import new_id
from partner_gateway.callbacks.release_callbacks import release_callbacks
from partner_gateway.callbacks.translate_callbacks import translate_callbacks
from tests.partner_gateway.world import Gateway, Partner, handed_over

NOWHERE = "http://127.0.0.1:9"


def said(type_: str, **data: Any) -> bytes:
    """Return the body of a callback."""
    return json.dumps({"type": type_, "timestamp": "2026-03-02T10:00:00Z", "data": data}).encode()


def euros(amount: str) -> dict[str, str]:
    """Return an amount as it travels."""
    return {"amount": amount, "currency": "EUR"}


async def hold(gateway: Gateway, partner: Partner, count: int = 1) -> list[Any]:
    """Let a partner hold so many cases: their handover was sent, and nothing was answered."""
    cases = handed_over(partner, count)
    await gateway.receive(cases, partner.tenant_id)
    await send(gateway, partner)
    return cases


async def send(gateway: Gateway, partner: Partner) -> None:
    """Store the request with all cases that wait, as the sender does before it sends."""
    request = {"request": new_id(), "partner": partner.partner_id, "tenant": partner.tenant_id}
    await gateway.execute(
        """
        WITH delivery AS (
            INSERT INTO deliveries (request_id, tenant_id, partner_id, kind, status, tries,
                                    next_try_at, created_at, correlation_id)
            VALUES (:request, :tenant, :partner, 'HANDOVER', 'OPEN', 1, 'infinity', now(), 'c')
        )
        UPDATE cases SET request_id = :request
        WHERE tenant_id = :tenant AND partner_id = :partner AND request_id IS NULL
        """,
        **request,
    )


async def translate(gateway: Gateway) -> None:
    """Translate all that can be translated now."""
    await release_callbacks(gateway.context)
    while await translate_callbacks(gateway.context):
        pass


async def statuses(gateway: Gateway) -> list[str]:
    """Return what became of the callbacks, in the order in which they came."""
    rows = await gateway.rows("SELECT status FROM callbacks ORDER BY callback_id")
    return [row.status for row in rows]
