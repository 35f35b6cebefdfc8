"""A team that subscribes to collection.case.v1 and knows nothing else of this service."""

from collections import Counter
from decimal import Decimal
from uuid import UUID

from contracts import (
    CaseCancelledV1,
    CaseClaimChangedV1,
    CaseClosedV1,
    CaseHandedOverAgainV1,
    CaseOpenedV1,
    CasePaymentBookedV1,
    CasePaymentReallocatedV1,
    CasePaymentReducedV1,
    CaseRejectedV1,
    CaseUnallocatedSettledV1,
    ClaimResult,
    ClaimShare,
    Event,
    Money,
)

Place = tuple[UUID, UUID]
"""Case and claim."""


class Subscriber:
    """Adds up what events say; amounts in cents."""

    def __init__(self) -> None:
        self.status: dict[UUID, str] = {}
        self.open: dict[Place, int] = {}
        self.collected: Counter[Place] = Counter()
        self.written_off: Counter[Place] = Counter()
        self.amounts: Counter[UUID] = Counter()
        """By payment."""
        self.unallocated: Counter[UUID] = Counter()
        self.owners: dict[UUID, UUID] = {}
        """The case of each payment."""

    def hear(self, event: Event) -> None:
        """Take in an event; what it says of the state before must be what was heard before."""
        match event:
            case CaseOpenedV1():
                self.status[event.case_id] = "OPEN"
                for claim in event.claims:
                    self.open[event.case_id, claim.claim_id] = cents(claim.open)
                self._check_open(event.case_id, event.open)
            case CaseRejectedV1():
                self.status[event.case_id] = "REJECTED"
                for claim_id in event.claims:
                    self.open[event.case_id, claim_id] = 0
            case CasePaymentBookedV1():
                self._booked(event)
            case CasePaymentReducedV1():
                self._reduced(event)
            case CasePaymentReallocatedV1():
                assert self.owners[event.payment_id] == event.payment_case_id
                freed = self._move(event.case_id, event.taken, -1)
                freed += self._move(event.case_id, event.given, 1)
                self.unallocated[event.payment_id] -= freed
                assert self.unallocated[event.payment_id] == cents(event.unallocated)
                self._check_open(event.case_id, event.open)
            case CaseUnallocatedSettledV1():
                self.unallocated[event.payment_id] -= cents(event.amount)
                assert self.unallocated[event.payment_id] == cents(event.unallocated)
            case CaseClaimChangedV1():
                place = (event.case_id, event.claim_id)
                if place in self.open:
                    assert self.open[place] == cents(event.open_before)
                self.open[place] = cents(event.open)
                if event.case_id in self.status:
                    self._check_open(event.case_id, event.case_open)
            case CaseHandedOverAgainV1():
                before = self._open_of(event.case_id)
                for claim in event.claims:
                    self.open[event.case_id, claim.claim_id] = cents(claim.open)
                assert before - self._open_of(event.case_id) == cents(event.amount)
                self._check_open(event.case_id, event.open)
            case CaseClosedV1():
                self._ended(event.case_id, "CLOSED", event.claims)
                assert cents(event.collected) == sum(cents(each.collected) for each in event.claims)
                assert cents(event.residual) == sum(cents(each.residual) for each in event.claims)
            case CaseCancelledV1():
                self._ended(event.case_id, "CANCELLED", event.claims)

    def _booked(self, event: CasePaymentBookedV1) -> None:
        self.owners[event.payment_id] = event.case_id
        self.amounts[event.payment_id] = cents(event.amount)
        self.unallocated[event.payment_id] = cents(event.unallocated)
        parts = sum(cents(share.amount) for share in event.shares)
        assert parts + cents(event.unallocated) == cents(event.amount)
        self._move(event.case_id, event.shares, 1)
        self._check_open(event.case_id, event.open)

    def _reduced(self, event: CasePaymentReducedV1) -> None:
        assert self.amounts[event.payment_id] == cents(event.amount_before)
        self.amounts[event.payment_id] = cents(event.amount_after)
        less = cents(event.amount_before) - cents(event.amount_after)
        taken = -self._move(event.case_id, event.shares, -1)
        missing = cents(event.shortfall) if event.shortfall else 0
        self.unallocated[event.payment_id] -= less - taken - missing
        assert self.unallocated[event.payment_id] >= 0
        self._check_open(event.case_id, event.open)

    def _move(self, case_id: UUID, shares: tuple[ClaimShare, ...], sign: int) -> int:
        """Bring money to claims (`sign` 1) or away from them; return how much came."""
        moved = 0
        for share in shares:
            place, amount = (case_id, share.claim_id), sign * cents(share.amount)
            assert amount, "a share of nothing"
            self.collected[place] += amount
            assert self.collected[place] >= 0
            self.open[place] = cents(share.open)
            moved += amount
        return moved

    def _ended(self, case_id: UUID, status: str, claims: tuple[ClaimResult, ...]) -> None:
        for claim in claims:
            place = (case_id, claim.claim_id)
            assert self.collected[place] == cents(claim.collected)
            assert self.open.get(place, cents(claim.residual)) == cents(claim.residual)
            self.written_off[place] = cents(claim.written_off)
            self.open[place] = 0
        self.status[case_id] = status

    def _check_open(self, case_id: UUID, told: Money) -> None:
        assert self._open_of(case_id) == cents(told)

    def _open_of(self, case_id: UUID) -> int:
        return sum(amount for place, amount in self.open.items() if place[0] == case_id)


def cents(money: Money) -> int:
    """Return an amount in cents."""
    amount = money.amount * 100
    assert amount == int(amount) >= 0
    assert isinstance(money.amount, Decimal)
    return int(amount)
