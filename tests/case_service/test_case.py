"""The states of a case and what leads from one to another."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from case_service.cases.case import (
    Case,
    Claim,
    CloseReason,
    Result,
    Status,
    WrongStatus,
    result_of,
)
from case_service.payments.allocation import AllocationOrder
from kit.ids import new_id

AT = datetime(2026, 3, 20, tzinfo=UTC)

ALLOWED = {
    Status.PENDING: {Status.OPEN, Status.REJECTED, Status.CLOSED},
    Status.OPEN: {Status.CLOSED, Status.CANCELLED},
    Status.REJECTED: set(),
    Status.CLOSED: set(),
    Status.CANCELLED: set(),
}

STEPS: dict[str, Callable[[Case], object]] = {
    "accept": lambda case: case.accept(AT),
    "reject": lambda case: case.reject("NO", AT),
    "complete": lambda case: case.complete(AT, write_off=False),
    "give up": lambda case: case.complete(AT, write_off=True),
    "reverse": lambda case: case.reverse(AT),
    "cancel": lambda case: case.cancel(AT),
    "pay": lambda case: pay(case, "7.00"),
}


def pay(case: Case, amount: str) -> None:
    """Book a payment, oldest claim first."""
    case.book(case.allocate(Decimal(amount), AllocationOrder.OLDEST_FIRST))


def make_case(*amounts: str, status: Status = Status.PENDING) -> Case:
    """Return a case with a claim for each amount, the oldest first."""
    case_id = new_id()
    return Case(
        tenant_id=new_id(),
        case_id=case_id,
        run_id=new_id(),
        member_id=new_id(),
        studio_id=new_id(),
        partner_id=new_id(),
        collection_date=date(2026, 3, 2),
        currency="EUR",
        time_zone="Europe/Berlin",
        status=status,
        claims=[
            Claim(
                case_id=case_id,
                claim_id=new_id(),
                kind="CLAIM",
                due_date=date(2026, 1, day),
                voucher_date=date(2026, 1, 1),
                open=Decimal(amount),
                handed_over=Decimal(amount),
            )
            for day, amount in enumerate(amounts, 1)
        ],
    )


@given(st.lists(st.sampled_from(sorted(STEPS))))
def test_whatever_is_tried_only_allowed_ways_are_gone(steps: list[str]) -> None:
    case = make_case("10.00", "5.00")
    for step in steps:
        before, reversed_ = case.status, step == "reverse"
        try:
            STEPS[step](case)
        except WrongStatus:
            assert case.status is before
        if case.status is not before:
            assert case.status in ALLOWED[before]
            if (before, case.status) == (Status.PENDING, Status.CLOSED):
                assert reversed_, "only a reversal closes what was never open"
        assert (case.ended_at is None) == (case.residual is None) == case.is_live
        assert case.is_live or not case.open
        for claim in case.claims:
            gone = claim.collected + claim.written_off + claim.released
            assert claim.open == claim.handed_over - gone >= 0


def test_money_on_an_ended_case_stays_unallocated() -> None:
    """R29."""
    case = make_case("10.00", status=Status.OPEN)
    case.complete(AT, write_off=False)
    pay(case, "4.00")
    assert (case.residual, case.unallocated) == (Decimal("10.00"), Decimal("4.00"))
    assert case.open == 0


@pytest.mark.parametrize("write_off", [False, True])
def test_what_is_open_at_the_end_goes_back_or_is_given_up(write_off: bool) -> None:
    """R25."""
    case = make_case("10.00", "5.00", status=Status.OPEN)
    pay(case, "12.00")
    case.complete(AT, write_off=write_off)
    left = [(claim.released, claim.written_off) for claim in case.claims]
    given_up = (Decimal("0.00"), Decimal("3.00"))
    assert left[1] == (given_up if write_off else given_up[::-1])
    assert (case.open, case.residual) == (Decimal("0.00"), Decimal("3.00"))


def test_a_share_that_is_taken_back_after_the_end_is_open_again() -> None:
    """R23."""
    case = make_case("10.00", status=Status.OPEN)
    pay(case, "4.00")
    case.complete(AT, write_off=False)
    case.claims[0].take_back(Decimal("1.50"))
    assert (case.open, case.residual) == (Decimal("1.50"), Decimal("6.00"))


def test_a_case_that_waits_takes_no_money() -> None:
    with pytest.raises(WrongStatus):
        pay(make_case("10.00"), "1.00")


def test_a_share_above_its_claim_is_a_fault_and_not_booked() -> None:
    case, other = make_case("10.00", status=Status.OPEN), make_case("20.00", status=Status.OPEN)
    other.claims[0].claim_id = case.claims[0].claim_id
    with pytest.raises(ValueError, match="larger than its claim"):
        case.book(other.allocate(Decimal("20.00"), AllocationOrder.OLDEST_FIRST))
    assert case.open == Decimal("10.00")


def test_a_reversed_case_keeps_what_came_of_it() -> None:
    case = make_case("10.00", status=Status.OPEN)
    pay(case, "4.00")
    assert case.reverse(AT)
    assert not case.reverse(AT)
    assert (case.close_reason, case.result) == (CloseReason.RUN_REVERSED, Result.PARTLY_PAID)
    assert case.claims[0].released == Decimal("6.00")


@pytest.mark.parametrize(
    ("left", "collected", "result"),
    [("0.00", "10.00", "PAID"), ("6.00", "4.00", "PARTLY_PAID"), ("10.00", "0.00", "UNPAID")],
)
def test_the_result_follows_from_the_money(left: str, collected: str, result: str) -> None:
    assert result_of(Decimal(left), Decimal(collected)) == result
