"""CSV files in (R12): a dry run first, then snapshots as from any system."""

import asyncio
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from contracts import ClaimSnapshotV1, MemberSnapshotV1, Money, StudioSnapshotV1
from kit.ids import new_id
from run_service.imports import publish_imports as publishing
from tests.run_service.imports.desk import (
    CLAIM,
    MEMBER,
    STUDIO,
    Desk,
    examples,
    files_of,
    table,
)


async def test_examples_become_candidates(desk: Desk) -> None:
    """R12: three files, in two encodings and with two separators, German and English."""
    checked = await desk.check(**examples())
    assert (checked["status"], checked["errors"], checked["progress"]) == ("CHECKED", 0, 100)
    assert files_of(checked, "rows", "good", "bad", "unchanged", "published") == [
        ("studios", 2, 2, 0, 0, 0),
        ("members", 20, 20, 0, 0, 0),
        ("claims", 27, 27, 0, 0, 0),
    ]
    assert await desk.snapshots() == []
    published = await desk.publish(checked)
    assert (published["status"], published["progress"]) == ("PUBLISHED", 100)
    assert files_of(published, "published") == [("studios", 2), ("members", 20), ("claims", 27)]
    await desk.read_back()
    summary = await desk.world.get("/candidates/summary")
    # One is blocked, one has not passed the last level, one owes nothing but a disputed claim, and
    # one nothing but a cancelled claim.
    assert summary["members"] == 16
    assert [studio["name"] for studio in summary["studios"]] == [
        "Studio Elbufer GmbH",
        "Studio Südpark GmbH",
    ]


async def test_a_row_becomes_the_snapshot_that_it_describes(desk: Desk) -> None:
    member = {
        **MEMBER,
        "first_name": "Zoë",
        "sex": "w",
        "birth_date": "3.4.2011",
        "city": "Görlitz",
        "phone_numbers": "0351/12 | 0171 3",
        "guardian_name1": "Vormund",
        "guardian_city": "Zittau",
        "guardian_country_code": "at",
        "dunning_level": "3",
        "last_level_passed_on": "2026-01-31",
        "blocked_reason": "Raten; mündlich",
        "country_code": "",
    }
    claim = {**CLAIM, "paid_directly": "0,5", "currency": "chf", "disputed": "Nein", "kind": "sale"}
    await desk.bring_in(studios=table(STUDIO), members=table(member), claims=table(claim))
    studio, member_, claim_ = await desk.snapshots()
    assert isinstance(studio, StudioSnapshotV1)
    assert (studio.tenant_name, studio.person_type, studio.time_zone) == (
        "Studio Süd",
        "COMPANY",
        "Europe/Berlin",
    )
    assert studio.address.country_code == "DE"
    assert studio.deducts_input_vat
    assert isinstance(member_, MemberSnapshotV1)
    assert (member_.membership_number, member_.studio_id) == ("0042", studio.studio_id)
    assert (member_.first_name, member_.name1, member_.sex) == ("Zoë", "Müßig", "FEMALE")
    assert member_.birth_date == date(2011, 4, 3)
    assert member_.address
    assert (member_.address.city, member_.address.street) == ("Görlitz", "")
    assert member_.address.country_code == "DE"
    assert member_.phone_numbers == ("0351/12", "0171 3")
    assert member_.legal_guardian
    assert member_.legal_guardian.address
    assert member_.legal_guardian.address.country_code == "AT"
    assert (member_.dunning.level, member_.dunning.last_level_passed_on) == (3, date(2026, 1, 31))
    assert member_.collection_block
    assert member_.collection_block.reason == "Raten; mündlich"
    assert (member_.bank_account, member_.mandate, member_.contract) == (None, None, None)
    assert isinstance(claim_, ClaimSnapshotV1)
    assert (claim_.member_id, claim_.studio_id) == (member_.member_id, studio.studio_id)
    assert claim_.amount == Money(amount=Decimal("1234.50"), currency="CHF")
    assert claim_.paid_directly == Money(amount=Decimal("0.50"), currency="CHF")
    assert (claim_.kind, claim_.cancelled, claim_.disputed) == ("SALE", False, False)
    assert (claim_.voucher_date, claim_.due_date) == (date(2026, 1, 1), date(2026, 1, 15))


async def test_the_same_files_twice_publish_nothing_again(desk: Desk) -> None:
    """R12: twice does no harm."""
    await desk.bring_in(**examples())
    before = await desk.snapshots()
    checked = await desk.check(**examples())
    expected = [("studios", 2, 0), ("members", 20, 0), ("claims", 27, 0)]
    assert files_of(checked, "unchanged", "published") == expected
    published = await desk.publish(checked)
    assert files_of(published, "unchanged", "published") == expected
    assert await desk.snapshots() == before


