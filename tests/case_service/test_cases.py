"""Cases from the handover to their end (R20, R24, R26)."""

from contracts import (
    CaseCancelledV1,
    CaseClosedV1,
    CaseOpenedV1,
    CaseRejectedV1,
    MemberDunningLevelResetV1,
    MemberHandedOverV1,
    MemberReleasedV1,
)
from kit.ids import new_id
from tests.case_service.world import (
    World,
    accepted,
    claim,
    closed,
    euros,
    handover,
    open_amounts,
    paid,
    rejected,
    run_accepted,
    run_rejected,
)


async def test_a_case_at_a_partner_by_hand_is_open_at_once(world: World) -> None:
    """R20."""
    case = await world.open(claim("30.00"), claim("12.50"))

    shown = await world.case(case)
    assert shown["status"] == "OPEN"
    assert shown["open"] == {"amount": "42.50", "currency": "EUR"}
    assert (shown["name"], shown["membership_number"]) == ("Zoë Müller", "000123")
    (opened,) = await world.published(CaseOpenedV1)
    assert opened.open == euros("42.50")
    assert await world.differences() == []


async def test_a_case_at_an_api_partner_waits_for_its_answer(world: World) -> None:
    case = await world.open(partner_channel="API")
    assert (await world.case(case))["status"] == "PENDING"
    assert await world.published(CaseOpenedV1) == []

    await world.deliver(accepted(case, "AZ 1"), accepted(case, "AZ 2"))

    shown = await world.case(case)
    assert (shown["status"], shown["file_number"]) == ("OPEN", "AZ 1")
    assert len(await world.published(CaseOpenedV1)) == 1


async def test_a_refused_case_sets_its_claims_free(world: World) -> None:
    case = await world.open(partner_channel="API")

    await world.deliver(rejected(case))
    await world.deliver(accepted(case))

    shown = await world.case(case)
    assert (shown["status"], shown["reason_code"]) == ("REJECTED", "DEBTOR_UNKNOWN")
    assert shown["history"][0]["why"] == "unbekannt"
    (event,) = await world.published(CaseRejectedV1)
    assert event.reason_code == "DEBTOR_UNKNOWN"
    (released,) = await world.published(MemberReleasedV1)
    assert released.reason == "CASE_REJECTED"
    assert released.claims == (case.claims[0].claim_id,)


async def test_an_answer_to_the_whole_run_counts_for_each_case_that_has_none(world: World) -> None:
    first = handover(partner_channel="API")
    cases = [first, *_same_run(first, 3)]
    await world.deliver(*cases)
    await world.deliver(rejected(first))

    await world.deliver(run_accepted(first))
    await world.work()

    assert [(await world.case(each))["status"] for each in cases] == ["REJECTED"] + ["OPEN"] * 3


async def test_another_partner_cannot_answer(world: World) -> None:
    case = await world.open(partner_channel="API")
    stranger = case.model_copy(update={"partner_id": new_id()})

    await world.deliver(accepted(stranger), run_rejected(stranger))
    await world.work()

    assert (await world.case(case))["status"] == "PENDING"
    assert await world.dead_letters() == 1


async def test_open_is_computed_and_never_taken_from_the_message(world: World) -> None:
    """R11: what this ledger collected before counts, whatever the message says."""
    owed = claim("30.00")
    first = await world.open(owed)
    await world.deliver(paid(first, "10.00"), closed(first))

    again = owed.model_copy(update={"paid_directly": euros("5.00"), "to_collect": euros("30.00")})
    second = await world.open(again, member_id=first.member_id)

    assert open_amounts(await world.case(second)) == ["15.00"]
    assert await world.differences() == []


async def test_a_claim_that_is_paid_already_is_handed_over_with_nothing_open(world: World) -> None:
    owed = claim("30.00", paid_directly=euros("40.00"))
    case = await world.open(owed)
    assert open_amounts(await world.case(case)) == ["0.00"]


async def test_closing_tells_what_was_collected_and_what_is_left(world: World) -> None:
    """R24."""
    case = await world.open(claim("30.00"), claim("10.00"))
    body = {
        "comment": "fertig",
        "payment": {
            "amount": {"amount": "25.00", "currency": "EUR"},
            "booking_date": "2026-03-20",
        },
    }

    answer = await world.ask("POST", f"/cases/{case.case_id}/closure", body)

    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["status"], shown["close_reason"]) == ("CLOSED", "COMPLETED")
    assert shown["result"] == "PARTLY_PAID"
    assert (shown["open"], shown["residual"]) == (
        {"amount": "0.00", "currency": "EUR"},
        {"amount": "15.00", "currency": "EUR"},
    )
    (event,) = await world.published(CaseClosedV1)
    assert (event.closed_by, event.collected, event.residual) == (
        "STAFF",
        euros("25.00"),
        euros("15.00"),
    )
    assert [item["why"] for item in shown["history"][:2]] == ["fertig", "fertig"]
    assert len(await world.published(MemberDunningLevelResetV1)) == 1
    assert await world.differences() == []


async def test_a_case_is_closed_once(world: World) -> None:
    case = await world.open()
    body = {"comment": "fertig"}
    first = await world.ask("POST", f"/cases/{case.case_id}/closure", body, key="k")
    again = await world.ask("POST", f"/cases/{case.case_id}/closure", body, key="k")
    other = await world.ask("POST", f"/cases/{case.case_id}/closure", body)

    assert (first.status_code, again.status_code, other.status_code) == (200, 200, 409)
    assert again.json() == first.json()
    assert other.json()["type"] == "urn:collection:problem:case-not-open"
    assert len(await world.published(CaseClosedV1)) == 1


async def test_cancelling_frees_the_claims_and_leaves_the_dunning_level(world: World) -> None:
    """R26."""
    case = await world.open()
    answer = await world.ask("POST", f"/cases/{case.case_id}/cancellation", {"comment": "Irrtum"})

    assert answer.json()["status"] == "CANCELLED"
    (event,) = await world.published(CaseCancelledV1)
    assert event.cancelled_by == "STAFF"
    (released,) = await world.published(MemberReleasedV1)
    assert released.reason == "CASE_CANCELLED"
    assert await world.published(MemberDunningLevelResetV1) == []


async def test_a_case_that_waits_cannot_be_closed_or_cancelled(world: World) -> None:
    case = await world.open(partner_channel="API")
    for end in ("closure", "cancellation"):
        answer = await world.ask("POST", f"/cases/{case.case_id}/{end}", {"comment": "nein"})
        assert answer.status_code == 409


async def test_a_handover_that_comes_twice_makes_one_case(world: World) -> None:
    case = handover()
    await world.deliver(case, case)
    await world.deliver(case)
    assert len(await world.published(CaseOpenedV1)) == 1
    assert await world.differences() == []


def _same_run(case: MemberHandedOverV1, count: int) -> list[MemberHandedOverV1]:
    return [
        handover(run_id=case.run_id, partner_id=case.partner_id, partner_channel="API")
        for _ in range(count)
    ]
