"""What case-service says of what became of a member, in events."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from contracts import (
    CaseCancelledV1,
    CaseClaimChangedV1,
    CaseClosedV1,
    CaseOpenedV1,
    CasePaymentBookedV1,
    CasePaymentReallocatedV1,
    CasePaymentReducedV1,
    CaseRejectedV1,
    CaseUnallocatedSettledV1,
    ClaimResult,
    ClaimShare,
    MemberHandedOverV1,
    Money,
    OpenClaim,
)
from kit import clock
from kit.ids import new_id
from tests.run_service.world import LONG_AGO, euros


def _case(handover: MemberHandedOverV1) -> dict[str, Any]:
    return {
        "case_id": handover.case_id,
        "run_id": handover.run_id,
        "member_id": handover.member_id,
        "studio_id": handover.studio.studio_id,
        "partner_id": handover.partner_id,
        "occurred_at": clock.now(),
    }


def _results(handover: MemberHandedOverV1) -> tuple[ClaimResult, ...]:
    return tuple(
        ClaimResult(
            claim_id=each.claim_id,
            collected=euros("0.00"),
            residual=each.to_collect,
            written_off=euros("0.00"),
        )
        for each in handover.claims
    )


def opened(handover: MemberHandedOverV1) -> CaseOpenedV1:
    """The partner takes the member."""
    return CaseOpenedV1(
        **_case(handover),
        opened_at=clock.now(),
        claims=tuple(
            OpenClaim(claim_id=each.claim_id, open=each.to_collect) for each in handover.claims
        ),
        open=euros(str(sum(each.to_collect.amount for each in handover.claims))),
    )


def rejected(handover: MemberHandedOverV1, reason_code: str = "DEBTOR_UNKNOWN") -> CaseRejectedV1:
    """The partner refuses the member."""
    return CaseRejectedV1(
        **_case(handover),
        reason_code=reason_code,
        claims=tuple(each.claim_id for each in handover.claims),
    )


def closed(handover: MemberHandedOverV1, reason: Any = "COMPLETED") -> CaseClosedV1:
    """The case ends."""
    return CaseClosedV1(
        **_case(handover),
        reason=reason,
        result="UNPAID",
        closed_by="STAFF",
        claims=_results(handover),
        collected=euros("0.00"),
        residual=euros(str(sum(each.to_collect.amount for each in handover.claims))),
    )


def written_off(handover: MemberHandedOverV1, amount: str) -> CaseClosedV1:
    """The case ends, and a part of what is open on its first claim is given up (R25)."""
    ended = closed(handover)
    first, *others = ended.claims
    given_up = Money(amount=Decimal(amount), currency=first.residual.currency)
    return ended.model_copy(
        update={"claims": (first.model_copy(update={"written_off": given_up}), *others)}
    )


def cancelled(handover: MemberHandedOverV1) -> CaseCancelledV1:
    """The case is taken back."""
    return CaseCancelledV1(**_case(handover), cancelled_by="STAFF", claims=_results(handover))


def paid(
    handover: MemberHandedOverV1, amount: str, payment_id: UUID | None = None
) -> CasePaymentBookedV1:
    """Something is paid on the first claim."""
    share = ClaimShare(
        claim_id=handover.claims[0].claim_id, amount=euros(amount), open=euros("0.00")
    )
    return CasePaymentBookedV1(
        **_case(handover),
        payment_id=payment_id or new_id(),
        amount=euros(amount),
        unallocated=euros("0.00"),
        own_fees=euros("0.00"),
        booking_date=LONG_AGO,
        allocation="AUTOMATIC",
        booked_by="STAFF",
        shares=(share,),
        open=euros("0.00"),
    )


def reduced(handover: MemberHandedOverV1, payment_id: UUID, amount: str) -> CasePaymentReducedV1:
    """A part of a payment on the first claim did not come."""
    share = ClaimShare(
        claim_id=handover.claims[0].claim_id, amount=euros(amount), open=euros("0.00")
    )
    return CasePaymentReducedV1(
        **_case(handover),
        reduction_id=new_id(),
        payment_id=payment_id,
        amount_before=euros("30.00"),
        amount_after=euros("0.00"),
        booking_date=LONG_AGO,
        shares=(share,),
        open=euros("0.00"),
    )


def reallocated(
    handover: MemberHandedOverV1,
    *,
    taken: Mapping[UUID, str],
    given: Mapping[UUID, str],
) -> CasePaymentReallocatedV1:
    """Amounts by claim: money leaves claims of the case, and goes to claims of the case."""
    return CasePaymentReallocatedV1(
        **_case(handover),
        reallocation_id=new_id(),
        payment_id=new_id(),
        payment_case_id=handover.case_id,
        reason="CLAIM_CHANGED",
        taken=_shares(taken),
        given=_shares(given),
        booking_date=LONG_AGO,
        unallocated=euros("0.00"),
        open=euros("0.00"),
    )


def settled(handover: MemberHandedOverV1) -> CaseUnallocatedSettledV1:
    """Money that no claim could take went back to the partner."""
    return CaseUnallocatedSettledV1(
        **_case(handover),
        settlement_id=new_id(),
        payment_id=new_id(),
        outcome="PAID_BACK",
        amount=euros("1.00"),
        booking_date=LONG_AGO,
        unallocated=euros("0.00"),
    )


def changed(handover: MemberHandedOverV1) -> CaseClaimChangedV1:
    """The first claim changed; run-service knows from the claim's own snapshot."""
    claim = handover.claims[0]
    return CaseClaimChangedV1(
        **_case(handover),
        claim_id=claim.claim_id,
        snapshot_sequence=claim.snapshot_sequence + 1,
        amount=euros("20.00"),
        paid_directly=euros("0.00"),
        cancelled=False,
        open_before=claim.to_collect,
        open=euros("20.00"),
        case_open=euros("20.00"),
    )


def _shares(amounts: Mapping[UUID, str]) -> tuple[ClaimShare, ...]:
    return tuple(
        ClaimShare(claim_id=claim_id, amount=euros(amount), open=euros("0.00"))
        for claim_id, amount in amounts.items()
    )
