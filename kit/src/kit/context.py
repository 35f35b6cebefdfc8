"""What a service's handlers, workers and HTTP functions share while it runs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from kit.settings import ServiceSettings

if TYPE_CHECKING:
    from kit.database import Database

S = TypeVar("S", bound=ServiceSettings)


@dataclass
class Context(Generic[S]):
    """The service's settings and database, and a bell for each of its workers."""

    settings: S
    database: Database
    bells: dict[str, asyncio.Event] = field(default_factory=dict)

    def wake(self, worker: str) -> None:
        """Let a worker look for work at once instead of after its interval."""
        self.bell(worker).set()

    def bell(self, worker: str) -> asyncio.Event:
        """Return the event that wakes a worker."""
        return self.bells.setdefault(worker, asyncio.Event())
