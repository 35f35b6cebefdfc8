"""Cases follow what receivables says of their claims (R27, R28); `docs/claim-changes.md`."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from contracts import (
    CaseClaimChangedV1,
    CaseClosedV1,
    CasePaymentReallocatedV1,
    Event,
    MemberHandedOverV1,
)
from tests.case_service.receivables import entries_of, money_of, snapshot, version_of
from tests.case_service.world import (
    World,
    accepted,
    claim,
    closed,
    corrected,
    euros,
    paid,
    rejected,
    reversal,
)

CHANGES: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "less than is open was paid": ({"paid": "12.00"}, "18.00", ["DIRECT_PAYMENT -12.00"]),
    "what is open was paid": ({"paid": "30.00"}, "0.00", ["DIRECT_PAYMENT -30.00"]),
    "more than is open was paid": ({"paid": "45.00"}, "0.00", ["DIRECT_PAYMENT -30.00"]),
    "corrected down": ({"amount": "25.00"}, "25.00", ["CLAIM_CHANGE -5.00"]),
    "corrected up": ({"amount": "42.00"}, "42.00", ["CLAIM_CHANGE 12.00"]),
    "corrected to nothing": ({"amount": "0.00"}, "0.00", ["CLAIM_CHANGE -30.00"]),
    "cancelled": ({"cancelled": True}, "0.00", ["CLAIM_CHANGE -30.00"]),
    "corrected down, and paid": (
        {"amount": "25.00", "paid": "10.00"},
        "15.00",
        ["CLAIM_CHANGE -5.00", "DIRECT_PAYMENT -10.00"],
    ),
    "corrected up, and more was paid than was open": (
        {"amount": "50.00", "paid": "40.00"},
        "10.00",
        ["CLAIM_CHANGE 20.00", "DIRECT_PAYMENT -40.00"],
    ),
    "corrected up by what was paid": (
        {"amount": "40.00", "paid": "10.00"},
        "30.00",
        ["CLAIM_CHANGE 10.00", "DIRECT_PAYMENT -10.00"],
    ),
    "cancelled, and paid": (
        {"cancelled": True, "paid": "10.00"},
        "0.00",
        ["CLAIM_CHANGE -30.00"],
    ),
}


@pytest.mark.parametrize("channel", ["BY_HAND", "API"])
@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_changes_the_case_and_is_told(
    world: World, change: str, channel: str
) -> None:
    """R27, R28: whether the partner has taken the case yet or not."""
    facts, open_, entries = CHANGES[change]
    case = await world.open(claim("30.00"), claim("7.00"), partner_channel=channel)
    before = await version_of(world, case)

    await world.deliver(said := snapshot(case, **facts))

    case_open = f"{Decimal(open_) + 7:.2f}"
    assert await money_of(world, case) == {
        "open": case_open,
        "collected": "0.00",
        "unallocated": "0.00",
    }
    assert await entries_of(world, case) == entries
    assert await version_of(world, case) == before + 1
    (event,) = await world.published(CaseClaimChangedV1)
    assert (event.case_id, event.claim_id) == (case.case_id, case.claims[0].claim_id)
    assert event.snapshot_sequence == 2
    assert (event.amount, event.paid_directly) == (said.amount, said.paid_directly)
    assert (event.amount_before, event.paid_directly_before) == (euros("30.00"), euros("0.00"))
    assert event.cancelled is said.cancelled
    assert (event.open_before, event.open, event.case_open) == (
        euros("30.00"),
        euros(open_),
        euros(case_open),
    )
    assert await world.differences() == []


async def test_a_case_shows_what_became_of_its_claims(world: World) -> None:
    """R28."""
    case = await world.open(claim("30.00"))
    await world.deliver(snapshot(case, amount="25.00", paid="10.00"))
    (shown,) = (await world.case(case))["claims"]
    amounts = ("amount", "amount_now", "paid_directly", "paid_directly_now", "changed", "open")
    assert [shown[name]["amount"] for name in amounts] == [
        "30.00",
        "25.00",
        "0.00",
        "10.00",
        "-15.00",
        "15.00",
    ]


async def test_history_says_what_changed_who_said_so_and_which_entries_it_made(
    world: World,
) -> None:
    """R30."""
    case = await world.open(claim("30.00"))

    await world.deliver(snapshot(case, amount="25.00", paid="10.00"))

    (item,) = await world.rows("SELECT * FROM history WHERE kind = 'CLAIM_CHANGED'")
    assert (item.actor_kind, item.actor, item.correlation_id) == (
        "SYSTEM",
        "receivables",
        "request-1",
    )
    assert item.details == {
        "claim_id": str(case.claims[0].claim_id),
        "amount_before": "30.00",
        "amount": "25.00",
        "paid_directly_before": "0.00",
        "paid_directly": "10.00",
        "cancelled": "False",
        "open_before": "30.00",
        "open": "15.00",
    }
    entered = await world.rows(
        "SELECT kind, account, amount FROM entries WHERE posting_id = :id ORDER BY entry_number",
        id=item.posting_id,
    )
    assert [(row.kind, row.account, str(row.amount)) for row in entered] == [
        ("CLAIM_CHANGE", "CLAIM", "-5.00"),
        ("CLAIM_CHANGE", "RECEIVABLES", "5.00"),
        ("DIRECT_PAYMENT", "CLAIM", "-10.00"),
        ("DIRECT_PAYMENT", "RECEIVABLES", "10.00"),
    ]
    told = await world.rows("SELECT id FROM outbox WHERE type = 'case.claim-changed.v1'")
    assert [row.id for row in told] == item.event_ids


async def test_a_payment_at_the_studio_that_is_taken_back_opens_the_claim_again(
    world: World,
) -> None:
    """R27."""
    case = await world.open(claim("30.00"))
    await world.deliver(snapshot(case, paid="12.00"))
    await world.deliver(snapshot(case, paid="5.00", sequence=3))
    assert (await money_of(world, case))["open"] == "25.00"
    assert await entries_of(world, case) == ["DIRECT_PAYMENT -12.00", "DIRECT_PAYMENT 7.00"]
    assert await world.differences() == []


async def test_a_claim_that_is_not_cancelled_any_more_is_open_again(world: World) -> None:
    """R28."""
    case = await world.open(claim("30.00"))
    await world.deliver(paid(case, "10.00"), snapshot(case, cancelled=True))
    await world.deliver(snapshot(case, sequence=3))
    assert await money_of(world, case) == {
        "open": "30.00",
        "collected": "0.00",
        "unallocated": "10.00",
    }, "what was paid stays unallocated, for staff to settle"
    assert await world.differences() == []


async def test_what_was_collected_beyond_what_is_owed_is_a_surplus_of_the_last_payments(
    world: World,
) -> None:
    """R28."""
    case = await world.open(claim("30.00"), claim("7.00"))
    for reference, amount in (("P-1", "10.00"), ("P-2", "8.00"), ("P-3", "6.00")):
        await world.deliver(paid(case, amount, reference))

    await world.deliver(snapshot(case, amount="14.00"))

    assert await money_of(world, case) == {
        "open": "7.00",
        "collected": "14.00",
        "unallocated": "10.00",
    }
    rows = await world.rows("SELECT unallocated FROM payments ORDER BY partner_reference")
    assert [str(row.unallocated) for row in rows] == ["0.00", "4.00", "6.00"]
    events = await world.published(CasePaymentReallocatedV1)
    assert [
        (event.reason, event.taken[0].amount, event.given, event.unallocated) for event in events
    ] == [
        ("CLAIM_CHANGED", euros("6.00"), (), euros("6.00")),
        ("CLAIM_CHANGED", euros("4.00"), (), euros("4.00")),
    ]
    assert [event.taken[0].open for event in events] == [euros("12.00"), euros("16.00")]
    (changed,) = await world.published(CaseClaimChangedV1)
    assert (changed.open_before, changed.open) == (euros("16.00"), euros("0.00"))
    assert await entries_of(world, case, "UNALLOCATED") == ["SURPLUS -6.00", "SURPLUS -4.00"]
    assert await world.differences() == []


async def test_a_payment_at_the_studio_can_make_a_surplus_too(world: World) -> None:
    """R27: the member paid there what the partner had collected."""
    case = await world.open(claim("30.00"))
    await world.deliver(paid(case, "20.00"))
    await world.deliver(snapshot(case, paid="25.00"))
    assert await money_of(world, case) == {
        "open": "0.00",
        "collected": "5.00",
        "unallocated": "15.00",
    }
    assert await entries_of(world, case) == [
        "PAYMENT_SHARE -20.00",
        "SURPLUS 15.00",
        "DIRECT_PAYMENT -25.00",
    ]
    assert await world.differences() == []


async def test_a_surplus_reaches_into_an_earlier_case_of_the_claim(world: World) -> None:
    """R28: what was collected in all cases counts."""
    owed = claim("30.00")
    first = await world.open(owed)
    await world.deliver(paid(first, "12.00"), closed(first))
    second = await world.open(owed, member_id=first.member_id)
    await world.deliver(paid(second, "5.00"))

    await world.deliver(snapshot(second, amount="10.00"))

    assert await money_of(world, first) == {
        "open": "0.00",
        "collected": "10.00",
        "unallocated": "2.00",
    }
    assert await money_of(world, second) == {
        "open": "0.00",
        "collected": "0.00",
        "unallocated": "5.00",
    }
    events = await world.published(CasePaymentReallocatedV1)
    assert [event.case_id for event in events] == [second.case_id, first.case_id]
    assert await world.differences() == []


async def test_a_surplus_of_a_share_on_another_case_stands_where_the_payment_was_booked(
    world: World,
) -> None:
    """R28, R29: staff gave the share to a claim of another case."""
    payer = await world.open(claim("10.00"))
    other = await world.open(claim("30.00"), member_id=payer.member_id)
    await world.deliver(paid(payer, "35.00"))
    (payment,) = await world.rows("SELECT payment_id FROM payments")
    share = {
        "case_id": str(other.case_id),
        "claim_id": str(other.claims[0].claim_id),
        "amount": {"amount": "25.00", "currency": "EUR"},
    }
    settled = await world.settle(payer, payment.payment_id, "ALLOCATED", shares=[share])
    assert settled.status_code == 201, settled.text
    versions = [await version_of(world, case) for case in (payer, other)]

    await world.deliver(snapshot(other, amount="20.00"))

    assert await money_of(world, payer) == {
        "open": "0.00",
        "collected": "10.00",
        "unallocated": "5.00",
    }
    assert await money_of(world, other) == {
        "open": "0.00",
        "collected": "20.00",
        "unallocated": "0.00",
    }
    event = (await world.published(CasePaymentReallocatedV1))[-1]
    assert (event.case_id, event.payment_case_id) == (other.case_id, payer.case_id)
    assert event.unallocated == euros("5.00")
    assert [await version_of(world, case) for case in (payer, other)] == [
        version + 1 for version in versions
    ]
    told = await world.rows(
        "SELECT case_id FROM history WHERE kind = 'PAYMENT_REALLOCATED'"
        " AND details->>'reason' = 'CLAIM_CHANGED'"
    )
    assert {row.case_id for row in told} == {payer.case_id, other.case_id}
    assert await world.differences() == []


async def test_what_collection_booked_is_no_change_when_receivables_echoes_it(
    world: World,
) -> None:
    """The same amounts under higher sequences change nothing and publish nothing."""
    case = await world.open(claim("30.00"), claim("7.00"))
    await world.deliver(paid(case, "32.00"))
    before = await world.booked()

    await world.deliver(*(snapshot(case, each, sequence=2) for each in case.claims))
    await world.deliver(*(snapshot(case, each, sequence=3) for each in case.claims))

    assert await world.booked() == before


@pytest.mark.parametrize("end", [closed, rejected, reversal])
async def test_a_claim_of_a_case_that_has_ended_does_not_rise(
    world: World, end: Callable[[MemberHandedOverV1], Event]
) -> None:
    """It is not in collection; if it is handed over again, that says what is owed."""
    case = await world.open(claim("30.00"), partner_channel="API")
    if end is closed:
        await world.deliver(accepted(case))
    await world.deliver(end(case))
    await world.work()
    before = await world.booked()

    await world.deliver(snapshot(case, amount="50.00"), snapshot(case, paid="20.00", sequence=3))

    assert await world.booked() == before


async def test_what_is_open_again_on_a_case_that_has_ended_falls_with_its_claim(
    world: World,
) -> None:
    """R23, R28."""
    case = await world.open(claim("30.00"))
    await world.deliver(paid(case, "20.00"), closed(case), corrected(case, "5.00"))
    assert (await money_of(world, case))["open"] == "15.00"

    await world.deliver(snapshot(case, paid="18.00"))
    assert (await money_of(world, case))["open"] == "7.00"
    await world.deliver(snapshot(case, paid="0.00", sequence=3))
    assert (await money_of(world, case))["open"] == "7.00", "it does not rise again"
    assert await entries_of(world, case) == [
        "PAYMENT_SHARE -20.00",
        "RELEASED -10.00",
        "PAYMENT_REDUCTION 15.00",
        "DIRECT_PAYMENT -8.00",
    ]
    assert await world.differences() == []


async def test_a_paid_case_that_has_ended_gives_a_surplus(world: World) -> None:
    """R28: the correction of a claim that was paid in full."""
    case = await world.open(claim("30.00"))
    await world.deliver(paid(case, "30.00"), closed(case))
    await world.deliver(snapshot(case, amount="22.00"))
    assert await money_of(world, case) == {
        "open": "0.00",
        "collected": "22.00",
        "unallocated": "8.00",
    }
    (event,) = await world.published(CaseClosedV1)
    assert event.collected == euros("30.00"), "what was told of the end stays"
    assert await world.differences() == []
