"""The runs overview: R5, R8, R63."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text

from contracts import Money
from kit import clock
from kit.ids import new_id
from tests.run_service.case_events import cancelled, opened, rejected
from tests.run_service.world import TODAY, World, claim, euros


async def made_on(world: World, run_id: str, day: date) -> None:
    """Let a run have been made on a day."""
    async with world.context.database.begin() as connection:
        await connection.execute(
            text("UPDATE runs SET collection_date = :day WHERE run_id = :run_id"),
            {"day": day, "run_id": UUID(run_id)},
        )


async def found(world: World, query: str, **token: Any) -> list[str]:
    """Return the ids of the runs that a query finds, over all pages of one run."""
    run_ids, cursor = [], ""
    while True:
        page = await world.get(f"/runs?limit=1&{query}{cursor}", **token)
        run_ids += [run["run_id"] for run in page["items"]]
        if page["next"] is None:
            return run_ids
        cursor = f"&cursor={page['next']}"


async def test_runs_of_a_period_are_listed_r5(world: World) -> None:
    partner_id, studio_id = await world.partner(), await world.studio()
    days = [date(2024, 2, 29), TODAY - timedelta(days=80), TODAY]
    runs = []
    for day in days:
        await world.debtors(1, studio_id)
        runs.append((await world.run(partner_id))["run_id"])
        await made_on(world, runs[-1], day)
    leap_day, lately, today = runs
    assert await found(world, "") == [today, lately]
    assert await found(world, "to=2024-02-29") == [leap_day]
    assert await found(world, "to=2024-05-29") == [leap_day]
    assert await found(world, "to=2024-06-01") == []
    assert await found(world, "from=2024-02-29&to=2024-02-29") == [leap_day]
    assert await found(world, f"from=2024-03-01&to={days[1]}") == [lately]
    assert await found(world, "from=2024-02-29") == runs[::-1]
    assert await found(world, "to=0001-01-01") == []
    assert await found(world, f"from={TODAY + timedelta(days=1)}") == []


async def test_runs_are_found_by_trigger_partner_and_studio_r5_r9(world: World) -> None:
    by_hand, api = await world.partner(), await world.partner("API")
    north, south = await world.studio("North"), await world.studio("South")
    (alone,) = await world.debtors(1, north)
    order = {"member_id": str(alone.member_id), "partner_id": str(by_hand)}
    single = (await world.post("/handovers", order)).json()["run_id"]
    await world.debtors(1, north)
    await world.debtors(1, south)
    both = (await world.run(api))["run_id"]
    await world.debtors(1, south)
    southern = (await world.run(by_hand))["run_id"]

    assert await found(world, "trigger=SINGLE_MEMBER") == [single]
    assert await found(world, "trigger=RUN") == [southern, both]
    assert await found(world, f"partner_id={by_hand}") == [southern, single]
    assert await found(world, f"partner_id={by_hand}&trigger=RUN") == [southern]
    assert await found(world, f"partner_id={new_id()}") == []
    assert await found(world, f"studio_id={north}") == [both, single]
    assert await found(world, f"studio_id={south}") == [southern, both]
    assert await found(world, f"studio_id={new_id()}") == []
    assert await found(world, f"studio_id={south}", studio_ids=[north]) == []
    assert await found(world, "", studio_ids=[north]) == [both, single]
    assert await found(world, "", studio_ids=[]) == []
    assert await found(world, "status=IN_PROGRESS") == [southern, both, single]
    assert await found(world, "status=HANDED_OVER") == []
    (whole,) = (await world.get(f"/runs?studio_id={north}&trigger=RUN"))["items"]
    assert whole["members"] == 2  # the filter finds the run, and takes nothing from it


async def test_totals_are_by_currency_and_progress_counts_members_r5(world: World) -> None:
    partner_id = await world.partner()
    north, south = await world.studio("North"), await world.studio("South")
    await world.debtors(2, north, "10.00", "2.50")
    (swiss,) = await world.debtors(1, south)
    francs = Money(amount=Decimal("7.10"), currency="CHF")
    await world.feed(claim(swiss.claim_ids[0], swiss.member_id, south, 2, amount=francs))
    run = await world.run(partner_id)
    in_euros, in_francs = euros("25.00"), francs
    (listed,) = (await world.get("/runs"))["items"]
    assert [Money(**total) for total in listed["totals"]] == [in_francs, in_euros]
    (part,) = (await world.get("/runs", studio_ids=[south]))["items"]
    assert [Money(**total) for total in part["totals"]] == [in_francs]
    assert (part["members"], part["claims"]) == (1, 1)

    first, second, third = await world.handed_over()
    await world.feed(opened(first), cancelled(second), rejected(third))
    await world.settle_all()
    (listed,) = (await world.get("/runs"))["items"]
    names = ("members", "published", "answered", "accepted", "rejected", "ended")
    assert [listed[name] for name in names] == [3, 3, 3, 1, 1, 1]
    assert await found(world, "status=HANDED_OVER") == [run["run_id"]]
    (part,) = (await world.get("/runs", studio_ids=[south]))["items"]
    assert [part[name] for name in names] == [1, 1, 1, 0, 1, 0]
    details = await world.get(f"/runs/{run['run_id']}")
    assert {name: details[name] for name in listed} == listed


async def test_a_silent_api_partner_is_told_of_r5_r8(world: World) -> None:
    async def silent_since(run: Any) -> datetime | None:
        seen = await world.get(f"/runs/{run['run_id']}")
        (listed,) = (await world.get(f"/runs?partner_id={run['partner_id']}"))["items"]
        assert listed["silent_since"] == seen["silent_since"]
        since = seen["silent_since"]
        return None if since is None else datetime.fromisoformat(since)

    studio_id = await world.studio()
    await world.debtors(3, studio_id)
    run = await world.run(await world.partner("API"))
    assert await silent_since(run) is None  # it is still to hear of some
    before = clock.now()
    first, second, third = await world.handed_over()
    published_at = await silent_since(run)
    assert published_at is not None
    assert published_at >= before

    await world.feed(cancelled(first))  # by staff: the partner said nothing
    await world.settle_all()
    assert await silent_since(run) == published_at
    await world.feed(opened(second))
    await world.settle_all()
    answered_at = await silent_since(run)
    assert answered_at is not None
    assert answered_at > published_at
    await world.feed(rejected(third))
    await world.settle_all()
    assert await silent_since(run) is None  # HANDED_OVER

    await world.debtors(1, studio_id)
    by_hand = await world.run(await world.partner())
    await world.publish_all()
    assert await silent_since(by_hand) is None


async def test_each_rejected_member_has_its_reason_r8(world: World) -> None:
    partner_id = await world.partner("API")
    north, south = await world.studio("North"), await world.studio("South")
    await world.debtors(4, north)
    await world.debtors(1, south)
    run = await world.run(partner_id)
    handovers = await world.handed_over()
    reasons = ["UNKNOWN", "BANKRUPT", "BANKRUPT", None, "DECEASED"]
    await world.feed(
        *(
            rejected(each, reason) if reason else opened(each)
            for each, reason in zip(handovers, reasons, strict=True)
        )
    )
    await world.settle_all()
    path = f"/runs/{run['run_id']}"
    assert (await world.get(path))["rejection_reasons"] == [
        {"reason_code": "BANKRUPT", "members": 2},
        {"reason_code": "DECEASED", "members": 1},
        {"reason_code": "UNKNOWN", "members": 1},
    ]
    assert (await world.get(path, studio_ids=[south]))["rejection_reasons"] == [
        {"reason_code": "DECEASED", "members": 1}
    ]
    page = await world.get(f"{path}/members?case_status=REJECTED&limit=2")
    rest = await world.get(f"{path}/members?case_status=REJECTED&limit=2&cursor={page['next']}")
    refused = page["items"] + rest["items"]
    assert [each["reason_code"] for each in refused] == [each for each in reasons if each]
    assert rest["next"] is None
