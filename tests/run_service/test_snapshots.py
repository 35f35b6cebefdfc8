"""Snapshots in any order, more than once, and late: R12."""

import asyncio
from random import Random
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from contracts import ClaimSnapshotV1
from kit.ids import new_id
from kit.inbox import Inbox
from run_service.main import service
from tests.run_service.world import World, claim, euros, member

STUDIO_ID = new_id()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), min_size=1, max_size=8),
        min_size=1,
        max_size=4,
    )
)
async def test_the_newest_snapshot_wins_in_any_order_and_repeats_do_no_harm_r12(
    world: World, batches: list[list[tuple[int, int]]]
) -> None:
    claim_ids, member_id = [new_id() for _ in range(3)], new_id()

    def snapshot(which: int, sequence: int) -> ClaimSnapshotV1:
        amount = euros(f"{sequence}.50")
        return claim(claim_ids[which], member_id, STUDIO_ID, sequence, amount=amount)

    for batch in batches:
        await world.feed(*(snapshot(which, sequence) for which, sequence in batch))
    newest: dict[int, int] = {}
    for which, sequence in (one for batch in batches for one in batch):
        newest[which] = max(sequence, newest.get(which, 0))
    async with world.context.database.connect() as connection:
        rows = await connection.execute(
            text(
                "SELECT claim_id, sequence, amount, details, superseded_at FROM claims "
                "JOIN claim_snapshots USING (tenant_id, claim_id, sequence) "
                "WHERE member_id = :id"
            ),
            {"id": member_id},
        )
        kept = {row.claim_id: row for row in rows}
    assert {claim_ids[which]: sequence for which, sequence in newest.items()} == {
        claim_id: row.sequence for claim_id, row in kept.items()
    }
    for row in kept.values():
        assert str(row.amount) == f"{row.sequence}.50" == row.details["amount"]["amount"]
        assert row.superseded_at is None


async def test_batches_with_the_same_things_in_other_orders_never_deadlock_r12(
    world: World,
) -> None:
    members = [member(new_id(), STUDIO_ID, sequence=1) for _ in range(200)]
    newer = [each.model_copy(update={"sequence": 2}) for each in members]
    await asyncio.gather(
        *(world.feed(*order) for order in (members, newer, members[::-1], newer[::-1]))
    )
    async with world.context.database.connect() as connection:
        sequences = await connection.scalars(text("SELECT DISTINCT sequence FROM members"))
        assert list(sequences) == [2]


async def test_each_version_that_was_the_newest_is_kept_for_previews_r12(world: World) -> None:
    studio_id, member_id, claim_id = await world.studio(), new_id(), new_id()
    for sequence in (3, 7, 5):  # the last one comes late
        await world.feed(
            member(member_id, studio_id, sequence), claim(claim_id, member_id, studio_id, sequence)
        )
    async with world.context.database.connect() as connection:
        for table in ("member_snapshots", "claim_snapshots"):
            rows = await connection.execute(
                text(f"SELECT sequence, superseded_at IS NULL AS newest FROM {table} ORDER BY 1")
            )
            assert [(row.sequence, row.newest) for row in rows] == [(3, False), (7, True)]


async def test_a_claim_that_goes_to_another_member_counts_there_only_r12(world: World) -> None:
    studio_id = await world.studio()
    one, other = await world.debtors(2, studio_id)
    await world.feed(claim(one.claim_ids[0], other.member_id, studio_id, 2, amount=euros("1.00")))
    summary = await world.get("/candidates/summary")
    assert (summary["members"], summary["claims"]) == (1, 2)
    assert summary["totals"] == [{"amount": "31.00", "currency": "EUR"}]


async def test_claims_of_one_member_in_batches_at_once_all_count_r12(world: World) -> None:
    studio_id, member_id = await world.studio(), new_id()
    await world.feed(member(member_id, studio_id))
    await asyncio.gather(*(world.feed(claim(new_id(), member_id, studio_id)) for _ in range(10)))
    assert (await world.get("/candidates/summary"))["claims"] == 10


async def test_claims_that_change_members_in_transactions_at_once_count_once_r12(
    world: World,
) -> None:
    """Each where its newest snapshot says, and of each claim one version is the newest."""
    inbox = Inbox("run-service", service.subscriptions, world.context, batch_parts=2)
    chance = Random(12)
    studio_id, claim_ids = await world.studio(), [new_id() for _ in range(60)]
    members = [member(new_id(), studio_id) for _ in range(20)]
    await world.feed(*members)
    owes: dict[UUID, tuple[int, UUID]] = {}
    for _ in range(4):
        snapshots = []
        for _ in range(150):
            claim_id, sequence = chance.choice(claim_ids), chance.randrange(1_000_000)
            member_id = chance.choice(members).member_id
            snapshots.append(claim(claim_id, member_id, studio_id, sequence))
            owes[claim_id] = max(owes.get(claim_id, (0, member_id)), (sequence, member_id))
        await inbox.handle([world.record(snapshot) for snapshot in snapshots])
    async with world.context.database.connect() as connection:
        counted = await connection.execute(text("SELECT member_id, claim_ids FROM members"))
        found = {claim_id: member_id for member_id, ids in counted for claim_id in ids}
        newest = await connection.execute(
            text("SELECT claim_id, sequence FROM claim_snapshots WHERE superseded_at IS NULL")
        )
        versions = sorted((claim_id, sequence) for claim_id, sequence in newest)
    assert found == {claim_id: member_id for claim_id, (_, member_id) in owes.items()}
    assert versions == sorted((claim_id, sequence) for claim_id, (sequence, _) in owes.items())


def test_snapshots_go_into_the_part_of_what_has_their_members_key() -> None:
    """Events of cases have it: in two parts they would lock claims against each other."""
    owner = member(new_id(), STUDIO_ID)
    owed = claim(new_id(), owner.member_id, STUDIO_ID)
    parted_by, keeps = service.subscriptions.parted_by, service.subscriptions.keeps
    assert parted_by == {owed.TYPE: parted_by[owed.TYPE]}
    assert parted_by[owed.TYPE](keeps[owed.TYPE](owed)) == owner.key()
