"""Cases that a partner works under one number are one file (R21)."""

from typing import Any

from sqlalchemy import text

from kit.ids import new_id
from tests.case_service.world import (
    World,
    claim,
    closed,
    file_number_assigned,
    money,
    paid,
    studio,
)

_COPY_CASES = text(
    """
    INSERT INTO cases
    SELECT (jsonb_populate_record(cases, jsonb_build_object('case_id', uuidv7()))).*
    FROM cases, generate_series(2, 33000)
    """
)


def numbers(answer: Any) -> list[str]:
    """Return the numbers of listed files."""
    return [each["file_number"] for each in answer.json()["items"]]


async def test_cases_with_one_number_are_one_file(world: World) -> None:
    """R21."""
    partner_id = new_id()
    first = await world.open(claim("30.00"), partner_id=partner_id)
    second = await world.open(claim("12.00"), partner_id=partner_id)
    stranger = await world.open()
    await world.deliver(
        *(file_number_assigned(each, "A/1 ä") for each in (first, second, stranger))
    )
    await world.deliver(paid(first, "40.00"), paid(second, "2.00"), closed(second))

    answer = await world.ask("GET", f"/files/{partner_id}/A/1 ä")

    file = answer.json()
    assert [each["case_id"] for each in file["cases"]] == [
        str(second.case_id),
        str(first.case_id),
    ]
    assert file["cases"][0]["name"] == "Zoë Müller"
    assert file["totals"] == [
        {
            "cases": 2,
            "handed_over": money("42.00"),
            "collected": money("32.00"),
            "open": money("0.00"),
            "unallocated": money("10.00"),
            "residual": money("10.00"),
            "written_off": money("0.00"),
        }
    ]
    assert (await world.ask("GET", f"/files/{partner_id}/nothing")).status_code == 404


async def test_a_whole_large_run_can_be_one_file(world: World) -> None:
    """R21: its sums are of all cases, whichever page is read."""
    case = await world.open(claim("30.00"))
    await world.deliver(file_number_assigned(case, "R 1"))
    async with world.context.database.begin() as connection:
        await connection.execute(_COPY_CASES)
    path = f"/files/{case.partner_id}/R 1?limit=500"

    first = (await world.ask("GET", path)).json()
    second = (await world.ask("GET", f"{path}&cursor={first['next']}")).json()

    cases = [each["case_id"] for each in first["cases"] + second["cases"]]
    assert len(set(cases)) == 1000
    assert cases == sorted(cases, reverse=True)
    (totals,) = second["totals"]
    assert totals["cases"] == 33_000
    assert totals["open"] == totals["handed_over"] == money("990000.00")


async def test_files_are_listed_by_partner_and_the_beginning_of_their_number(world: World) -> None:
    partners = sorted([new_id(), new_id()])
    given = [(0, "AZ-2"), (0, "AZ-10"), (0, "B_1"), (0, "B%1"), (1, "AZ-1"), (0, "AZ-2")]
    for partner, number in given:
        case = await world.open(partner_id=partners[partner])
        await world.deliver(file_number_assigned(case, number))
    await world.open(partner_id=partners[0])

    everything = await world.ask("GET", "/files")
    assert numbers(everything) == ["AZ-10", "AZ-2", "B%1", "B_1", "AZ-1"]
    assert [each["totals"][0]["cases"] for each in everything.json()["items"]] == [1, 2, 1, 1, 1]
    of_one = await world.ask("GET", f"/files?partner_id={partners[0]}&search=AZ-")
    assert numbers(of_one) == ["AZ-10", "AZ-2"]
    assert numbers(await world.ask("GET", "/files?search=B_")) == ["B_1"]
    assert numbers(await world.ask("GET", "/files?search=az")) == []
    first = await world.ask("GET", "/files?limit=3")
    rest = await world.ask("GET", f"/files?limit=3&cursor={first.json()['next']}")
    assert numbers(first) + numbers(rest) == numbers(everything)
    assert rest.json()["next"] is None


async def test_a_file_has_the_sums_of_what_the_caller_may_see(world: World) -> None:
    """R63."""
    partner_id, north = new_id(), studio()
    seen = await world.open(claim("30.00"), partner_id=partner_id, studio=north)
    hidden = await world.open(claim("12.00"), partner_id=partner_id)
    await world.deliver(*(file_number_assigned(each, "F") for each in (seen, hidden)))

    narrowed = [north.studio_id]
    file = (await world.ask("GET", f"/files/{partner_id}/F", studio_ids=narrowed)).json()
    listed = (await world.ask("GET", "/files", studio_ids=narrowed)).json()["items"]
    nothing = await world.ask("GET", f"/files/{partner_id}/F", studio_ids=[])

    assert [each["case_id"] for each in file["cases"]] == [str(seen.case_id)]
    assert file["totals"][0]["handed_over"] == money("30.00")
    assert listed[0]["totals"] == file["totals"]
    assert nothing.status_code == 404
