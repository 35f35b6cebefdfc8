"""Take what is sent to a partner next; the tries are stored when the caller commits."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from kit.ids import new_id
from partner_gateway.adapters.adapter import PAGE_SIZE
from partner_gateway.deliveries import circuits, pages, store
from partner_gateway.deliveries.delivery import AT_ONCE, Delivery
from partner_gateway.deliveries.store import Recipient


async def claim_deliveries(
    connection: AsyncConnection, recipient: Recipient, time: datetime, unknown_until: datetime
) -> Sequence[Delivery]:
    """Take what is due, with new pages if cases wait; or a probe, if the partner did not answer.

    A page is formed when it can be sent, not before: of cases that end while they wait the partner
    never hears.
    """
    tenant_id, partner_id = recipient.tenant_id, recipient.partner_id
    circuit = await circuits.lock(connection, tenant_id, partner_id)
    room = AT_ONCE - await circuits.count_under_way(connection, tenant_id, partner_id, time)
    if room <= 0:
        return []
    if not circuit.is_open:
        due = await store.claim(connection, recipient, room, time, unknown_until)
        free = room - len(due)
        formed = [number for number in range(free) if await _form_page(connection, recipient, time)]
        if not formed:
            return due
        new = await store.claim(connection, recipient, len(formed), time, unknown_until)
        return [*due, *new]
    if not circuit.may_probe(time):
        return []
    probe = await _claim_probe(connection, recipient, time, unknown_until)
    if probe:
        probing = replace(circuit, probing_until=unknown_until)
        await circuits.save(connection, tenant_id, partner_id, probing)
    return [replace(delivery, is_probe=True) for delivery in probe]


async def _claim_probe(
    connection: AsyncConnection, recipient: Recipient, time: datetime, unknown_until: datetime
) -> Sequence[Delivery]:
    """Take one delivery: what is due, else a new page, else what failed the longest time ago.

    A new page is preferred because a request that fails by itself, however often, must not keep
    the rest from a partner that works. But a partner that does not work gets few of them.
    """
    if due := await store.claim(connection, recipient, 1, time, unknown_until):
        return due
    open_pages = await pages.count_open_pages(
        connection, recipient.tenant_id, recipient.partner_id, AT_ONCE
    )
    if open_pages < AT_ONCE and await _form_page(connection, recipient, time):
        return await store.claim(connection, recipient, 1, time, unknown_until)
    return await store.claim(connection, recipient, 1, time, unknown_until, also_not_due=True)


async def _form_page(connection: AsyncConnection, recipient: Recipient, time: datetime) -> bool:
    return await pages.form_page(
        connection, recipient.tenant_id, recipient.partner_id, new_id(), PAGE_SIZE, time
    )
