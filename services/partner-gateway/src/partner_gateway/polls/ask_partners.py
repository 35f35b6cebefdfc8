"""Ask partners that do not call back (R50): each in a task of its own, none waits for another.

What a partner says is stored as if it had called back, in one transaction with how far it was
asked. So a crash loses nothing, for the same is asked again; and nothing acts twice, for the same
item is known by its id. Asking happens outside any transaction.
"""

import asyncio
import random
from datetime import datetime, timedelta
from typing import Final

import structlog

from kit.clock import now
from kit.context import Context
from kit.ids import new_id
from kit.trace import Cause, carried, current_correlation_id, current_traceparent, new_traceparent
from partner_gateway.adapters import POLLED
from partner_gateway.adapters.adapter import Polled, UnreadableError
from partner_gateway.callbacks import translate_callbacks
from partner_gateway.callbacks.store import Callback, insert_callbacks
from partner_gateway.credentials import NOT_OPENED, credentials
from partner_gateway.deliveries.delivery import Verdict, judge, pause_after, retry_after
from partner_gateway.exchange import NoReplyError, Reply, client, exchange
from partner_gateway.polls import store
from partner_gateway.polls.store import Poll
from partner_gateway.sealing import NotOpenedError
from partner_gateway.settings import Settings

WORKER: Final = "ask partners"
"""The worker that does this."""

AT_ONCE: Final = 20
"""Partners that are asked at the same time at most: each answer may have a megabyte."""

_LOOK_AGAIN_SECONDS: Final = 1.0
_MARGIN: Final = timedelta(seconds=10)  # to store the answer, before another may ask
_chance = random.SystemRandom()

log = structlog.stdlib.get_logger(__name__)


class Asker:
    """Asks every partner whose time has come, some of them at the same time."""

    def __init__(self) -> None:
        self._asking: set[asyncio.Task[None]] = set()

    async def work(self, context: Context[Settings]) -> bool:
        """Begin to ask who is to be asked, wait a little; tell whether anybody is being asked.

        Returns at the latest after a second, so that a slow partner holds up nobody's turn.
        """
        try:
            await self._begin(context)
            return await self._wait()
        except asyncio.CancelledError:
            for task in self._asking:
                task.cancel()
            await asyncio.gather(*self._asking, return_exceptions=True)
            raise

    async def _begin(self, context: Context[Settings]) -> None:
        time = now()
        unknown_until = time + timedelta(seconds=context.settings.partner_timeout_seconds) + _MARGIN
        async with context.database.begin() as connection:
            free = AT_ONCE - len(self._asking)
            polls = await store.claim(connection, free, time, unknown_until)
        self._asking |= {asyncio.create_task(ask(context, poll)) for poll in polls}

    async def _wait(self) -> bool:
        """Wait until somebody has answered, or a second is over; False when nobody is asked."""
        if not self._asking:
            return False
        done, self._asking = await asyncio.wait(
            self._asking, timeout=_LOOK_AGAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        for task in done:
            if error := task.exception():
                log.warning("partner-not-asked", exc_info=error)
        return True


async def ask(context: Context[Settings], poll: Poll) -> None:
    """Ask one partner for one page, and store what it says, or why that failed."""
    with carried(str(new_id()), new_traceparent(None)):
        reply = await _exchange(context.settings, poll)
        answered_at = now()
        said = _read(poll, reply)
        if isinstance(said, str):
            await _postpone(context, poll, said, reply, answered_at)
        else:
            await _keep(context, poll, said, answered_at)


async def _exchange(settings: Settings, poll: Poll) -> Reply | NoReplyError:
    request = POLLED[poll.api].poll_request(poll.cursor)
    try:
        headers = credentials(
            settings.seal,
            poll.sealed_secrets,
            poll.sealed_api_token,
            str(new_id()),
            request.body,
            current_traceparent(),
        )
        async with client(settings.trusted_partner_hosts) as http:
            return await exchange(
                http,
                request.method,
                poll.base_url + request.path,
                headers,
                request.body or None,
                settings.partner_timeout_seconds,
            )
    except NoReplyError as reason:
        return reason
    except NotOpenedError:
        log.error("secret-not-opened", partner_id=poll.partner_id)
        return NoReplyError(NOT_OPENED)


def _read(poll: Poll, reply: Reply | NoReplyError) -> Polled | str:
    """Return what the partner said, or why that cannot be known."""
    if isinstance(reply, NoReplyError):
        return reply.reason
    if judge(reply.status) is not Verdict.ANSWERED:
        return f"HTTP {reply.status}"
    try:
        polled = POLLED[poll.api].poll_answer(reply.body)
    except UnreadableError as error:
        return f"answer unreadable: {error.reason}"
    if polled.more and polled.cursor == poll.cursor:
        return "answer unreadable: more is said to follow, under the same cursor"
    return polled


async def _keep(
    context: Context[Settings], poll: Poll, polled: Polled, answered_at: datetime
) -> None:
    """Store what was said and how far we are; where more waits it is asked for at once."""
    interval = timedelta(seconds=context.settings.poll_interval_seconds)
    next_ask_at = answered_at if polled.more else answered_at + interval
    cause = Cause(poll.tenant_id, current_correlation_id(), current_traceparent())
    callbacks = [
        Callback(
            callback_id=new_id(),
            partner_id=poll.partner_id,
            webhook_id=item.item_id,
            body=item.body,
            received_at=answered_at,
            cause=cause,
        )
        for item in polled.items
    ]
    async with context.database.begin() as connection:
        if not await store.advance(connection, poll, polled.cursor, answered_at, next_ask_at):
            return
        new = await insert_callbacks(connection, callbacks)
    if new:
        context.wake(translate_callbacks.WORKER)
    log.info("asked", partner_id=poll.partner_id, items=len(callbacks), new=len(new))


async def _postpone(
    context: Context[Settings],
    poll: Poll,
    error: str,
    reply: Reply | NoReplyError,
    answered_at: datetime,
) -> None:
    """Store what is wrong; the pauses are those of deliveries, and no status ends the asking."""
    asked = timedelta()
    if isinstance(reply, Reply):
        asked = retry_after(reply.retry_after, answered_at)
    delays = context.settings.retry_delays_seconds
    pause = pause_after(delays, poll.failures + 1, asked, _chance)
    async with context.database.begin() as connection:
        await store.postpone(connection, poll, error, answered_at + pause)
    log.info("asked", partner_id=poll.partner_id, error=error)
