"""Members who all can be handed over, each with three claims: nobody is left out of the run."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import cycle, islice
from uuid import uuid4

from contracts import ClaimSnapshotV1, Dunning, Event, MemberSnapshotV1
from local_stack.data import Population

CLAIMS_EACH = 3
_LAST_DUNNING_LEVEL = 3
_LONG_OF_AGE = 25 * 365


def snapshots_of(population: Population) -> Iterator[Event]:
    """Return all studios, then each member and its claims, as the systems that own them do."""
    today = datetime.now(UTC).date()
    yield from population.studios
    for seeded in population.members():
        yield _candidate(seeded.member, today)
        yield from _three(seeded.claims)


def _candidate(member: MemberSnapshotV1, today: date) -> MemberSnapshotV1:
    """Let a member be of age, past the last reminder, and not blocked."""
    born, newest = member.birth_date, today - timedelta(days=_LONG_OF_AGE)
    passed_on = today - timedelta(days=10)
    return member.model_copy(
        update={
            "birth_date": born and min(born, newest),
            "dunning": Dunning(level=_LAST_DUNNING_LEVEL, last_level_passed_on=passed_on),
            "collection_block": None,
        }
    )


def _three(claims: Sequence[ClaimSnapshotV1]) -> Iterator[ClaimSnapshotV1]:
    """Return three claims that can be collected, made of those that there are."""
    for claim in islice(cycle(claims), CLAIMS_EACH):
        changed = {"claim_id": uuid4(), "cancelled": False, "disputed": False}
        yield claim.model_copy(update=changed)
