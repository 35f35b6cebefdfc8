"""Cases are found by whatever staff know of them, and one case is shown whole (R6, R20, R22)."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from contracts import (
    Event,
    MemberHandedOverV1,
    NoticeAcknowledgedV1,
    NoticeDueV1,
    NoticeFailedV1,
    NoticeOverdueV1,
    NoticeSentV1,
)
from kit.ids import new_id
from tests.case_service.receivables import snapshot
from tests.case_service.world import (
    MOMENT,
    World,
    claim,
    closed,
    debtor,
    file_number_assigned,
    handover,
    money,
    paid,
    rejected,
    share,
    studio,
)


async def found(world: World, query: str, path: str = "/cases", **how: Any) -> list[str]:
    """Return the ids of the cases on all pages of two, in their order."""
    ids: list[str] = []
    cursor = ""
    while True:
        page = (await world.ask("GET", f"{path}?limit=2&{query}{cursor}", **how)).json()
        ids += [each["case_id"] for each in page["items"]]
        if page["next"] is None:
            return ids
        cursor = f"&cursor={page['next']}"


def ids_of(cases: Sequence[MemberHandedOverV1]) -> list[str]:
    """Return the ids of cases."""
    return [str(case.case_id) for case in cases]


async def test_cases_come_by_the_day_of_their_handover_whatever_came_first(world: World) -> None:
    days = [date(2026, 2, 1), date(2026, 3, 1), date(2026, 1, 1), date(2026, 3, 1)]
    cases = [await world.open(collection_date=day) for day in days]

    newest_first = ids_of([cases[3], cases[1], cases[0], cases[2]])
    assert await found(world, "") == newest_first
    assert await found(world, "from=2026-02-01") == newest_first[:3]
    assert await found(world, "to=2026-02-01") == newest_first[2:]
    assert await found(world, "from=2026-02-01&to=2026-02-28") == newest_first[2:3]


async def test_cases_are_filtered_by_several_things_at_once(world: World) -> None:
    partner_id = new_id()
    waiting = await world.open(partner_id=partner_id, partner_channel="API")
    refused = await world.open(partner_id=partner_id, partner_channel="API")
    await world.deliver(rejected(refused), file_number_assigned(refused, "AZ/1 ä"))
    open_ = await world.open(partner_id=partner_id)
    await world.open()

    assert await found(world, "status=PENDING&status=REJECTED") == ids_of([refused, waiting])
    assert await found(world, f"partner_id={partner_id}&status=OPEN") == ids_of([open_])
    assert await found(world, "file_number=AZ/1 ä") == ids_of([refused])
    assert await found(world, f"run_id={open_.run_id}&status=OPEN&status=CLOSED") == ids_of([open_])
    assert await found(world, f"member_id={waiting.member_id}") == ids_of([waiting])
    assert await found(world, f"run_id={open_.run_id}&status=CLOSED") == []


async def test_a_case_is_open_again_when_a_payment_shrank_after_its_end(world: World) -> None:
    """R23."""
    case = await world.open(claim("30.00"))
    payment_id = (await world.pay(case, "30.00")).json()["payment_id"]
    await world.close(case)
    other = await world.open()
    assert await found(world, "open_again=true") == []

    await world.reduce(case, payment_id, "10.00")

    assert await found(world, "open_again=true") == ids_of([case])
    assert await found(world, "open_again=false") == ids_of([other])
    shown = await world.case(case)
    assert (shown["open"], shown["collected"], shown["residual"]) == (
        money("20.00"),
        money("10.00"),
        money("0.00"),
    )


@pytest.mark.parametrize(
    ("search", "is_found"),
    [
        ("müller", True),
        ("MULL", True),
        ("uelle", True),
        ("zoe mueller 0001", True),
        ("mü", True),
        ("z", True),
        ("meier", False),
        ("müller meier", False),
        ("012", True),
        ("%", False),
    ],
)
async def test_cases_are_found_by_parts_of_name_and_number(
    world: World, search: str, is_found: bool
) -> None:
    """R6: accents and case do not matter."""
    case = await world.open()
    other = debtor(member_id := new_id(), name1="Öztürk", first_name="Ay", membership_number="9")
    await world.open(member_id=member_id, debtor=other)

    assert await found(world, f"search={search}") == (ids_of([case]) if is_found else [])


async def test_a_search_that_finds_many_goes_through_the_newest_cases(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("case_service.cases.selection.FEW", 1)
    north = studio()
    cases = [await world.open(studio=north) for _ in range(3)]
    await world.open(debtor=debtor(new_id(), name1="Meier"))
    await world.deliver(closed(cases[1]))

    assert await found(world, "search=muller") == ids_of(cases[::-1])
    both = "status=OPEN&status=CLOSED"
    assert await found(world, f"search=muller&{both}") == ids_of(cases[::-1])
    assert await found(world, "search=muller&status=CLOSED") == ids_of(cases[1:2])
    narrowed = [north.studio_id, new_id()]
    assert await found(world, f"search=mull&{both}", studio_ids=narrowed) == ids_of(cases[::-1])
    assert await found(world, "search=mull", studio_ids=[new_id()]) == []


async def test_the_latest_name_is_the_one_that_finds(world: World) -> None:
    first = await world.open()
    married = debtor(first.member_id, name1="Schmidt")
    later = date(2026, 3, 9)
    second = await world.open(member_id=first.member_id, debtor=married, collection_date=later)
    await world.open(member_id=first.member_id, collection_date=date(2026, 1, 1))

    assert len(await found(world, "search=schmidt")) == 3
    assert (await found(world, "search=schmidt"))[0] == str(second.case_id)
    assert await found(world, "search=müller") == []


@pytest.mark.parametrize("path", ["/cases", "/members"])
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=2026-03-02&to=2026-03-01", "from"),
        ("from=1772323200", "from"),
        ("status=DONE", "status"),
        ("partner_id=x", "partner_id"),
        ("open_again=perhaps", "open_again"),
        ("cursor=x", "cursor"),
        ("limit=501", "limit"),
        (f"search={'x' * 201}", "search"),
    ],
)
async def test_what_cannot_be_asked_is_refused_by_its_name(
    world: World, path: str, query: str, field: str
) -> None:
    answer = await world.ask("GET", f"{path}?{query}")
    assert answer.status_code == 422
    assert [each["field"].split(".")[0] for each in answer.json()["errors"]] == [field]


async def test_a_case_shows_what_became_of_each_claim(world: World) -> None:
    """R27, R28."""
    owed, other = claim("30.00"), claim("12.00", due=date(2026, 2, 1))
    case = await world.open(owed, other)
    await world.deliver(paid(case, "5.00"), snapshot(case, owed, amount="28.00", paid="3.00"))
    await world.deliver(snapshot(case, other, cancelled=True))

    first, second = (await world.case(case))["claims"]

    amounts = {name: first[name]["amount"] for name in first if isinstance(first[name], dict)}
    assert amounts == {
        "amount": "30.00",
        "paid_directly": "0.00",
        "amount_now": "28.00",
        "paid_directly_now": "3.00",
        "handed_over": "30.00",
        "changed": "-5.00",
        "collected": "5.00",
        "written_off": "0.00",
        "released": "0.00",
        "open": "20.00",
    }
    assert not first["cancelled"]
    assert second["cancelled"]
    assert (second["changed"], second["open"]) == (money("-12.00"), money("0.00"))


async def test_a_case_shows_its_payments_with_their_shares_wherever_they_lie(world: World) -> None:
    """R22, R29."""
    owed, next_claim = claim("30.00"), claim("20.00")
    case = await world.open(owed, studio=(north := studio()))
    following = await world.open(next_claim, member_id=case.member_id, studio=(south := studio()))
    payment_id = await world.receive(case, "45.00")
    await world.settle(
        case, payment_id, "ALLOCATED", shares=[share(next_claim, "10.00", following)]
    )
    await world.settle(case, payment_id, "PAID_BACK", amount=money("2.00"))
    await world.pay(following, "4.00", shares=[share(next_claim, "4.00")])

    (payment,) = (await world.case(case))["payments"]
    assert payment["shares"] == [
        {
            "case_id": str(case.case_id),
            "claim_id": str(owed.claim_id),
            "amount": money("30.00"),
        },
        {
            "case_id": str(following.case_id),
            "claim_id": str(next_claim.claim_id),
            "amount": money("10.00"),
        },
    ]
    assert (payment["unallocated"], payment["paid_out"]) == (money("3.00"), money("2.00"))
    assert (payment["booked_amount"], payment["allocation"]) == (money("45.00"), "AUTOMATIC")
    assert payment["on_other_studios"] == money("0.00")
    shown = await world.case(following)
    assert [each["allocation"] for each in shown["payments"]] == ["MANUAL"]
    (from_other,) = shown["shares_from_other_cases"]
    assert from_other == {
        "payment_id": payment_id,
        "case_id": str(case.case_id),
        "claim_id": str(next_claim.claim_id),
        "amount": money("10.00"),
        "booking_date": "2026-03-20",
    }

    narrowed = await world.ask("GET", f"/cases/{case.case_id}", studio_ids=[north.studio_id])
    (payment,) = narrowed.json()["payments"]
    assert [each["case_id"] for each in payment["shares"]] == [str(case.case_id)]
    assert payment["on_other_studios"] == money("10.00")
    assert str(following.case_id) not in narrowed.text
    other = await world.ask("GET", f"/cases/{following.case_id}", studio_ids=[south.studio_id])
    assert other.json()["shares_from_other_cases"][0]["case_id"] is None
    assert str(case.case_id) not in other.text


async def test_a_share_that_was_taken_back_is_shown_no_more(world: World) -> None:
    """R23."""
    case = await world.open(claim("30.00"))
    payment_id = (await world.pay(case, "20.00")).json()["payment_id"]
    await world.reduce(case, payment_id, "0.00")

    (payment,) = (await world.case(case))["payments"]

    assert (payment["amount"], payment["booked_amount"]) == (money("0.00"), money("20.00"))
    assert payment["shares"] == []


def notice_of(case: MemberHandedOverV1, at: datetime = MOMENT) -> dict[str, Any]:
    """Return what all events of a notice of a case hold."""
    return {
        "notice_id": case.transfer_id,
        "partner_id": case.partner_id,
        "case_id": case.case_id,
        "run_id": case.run_id,
        "member_id": case.member_id,
        "kind": "STOP",
        "occurred_at": at,
    }


async def test_a_case_shows_what_its_partner_must_be_told(world: World) -> None:
    """R52."""
    case = handover()
    notice = notice_of(case)
    await world.deliver(case, NoticeDueV1(**notice, due_on=date(2026, 4, 1)))
    await world.deliver(NoticeSentV1(**notice, attempt=1))

    (shown,) = (await world.case(case))["notices"]

    assert shown == {
        "notice_id": str(notice["notice_id"]),
        "kind": "STOP",
        "status": "SENT",
        "due_on": "2026-04-01",
        "overdue_since": None,
        "changed_at": "2026-03-20T09:30:00Z",
    }


@pytest.mark.parametrize("overdue_first", [True, False])
async def test_a_case_shows_what_its_partner_should_know_by_now(
    world: World, overdue_first: bool
) -> None:
    """R52: being overdue says nothing of how far a notice has come."""
    case = handover()
    day, later = date(2026, 4, 1), MOMENT + timedelta(days=13)
    events: list[Event] = [
        NoticeDueV1(**notice_of(case), due_on=day),
        NoticeSentV1(**notice_of(case), attempt=1),
        NoticeOverdueV1(**notice_of(case, later), due_on=day),
    ]
    await world.deliver(case)
    for event in reversed(events) if overdue_first else events:
        await world.deliver(event)

    (shown,) = (await world.case(case))["notices"]

    assert (shown["status"], shown["due_on"]) == ("SENT", "2026-04-01")
    assert shown["overdue_since"] == "2026-04-02T09:30:00Z"
    assert shown["changed_at"] == "2026-03-20T09:30:00Z"


async def test_a_notice_that_failed_may_be_sent_again(world: World) -> None:
    """R52."""
    case = handover()
    later, last = (MOMENT + timedelta(minutes=minutes) for minutes in (1, 2))

    async def status_after(*events: Event) -> str:
        await world.deliver(*events)
        (shown,) = (await world.case(case))["notices"]
        return str(shown["status"])

    sent = NoticeSentV1(**notice_of(case), attempt=1)
    failed = NoticeFailedV1(**notice_of(case), reason_code="REFUSED_BY_PARTNER")
    assert await status_after(case, failed) == "FAILED"
    assert await status_after(sent) == "FAILED"  # heard late: it was sent before it failed
    assert await status_after(NoticeSentV1(**notice_of(case, later), attempt=2)) == "SENT"
    done = NoticeAcknowledgedV1(**notice_of(case, last), acknowledged_by="PARTNER")
    assert await status_after(done) == "ACKNOWLEDGED"
    assert await status_after(NoticeSentV1(**notice_of(case, last), attempt=3)) == "ACKNOWLEDGED"
