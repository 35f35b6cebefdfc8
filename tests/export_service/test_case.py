"""What events tell of a case adds up to what a plain model of its claims says (R20)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import assume, given
from hypothesis import strategies as st

from contracts import (
    CaseCancelledV1,
    CaseClaimChangedV1,
    CaseClosedV1,
    CaseFileNumberSetV1,
    CaseHandedOverAgainV1,
    CaseOpenedV1,
    CasePaymentBookedV1,
    CasePaymentReallocatedV1,
    CasePaymentReducedV1,
    CaseRejectedV1,
    ClaimResult,
    ClaimShare,
    Money,
    OpenClaim,
)
from export_service.members.case import Case, CaseEvent
from kit.ids import new_id

CLAIMS = [new_id() for _ in range(3)]
IDS = {name: new_id() for name in ("case_id", "run_id", "member_id", "studio_id", "partner_id")}
BEGUN = datetime(2026, 3, 2, 8, tzinfo=UTC)


@dataclass
class Model:
    """The claims of a case in cents, and the events that follow from what is done to them."""

    open: dict[UUID, int] = field(default_factory=lambda: dict.fromkeys(CLAIMS, 1000))
    collected: dict[UUID, int] = field(default_factory=lambda: dict.fromkeys(CLAIMS, 0))
    status: str = "PENDING"
    number: str | None = None
    result: str | None = None
    ended_at: datetime | None = None
    events: list[CaseEvent] = field(default_factory=list)

    def do(self, what: str, claim_id: UUID, amount: int) -> None:
        """Does something, or nothing where it is not possible."""
        match what:
            case "open" if self.status == "PENDING":
                self.status = "OPEN"
                claims = tuple(
                    OpenClaim(claim_id=each, open=euros(cents)) for each, cents in self.open.items()
                )
                self._tell(CaseOpenedV1, opened_at=BEGUN, claims=claims, open=self._all_open())
            case "reject" if self.status == "PENDING":
                self._end("REJECTED")
                self._tell(CaseRejectedV1, reason_code="UNKNOWN", claims=tuple(CLAIMS))
            case "number":
                self.number = f"AZ-{amount}"
                self._tell(CaseFileNumberSetV1, file_number=self.number)
            case "pay" if self.status == "OPEN":
                shares = (self._move(claim_id, min(amount, self.open[claim_id])),)
                self._tell(CasePaymentBookedV1, **self._payment(amount), shares=shares)
            case "reduce":
                shares = (self._move(claim_id, -min(amount, self.collected[claim_id])),)
                before = {"amount_before": euros(amount), "amount_after": euros(0)}
                ids = {"reduction_id": new_id(), "payment_id": new_id()}
                day = {"booking_date": BEGUN.date(), "open": self._all_open()}
                self._tell(CasePaymentReducedV1, **before, **ids, **day, shares=shares)
            case "reallocate":
                self._reallocate(claim_id, amount)
            case "change" if self.status in {"PENDING", "OPEN"}:
                self._change(claim_id, amount)
            case "hand over again" if self.ended_at is not None:
                gone, self.open[claim_id] = self.open[claim_id], 0
                claims = (OpenClaim(claim_id=claim_id, open=euros(0)),)
                told = {"amount": euros(gone), "open": self._all_open()}
                self._tell(CaseHandedOverAgainV1, claims=claims, **told)
            case "close" if self.status == "OPEN":
                self._close()
            case "cancel" if self.status == "OPEN":
                self._end("CANCELLED")
                self._tell(CaseCancelledV1, cancelled_by="STAFF", claims=self._results())

    def _close(self) -> None:
        residual, collected = self._all_open(), self._all_collected()
        self.result = "PARTLY_PAID" if residual.amount and collected.amount else "UNPAID"
        if not residual.amount:
            self.result = "PAID"
        self._end("CLOSED")
        how = {"reason": "COMPLETED", "result": self.result, "closed_by": "STAFF"}
        sums = {"collected": collected, "residual": residual}
        self._tell(CaseClosedV1, **how, **sums, claims=self._results())

    def _reallocate(self, claim_id: UUID, amount: int) -> None:
        taken = (self._move(claim_id, -min(amount, self.collected[claim_id])),)
        other = CLAIMS[0]
        given = (self._move(other, min(amount // 2, self.open[other])),)
        self._tell(
            CasePaymentReallocatedV1,
            reallocation_id=new_id(),
            payment_id=new_id(),
            payment_case_id=IDS["case_id"],
            reason="SETTLED",
            taken=taken,
            given=given,
            booking_date=BEGUN.date(),
            unallocated=euros(0),
            open=self._all_open(),
        )

    def _change(self, claim_id: UUID, amount: int) -> None:
        before, self.open[claim_id] = self.open[claim_id], amount
        self._tell(
            CaseClaimChangedV1,
            claim_id=claim_id,
            snapshot_sequence=7,
            amount=euros(amount),
            paid_directly=euros(0),
            cancelled=False,
            open_before=euros(before),
            open=euros(amount),
            case_open=self._all_open(),
        )

    def _payment(self, amount: int) -> dict[str, Any]:
        return {
            "payment_id": new_id(),
            "amount": euros(amount),
            "unallocated": euros(0),
            "own_fees": euros(0),
            "booking_date": BEGUN.date(),
            "allocation": "MANUAL",
            "booked_by": "STAFF",
            "open": self._all_open(),
        }

    def _move(self, claim_id: UUID, amount: int) -> ClaimShare:
        self.open[claim_id] -= amount
        self.collected[claim_id] += amount
        left = euros(self.open[claim_id])
        return ClaimShare(claim_id=claim_id, amount=euros(abs(amount)), open=left)

    def _end(self, status: str) -> None:
        self.status = status
        self.open = dict.fromkeys(CLAIMS, 0)
        self.ended_at = self._now()

    def _results(self) -> tuple[ClaimResult, ...]:
        return tuple(
            ClaimResult(
                claim_id=each, collected=euros(cents), residual=euros(0), written_off=euros(0)
            )
            for each, cents in self.collected.items()
        )

    def _all_open(self) -> Money:
        return euros(sum(self.open.values()))

    def _all_collected(self) -> Money:
        return euros(sum(self.collected.values()))

    def _now(self) -> datetime:
        return BEGUN + timedelta(hours=len(self.events))

    def _tell(self, event_class: Callable[..., CaseEvent], **values: Any) -> None:
        self.events.append(event_class(**IDS, occurred_at=self._now(), **values))


WHAT = (
    *("open", "open", "pay", "pay", "pay", "reduce", "reallocate", "change", "number"),
    *("close", "cancel", "reject", "hand over again"),
)


DONE = st.lists(
    st.tuples(st.sampled_from(WHAT), st.sampled_from(CLAIMS), st.integers(0, 1500)),
    max_size=25,
)


@given(DONE)
def test_a_case_stands_where_its_claims_do(done: list[tuple[str, UUID, int]]) -> None:
    model, case = Model(), Case()
    for each in done:
        model.do(*each)
    for event in model.events:
        case.follow(event)
    assert case.status == model.status
    assert case.file_number == model.number
    assert case.collected == cents_as_amount(sum(model.collected.values()))
    assert case.ended_at == model.ended_at
    assert case.result == model.result
    if any(not isinstance(event, CaseFileNumberSetV1) for event in model.events):
        assert case.open == cents_as_amount(sum(model.open.values()))
    else:
        assert case.open is None, "nothing was told: all that was handed over is open"


@given(DONE, DONE, st.data())
def test_what_was_before_the_end_of_a_case_and_comes_behind_it_changes_nothing(
    before: list[tuple[str, UUID, int]], after: list[tuple[str, UUID, int]], data: st.DataObject
) -> None:
    """As a dead letter that is replayed: what it did to the money is in the sums of the end.

    But for a rejection, which tells none: no money comes in before a partner has taken the case.
    """
    assume(all(kind != "reject" for kind, *_ in before))
    model = Model()
    for each in (*before, ("open", CLAIMS[0], 0), ("close", CLAIMS[0], 0), *after):
        model.do(*each)
    assert model.ended_at is not None
    told_by_the_end = [
        event
        for event in model.events
        if event.occurred_at < model.ended_at and not isinstance(event, CaseFileNumberSetV1)
    ]
    assume(told_by_the_end)
    replayed = data.draw(st.sampled_from(told_by_the_end))
    in_order, belated = Case(), Case()
    for event in model.events:
        in_order.follow(event)
    for event in (*(each for each in model.events if each is not replayed), replayed):
        belated.follow(event)
    assert belated == in_order


def euros(cents: int) -> Money:
    """So many cents."""
    return Money(amount=cents_as_amount(cents), currency="EUR")


def cents_as_amount(cents: int) -> Decimal:
    """Cents in euros."""
    return Decimal(cents).scaleb(-2)
