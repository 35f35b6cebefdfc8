"""Callbacks as nouns: what becomes of one, and how a partner is answered."""

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """What became of a callback."""

    RECEIVED = "RECEIVED"
    """It is stored, and looked at next."""
    WAITING = "WAITING"
    """It speaks of a case or a run that was not sent to anybody yet, and waits for that."""
    TRANSLATED = "TRANSLATED"
    """It has acted."""
    PARKED = "PARKED"
    """It cannot act as it is: staff decide."""
    CONFLICT = "CONFLICT"
    """It came under the webhook id of another one, and was refused: staff decide."""
    DISMISSED = "DISMISSED"
    """Staff settled it otherwise."""


FOR_STAFF: Final = frozenset({Status.PARKED, Status.CONFLICT})
"""What goes on only when somebody of staff decides."""
