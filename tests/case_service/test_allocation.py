"""How payments are spread and taken back, to the cent (R22, R23)."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from case_service.payments.allocation import (
    Allocation,
    AllocationOrder,
    OpenClaim,
    age,
    allocate,
    costs_first,
    in_order,
    take_back_newest_first,
)
from kit.ids import new_id

days = st.integers(0, 3).map(lambda offset: date(2026, 1, 1) + timedelta(days=offset))
amounts = st.decimals("0.00", "999999999999.99", places=2)
kinds = st.sampled_from(["CLAIM", "INTEREST", "DUNNING_FEE", "FLAT_FEE", "SOMETHING_NEW"])
orders = st.sampled_from(AllocationOrder)
CASE = new_id()
claims = st.lists(
    st.builds(
        OpenClaim,
        case_id=st.just(CASE),
        claim_id=st.uuids(),
        kind=kinds,
        due_date=days,
        voucher_date=days,
        open=amounts,
    ),
    max_size=8,
    unique_by=lambda claim: claim.claim_id,
)


@given(claims, amounts, orders)
def test_every_cent_goes_somewhere_and_no_claim_below_zero(
    owed: list[OpenClaim], amount: Decimal, order: AllocationOrder
) -> None:
    allocation = allocate(owed, amount, order)

    assert allocation.amount == amount
    open_on = {claim.claim_id: claim.open for claim in owed}
    assert all(0 < share.amount <= open_on[share.claim_id] for share in allocation.shares)
    assert len({share.claim_id for share in allocation.shares}) == len(allocation.shares)


@given(claims, amounts, orders)
def test_a_claim_gets_something_only_when_every_one_before_it_is_paid(
    owed: list[OpenClaim], amount: Decimal, order: AllocationOrder
) -> None:
    allocation = allocate(owed, amount, order)
    shares = {share.claim_id: share.amount for share in allocation.shares}
    left = [claim.open - shares.get(claim.claim_id, 0) for claim in in_order(owed, order)]
    first_open = next((index for index, rest in enumerate(left) if rest), len(left))
    later = in_order(owed, order)[first_open + 1 :]
    assert not any(claim.claim_id in shares for claim in later)


@given(claims, amounts, orders)
def test_money_stays_unallocated_only_when_nothing_is_open(
    owed: list[OpenClaim], amount: Decimal, order: AllocationOrder
) -> None:
    surplus = allocate(owed, amount, order).unallocated
    assert surplus == max(amount - sum(claim.open for claim in owed), Decimal(0))


@given(claims, amounts, orders, st.data())
def test_what_is_taken_back_is_exact_and_leaves_what_a_smaller_payment_would_have_done(
    owed: list[OpenClaim], amount: Decimal, order: AllocationOrder, data: st.DataObject
) -> None:
    """Newest first is the mirror of oldest first."""
    booked = allocate(owed, amount, order)
    less = data.draw(st.decimals("0.00", amount, places=2))

    taken = take_back_newest_first(booked, less)

    assert taken.amount == less
    assert booked.minus(taken) == allocate(owed, amount - less, order)


def test_the_order_is_due_date_then_voucher_date_then_claim_id() -> None:
    low, high = sorted((new_id(), new_id()))
    early, late = date(2026, 1, 1), date(2026, 2, 1)
    first = OpenClaim(CASE, high, "CLAIM", early, early, Decimal(1))
    second = OpenClaim(CASE, low, "CLAIM", early, late, Decimal(1))
    third = OpenClaim(CASE, high, "CLAIM", early, late, Decimal(1))
    last = OpenClaim(CASE, low, "CLAIM", late, early, Decimal(1))
    assert sorted([last, third, second, first], key=age) == [first, second, third, last]


def test_costs_come_before_interest_and_interest_before_principal_if_wanted() -> None:
    """R22, § 367 BGB."""
    old, new = date(2026, 1, 1), date(2026, 2, 1)
    principal = OpenClaim(CASE, new_id(), "CLAIM", old, old, Decimal(1))
    interest = OpenClaim(CASE, new_id(), "INTEREST", old, old, Decimal(1))
    fee = OpenClaim(CASE, new_id(), "DUNNING_FEE", new, new, Decimal(1))
    older_fee = OpenClaim(CASE, new_id(), "BANK_FEE", old, old, Decimal(1))
    ordered = sorted([principal, fee, interest, older_fee], key=costs_first)
    assert ordered == [older_fee, fee, interest, principal]


def test_no_more_can_be_taken_back_than_was_booked() -> None:
    with pytest.raises(ValueError, match="more is taken back"):
        take_back_newest_first(Allocation((), Decimal("1.00")), Decimal("1.01"))
