"""What the agency writes down of every request, so that a test can say: it came twice, acted once.

A repetition is known by its `webhook-id`, whether its signature is right or not.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from partner_simulator.steps import Of, Subject


@dataclass
class Try:
    """One time that a request came."""

    came_at: datetime
    answered: str | None = None
    """The status, or `hung up`; None while it is being answered."""


@dataclass
class Entry:
    """A request, however often it came."""

    of: Of
    request_id: str
    number: int
    """Among the requests of its kind."""
    tries: list[Try] = field(default_factory=list)
    effects: int = 0
    """How often it acted: 1 is right, 0 if it was never taken."""

    def shown(self) -> dict[str, Any]:
        """Return the request as `GET /requests` shows it."""
        return {
            "kind": self.of,
            "request_id": self.request_id,
            "effects": self.effects,
            "tries": [
                {"came_at": each.came_at.isoformat(), "answered": each.answered}
                for each in self.tries
            ],
        }


class Journal:
    """All requests since the start or the last reset."""

    def __init__(self) -> None:
        self.entries: dict[tuple[Of, str], Entry] = {}
        self._numbers: Counter[Of] = Counter()

    def write(self, of: Of, request_id: str) -> Entry:
        """Write down that a request came."""
        entry = self.entries.get((of, request_id))
        if entry is None:
            self._numbers[of] += 1
            entry = self.entries[of, request_id] = Entry(of, request_id, self._numbers[of])
        entry.tries.append(Try(datetime.now(UTC)))
        return entry


def subject(entry: Entry) -> Subject:
    """Return a request as rules look at it, at its last try."""
    return Subject(entry.of, entry.request_id, entry.number, entry.number, len(entry.tries))
