"""Occasions: who does something to a case, when, why, and on whose word."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from kit.trace import Cause


class ActorKind(StrEnum):
    """On whose word something was done."""

    STAFF = "STAFF"
    PARTNER = "PARTNER"
    SYSTEM = "SYSTEM"


@dataclass(frozen=True, slots=True)
class Occasion:
    """Who does something, when, why, and from which request it stems."""

    actor_kind: ActorKind
    actor: str
    """The token's subject for staff, the partner's id for a partner, the service for the rest."""
    at: datetime
    cause: Cause
    why: str | None = None
