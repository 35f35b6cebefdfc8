"""Versions of members and claims live as long as a preview may show them."""

from uuid import UUID

import pytest
from sqlalchemy import text

from run_service.previews import discard_snapshots as discarding
from run_service.previews.discard_previews import discard_previews
from run_service.previews.discard_snapshots import discard_snapshots
from tests.run_service.world import Debtor, World, claim, euros, member


async def change(world: World, debtor: Debtor, sequence: int) -> None:
    """Publish a new version of a member and of its claim."""
    ids = (debtor.member_id, debtor.studio_id)
    amount = euros(f"{sequence}.00")
    await world.feed(
        member(*ids, sequence), claim(debtor.claim_ids[0], *ids, sequence, amount=amount)
    )


async def age(world: World, minutes: int) -> None:
    """Let all that has happened have happened earlier."""
    async with world.context.database.begin() as connection:
        for table, column in (
            ("previews", "created_at"),
            ("member_snapshots", "superseded_at"),
            ("claim_snapshots", "superseded_at"),
        ):
            earlier = f"UPDATE {table} SET {column} = {column} - :minutes * interval '1 minute'"
            await connection.execute(text(earlier), {"minutes": minutes})


async def versions(world: World, member_id: UUID) -> tuple[list[int], list[int]]:
    """Return which versions there are of a member, and of its claims."""
    async with world.context.database.connect() as connection:
        of_member = await connection.scalars(
            text("SELECT sequence FROM member_snapshots WHERE member_id = :id ORDER BY 1"),
            {"id": member_id},
        )
        of_claims = await connection.scalars(
            text(
                "SELECT sequence FROM claim_snapshots WHERE claim_id IN"
                " (SELECT claim_id FROM claims WHERE member_id = :id) ORDER BY 1"
            ),
            {"id": member_id},
        )
        return list(of_member), list(of_claims)


async def discard_all(world: World) -> None:
    """Let the worker discard all that it may."""
    while await discard_snapshots(world.context):
        pass


async def test_versions_that_a_preview_shows_are_kept_and_go_afterwards(world: World) -> None:
    (debtor,) = await world.debtors(1, await world.studio())
    await change(world, debtor, 2)
    await age(world, 90)
    partner_id = await world.partner()
    preview = await world.preview(partner_id)
    await change(world, debtor, 3)
    await age(world, 90)
    await change(world, debtor, 4)
    await world.preview(partner_id)

    await discard_all(world)
    assert await versions(world, debtor.member_id) == ([2, 3, 4], [2, 3, 4])
    shown = await world.get(f"/previews/{preview['preview_id']}/members/{debtor.member_id}")
    assert (shown["sequence"], shown["claims"][0]["sequence"]) == (2, 2)
    assert shown["claims"][0]["to_collect"]["amount"] == "2.00"

    await age(world, 90)
    async with world.context.database.begin() as connection:
        expire = "UPDATE previews SET expires_at = now() WHERE preview_id = :id"
        await connection.execute(text(expire), {"id": preview["preview_id"]})
    await discard_all(world)
    assert await versions(world, debtor.member_id) == ([2, 3, 4], [2, 3, 4]), "not discarded yet"
    assert await discard_previews(world.context)
    await discard_all(world)
    assert await versions(world, debtor.member_id) == ([3, 4], [3, 4]), "within the hour"


async def test_the_hour_before_the_oldest_preview_covers_open_transactions(world: World) -> None:
    (debtor,) = await world.debtors(1, await world.studio())
    await change(world, debtor, 2)
    await age(world, 50)
    await discard_all(world)
    assert await versions(world, debtor.member_id) == ([1, 2], [1, 2])
    await world.preview(await world.partner())
    await age(world, 600)
    await discard_all(world)
    assert await versions(world, debtor.member_id) == ([1, 2], [1, 2])


async def test_without_previews_superseded_versions_go_after_an_hour_and_the_newest_stay(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discarding, "BATCH", 2)
    debtors = await world.debtors(3, await world.studio())
    for debtor in debtors:
        await change(world, debtor, 2)
    assert not await discard_snapshots(world.context)
    await age(world, 61)
    assert await discard_snapshots(world.context)
    assert not await discard_snapshots(world.context)
    for debtor in debtors:
        assert await versions(world, debtor.member_id) == ([2], [2])


async def test_a_run_goes_out_as_its_preview_showed_though_all_changed_since_r4(
    world: World,
) -> None:
    (debtor,) = await world.debtors(1, await world.studio())
    await world.run(await world.partner())
    await change(world, debtor, 2)
    await age(world, 60 * 48)
    async with world.context.database.begin() as connection:
        await connection.execute(text("UPDATE previews SET expires_at = now()"))
    assert not await discard_previews(world.context)
    await discard_all(world)
    (handover,) = await world.handed_over()
    assert handover.debtor.name1 == "Muster 00000"
    assert handover.claims[0].to_collect == euros("30.00")
    assert await discard_previews(world.context)
    await discard_all(world)
    assert await versions(world, debtor.member_id) == ([2], [2])
