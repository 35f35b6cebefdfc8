"""Send what partners are owed: each partner in a task of its own, so that none waits for another.

The order of steps makes it safe to die anywhere: the request, its id and the try are stored; then
it is sent, outside any transaction; then the outcome is stored. Whoever dies in between has made a
try whose outcome is unknown, and the same request goes out again under the same id.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Final
from uuid import UUID

import structlog

from kit.clock import now
from kit.context import Context
from partner_gateway.adapters import ADAPTERS
from partner_gateway.adapters.adapter import Adapter, HandoverPage, Request
from partner_gateway.credentials import NOT_OPENED, credentials
from partner_gateway.deliveries import store
from partner_gateway.deliveries.claim_deliveries import claim_deliveries
from partner_gateway.deliveries.delivery import Delivery
from partner_gateway.deliveries.measure_deliveries import delivery_tries_total
from partner_gateway.deliveries.outcome import Outcome, our_failure, read_outcome
from partner_gateway.deliveries.record_outcome import record_outcome
from partner_gateway.deliveries.store import Recipient, Route
from partner_gateway.exchange import Client, NoReplyError, Reply, client, exchange
from partner_gateway.notices.tell import tell_changes
from partner_gateway.sealing import NotOpenedError
from partner_gateway.settings import Settings

WORKER: Final = "deliver"
"""The worker that does this."""

CONNECTIONS: Final = 5
"""To the database, for all partners together: half of them stay for callbacks, staff and Kafka."""

_LOOK_AGAIN_SECONDS: Final = 1.0
_MARGIN: Final = timedelta(seconds=10)  # to store the outcome, before another may try

log = structlog.stdlib.get_logger(__name__)


class Deliverer:
    """Serves every partner that is owed something, all at the same time."""

    def __init__(self) -> None:
        self._serving: dict[UUID, asyncio.Task[None]] = {}

    async def work(self, context: Context[Settings]) -> bool:
        """Begin to serve who is not served yet, wait a little; tell whether to look again at once.

        Returns at the latest after a second, so that a slow partner holds up nobody's beginning.
        Whoever is served may have looked just before something new came: then it is served again.
        """
        try:
            overlooked = await self._begin(context)
            await self._wait(context.bell(WORKER))
        except asyncio.CancelledError:
            for task in self._serving.values():
                task.cancel()
            await asyncio.gather(*self._serving.values(), return_exceptions=True)
            raise
        return bool(self._serving) or overlooked

    async def _begin(self, context: Context[Settings]) -> bool:
        """Begin to serve who is not served yet; tell whether somebody who is may be owed more."""
        async with context.database.connect() as connection:
            due = await store.recipients(connection, now())
        overlooked = any(recipient.partner_id in self._serving for recipient in due)
        for recipient in due:
            if recipient.partner_id not in self._serving:
                task = asyncio.create_task(serve(context, recipient))
                self._serving[recipient.partner_id] = task
        return overlooked

    async def _wait(self, bell: asyncio.Event) -> None:
        """Wait until somebody is served to the end, there is something new, or a second is over."""
        if not self._serving:
            return
        rung = asyncio.create_task(bell.wait())
        try:
            await asyncio.wait(
                {rung, *self._serving.values()},
                timeout=_LOOK_AGAIN_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            rung.cancel()
        for partner_id, task in list(self._serving.items()):
            if task.done():
                del self._serving[partner_id]
                if error := task.exception():
                    log.warning("partner-not-served", partner_id=partner_id, exc_info=error)


async def serve(context: Context[Settings], recipient: Recipient) -> None:
    """Send one partner all that it is owed now, a few requests at a time."""
    async with client(context.settings.trusted_partner_hosts) as http:
        while turn := await _begin_turn(context, recipient):
            sender = Sender(context, http, turn.route)
            async with asyncio.TaskGroup() as group:
                for delivery in turn.deliveries:
                    group.create_task(sender.deliver(delivery))


def _seats(_: Context[Settings]) -> asyncio.Semaphore:
    """Return what serves whoever waits for a connection in the order in which they came."""
    return asyncio.Semaphore(CONNECTIONS)


@dataclass(frozen=True, slots=True)
class Turn:
    """What is sent to a partner at the same time."""

    route: Route
    deliveries: Sequence[Delivery]


async def _begin_turn(context: Context[Settings], recipient: Recipient) -> Turn | None:
    """Take what is sent next; the tries are stored when this returns.

    What the partner must know of claims is noted also while nothing may be sent: it is due all
    the same. It follows the page with its case: `tell_changes` says why.
    """
    longest = timedelta(seconds=context.settings.partner_timeout_seconds) + _MARGIN
    async with context.one(_seats), context.database.begin() as connection:
        time = now()
        await tell_changes(connection, recipient.tenant_id, recipient.partner_id, time)
        route = await store.route(connection, recipient)
        if route is None:
            return None
        deliveries = await claim_deliveries(connection, recipient, time, time + longest)
        return Turn(route, deliveries) if deliveries else None


@dataclass(frozen=True, slots=True)
class Sender:
    """Makes single tries at one partner."""

    context: Context[Settings]
    http: Client
    route: Route

    @property
    def adapter(self) -> Adapter:
        """What speaks the partner's kind of API."""
        return ADAPTERS[self.route.api]

    async def deliver(self, delivery: Delivery) -> None:
        """Make one try and store what came of it; no connection is held while it is made.

        Raises nothing: what goes wrong with one request holds up no other.
        """
        try:
            await self._try(delivery)
        except Exception as error:  # the next try is when nobody can be at this one any more
            _unexpected(delivery, error)

    async def _try(self, delivery: Delivery) -> None:
        began = monotonic()
        outcome = await self._outcome(delivery)
        took = timedelta(seconds=monotonic() - began)
        try:
            await self._store(delivery, outcome, took)
        except Exception as error:
            outcome = _unexpected(delivery, error)
            await self._store(delivery, outcome, took)
        delivery_tries_total.labels(outcome.verdict).inc()
        log.info(
            "delivery",
            partner_id=delivery.partner_id,
            request_id=delivery.request_id,
            tries=delivery.tries,
            verdict=outcome.verdict,
            error=outcome.error,
        )

    async def _outcome(self, delivery: Delivery) -> Outcome:
        try:
            return read_outcome(self.adapter, delivery, await self._send(delivery))
        except NotOpenedError:
            log.error("secret-not-opened", partner_id=delivery.partner_id)
            return our_failure(NOT_OPENED)
        except Exception as error:
            return _unexpected(delivery, error)

    async def _store(self, delivery: Delivery, outcome: Outcome, took: timedelta) -> None:
        delays = self.context.settings.retry_delays_seconds
        async with self.context.one(_seats), self.context.database.begin() as connection:
            await record_outcome(connection, delivery, outcome, took, delays)

    async def _send(self, delivery: Delivery) -> Reply | NoReplyError:
        request = self._request(delivery)
        headers = credentials(
            self.context.settings.seal,
            self.route.sealed_secrets,
            self.route.sealed_api_token,
            str(delivery.request_id),
            request.body,
            delivery.cause.traceparent,
        )
        try:
            return await exchange(
                self.http,
                "POST",
                self.route.base_url + request.path,
                headers,
                request.body,
                self.context.settings.partner_timeout_seconds,
            )
        except NoReplyError as reason:
            return reason

    def _request(self, delivery: Delivery) -> Request:
        if isinstance(delivery.content, HandoverPage):
            return self.adapter.handover_request(delivery.request_id, delivery.content)
        return self.adapter.notice_request(delivery.request_id, delivery.content)


def _unexpected(delivery: Delivery, error: Exception) -> Outcome:
    """Log what should not happen, and return it as what staff see: only the error's type."""
    log.error(
        "delivery-failed-here",
        partner_id=delivery.partner_id,
        request_id=delivery.request_id,
        tries=delivery.tries,
        exc_info=error,
    )
    return our_failure(f"our failure: {type(error).__name__}")
