"""Plain rules about a member: its age, its name, who is liable for it, where letters reach it."""

from datetime import date
from typing import Final

from contracts.membership import MemberSnapshotV1
from contracts.parts import Address

_AGE_OF_MAJORITY = 18
_LAST_YEAR = date.max.year

# fmt: off
_WITH_POSTAL_CODE: Final = frozenset({
    "AT", "BE", "BG", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GR", "HR", "HU",
    "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK", "US",
})
# fmt: on
"""Countries in which no letter arrives without one; elsewhere a town may have none."""


def of_age_on(birth_date: date) -> date:
    """Return the day on which somebody comes of age; born on 29 February: the 1st of March."""
    year = min(birth_date.year + _AGE_OF_MAJORITY, _LAST_YEAR)
    try:
        return birth_date.replace(year=year)
    except ValueError:
        return date(year, 3, 1)


def is_minor(birth_date: date | None, arose_on: date, today: date) -> bool:
    """Say whether somebody is a minor, judged on the day the claim arose and today (R3).

    Without a birth date nobody is taken for a minor.
    """
    return birth_date is not None and of_age_on(birth_date) > min(arose_on, today)


def display_name(first_name: str | None, name1: str) -> str:
    """Return a name as people read it; a company has no first name."""
    return f"{first_name} {name1}" if first_name else name1


def blocked_until(member: MemberSnapshotV1) -> date | None:
    """Return the last day on which the member must not be handed over; none if it is not blocked.

    A block without an end lasts to the end of the calendar.
    """
    if member.collection_block is None:
        return None
    return member.collection_block.until or date.max


def is_complete(address: Address | None) -> bool:
    """Say whether a letter can be sent to an address."""
    if address is None or not address.street.strip() or not address.city.strip():
        return False
    return bool(address.postal_code.strip()) or address.country_code not in _WITH_POSTAL_CODE


def guardian_address(member: MemberSnapshotV1) -> Address | None:
    """Return where the legal guardian lives: with the minor unless another address is known."""
    guardian = member.legal_guardian
    return None if guardian is None else guardian.address or member.address