async def test_what_changed_is_published_again_with_a_higher_sequence(desk: Desk) -> None:
    files = {"studios": table(STUDIO), "members": table(MEMBER), "claims": table(CLAIM)}
    await desk.bring_in(**files)
    changed = await desk.check(**files | {"claims": table({**CLAIM, "amount": "5"})})
    assert files_of(changed, "unchanged") == [("studios", 1), ("members", 1), ("claims", 0)]
    published = await desk.publish(changed)
    assert files_of(published, "published") == [("studios", 0), ("members", 0), ("claims", 1)]
    first, second = await desk.world.published(ClaimSnapshotV1)
    assert first.claim_id == second.claim_id
    assert first.sequence < second.sequence < 2**53
    assert second.amount.amount == Decimal("5.00")


async def test_a_member_who_moves_takes_its_claims_along(desk: Desk) -> None:
    studios = table(STUDIO, {**STUDIO, "studio_number": "S2"})
    claims = table(CLAIM)
    await desk.bring_in(studios=studios, members=table(MEMBER), claims=claims)
    moved = table({**MEMBER, "studio_number": "S2"})
    published = await desk.bring_in(members=moved, claims=claims)
    assert files_of(published, "published") == [("members", 1), ("claims", 1)]
    *_, last = await desk.world.published(ClaimSnapshotV1)
    (*_, member) = await desk.world.published(MemberSnapshotV1)
    assert last.studio_id == member.studio_id


async def test_owners_may_have_come_earlier(desk: Desk) -> None:
    """By their number from an import, or by their id from a system that publishes snapshots."""
    await desk.bring_in(studios=table(STUDIO))
    published = await desk.bring_in(members=table(MEMBER))
    assert files_of(published, "published") == [("members", 1)]
    (member,) = await desk.world.published(MemberSnapshotV1)
    by_id = {**CLAIM, "membership_number": str(member.member_id).upper()}
    await desk.bring_in(claims=table(by_id))
    other = await desk.world.studio("Other")
    (debtor,) = await desk.world.debtors(1, other)
    of_others = {
        **CLAIM,
        "claim_number": str(new_id()),
        "membership_number": str(debtor.member_id),
    }
    of_other_studio = {**MEMBER, "membership_number": "1", "studio_number": str(other)}
    await desk.bring_in(members=table(of_other_studio), claims=table(of_others))
    first, second = await desk.world.published(ClaimSnapshotV1)
    assert (first.member_id, first.studio_id) == (member.member_id, member.studio_id)
    assert (second.member_id, second.studio_id) == (debtor.member_id, other)
    assert str(second.claim_id) == of_others["claim_number"]


async def test_owners_that_nobody_knows_are_named(desk: Desk) -> None:
    nobody = str(new_id())
    other_tenants = await desk.world.studio("Other", tenant_id=new_id())
    checked = await desk.check(
        studios=table(STUDIO, {**STUDIO, "studio_number": "S2", "name1": ""}),
        members=table(
            MEMBER,
            {**MEMBER, "membership_number": "1", "studio_number": "S9"},
            {**MEMBER, "membership_number": "2", "studio_number": nobody},
            {**MEMBER, "membership_number": "3", "studio_number": str(other_tenants)},
            {**MEMBER, "membership_number": "4", "studio_number": "S2"},
        ),
        claims=table(
            CLAIM,
            {**CLAIM, "claim_number": "F2", "membership_number": "7"},
            {**CLAIM, "claim_number": "F3", "membership_number": "4"},
            {**CLAIM, "claim_number": "F4", "Studionummer": "S9"},
        ),
    )
    unknown = "Is neither in {} of this import nor known from before"
    assert await desk.errors(checked) == [
        ("studios", 3, "name1", "Must not be empty"),
        ("members", 3, "studio_number", unknown.format("studios")),
        ("members", 4, "studio_number", unknown.format("studios")),
        ("members", 5, "studio_number", unknown.format("studios")),
        ("members", 6, "studio_number", "Its row in studios has errors itself"),
        ("claims", 3, "membership_number", unknown.format("members")),
        ("claims", 4, "membership_number", "Its row in members has errors itself"),
        ("claims", 5, "Studionummer", unknown.format("studios")),
    ]
    assert files_of(checked, "good", "bad") == [
        ("studios", 1, 1),
        ("members", 1, 4),
        ("claims", 1, 3),
    ]
    published = await desk.publish(checked, leave_out=True)
    assert files_of(published, "published") == [("studios", 1), ("members", 1), ("claims", 1)]


async def test_a_thing_that_is_there_twice_is_named(desk: Desk) -> None:
    checked = await desk.check(
        studios=table(
            STUDIO,
            {**STUDIO, "name1": "Other"},
            {**STUDIO, "studio_number": "S2"},
            {**STUDIO, "studio_number": " S1 "},
        )
    )
    assert await desk.errors(checked) == [
        ("studios", 3, "studio_number", "Stands in row 2 already"),
        ("studios", 5, "studio_number", "Stands in row 2 already"),
    ]
    assert files_of(checked, "good", "bad") == [("studios", 2, 2)]


