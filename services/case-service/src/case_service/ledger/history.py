"""The history of a case: what happened to it, one thing after the other."""

from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from case_service.ledger.occasion import Occasion


class HistoryKind(StrEnum):
    """What happened to a case."""

    HANDED_OVER = "HANDED_OVER"
    OPENED = "OPENED"
    REJECTED = "REJECTED"
    FILE_NUMBER_SET = "FILE_NUMBER_SET"
    PAYMENT_BOOKED = "PAYMENT_BOOKED"
    PAYMENT_REDUCED = "PAYMENT_REDUCED"
    PAYMENT_REALLOCATED = "PAYMENT_REALLOCATED"
    UNALLOCATED_SETTLED = "UNALLOCATED_SETTLED"
    FEES_CORRECTED = "FEES_CORRECTED"
    CLAIM_CHANGED = "CLAIM_CHANGED"
    COMMENTED = "COMMENTED"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"
    DUNNING_LEVEL_RESET = "DUNNING_LEVEL_RESET"
    HANDED_OVER_AGAIN = "HANDED_OVER_AGAIN"


class HistoryItem(NamedTuple):
    """One thing that happened to a case; `details` holds ids and amounts as text."""

    case_id: UUID
    kind: HistoryKind
    details: dict[str, Any]
    occasion: Occasion
    events: tuple[int, ...]
    """Which events of the journal tell it to others."""
    posting_id: UUID | None
    """The entries that belong to it."""
