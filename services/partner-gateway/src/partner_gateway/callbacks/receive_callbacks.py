"""Take in what partners call back (R51): check the signatures, store, say what was understood."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

import structlog
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.ids import new_id
from kit.problems import Problem, define, problem, unavailable
from kit.trace import Cause
from partner_gateway import standard_webhooks
from partner_gateway.adapters import ADAPTERS, Api
from partner_gateway.adapters.adapter import UnreadableError
from partner_gateway.callbacks import store
from partner_gateway.callbacks.callback import Status
from partner_gateway.callbacks.store import Callback
from partner_gateway.partners.store import Signer, signers
from partner_gateway.sealing import NotOpenedError, Seal
from partner_gateway.standard_webhooks import ID_HEADER

WRONG_SIGNATURE = define(
    "wrong-signature",
    401,
    "The signature does not fit",
    "Sign after Standard Webhooks, with the secret of this partner and a clock that is right.",
)
WEBHOOK_ID_REUSED = define(
    "webhook-id-reused",
    422,
    "This webhook-id came with another body before",
    "Send each new message under a new `webhook-id`, and a repeated one unchanged.",
)

# Signed with by nobody: an unknown partner takes the same way, and as long, as a wrong signature.
_DECOY = standard_webhooks.new_secret()

log = structlog.stdlib.get_logger(__name__)


class Receipt(BaseModel):
    """The callback is ours now; the partner need not send it again."""

    status: Literal["RECEIVED", "PARKED"] = "RECEIVED"
    """RECEIVED: it acts next. PARKED: it cannot be read; it is kept, and staff look at it."""
    reason: str | None = None
    """Why it cannot be read: fields and kinds of error. Only with PARKED."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A callback as it came in: nothing of it is known to be true."""

    partner_id: UUID
    headers: Mapping[str, str]
    """By names in lower case; one that came more than once has its values joined by commas."""
    body: bytes
    received_at: datetime
    correlation_id: str
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one arrival."""

    kind: Literal["received", "parked", "repeated", "conflict", "refused", "failed"]
    answer: Receipt | Problem


async def receive_callbacks(
    connection: AsyncConnection, arrivals: Sequence[Arrival], seal: Seal
) -> list[Outcome]:
    """Store those callbacks that are signed right; return what became of each, in their order.

    The same one again gets the same answer and changes nothing. Another body under its webhook id
    is refused, and kept for staff. An unknown partner, a wrong signature and a timestamp out of
    tolerance get one and the same 401. What is wrong with one of them does not touch the others.
    """
    partner_ids = {arrival.partner_id for arrival in arrivals}
    known = await signers(connection, partner_ids)
    nobody = Signer(tenant_id=UUID(int=0), api=Api.STANDARD, sealed_secrets=[seal.close(_DECOY)])
    secrets = {each: _open(known.get(each, nobody), seal) for each in partner_ids}
    checked = [
        _check(arrival, known.get(arrival.partner_id), secrets[arrival.partner_id])
        for arrival in arrivals
    ]
    signed = [each for each in checked if isinstance(each, Callback)]
    answered = await _store(connection, signed)
    return [answered[each.callback_id] if isinstance(each, Callback) else each for each in checked]


def _open(signer: Signer, seal: Seal) -> list[str] | None:
    """Return the secrets in the clear; None when our keys do not open them."""
    try:
        return [seal.open(sealed) for sealed in signer.sealed_secrets]
    except NotOpenedError as error:
        log.error("secrets of a partner cannot be opened", exc_info=error)
        return None


def _check(
    arrival: Arrival, signer: Signer | None, secrets: Sequence[str] | None
) -> Callback | Outcome:
    """Return what is to be stored, or why nothing is."""
    if secrets is None:
        return Outcome("failed", unavailable())
    fits = standard_webhooks.verify(secrets, arrival.headers, arrival.body, arrival.received_at)
    if signer is None or not fits:
        return Outcome("refused", problem(WRONG_SIGNATURE))
    unreadable = _unreadable(signer.api, arrival.body)
    return Callback(
        callback_id=new_id(),
        partner_id=arrival.partner_id,
        webhook_id=arrival.headers[ID_HEADER],
        body=arrival.body,
        received_at=arrival.received_at,
        cause=Cause(signer.tenant_id, arrival.correlation_id, arrival.traceparent),
        headers=arrival.headers,
        status=Status.RECEIVED if unreadable is None else Status.PARKED,
        reason=None if unreadable is None else f"unreadable: {unreadable}",
        told=unreadable,
    )


def _unreadable(api: Api, body: bytes) -> str | None:
    """Return why the partner's adapter cannot read the body; None if it can."""
    try:
        ADAPTERS[api].statement(body)
    except UnreadableError as error:
        return error.reason
    except Exception as error:  # ours, not the partner's: it is parked when it is translated
        log.error("a callback failed", exc_info=error)
    return None


async def _store(connection: AsyncConnection, callbacks: Sequence[Callback]) -> dict[UUID, Outcome]:
    new = await store.insert_callbacks(connection, callbacks)
    others = [each for each in callbacks if each.callback_id not in new]
    first = await store.first_answers(connection, others)
    hashes = {each.callback_id: hashlib.sha256(each.body) for each in others}
    outcomes = {each.callback_id: _taken(each) for each in callbacks if each.callback_id in new}
    conflicts = []
    for each in others:
        before = first[each.callback_id]
        if before.body_sha256 == hashes[each.callback_id].digest():
            outcomes[each.callback_id] = Outcome("repeated", _receipt(before.told))
        else:
            outcomes[each.callback_id] = Outcome("conflict", problem(WEBHOOK_ID_REUSED))
            conflicts.append(_as_conflict(each, hashes[each.callback_id].hexdigest()))
    await store.insert_callbacks(connection, conflicts)
    return outcomes


def _taken(callback: Callback) -> Outcome:
    return Outcome("received" if callback.told is None else "parked", _receipt(callback.told))


def _receipt(told: str | None) -> Receipt:
    return Receipt() if told is None else Receipt(status="PARKED", reason=told)


def _as_conflict(callback: Callback, body_sha256: str) -> Callback:
    """Return how a refused one is kept: each body once, under an id that no partner can use."""
    return replace(
        callback,
        webhook_id=f"{callback.webhook_id} {body_sha256}",
        status=Status.CONFLICT,
        reason="the webhook-id came with another body before",
        told=None,
    )
