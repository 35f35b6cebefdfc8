"""Partners are told what was paid at the studio and how claims changed (R27, R28, R52)."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from contracts import (
    CaseUnallocatedSettledV1,
    Event,
    MemberHandedOverV1,
    NoticeAcknowledgedV1,
    NoticeDueV1,
)
from kit.clock import now
from kit.ids import new_id
from partner_gateway.deliveries import store
from partner_gateway.notices.claim_change import ClaimChange
from tests.partner_gateway.claims import claim_changed, euros, studio_payment
from tests.partner_gateway.sending import held_by, serve
from tests.partner_gateway.telling import NOTICES, by_hand, listed
from tests.partner_gateway.world import (
    Gateway,
    Partner,
    Simulator,
    cancelled,
    closed,
    handed_over,
    killed,
)


async def told(simulator: Simulator, case: MemberHandedOverV1) -> list[Any]:
    """Return what the partner was told of a case: kind, and the claim's sequence."""
    cases = (await simulator.call("GET", "/cases"))["items"]
    (shown,) = [each for each in cases if each["case_id"] == str(case.case_id)]
    return [
        (each["kind"], each["claim_change"] and each["claim_change"]["snapshot_sequence"])
        for each in shown["notices"]
    ]


# What is told


@pytest.mark.parametrize(
    ("values", "paid"),
    [
        ({"paid": "20.00", "opens": ("50.00", "30.00")}, "20.00"),
        ({"paid": "70.00", "paid_before": "20.00", "opens": ("30.00", "0.00")}, "50.00"),
        ({"paid": "20.00", "opens": ("0.00", "0.00")}, "20.00"),  # more than was open
        ({"paid": "20.00", "paid_before": "30.00", "opens": ("20.00", "30.00")}, None),
        ({"amount": "45.00", "opens": ("50.00", "45.00")}, None),
        ({"amount": "45.00", "paid": "20.00", "opens": ("50.00", "25.00")}, None),
        ({"cancelled": True, "opens": ("50.00", "0.00")}, None),
        ({"cancelled": True, "paid": "20.00", "opens": ("50.00", "0.00")}, None),
        ({"paid": "20.00", "opens": ("0.00", "30.00")}, None),  # not cancelled any more
        ({"paid": "20.00", "amount_before": None, "opens": ("50.00", "30.00")}, None),
        ({"paid": "20.00", "paid_before": None, "opens": ("50.00", "30.00")}, None),
        ({}, None),
    ],
)
def test_a_studio_payment_is_one_when_nothing_else_changed(
    values: dict[str, Any], paid: str | None
) -> None:
    """R27, R28."""
    (case,) = handed_over(Partner(new_id(), ""), 1)
    event = claim_changed(case, **values)
    change = ClaimChange.of(event)
    assert change.kind == ("CLAIM_CHANGED" if paid is None else "STUDIO_PAYMENT")
    assert change.paid == (None if paid is None else euros(paid))
    for name in ClaimChange.model_fields.keys() - {"paid"}:
        assert getattr(change, name) == getattr(event, name)


async def test_a_partner_with_an_api_is_told_once_and_acknowledges(
    gateway: Gateway, simulator: Simulator
) -> None:
    partner, (case, other) = await held_by(gateway, simulator, 2)
    payment, correction = studio_payment(case), claim_changed(other, amount="45.00")
    await gateway.receive([payment, correction])
    await gateway.receive([payment, payment])
    await serve(gateway, partner)
    events = await gateway.published(*NOTICES)
    assert sorted(event.TYPE for event in events) == sorted(
        ["notice.due.v1", "notice.sent.v1", "notice.acknowledged.v1"] * 2
    )
    due = [event for event in events if isinstance(event, NoticeDueV1)]
    assert [(event.kind, event.case_id, event.partner_id) for event in due] == [
        ("STUDIO_PAYMENT", case.case_id, partner.partner_id),
        ("CLAIM_CHANGED", other.case_id, partner.partner_id),
    ]
    for event in events:
        assert not isinstance(event, NoticeAcknowledgedV1) or event.acknowledged_by == "PARTNER"
    shown = {each["case_id"]: each for each in (await simulator.call("GET", "/cases"))["items"]}
    paid = shown[str(case.case_id)]
    assert (paid["open"]["amount"], paid["stopped"]) == ("30.00", False)
    (notice,) = paid["notices"]
    assert notice["notice_id"] == str(due[0].notice_id)
    assert notice["claim_change"]["claim_id"] == str(case.claims[0].claim_id)
    assert notice["claim_change"]["paid"]["amount"] == "20.00"
    (corrected,) = shown[str(other.case_id)]["notices"]
    assert corrected["claim_change"]["amount"]["amount"] == "45.00"
    assert corrected["claim_change"]["paid"] is None
    assert (await simulator.state())["notices"] == 2


