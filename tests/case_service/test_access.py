"""Who sees and changes what (R63), and file numbers (R21)."""

import pytest
from sqlalchemy import text

from contracts import CaseFileNumberSetV1
from kit.ids import new_id
from tests.case_service.world import World, claim, file_number_assigned, handover, paid, studio

CHANGES = {
    "file-number": ("PUT", {"file_number": "AZ 9"}, "collection:manage"),
    "cancellation": ("POST", {"comment": "Irrtum"}, "collection:manage"),
    "closure": ("POST", {"comment": "fertig"}, "collection:finance"),
    "payments": (
        "POST",
        {"amount": {"amount": "1.00", "currency": "EUR"}, "booking_date": "2026-03-20"},
        "collection:finance",
    ),
}

_COPY_CASES = text(
    """
    INSERT INTO cases
    SELECT (jsonb_populate_record(cases, jsonb_build_object('case_id', uuidv7()))).*
    FROM cases, generate_series(2, 33000)
    """
)


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


async def test_cases_with_one_number_are_one_file(world: World) -> None:
    """R21."""
    partner_id = new_id()
    first = await world.open(claim("30.00"), partner_id=partner_id)
    second = await world.open(claim("12.00"), partner_id=partner_id)
    stranger = await world.open()
    await world.deliver(
        *(file_number_assigned(each, "A/1 ä") for each in (first, second, stranger))
    )
    await world.deliver(paid(first, "40.00"))

    answer = await world.ask("GET", f"/files/{partner_id}/A/1 ä")

    file = answer.json()
    assert {each["case_id"] for each in file["cases"]} == {str(first.case_id), str(second.case_id)}
    assert file["totals"] == [
        {
            "handed_over": {"amount": "42.00", "currency": "EUR"},
            "collected": {"amount": "30.00", "currency": "EUR"},
            "open": {"amount": "12.00", "currency": "EUR"},
            "unallocated": {"amount": "10.00", "currency": "EUR"},
        }
    ]
    assert (await world.ask("GET", f"/files/{partner_id}/nothing")).status_code == 404


async def test_a_whole_large_run_can_be_one_file(world: World) -> None:
    """R21: of more cases than a statement can have parameters."""
    case = await world.open(claim("30.00"))
    await world.deliver(file_number_assigned(case, "R 1"))
    async with world.context.database.begin() as connection:
        await connection.execute(_COPY_CASES)

    file = (await world.ask("GET", f"/files/{case.partner_id}/R 1")).json()

    assert len(file["cases"]) == 33_000
    (totals,) = file["totals"]
    assert totals["open"] == totals["handed_over"] == {"amount": "990000.00", "currency": "EUR"}


async def test_another_tenants_things_are_not_there(world: World) -> None:
    case = await world.open()
    await world.deliver(file_number_assigned(case, "AZ 1"))
    stranger = new_id()

    for path in (
        f"/cases/{case.case_id}",
        f"/cases/{case.case_id}/history",
        f"/files/{case.partner_id}/AZ 1",
    ):
        assert (await world.ask("GET", path)).status_code == 200
        assert (await world.ask("GET", path, tenant_id=stranger)).status_code == 404
    for path in ("/cases", "/members"):
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
