"""Try a request to a partner again now, because somebody of staff wants it."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kit.clock import now
from kit.ids import new_id
from kit.problems import define, not_found, problem
from partner_gateway.deliveries import circuits, pages, store
from partner_gateway.notices.store import reopen_notice

DELIVERY_IS_DONE = define(
    "delivery-is-done",
    409,
    "The partner has answered the request",
    "Nothing needs to be sent again.",
)
NOTHING_TO_SEND = define(
    "nothing-to-send",
    409,
    "Nothing is left to be sent",
    "All cases of the request have ended, or staff have told the partner by hand.",
)


async def retry_delivery(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID, request_id: UUID, wanted_by: str
) -> UUID:
    """Let a delivery go out next, as a probe if its partner did not answer lately; return its id.

    One that was stopped is open again, under the same id and with the same body. But cases of a
    stopped page that have ended since are not sent any more, and another body needs another id:
    the others are then sent on a new page, whose id is returned.

    Raises the 404, and the 409 when nothing is left to be sent.
    """
    time = now()
    found = await store.lock(connection, tenant_id, partner_id, request_id)
    match found:
        case None:
            raise not_found()
        case (_, "DONE"):
            raise problem(DELIVERY_IS_DONE)
        case ("NOTICE", "STOPPED"):
            if not await reopen_notice(connection, tenant_id, request_id):
                raise problem(NOTHING_TO_SEND)
        case ("HANDOVER", "STOPPED"):
            cases, with_items = await pages.lock_cases(connection, tenant_id, request_id)
            if not with_items:
                raise problem(NOTHING_TO_SEND)
            if with_items < cases:
                stopped, request_id = request_id, new_id()
                await pages.move_to_new_page(connection, tenant_id, stopped, request_id, time)
    await store.open_again(connection, tenant_id, partner_id, request_id, wanted_by, time)
    await circuits.probe_now(connection, tenant_id, partner_id, time)
    return request_id