async def test_a_change_for_a_partner_by_hand_is_a_duty_with_what_changed(
    gateway: Gateway,
) -> None:
    partner = await by_hand(gateway)
    (case,) = handed_over(partner, 1)
    await gateway.receive([studio_payment(case)])
    await gateway.receive([studio_payment(case), claim_changed(case, 3, cancelled=True)])
    first, second = await listed(gateway, "?status=DUE")
    assert (first["kind"], first["by_hand"]) == ("STUDIO_PAYMENT", True)
    assert first["claim_change"] == {
        "claim_id": str(case.claims[0].claim_id),
        "snapshot_sequence": 2,
        "amount": {"amount": "50.00", "currency": "EUR"},
        "paid_directly": {"amount": "20.00", "currency": "EUR"},
        "cancelled": False,
        "paid": {"amount": "20.00", "currency": "EUR"},
        "open_before": {"amount": "50.00", "currency": "EUR"},
        "open": {"amount": "30.00", "currency": "EUR"},
        "case_open": {"amount": "30.00", "currency": "EUR"},
    }
    assert (second["kind"], second["claim_change"]["cancelled"]) == ("CLAIM_CHANGED", True)
    done = await gateway.call("POST", f"/v1/notices/{first['notice_id']}/done", {})
    assert (done.json()["status"], done.json()["claim_change"]) == (
        "ACKNOWLEDGED",
        first["claim_change"],
    )
    assert [each["notice_id"] for each in await listed(gateway, "?status=DUE")] == [
        second["notice_id"]
    ]
    assert [event.TYPE for event in await gateway.published(*NOTICES)] == [
        "notice.due.v1",
        "notice.due.v1",
        "notice.acknowledged.v1",
    ]


async def test_a_stop_says_nothing_of_claims(gateway: Gateway) -> None:
    partner = await by_hand(gateway)
    (case,) = handed_over(partner, 1)
    await gateway.receive([closed(case)])
    (stop,) = await listed(gateway)
    assert stop["claim_change"] is None


async def test_a_change_at_an_unknown_partner_is_a_dead_letter(gateway: Gateway) -> None:
    (case,) = handed_over(Partner(new_id(), ""), 1)
    await gateway.receive([studio_payment(case)])
    assert await gateway.rows("SELECT 1 FROM claim_changes") == []
    assert len(await gateway.rows("SELECT 1 FROM outbox WHERE type = 'dead-letter'")) == 1


async def test_what_happens_to_cases_and_is_no_business_of_partners_is_passed_over(
    gateway: Gateway,
) -> None:
    """Of the topic of cases only some types are read; the others are no dead letters."""
    (case,) = handed_over(Partner(new_id(), ""), 1)
    settled: Event = CaseUnallocatedSettledV1(
        **{
            name: getattr(claim_changed(case), name)
            for name in ("case_id", "run_id", "member_id", "studio_id", "partner_id")
        },
        occurred_at=claim_changed(case).occurred_at,
        settlement_id=new_id(),
        payment_id=new_id(),
        outcome="PAID_BACK",
        amount=euros("1.00"),
        booking_date=case.collection_date,
        unallocated=euros("0.00"),
    )
    await gateway.receive([settled])
    assert await gateway.rows("SELECT 1 FROM outbox") == []


# When it is told


