"""Callbacks are taken in groups: all that wait while one group is stored become the next one.

A transaction waits for the disk, and costs the same for one callback as for a hundred. Nobody is
made to wait for a group to fill: an answer takes as long as the transaction that is under way, and
its own. Only of what comes faster than groups are stored, as many as MAX_WAITING / GROUP groups may
have to be stored one after the other; whoever comes behind them is asked to come again.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog
from prometheus_client import Counter

from kit.context import Context
from kit.database import is_temporary
from kit.metrics import registry
from kit.problems import Problem, unavailable
from partner_gateway.callbacks.receive_callbacks import (
    Arrival,
    Outcome,
    Receipt,
    receive_callbacks,
)
from partner_gateway.callbacks.translate_callbacks import WORKER
from partner_gateway.settings import Settings
from partner_gateway.standard_webhooks import ID_HEADER

GROUP: Final = 200
"""Callbacks that are stored in one transaction at most."""

MAX_WAITING: Final = 1000
"""Callbacks that wait at most; who comes then is asked to come again. Each may hold 256 KiB."""

_TRANSLATED_AFTER: Final = 0.25
"""Seconds for which callbacks gather until they are translated: nobody waits for that, and many at
once cost little more than few."""

callbacks_total: Final = Counter(
    "callbacks",
    "Callbacks answered, by what became of them: received, parked, repeated, conflict, refused, "
    "failed.",
    ("outcome",),
    registry=registry,
)
"""Callbacks answered; `conflict` is another body under a webhook id that was used."""

log = structlog.stdlib.get_logger(__name__)

_Answered = asyncio.Future[Outcome]


class Intake:
    """Takes in the callbacks of this process.

    There is a task only while callbacks wait. The requests wait for it, and the server for the
    requests: what has come in is answered before the service ends.
    """

    def __init__(self, context: Context[Settings]) -> None:
        self._context = context
        self._waiting: deque[tuple[Arrival, _Answered]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._is_bell_set = False

    async def take(self, arrival: Arrival) -> Receipt:
        """Store a callback; returns when that is committed.

        Raises the problems of `receive_callbacks`, and the 503 when it could not be stored.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise unavailable()
        answered: _Answered = asyncio.get_running_loop().create_future()
        self._waiting.append((arrival, answered))
        if self._task is None:
            self._task = asyncio.create_task(self._store_all(), name="callbacks")
        answer = (await answered).answer
        if isinstance(answer, Problem):
            raise answer
        return answer

    async def _store_all(self) -> None:
        try:
            while self._waiting:
                size = min(len(self._waiting), GROUP)
                group = [self._waiting.popleft() for _ in range(size)]
                outcomes = await self._store([arrival for arrival, _ in group])
                for (arrival, answered), outcome in zip(group, outcomes, strict=True):
                    _note(arrival, outcome)
                    if not answered.done():  # whoever asked may be gone
                        answered.set_result(outcome)
        finally:
            self._task = None

    async def _store(self, arrivals: Sequence[Arrival]) -> list[Outcome]:
        try:
            async with self._context.database.begin() as connection:
                outcomes = await receive_callbacks(
                    connection, arrivals, self._context.settings.seal
                )
        except Exception as error:
            write = log.warning if is_temporary(error) else log.error
            write("callbacks were not stored", callbacks=len(arrivals), exc_info=error)
            return [Outcome("failed", unavailable()) for _ in arrivals]
        if any(outcome.kind == "received" for outcome in outcomes) and not self._is_bell_set:
            self._is_bell_set = True
            asyncio.get_running_loop().call_later(_TRANSLATED_AFTER, self._ring)
        return outcomes

    def _ring(self) -> None:
        self._is_bell_set = False
        self._context.wake(WORKER)


def _note(arrival: Arrival, outcome: Outcome) -> None:
    callbacks_total.labels(outcome.kind).inc()
    if outcome.kind == "conflict":
        log.warning(
            "a partner used a webhook id again",
            partner_id=str(arrival.partner_id),
            webhook_id_sha256=hashlib.sha256(arrival.headers[ID_HEADER].encode()).hexdigest(),
        )
