"""A partner may require how its file numbers look (R21)."""

from typing import Any

import pytest

from contracts import MemberHandedOverV1, PartnerSnapshotV1
from kit.ids import new_id
from tests.case_service.world import World, file_number_assigned, handover


def partner_of(case: MemberHandedOverV1, pattern: str | None, sequence: int = 1) -> Any:
    """Return how the partner of a case is set up."""
    return PartnerSnapshotV1(
        partner_id=case.partner_id,
        sequence=sequence,
        name="Inkasso Nord",
        channel="BY_HAND",
        status="ACTIVE",
        file_number_pattern=pattern,
    )


async def put(world: World, case: MemberHandedOverV1, number: str) -> Any:
    """Set a file number as staff."""
    path = f"/cases/{case.case_id}/file-number"
    return await world.ask("PUT", path, {"file_number": number})


async def test_staff_can_only_give_numbers_that_look_as_the_partners_do(world: World) -> None:
    case = handover()
    await world.deliver(partner_of(case, r"AZ-\d{4}"), case)

    refused = await put(world, case, "AZ-12345")
    taken = await put(world, case, "AZ-1234")

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "file_number"
    assert taken.status_code == 200
    assert (await world.case(case))["file_number"] == "AZ-1234"


async def test_the_partner_itself_may_give_any_number(world: World) -> None:
    case = handover()
    await world.deliver(partner_of(case, r"AZ-\d{4}"), case, file_number_assigned(case, "neu/7"))
    assert (await world.case(case))["file_number"] == "neu/7"


async def test_the_newest_snapshot_of_the_partner_counts(world: World) -> None:
    case = handover()
    await world.deliver(partner_of(case, None, 3), partner_of(case, "X", 2), case)
    assert (await put(world, case, "anything")).status_code == 200


async def test_another_tenants_partner_requires_nothing(world: World) -> None:
    case = handover()
    await world.deliver(partner_of(case, "X"), tenant_id=new_id())
    await world.deliver(case)
    assert (await put(world, case, "anything")).status_code == 200


@pytest.mark.parametrize("pattern", ["(", "(?=X)", "(a+)+$"])
async def test_no_pattern_stops_the_service(
    world: World, pattern: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """One that cannot be read requires nothing; one that is slow elsewhere is quick here."""
    case = handover()
    await world.deliver(partner_of(case, pattern), case)
    answer = await put(world, case, "a" * 59 + "!")
    assert answer.status_code == (422 if pattern == "(a+)+$" else 200)
    assert pattern not in capfd.readouterr().err
