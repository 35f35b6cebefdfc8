"""Snapshots of collection partners; the newest sequence wins."""

from typing import Literal
from uuid import UUID

from contracts.event import Event
from contracts.parts import Channel, Name, Sequence


class PartnerSnapshotV1(Event):
    """A collection partner as it is set up now, without its secrets."""

    TYPE = "partner.snapshot.v1"
    TOPIC = "partner.partner.v1"
    KEY = ("partner_id",)

    partner_id: UUID
    """Id of the partner."""
    sequence: Sequence
    """Grows with each snapshot of this partner; the highest is the truth."""
    name: Name
    """Name of the partner."""
    channel: Channel
    """How the partner is told: BY_HAND (staff pass on an export) or API."""
    status: Literal["ACTIVE", "PAUSED"]
    """PAUSED: no new run may go to the partner, and nothing is sent to it for now."""
    file_number_pattern: Name | None = None
    """Regular expression that the partner's file numbers match; none when any may come."""
