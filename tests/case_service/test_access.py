"""Who sees and changes what (R63), and file numbers (R21)."""

import pytest

from contracts import CaseFileNumberSetV1
from kit.ids import new_id
from tests.case_service.world import World, claim, file_number_assigned, handover, paid, studio

CHANGES = {
    "file-number": ("PUT", {"file_number": "AZ 9"}, "collection:manage"),
    "comments": ("POST", {"comment": "verzogen"}, "collection:manage"),
    "cancellation": ("POST", {"comment": "Irrtum"}, "collection:manage"),
    "closure": ("POST", {"comment": "fertig"}, "collection:finance"),
    "payments": (
        "POST",
        {"amount": {"amount": "1.00", "currency": "EUR"}, "booking_date": "2026-03-20"},
        "collection:finance",
    ),
}


async def test_a_file_number_is_set_and_changed(world: World) -> None:
    """R21."""
    case = await world.open()
    for number in ("AZ 1", "AZ 1", " AZ 2 "):
        answer = await world.ask(
            "PUT", f"/cases/{case.case_id}/file-number", {"file_number": number}
        )
        assert answer.status_code == 200
    assert answer.json()["file_number"] == "AZ 2"
    events = await world.published(CaseFileNumberSetV1)
    assert [(event.previous, event.file_number) for event in events] == [
        (None, "AZ 1"),
        ("AZ 1", "AZ 2"),
    ]


async def test_another_tenants_things_are_not_there(world: World) -> None:
    case = await world.open()
    await world.deliver(file_number_assigned(case, "AZ 1"))
    stranger = new_id()

    for path in (
        f"/cases/{case.case_id}",
        f"/cases/{case.case_id}/history",
        f"/cases/{case.case_id}/comments",
        f"/files/{case.partner_id}/AZ 1",
    ):
        assert (await world.ask("GET", path)).status_code == 200
        assert (await world.ask("GET", path, tenant_id=stranger)).status_code == 404
    await world.deliver(paid(case, "99.00"))
    for path in ("/cases", "/members", "/members?search=mü", "/files", "/unallocated"):
        assert len((await world.ask("GET", path)).json()["items"]) == 1
        assert (await world.ask("GET", path, tenant_id=stranger)).json()["items"] == []


async def test_the_same_ids_at_another_tenant_are_other_things(world: World) -> None:
    """Events of one tenant never touch the data of another, even with the same ids."""
    case, other = handover(claim("30.00")), new_id()
    await world.deliver(case)
    await world.deliver(case, tenant_id=other)

    await world.deliver(paid(case, "10.00"), tenant_id=other)

    assert (await world.case(case))["open"]["amount"] == "30.00"
    shown = await world.ask("GET", f"/cases/{case.case_id}", tenant_id=other)
    assert shown.json()["open"]["amount"] == "20.00"
    assert await world.differences() == []


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_needs_its_role_tenant_and_studio(world: World, change: str) -> None:
    case = await world.open()
    method, body, role = CHANGES[change]
    path = f"/cases/{case.case_id}/{change}"

    wrong_role = await world.ask(method, path, body, roles=["collection:read"])
    wrong_tenant = await world.ask(method, path, body, tenant_id=new_id())
    wrong_studio = await world.ask(method, path, body, studio_ids=[new_id()])
    right = await world.ask(
        method, path, body, roles=[role, "collection:read"], studio_ids=[case.studio.studio_id]
    )

    answers = [wrong_role, wrong_tenant, wrong_studio, right]
    assert [answer.status_code for answer in answers[:3]] == [403, 404, 404]
    assert right.is_success


async def test_the_studios_in_the_token_narrow_what_is_seen(world: World) -> None:
    north, south = studio(), studio()
    case = await world.open(studio=north)
    other = await world.open(studio=south, member_id=case.member_id)
    narrowed = [north.studio_id]

    cases = (await world.ask("GET", "/cases", studio_ids=narrowed)).json()["items"]
    members = (await world.ask("GET", "/members", studio_ids=narrowed)).json()["items"]
    hidden = await world.ask("GET", f"/cases/{other.case_id}", studio_ids=narrowed)
    nothing = (await world.ask("GET", "/members", studio_ids=[])).json()["items"]

    assert [each["case_id"] for each in cases] == [str(case.case_id)]
    assert [each["case_id"] for each in members[0]["cases"]] == [str(case.case_id)]
    assert hidden.status_code == 404
    assert nothing == []


async def test_cases_are_listed_by_what_is_asked_for_page_by_page(world: World) -> None:
    cases = [await world.open() for _ in range(5)]
    await world.open(partner_channel="API")
    path = "/cases?status=OPEN&limit=2"
    found, cursor = [], ""
    while True:
        page = (await world.ask("GET", f"{path}{cursor}")).json()
        found += [each["case_id"] for each in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert found == [str(case.case_id) for case in cases[::-1]]
    for name, value in (
        ("partner_id", cases[0].partner_id),
        ("run_id", cases[0].run_id),
        ("member_id", cases[0].member_id),
        ("studio_id", cases[0].studio.studio_id),
    ):
        items = (await world.ask("GET", f"/cases?{name}={value}")).json()["items"]
        assert [each["case_id"] for each in items] == [str(cases[0].case_id)]


async def test_history_is_read_page_by_page(world: World) -> None:
    """R30."""
    case = await world.open()
    await world.pay(case, "1.00", comment="bar")
    first = (await world.ask("GET", f"/cases/{case.case_id}/history?limit=2")).json()
    rest = (
        await world.ask("GET", f"/cases/{case.case_id}/history?limit=2&cursor={first['next']}")
    ).json()
    kinds = [each["kind"] for each in first["items"] + rest["items"]]
    assert kinds == ["PAYMENT_BOOKED", "OPENED", "HANDED_OVER"]
    assert first["items"][0]["actor"] == "demo.staff"
    assert (await world.ask("GET", "/cases?cursor=x")).status_code == 422
