"""What one transaction does to its cases: all that is written down, and all that is published.

Pure: `store.save` writes it. There is one method for each thing that can happen to a case, so that
ledger, history and events never tell different stories.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from case_service.cases.case import Case, CloseReason, Key
from case_service.ledger.entry import (
    Entry,
    EntryKind,
    HistoryItem,
    HistoryKind,
    Occasion,
    Payment,
)
from case_service.payments.allocation import NOTHING, Allocation
from contracts import (
    CaseCancelledV1,
    CaseClosedV1,
    CaseFileNumberSetV1,
    CaseOpenedV1,
    CasePaymentBookedV1,
    CasePaymentReducedV1,
    CaseRejectedV1,
    ClaimResult,
    ClaimShare,
    Event,
    MemberDunningLevelResetV1,
    MemberReleasedV1,
    Money,
)
from contracts import OpenClaim as OpenClaimPart
from kit.ids import new_id
from kit.trace import Cause

ReleaseReason = Literal["CASE_CLOSED", "CASE_CANCELLED", "CASE_REJECTED", "RUN_REVERSED"]


@dataclass
class Journal:
    """Collects what happens, in the order in which it happens."""

    entries: list[Entry] = field(default_factory=list)
    history: list[HistoryItem] = field(default_factory=list)
    new_payments: list[Payment] = field(default_factory=list)
    changed_payments: dict[UUID, Payment] = field(default_factory=dict)
    cases: dict[Key, Case] = field(default_factory=dict)
    """The cases that changed."""
    outgoing: list[tuple[Event, Cause]] = field(default_factory=list)

    def handed_over(self, case: Case, occasion: Occasion) -> None:
        """Write down what each claim starts with."""
        for claim in case.claims:
            self._enter(
                case,
                EntryKind.HANDED_OVER,
                claim.handed_over,
                occasion,
                claim_id=claim.claim_id,
                booking_date=case.collection_date,
            )
        self._tell(case, HistoryKind.HANDED_OVER, occasion, open=case.open)

    def opened(self, case: Case, occasion: Occasion) -> None:
        """The partner works the case from now on."""
        self._tell(case, HistoryKind.OPENED, occasion, open=case.open)
        self._publish(
            occasion,
            CaseOpenedV1(
                **_base(case, occasion),
                opened_at=occasion.at,
                claims=tuple(
                    OpenClaimPart(claim_id=claim.claim_id, open=_money(case, claim.open))
                    for claim in case.claims
                ),
                open=_money(case, case.open),
            ),
        )

    def rejected(self, case: Case, occasion: Occasion) -> None:
        """The partner refused the case, for the reason that it holds."""
        assert case.reason_code is not None
        self._tell(case, HistoryKind.REJECTED, occasion, reason_code=case.reason_code)
        self._publish(
            occasion,
            CaseRejectedV1(
                **_base(case, occasion), reason_code=case.reason_code, claims=_claim_ids(case)
            ),
        )
        self._released(case, "CASE_REJECTED", occasion)

    def file_number_set(self, case: Case, previous: str | None, occasion: Occasion) -> None:
        """The case has a file number, the first or another one."""
        assert case.file_number is not None
        self._tell(
            case,
            HistoryKind.FILE_NUMBER_SET,
            occasion,
            file_number=case.file_number,
            previous=previous,
        )
        self._publish(
            occasion,
            CaseFileNumberSetV1(
                **_base(case, occasion), file_number=case.file_number, previous=previous
            ),
        )

    def payment_booked(self, case: Case, payment: Payment, occasion: Occasion) -> None:
        """A payment was booked; the case holds it already."""
        self.new_payments.append(payment)
        self._enter_allocation(case, payment, payment.allocation, EntryKind.PAYMENT_SHARE, occasion)
        self._tell(
            case,
            HistoryKind.PAYMENT_BOOKED,
            occasion,
            payment_id=payment.payment_id,
            amount=payment.amount,
            own_fees=payment.own_fees,
            unallocated=payment.allocation.unallocated,
            booking_date=payment.booking_date,
            partner_reference=payment.partner_reference,
        )
        self._publish(
            occasion,
            CasePaymentBookedV1(
                **_base(case, occasion),
                payment_id=payment.payment_id,
                amount=_money(case, payment.amount),
                unallocated=_money(case, payment.allocation.unallocated),
                own_fees=_money(case, payment.own_fees),
                booking_date=payment.booking_date,
                allocation="AUTOMATIC",
                booked_by=payment.booked_by.value,
                partner_reference=payment.partner_reference,
                shares=_shares(case, payment.allocation),
                open=_money(case, case.open),
            ),
        )

    def payment_reduced(
        self,
        case: Case,
        payment: Payment,
        before: Decimal,
        taken: Allocation,
        booking_date: date,
        occasion: Occasion,
    ) -> None:
        """A payment shrank to `payment.amount`; the case holds the rest only already."""
        self.changed_payments[payment.payment_id] = payment
        reduction_id = new_id()
        self._enter_allocation(
            case, payment, taken, EntryKind.PAYMENT_REDUCTION, occasion, booking_date
        )
        self._tell(
            case,
            HistoryKind.PAYMENT_REDUCED,
            occasion,
            reduction_id=reduction_id,
            payment_id=payment.payment_id,
            amount_before=before,
            amount_after=payment.amount,
            booking_date=booking_date,
        )
        self._publish(
            occasion,
            CasePaymentReducedV1(
                **_base(case, occasion),
                reduction_id=reduction_id,
                payment_id=payment.payment_id,
                amount_before=_money(case, before),
                amount_after=_money(case, payment.amount),
                booking_date=booking_date,
                shares=_shares(case, taken),
                open=_money(case, case.open),
            ),
        )

    def fees_corrected(
        self, case: Case, payment: Payment, before: Decimal, occasion: Occasion
    ) -> None:
        """What the partner kept for itself was another amount; nothing that is owed changes."""
        self.changed_payments[payment.payment_id] = payment
        self._tell(
            case,
            HistoryKind.FEES_CORRECTED,
            occasion,
            payment_id=payment.payment_id,
            own_fees_before=before,
            own_fees_after=payment.own_fees,
        )

    def closed(self, case: Case, occasion: Occasion) -> None:
        """The case was closed, for the reason and with the result that it holds."""
        assert case.close_reason is not None
        assert case.result is not None
        self._tell(
            case,
            HistoryKind.CLOSED,
            occasion,
            reason=case.close_reason,
            result=case.result,
            collected=case.collected,
            residual=case.open,
        )
        self._publish(
            occasion,
            CaseClosedV1(
                **_base(case, occasion),
                reason=case.close_reason.value,
                result=case.result.value,
                closed_by=occasion.actor_kind.value,
                claims=_results(case),
                collected=_money(case, case.collected),
                residual=_money(case, case.open),
            ),
        )
        reversed_ = case.close_reason is CloseReason.RUN_REVERSED
        self._released(case, "RUN_REVERSED" if reversed_ else "CASE_CLOSED", occasion)

    def cancelled(self, case: Case, occasion: Occasion) -> None:
        """The case was taken back from the partner."""
        self._tell(case, HistoryKind.CANCELLED, occasion, open=case.open)
        self._publish(
            occasion,
            CaseCancelledV1(
                **_base(case, occasion),
                cancelled_by=occasion.actor_kind.value,
                claims=_results(case),
            ),
        )
        self._released(case, "CASE_CANCELLED", occasion)

    def _released(self, case: Case, reason: ReleaseReason, occasion: Occasion) -> None:
        self._publish(
            occasion,
            MemberReleasedV1(
                member_id=case.member_id,
                studio_id=case.studio_id,
                case_id=case.case_id,
                run_id=case.run_id,
                reason=reason,
                claims=_claim_ids(case),
            ),
        )

    def _enter_allocation(
        self,
        case: Case,
        payment: Payment,
        allocation: Allocation,
        kind: EntryKind,
        occasion: Occasion,
        booking_date: date | None = None,
    ) -> None:
        """Enter the parts of a payment (less is open, more is unallocated) or of a reduction."""
        sign = 1 if kind is EntryKind.PAYMENT_SHARE else -1
        parts: list[tuple[UUID | None, Decimal]] = [
            (share.claim_id, -sign * share.amount) for share in allocation.shares
        ]
        if allocation.unallocated:
            parts.append((None, sign * allocation.unallocated))
        for claim_id, amount in parts:
            self._enter(
                case,
                kind,
                amount,
                occasion,
                claim_id=claim_id,
                payment_id=payment.payment_id,
                booking_date=booking_date or payment.booking_date,
            )

    def _enter(
        self,
        case: Case,
        kind: EntryKind,
        amount: Decimal,
        occasion: Occasion,
        *,
        booking_date: date,
        claim_id: UUID | None,
        payment_id: UUID | None = None,
    ) -> None:
        self.entries.append(
            Entry(
                case.case_id,
                claim_id,
                payment_id,
                kind,
                amount,
                case.currency,
                booking_date,
                occasion,
            )
        )

    def _tell(self, case: Case, kind: HistoryKind, occasion: Occasion, **details: Any) -> None:
        self.cases[case.key] = case
        told = {name: str(value) for name, value in details.items() if value is not None}
        self.history.append(HistoryItem(case.case_id, kind, told, occasion))

    def _publish(self, occasion: Occasion, event: Event) -> None:
        self.outgoing.append((event, occasion.cause))


def dunning_level_reset(case: Case, occasion: Occasion) -> tuple[Event, Cause]:
    """Ask for the member's dunning level to start again; `case` is its last one that closed."""
    event = MemberDunningLevelResetV1(
        member_id=case.member_id,
        studio_id=case.studio_id,
        case_id=case.case_id,
        reset_at=occasion.at,
    )
    return event, occasion.cause


def _base(case: Case, occasion: Occasion) -> dict[str, Any]:
    return {
        "case_id": case.case_id,
        "run_id": case.run_id,
        "member_id": case.member_id,
        "studio_id": case.studio_id,
        "partner_id": case.partner_id,
        "occurred_at": occasion.at,
    }


def _money(case: Case, amount: Decimal) -> Money:
    return Money(amount=amount, currency=case.currency)


def _claim_ids(case: Case) -> tuple[UUID, ...]:
    return tuple(claim.claim_id for claim in case.claims)


def _shares(case: Case, allocation: Allocation) -> tuple[ClaimShare, ...]:
    return tuple(
        ClaimShare(
            claim_id=share.claim_id,
            amount=_money(case, share.amount),
            open=_money(case, case.claim(share.claim_id).open),
        )
        for share in allocation.shares
    )


def _results(case: Case) -> tuple[ClaimResult, ...]:
    return tuple(
        ClaimResult(
            claim_id=claim.claim_id,
            collected=_money(case, claim.collected),
            residual=_money(case, claim.open),
            written_off=_money(case, NOTHING),
        )
        for claim in case.claims
    )
