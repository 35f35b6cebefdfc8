"""What a service's handlers, workers and HTTP functions share while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kit.settings import ServiceSettings

if TYPE_CHECKING:
    from kit.database import Database

S = TypeVar("S", bound=ServiceSettings)
T = TypeVar("T")


@dataclass
class Context(Generic[S]):
    """The service's settings and database, a bell for each worker, and what its requests share."""

    settings: S
    database: Database
    bells: dict[str, asyncio.Event] = field(default_factory=dict)
    shared: dict[Callable[..., Any], Any] = field(default_factory=dict)

    def wake(self, worker: str) -> None:
        """Let a worker look for work at once instead of after its interval."""
        self.bell(worker).set()

    def bell(self, worker: str) -> asyncio.Event:
        """Return the event that wakes a worker."""
        return self.bells.setdefault(worker, asyncio.Event())

    def one(self, make: Callable[[Context[S]], T]) -> T:
        """Return what `make` makes of this context: made when first asked for, then the same."""
        if make not in self.shared:
            self.shared[make] = make(self)
        made: T = self.shared[make]
        return made
