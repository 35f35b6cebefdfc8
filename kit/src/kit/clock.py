"""What time it is."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo


def now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)


def today(time_zone: str) -> date:
    """Return the day it is now in `time_zone` (an IANA name such as `Europe/Berlin`)."""
    return datetime.now(ZoneInfo(time_zone)).date()
