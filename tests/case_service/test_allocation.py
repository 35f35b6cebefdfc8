"""How payments are spread and taken back, to the cent (R22, R23)."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from case_service.payments.allocation import (
    Allocation,
    OpenClaim,
    Share,
    age,
    allocate_oldest_first,
    take_back_newest_first,
)
from kit.ids import new_id

days = st.integers(0, 3).map(lambda offset: date(2026, 1, 1) + timedelta(days=offset))
amounts = st.decimals("0.00", "999999999999.99", places=2)
claims = st.lists(
    st.builds(OpenClaim, claim_id=st.uuids(), due_date=days, voucher_date=days, open=amounts),
    max_size=8,
    unique_by=lambda claim: claim.claim_id,
)


def _sum(allocation: Allocation) -> Decimal:
    return sum((share.amount for share in allocation.shares), allocation.unallocated)


@given(claims, amounts)
def test_every_cent_goes_somewhere_and_no_claim_below_zero(
    owed: list[OpenClaim], amount: Decimal
) -> None:
    allocation = allocate_oldest_first(owed, amount)

    assert _sum(allocation) == amount
    open_on = {claim.claim_id: claim.open for claim in owed}
    assert all(0 < share.amount <= open_on[share.claim_id] for share in allocation.shares)
    assert len({share.claim_id for share in allocation.shares}) == len(allocation.shares)


@given(claims, amounts)
def test_a_claim_gets_something_only_when_every_older_one_is_paid(
    owed: list[OpenClaim], amount: Decimal
) -> None:
    shares = {share.claim_id: share.amount for share in allocate_oldest_first(owed, amount).shares}
    left = [claim.open - shares.get(claim.claim_id, 0) for claim in sorted(owed, key=age)]
    first_open = next((index for index, rest in enumerate(left) if rest), len(left))
    later = sorted(owed, key=age)[first_open + 1 :]
    assert not any(claim.claim_id in shares for claim in later)


@given(claims, amounts)
def test_money_stays_unallocated_only_when_nothing_is_open(
    owed: list[OpenClaim], amount: Decimal
) -> None:
    surplus = allocate_oldest_first(owed, amount).unallocated
    assert surplus == max(amount - sum(claim.open for claim in owed), Decimal(0))


@given(claims, amounts, st.data())
def test_what_is_taken_back_is_exact_and_leaves_what_a_smaller_payment_would_have_done(
    owed: list[OpenClaim], amount: Decimal, data: st.DataObject
) -> None:
    """Newest first is the mirror of oldest first."""
    booked = allocate_oldest_first(owed, amount)
    less = data.draw(st.decimals("0.00", amount, places=2))

    taken = take_back_newest_first(booked, less)

    assert _sum(taken) == less
    gone = {share.claim_id: share.amount for share in taken.shares}
    left = [
        Share(share.claim_id, rest)
        for share in booked.shares
        if (rest := share.amount - gone.get(share.claim_id, Decimal(0)))
    ]
    smaller = Allocation(tuple(left), booked.unallocated - taken.unallocated)
    assert smaller == allocate_oldest_first(owed, amount - less)


def test_the_order_is_due_date_then_voucher_date_then_claim_id() -> None:
    low, high = sorted((new_id(), new_id()))
    early, late = date(2026, 1, 1), date(2026, 2, 1)
    first = OpenClaim(high, early, early, Decimal(1))
    second = OpenClaim(low, early, late, Decimal(1))
    third = OpenClaim(high, early, late, Decimal(1))
    last = OpenClaim(low, late, early, Decimal(1))
    assert sorted([last, third, second, first], key=age) == [first, second, third, last]


def test_no_more_can_be_taken_back_than_was_booked() -> None:
    with pytest.raises(ValueError, match="more is taken back"):
        take_back_newest_first(Allocation((), Decimal("1.00")), Decimal("1.01"))
