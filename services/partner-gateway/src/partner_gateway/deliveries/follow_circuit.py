"""Carry what came of a try over to the circuit of its partner."""

import random
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from partner_gateway.deliveries import circuits, store
from partner_gateway.deliveries.delivery import Delivery
from partner_gateway.deliveries.outcome import Outcome

log = structlog.stdlib.get_logger(__name__)


async def follow_circuit(
    connection: AsyncConnection,
    delivery: Delivery,
    outcome: Outcome,
    time: datetime,
    chance: random.Random,
) -> None:
    """Count a failure, or close the circuit and let what had failed go out at once.

    A failure on our side changes nothing; if it was that of a probe, the next one goes out once
    the time is over that was meant for it.
    The caller holds the delivery's row, if it changed it. Rows of other deliveries that somebody
    holds are passed over, for whoever holds them may wait for this circuit.
    """
    if outcome.is_our_failure:
        return
    tenant_id, partner_id = delivery.tenant_id, delivery.partner_id
    if outcome.partner_failed:
        before = await circuits.lock(connection, tenant_id, partner_id)
        after = before.after_failure(
            time, by_probe=delivery.is_probe, asked=outcome.asked_pause, chance=chance
        )
        if after != before:
            await circuits.save(connection, tenant_id, partner_id, after)
        if after.is_open and not before.is_open:
            log.warning("circuit-opened", partner_id=partner_id, error=outcome.error)
    elif await circuits.close(connection, tenant_id, partner_id):
        await store.bring_forward(connection, tenant_id, partner_id, time)
        log.info("circuit-closed", partner_id=partner_id)
