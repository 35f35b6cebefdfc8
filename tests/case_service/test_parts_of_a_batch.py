"""Parts of a batch, handled at the same time, share no member: none of them waits for another."""

from case_service.main import service
from kit.inbox import Inbox
from tests.case_service.receivables import snapshot
from tests.case_service.world import World, claim, handover, paid

MEMBERS = 150


async def test_snapshots_of_claims_go_into_the_part_of_their_members_handover(world: World) -> None:
    """In the other one they would have locked the claims that the handover waits for."""
    inbox = Inbox("case-service", service.subscriptions, world.context, service.batch_parts)
    cases = [handover(claim("30.00"), claim("12.50")) for _ in range(MEMBERS)]
    said = [snapshot(case, each, paid="2.50") for case in cases for each in case.claims]
    await inbox.handle([world.record(event) for event in (*said, *cases)])
    assert await _open(world) == [("37.50", MEMBERS)]


async def test_snapshots_of_claims_go_into_the_part_of_what_is_reported_of_their_members(
    world: World,
) -> None:
    """In the other one they would have locked the cases that the reports wait for."""
    inbox = Inbox("case-service", service.subscriptions, world.context, service.batch_parts)
    cases = [handover(claim("30.00"), claim("12.50")) for _ in range(MEMBERS)]
    await world.deliver(*cases)
    said = [snapshot(case, each, paid="2.50") for case in cases for each in case.claims]
    reported = [paid(case, "10.00") for case in cases]
    await inbox.handle([world.record(event) for event in (*said, *reported)])
    assert await _open(world) == [("27.50", MEMBERS)]


async def _open(world: World) -> list[tuple[str, int]]:
    found = await world.rows("SELECT open, count(*) FROM cases GROUP BY open ORDER BY open")
    assert await world.differences() == []
    return [(str(row.open), row.count) for row in found]