async def test_bad_rows_stop_the_publication_unless_they_are_left_out(desk: Desk) -> None:
    checked = await desk.check(studios=table(STUDIO, {**STUDIO, "studio_number": ""}))
    refused = await desk.order(checked)
    assert refused.status_code == 409
    assert refused.json()["type"] == "urn:collection:problem:import-has-bad-rows"
    assert refused.json()["bad_rows"] == 1
    assert (await desk.get(checked))["status"] == "CHECKED"
    published = await desk.publish(checked, leave_out=True)
    assert files_of(published, "good", "bad", "published") == [("studios", 1, 1, 1)]


async def test_an_import_is_published_once(desk: Desk) -> None:
    sent = (await desk.send(studios=table(STUDIO))).json()
    early = await desk.order(sent)
    assert early.status_code == 409
    assert early.json()["type"] == "urn:collection:problem:import-not-checked"
    await desk.check_all()
    first = await desk.order(sent, key="a")
    again = await desk.order(sent, key="a")
    other = await desk.order(sent, key="b")
    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 409)
    assert first.content == again.content
    assert again.headers["Idempotent-Replayed"] == "true"
    await desk.publish_all()
    assert (await desk.order(sent)).status_code == 409
    assert len(await desk.snapshots()) == 1


async def test_files_that_are_sent_again_are_one_import(desk: Desk) -> None:
    first = await desk.send_as({}, "k", studios=table(STUDIO))
    again = await desk.send_as({}, "k", studios=table(STUDIO))
    other = await desk.send_as({}, "k", studios=table({**STUDIO, "name1": "Other"}))
    assert first.content == again.content
    assert other.json()["type"] == "urn:collection:problem:idempotency-key-reused"
    assert await desk.count("imports") == 1


async def test_what_the_files_held_is_deleted_once_it_is_published(desk: Desk) -> None:
    """R63"""
    bad = {**STUDIO, "studio_number": ""}
    checked = await desk.check(studios=table(STUDIO, bad))
    assert await desk.count("import_pieces") == 0
    await desk.publish(checked, leave_out=True)
    assert await desk.count("import_rows") == 0
    assert len(await desk.errors(checked)) == 1


async def test_what_nobody_publishes_is_discarded_in_time(desk: Desk) -> None:
    """R63"""
    checked = await desk.check(**examples())
    waiting = (await desk.send(studios=table(STUDIO))).json()
    await desk.discard_all()
    assert (await desk.get(checked))["status"] == "CHECKED"
    await expire_all(desk)
    await desk.discard_all()
    for each in (checked, waiting):
        assert (await desk.get(each))["status"] == "DISCARDED"
        assert (await desk.order(each)).status_code == 409
    for left in ("import_pieces", "import_rows", "import_faults"):
        assert await desk.count(left) == 0


async def test_errors_of_what_was_published_are_kept_until_it_expires(desk: Desk) -> None:
    checked = await desk.check(studios=table(STUDIO, {**STUDIO, "studio_number": ""}))
    await desk.publish(checked, leave_out=True)
    await desk.discard_all()
    assert len(await desk.errors(checked)) == 1
    await expire_all(desk)
    await desk.discard_all()
    assert await desk.errors(checked) == []
    assert (await desk.get(checked))["status"] == "PUBLISHED"


async def expire_all(desk: Desk) -> None:
    """Let a day pass for all imports."""
    async with desk.world.context.database.begin() as connection:
        await connection.execute(text("UPDATE imports SET expires_at = now()"))


async def test_files_can_be_taken_back_until_they_are_published(desk: Desk) -> None:
    checked = await desk.check(**examples())
    async with desk.world.client() as client:
        for _ in range(2):
            response = await client.delete(f"/imports/{checked['import_id']}")
            assert (response.status_code, response.content) == (204, b"")
        assert (await desk.get(checked))["status"] == "DISCARDED"
        await desk.discard_all()
        assert await desk.count("import_rows") == 0
        published = await desk.bring_in(studios=table(STUDIO))
        refused = await client.delete(f"/imports/{published['import_id']}")
        assert refused.json()["type"] == "urn:collection:problem:import-under-way"
        unknown = await client.delete(f"/imports/{new_id()}")
        assert unknown.status_code == 404


async def test_imports_of_a_tenant_that_come_together_give_each_number_one_id(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "BATCH", 3)
    for amount in range(3):
        members = [
            {**MEMBER, "membership_number": str(number), "first_name": f"V{amount}"}
            for number in range(10)
        ]
        checked = await desk.check(studios=table(STUDIO), members=table(*members))
        assert (await desk.order(checked)).status_code == 202
    async with asyncio.timeout(60):
        await asyncio.gather(*(desk.publish_all() for _ in range(4)))
        await desk.publish_all()
    snapshots: list[Any] = await desk.world.published(MemberSnapshotV1)
    by_number: dict[str, list[Any]] = {}
    for each in snapshots:
        by_number.setdefault(each.membership_number, []).append(each)
    assert len(by_number) == 10
    for same in by_number.values():
        assert len({each.member_id for each in same}) == 1
        sequences = [each.sequence for each in same]
        assert sequences == sorted(set(sequences))