async def test_a_change_waits_for_the_handover_of_its_case(
    gateway: Gateway, simulator: Simulator
) -> None:
    """The handover holds the amounts from before; the two come on different topics."""
    partner = await gateway.set_up(simulator.url)
    await simulator.connect(gateway, partner, answer="ACCEPT_NOW")
    (case,) = handed_over(partner, 1)
    await gateway.receive([studio_payment(case)])
    await serve(gateway, partner)
    assert await gateway.published(*NOTICES) == []
    await gateway.receive([case])
    await gateway.receive([claim_changed(case, 3, amount="45.00")])
    await simulator.call("POST", "/behaviour", {"answer": "UNAVAILABLE"})
    await serve(gateway, partner)
    assert [each["status"] for each in await listed(gateway)] == ["DUE", "DUE"]
    await simulator.call("POST", "/behaviour", {"answer": "ACCEPT_NOW"})
    await gateway.let_time_pass()
    await serve(gateway, partner)
    assert await told(simulator, case) == [("STUDIO_PAYMENT", 2), ("CLAIM_CHANGED", 3)]


async def test_a_partner_whose_change_waits_is_served_though_nothing_else_is_due(
    gateway: Gateway, simulator: Simulator
) -> None:
    """A handover and a change may be stored by two instances at once: nothing is overlooked."""
    partner, (case,) = await held_by(gateway, simulator, 1)

    async def owed() -> bool:
        async with gateway.database.connect() as connection:
            found = await store.recipients(connection, now())
        return store.Recipient(partner.tenant_id, partner.partner_id) in found

    assert not await owed()
    await gateway.receive([studio_payment(case)])
    assert await owed()
    await serve(gateway, partner)
    assert not await owed()


async def test_changes_of_a_case_are_told_in_their_order(
    gateway: Gateway, simulator: Simulator
) -> None:
    """Though several requests go out at the same time, and one has to be repeated."""
    partner, cases = await held_by(gateway, simulator, 3)
    await gateway.receive([claim_changed(case, 2, amount="40.00") for case in cases])
    await simulator.call("POST", "/behaviour", {"answer": "UNAVAILABLE"})
    await serve(gateway, partner)
    await gateway.receive(
        [claim_changed(case, number, amount="30.00") for number in (3, 4) for case in cases]
    )
    await serve(gateway, partner)
    await simulator.call("POST", "/behaviour", {"answer": "ACCEPT_NOW"})
    await gateway.receive([claim_changed(case, 5, paid="1.00") for case in cases])
    await gateway.let_time_pass()
    await serve(gateway, partner)
    for case in cases:
        assert await told(simulator, case) == [
            ("CLAIM_CHANGED", 2),
            ("CLAIM_CHANGED", 3),
            ("CLAIM_CHANGED", 4),
            ("STUDIO_PAYMENT", 5),
        ]


async def test_two_instances_tell_each_change_once_and_in_order(
    gateway: Gateway, simulator: Simulator
) -> None:
    partner, cases = await held_by(gateway, simulator, 6)
    for number in range(2, 6):
        await gateway.receive([claim_changed(case, number, amount="30.00") for case in cases])
        await asyncio.gather(*(serve(gateway, partner) for _ in range(3)))
    await serve(gateway, partner)
    for case in cases:
        assert await told(simulator, case) == [("CLAIM_CHANGED", number) for number in range(2, 6)]


async def test_a_change_that_the_api_refuses_is_told_by_staff_and_holds_up_nothing(
    gateway: Gateway, simulator: Simulator
) -> None:
    partner, (case,) = await held_by(gateway, simulator, 1)
    stranger = case.model_copy(update={"case_id": new_id()})
    await gateway.receive([stranger])
    await gateway.execute("UPDATE cases SET request_id = (SELECT request_id FROM deliveries)")
    await gateway.receive([studio_payment(stranger), claim_changed(stranger, 3)])
    await serve(gateway, partner)
    assert [
        (each["status"], each["by_hand"], each["last_error"]) for each in await listed(gateway)
    ] == [("FAILED", True, "HTTP 404")] * 2


# Changes, and the end of the case


@pytest.mark.parametrize("end", [closed, cancelled])
async def test_a_stop_comes_after_the_changes_before_it(
    gateway: Gateway, simulator: Simulator, end: Any
) -> None:
    partner, (case,) = await held_by(gateway, simulator, 1)
    await gateway.receive([studio_payment(case), claim_changed(case, 3), end(case)])
    await serve(gateway, partner)
    assert await told(simulator, case) == [
        ("STUDIO_PAYMENT", 2),
        ("CLAIM_CHANGED", 3),
        ("STOP", None),
    ]


