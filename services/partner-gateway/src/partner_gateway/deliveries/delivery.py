"""A delivery: one request to a partner, sent under the same id until it is answered."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from kit.trace import Cause
from partner_gateway.adapters.adapter import HandoverPage, Notice

AT_ONCE: Final = 4
"""Requests that one partner gets at the same time at most, from all instances together."""

LONGEST_PAUSE: Final = timedelta(days=1)
"""However long a partner asks us to wait."""

_JITTER: Final = 0.1
_TRY_AGAIN: Final = frozenset({408, 425, 429})


class Verdict(StrEnum):
    """What an HTTP status means for a delivery."""

    ANSWERED = "ANSWERED"
    TRY_AGAIN = "TRY_AGAIN"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery whose next try is ours to make."""

    request_id: UUID
    partner_id: UUID
    tries: int
    """With the one to be made now."""
    content: HandoverPage | Notice
    cause: Cause
    is_probe: bool = False
    """Whether it finds out if its partner, who did not answer lately, does so again."""

    @property
    def tenant_id(self) -> UUID:
        """Whose data it is."""
        return self.cause.tenant_id


def judge(status: int) -> Verdict:
    """Say what an HTTP status means: other 4xx than those that name a passing trouble are final.

    Redirects are not followed, for they could lead anywhere: they count as a passing trouble.
    """
    if 200 <= status < 300:
        return Verdict.ANSWERED
    if 400 <= status < 500 and status not in _TRY_AGAIN:
        return Verdict.REFUSED
    return Verdict.TRY_AGAIN


def pause_after(
    delays: Sequence[float], tries: int, asked: timedelta, chance: random.Random
) -> timedelta:
    """Return how long to wait after the given number of tries, at least as long as was asked for.

    `delays` are seconds after the first, second … try; the last one repeats.
    """
    seconds = delays[min(tries, len(delays)) - 1]
    return min(max(with_jitter(timedelta(seconds=seconds), chance), asked), LONGEST_PAUSE)


def with_jitter(pause: timedelta, chance: random.Random) -> timedelta:
    """Add up to a tenth by chance, so that what failed together does not come back together."""
    return pause * (1 + chance.random() * _JITTER)


def retry_after(header: str | None, now: datetime) -> timedelta:
    """Return the pause that a `Retry-After` header asks for, up to `LONGEST_PAUSE`.

    Zero when there is no header, or none that makes sense.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), LONGEST_PAUSE)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return timedelta()
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(moment - now, timedelta()), LONGEST_PAUSE)
