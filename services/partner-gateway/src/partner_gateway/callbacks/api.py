"""HTTP in: what partners call back."""

from typing import Final, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel

from kit.http import CurrentContext
from partner_gateway.callbacks.receive_callback import receive_callback
from partner_gateway.callbacks.translate_callbacks import WORKER

MAX_BODY_BYTES: Final = 262_144

router = APIRouter(prefix="/v1/partners", tags=["callbacks"])


class Received(BaseModel):
    """The callback is ours now; the partner need not send it again."""

    received: Literal[True] = True


@router.post("/{partner_id}/callbacks", status_code=202, max_body_size=MAX_BODY_BYTES)
async def post_callback(request: Request, context: CurrentContext, partner_id: UUID) -> Received:
    """Take in a callback, signed after Standard Webhooks; the signature is its only key.

    What is in it is judged later: the answer says that it is stored, and the same callback again
    gets the same answer.
    """
    body = await request.body()
    async with context.database.begin() as connection:
        await receive_callback(connection, partner_id, request.headers, body, context.settings.seal)
    context.wake(WORKER)
    return Received()