async def test_a_change_before_a_case_was_completed_is_told(
    gateway: Gateway, simulator: Simulator
) -> None:
    """What the studio took is nothing for the partner to collect, though no STOP says so."""
    partner, (case,) = await held_by(gateway, simulator, 1)
    await gateway.receive([studio_payment(case), closed(case, "COMPLETED")])
    await serve(gateway, partner)
    assert await told(simulator, case) == [("STUDIO_PAYMENT", 2)]


async def test_a_stop_is_not_held_up_by_a_change_that_the_partner_does_not_take(
    gateway: Gateway, simulator: Simulator
) -> None:
    """R10: the partner must be told to stop without delay."""
    partner, (case,) = await held_by(gateway, simulator, 1)
    await gateway.receive([studio_payment(case), claim_changed(case, 3)])
    await simulator.call("POST", "/behaviour", {"acknowledge_notices": False})
    await serve(gateway, partner)
    await gateway.execute("UPDATE deliveries SET next_try_at = 'infinity' WHERE status = 'OPEN'")
    await simulator.call("POST", "/behaviour", {"acknowledge_notices": True})
    await gateway.receive([closed(case)])
    await serve(gateway, partner)
    assert await told(simulator, case) == [("STOP", None)]
    # What happened before the end is for the partner's books.
    await gateway.let_time_pass()
    await serve(gateway, partner)
    assert await told(simulator, case) == [
        ("STOP", None),
        ("STUDIO_PAYMENT", 2),
        ("CLAIM_CHANGED", 3),
    ]
    assert {each["status"] for each in await listed(gateway)} == {"ACKNOWLEDGED"}


async def test_what_changes_after_the_end_of_a_case_is_not_told(
    gateway: Gateway, simulator: Simulator
) -> None:
    partner, (stopped, completed) = await held_by(gateway, simulator, 2)
    hand = await by_hand(gateway)
    (stopped_by_hand, completed_by_hand) = handed_over(hand, 2)
    for case in (stopped, stopped_by_hand):
        await gateway.receive([cancelled(case), studio_payment(case)])
    for case in (completed, completed_by_hand):
        await gateway.receive([closed(case, "COMPLETED"), studio_payment(case)])
    await serve(gateway, partner)
    assert [(each["kind"], UUID(each["case_id"])) for each in await listed(gateway)] == [
        ("STOP", stopped.case_id),
        ("STOP", stopped_by_hand.case_id),
    ]


@pytest.mark.parametrize("handover_first", [True, False])
async def test_changes_of_a_case_that_was_never_sent_are_dropped_with_it(
    gateway: Gateway, simulator: Simulator, handover_first: bool
) -> None:
    partner = await gateway.set_up(simulator.url)
    await simulator.connect(gateway, partner, answer="ACCEPT_NOW")
    ended, kept = handed_over(partner, 2)
    if handover_first:
        await gateway.receive([ended])
    await gateway.receive([studio_payment(ended), studio_payment(kept), closed(ended)])
    await gateway.receive([studio_payment(ended, 3)])
    await gateway.receive([ended, kept])
    await serve(gateway, partner)
    cases = (await simulator.call("GET", "/cases"))["items"]
    assert [case["case_id"] for case in cases] == [str(kept.case_id)]
    assert await told(simulator, kept) == [("STUDIO_PAYMENT", 2)]
    assert [each["case_id"] for each in await listed(gateway)] == [str(kept.case_id)]
    assert await gateway.rows("SELECT 1 FROM claim_changes WHERE NOT told") == []


async def test_a_kill_between_telling_and_storing_tells_once_more_under_the_same_id(
    gateway: Gateway, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    partner, (case,) = await held_by(gateway, simulator, 1)
    await gateway.receive([studio_payment(case)])

    with monkeypatch.context() as patched:
        patched.setattr("partner_gateway.deliveries.deliver.record_outcome", killed)
        with pytest.raises(BaseExceptionGroup):
            await serve(gateway, partner)
    await gateway.let_time_pass()
    await serve(gateway, partner)
    state = await simulator.state()  # the same body, too: else the requests conflict
    assert (state["notices"], state["repeated_requests"], state["conflicting_requests"]) == (
        1,
        1,
        0,
    )
    assert len(await gateway.published("notice.acknowledged.v1")) == 1
