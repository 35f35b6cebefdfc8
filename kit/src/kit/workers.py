"""Work that a service does by itself: what is due in its tables, again and again."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import structlog

from kit import metrics
from kit.context import Context
from kit.health import is_stuck

log = structlog.stdlib.get_logger(__name__)

_FIRST_PAUSE: Final = 0.5
_LAST_PAUSE: Final = 30.0


@dataclass(frozen=True, slots=True)
class Worker:
    """A piece of work: `work` does some and tells whether there may be more.

    It is called again at once after True; after False when `interval` seconds are over or the
    worker is woken by name. It opens its own transactions and must be safe to run in several
    instances of the service at once.
    """

    name: str
    work: Callable[[Context[Any]], Awaitable[bool]]
    interval: float
    stop: Callable[[Context[Any]], Awaitable[None]] | None = None
    """Gives back what is under way; called when the service stops and nothing works any more."""


class RunningWorker:
    """A worker within its loop."""

    def __init__(self, worker: Worker, context: Context[Any]) -> None:
        self._worker = worker
        self._context = context
        self._busy_since: float | None = None

    @property
    def name(self) -> str:
        """The worker's name."""
        return self._worker.name

    @property
    def is_stuck(self) -> bool:
        """Whether its round takes too long; waiting for the next one may take as long as it is."""
        return self._busy_since is not None and is_stuck(self._busy_since)

    async def run(self) -> None:
        """Work until cancelled; an error is logged and the work tried again after a pause."""
        try:
            await self._work_on()
        finally:
            if self._worker.stop is not None:
                await self._worker.stop(self._context)

    async def _work_on(self) -> None:
        bell = self._context.bell(self._worker.name)
        pause = _FIRST_PAUSE
        while True:
            self._busy_since = started = time.monotonic()
            bell.clear()
            try:
                more = await self._worker.work(self._context)
            except Exception as error:
                metrics.worker_failures_total.labels(self._worker.name).inc()
                log.warning("work failed", worker=self._worker.name, exc_info=error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LAST_PAUSE)
                continue
            finally:
                self._busy_since = None
            pause = _FIRST_PAUSE
            metrics.worker_seconds.labels(self._worker.name).observe(time.monotonic() - started)
            if more:
                # Let others run even when the work itself never waits.
                await asyncio.sleep(0)
                continue
            # Not `wait_for`: woken and cancelled at once, it forgets that it was cancelled.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._worker.interval):
                    await bell.wait()
