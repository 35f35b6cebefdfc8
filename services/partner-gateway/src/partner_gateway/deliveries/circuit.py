"""A circuit: whether a partner answers at all. Who does not is left alone, but for a probe.

CLOSED ──> OPEN    `OPENS_AFTER` failures in a row: time-out, no connection, 408, 425, 429, 5xx
OPEN   ──> OPEN    a probe failed: the pause before the next one grows
OPEN   ──> CLOSED  the partner answered, whatever it said: its other requests go out at once
"""

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from partner_gateway.deliveries.delivery import with_jitter

OPENS_AFTER: Final = 5
"""Failures in a row."""

FIRST_PAUSE: Final = timedelta(seconds=5)
"""From the failure that opens a circuit to the first probe; each probe that fails doubles it."""

LAST_PAUSE: Final = timedelta(minutes=5)
"""Between two probes at most, unless the partner asked for more."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """How a partner answered lately."""

    failures: int = 0
    """In a row; while the circuit is open those of probes count, and no others."""
    opened_at: datetime | None = None
    """None: the circuit is closed."""
    next_probe_at: datetime | None = None
    """While it is open, nothing goes out before."""
    probing_until: datetime | None = None
    """A probe is under way; whoever makes it has died if nothing came of it by then."""

    @property
    def is_open(self) -> bool:
        """Whether nothing but probes may go out."""
        return self.opened_at is not None

    def may_probe(self, time: datetime) -> bool:
        """Say whether it is time for a probe: the pause is over, and there is no other one."""
        if self.next_probe_at is None or self.next_probe_at > time:
            return False
        return self.probing_until is None or self.probing_until <= time

    def after_failure(
        self, time: datetime, *, by_probe: bool, asked: timedelta, chance: random.Random
    ) -> "Circuit":
        """Return how it stands after a failure; `asked` is the pause that the partner wants.

        What was under way already when the circuit opened says nothing new.
        """
        if self.is_open and not by_probe:
            return self
        failures = self.failures + 1
        if failures < OPENS_AFTER:
            return replace(self, failures=failures)
        pause = max(with_jitter(_pause(failures), chance), asked)
        return Circuit(failures, self.opened_at or time, time + pause)


def _pause(failures: int) -> timedelta:
    doublings = min(failures - OPENS_AFTER, 10)  # more only make the number long
    return min(FIRST_PAUSE * (1 << doublings), LAST_PAUSE)
