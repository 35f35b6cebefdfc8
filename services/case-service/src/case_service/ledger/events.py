"""What others are told of cases: each event, rendered from what the ledger holds at that moment."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal
from uuid import UUID

from pydantic_core import to_json

from case_service.cases.case import Case, Claim
from case_service.ledger.occasion import Occasion
from case_service.payments.allocation import NOTHING, Share
from case_service.payments.payment import Payment
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
    CaseUnallocatedSettledV1,
    ClaimResult,
    ClaimShare,
    MemberDunningLevelResetV1,
    MemberReleasedV1,
    Money,
)
from contracts import OpenClaim as OpenClaimPart
from kit.outbox import WrittenEvent

ReleaseReason = Literal["CASE_CLOSED", "CASE_CANCELLED", "CASE_REJECTED", "RUN_REVERSED"]
ReallocationReason = Literal["CLAIM_CHANGED", "SETTLED"]
Outcome = Literal["PAID_BACK", "GIVEN_TO_DEBTOR"]


@dataclass(frozen=True, slots=True)
class ClaimFacts:
    """What receivables says of a claim."""

    sequence: int
    amount: Decimal
    paid_directly: Decimal
    cancelled: bool

    @property
    def owed(self) -> Decimal:
        """Return what is owed of it, before anything that was collected; never below zero."""
        return NOTHING if self.cancelled else max(self.amount - self.paid_directly, NOTHING)


def opened(case: Case, occasion: Occasion, open_: Decimal) -> WrittenEvent:
    """The partner works the case from now on, with this much open; written without its model."""
    currency, at = case.currency, occasion.at
    payload = {
        **_base(case, occasion),
        "opened_at": at,
        "claims": [
            {"claim_id": claim.claim_id, "open": {"amount": claim.open, "currency": currency}}
            for claim in case.claims
        ],
        "open": {"amount": open_, "currency": currency},
    }
    return WrittenEvent(CaseOpenedV1, str(case.member_id), to_json(payload))


def rejected(case: Case, occasion: Occasion) -> CaseRejectedV1:
    """The partner refused the case, for the reason that it holds."""
    assert case.reason_code is not None
    return CaseRejectedV1(
        **_base(case, occasion), reason_code=case.reason_code, claims=_claim_ids(case)
    )


def file_number_set(case: Case, previous: str | None, occasion: Occasion) -> CaseFileNumberSetV1:
    """The case has a file number, the first or another one."""
    assert case.file_number is not None
    return CaseFileNumberSetV1(
        **_base(case, occasion), file_number=case.file_number, previous=previous
    )


def payment_booked(case: Case, payment: Payment, occasion: Occasion) -> CasePaymentBookedV1:
    """A payment was booked; the case holds it already."""
    return CasePaymentBookedV1(
        **_base(case, occasion),
        payment_id=payment.payment_id,
        amount=_money(case, payment.amount),
        unallocated=_money(case, payment.allocation.unallocated),
        own_fees=_money(case, payment.own_fees),
        booking_date=payment.booking_date,
        allocation=payment.allocation_kind.value,
        booked_by=payment.booked_by.value,
        partner_reference=payment.partner_reference,
        shares=_shares(case, payment.allocation.shares),
        open=_money(case, case.open),
    )


def payment_reduced(
    case: Case,
    payment_id: UUID,
    reduction_id: UUID,
    amounts: tuple[Decimal, Decimal],
    shares: tuple[Share, ...],
    shortfall: Decimal,
    booking_date: date,
    occasion: Occasion,
) -> CasePaymentReducedV1:
    """A payment shrank (`amounts`: before and after), and claims of this case open again."""
    return CasePaymentReducedV1(
        **_base(case, occasion),
        reduction_id=reduction_id,
        payment_id=payment_id,
        amount_before=_money(case, amounts[0]),
        amount_after=_money(case, amounts[1]),
        booking_date=booking_date,
        shares=_shares(case, shares),
        shortfall=_money(case, shortfall) if shortfall else None,
        open=_money(case, case.open),
    )


def payment_reallocated(
    case: Case,
    payment: Payment,
    reallocation_id: UUID,
    reason: ReallocationReason,
    booking_date: date,
    occasion: Occasion,
    *,
    taken: tuple[Share, ...] = (),
    given: tuple[Share, ...] = (),
) -> CasePaymentReallocatedV1:
    """Shares of a payment left claims of this case, or came to them."""
    return CasePaymentReallocatedV1(
        **_base(case, occasion),
        reallocation_id=reallocation_id,
        payment_id=payment.payment_id,
        payment_case_id=payment.case_id,
        reason=reason,
        taken=_shares(case, taken),
        given=_shares(case, given),
        booking_date=booking_date,
        unallocated=_money(case, payment.allocation.unallocated),
        open=_money(case, case.open),
    )


def unallocated_settled(
    case: Case,
    payment: Payment,
    settlement_id: UUID,
    outcome: Outcome,
    amount: Decimal,
    booking_date: date,
    occasion: Occasion,
) -> CaseUnallocatedSettledV1:
    """Money that no claim could take has left the case."""
    return CaseUnallocatedSettledV1(
        **_base(case, occasion),
        settlement_id=settlement_id,
        payment_id=payment.payment_id,
        outcome=outcome,
        amount=_money(case, amount),
        booking_date=booking_date,
        unallocated=_money(case, payment.allocation.unallocated),
    )


def claim_changed(
    case: Case,
    claim: Claim,
    before: ClaimFacts,
    after: ClaimFacts,
    open_before: Decimal,
    occasion: Occasion,
) -> CaseClaimChangedV1:
    """A claim of the case changed at receivables; the case holds the change already."""
    return CaseClaimChangedV1(
        **_base(case, occasion),
        claim_id=claim.claim_id,
        snapshot_sequence=after.sequence,
        amount=_money(case, after.amount),
        paid_directly=_money(case, after.paid_directly),
        cancelled=after.cancelled,
        amount_before=_money(case, before.amount),
        paid_directly_before=_money(case, before.paid_directly),
        open_before=_money(case, open_before),
        open=_money(case, claim.open),
        case_open=_money(case, case.open),
    )


def handed_over_again(
    case: Case, claim_ids: Iterable[UUID], amount: Decimal, occasion: Occasion
) -> CaseHandedOverAgainV1:
    """What was open again on claims of an ended case went into another one."""
    return CaseHandedOverAgainV1(
        **_base(case, occasion),
        claims=tuple(
            OpenClaimPart(claim_id=claim_id, open=_money(case, case.claim(claim_id).open))
            for claim_id in claim_ids
        ),
        amount=_money(case, amount),
        open=_money(case, case.open),
    )


def closed(case: Case, occasion: Occasion) -> WrittenEvent:
    """The case was closed, for the reason and with the result that it holds.

    Written as its model would write it, and without it: a run that is reversed closes a hundred
    thousand cases at once, of ids and amounts that were checked when they came in. It is put
    together as text, which `opened` leaves to pydantic: ids of cases that were loaded are
    asyncpg's own, and pydantic takes 7 µs for each of those.
    """
    assert case.close_reason is not None
    assert case.result is not None
    assert case.residual is not None
    money = f'","currency":"{case.currency}"}}'  # what follows an amount
    results = ",".join(
        f'{{"claim_id":"{claim.claim_id!s}","collected":{{"amount":"{claim.collected!s}{money},'
        f'"residual":{{"amount":"{claim.written_off + claim.released!s}{money},'
        f'"written_off":{{"amount":"{claim.written_off!s}{money}}}'
        for claim in case.claims
    )
    member_id = str(case.member_id)
    payload = (
        f'{{"case_id":"{case.case_id!s}","run_id":"{case.run_id!s}","member_id":"{member_id}",'
        f'"studio_id":"{case.studio_id!s}","partner_id":"{case.partner_id!s}",'
        f'"occurred_at":"{_instant(occasion.at)}",'
        f'"reason":"{case.close_reason}","result":"{case.result}",'
        f'"closed_by":"{occasion.actor_kind}","claims":[{results}],'
        f'"collected":{{"amount":"{case.collected!s}{money},'
        f'"residual":{{"amount":"{case.residual!s}{money}}}'
    )
    return WrittenEvent(CaseClosedV1, member_id, payload.encode())


def cancelled(case: Case, occasion: Occasion) -> CaseCancelledV1:
    """The case was taken back from the partner."""
    return CaseCancelledV1(
        **_base(case, occasion), cancelled_by=occasion.actor_kind.value, claims=_results(case)
    )


def released(case: Case, reason: ReleaseReason) -> WrittenEvent:
    """The member's claims are not in collection any more; written like `closed`."""
    member_id = str(case.member_id)
    claims = '","'.join(str(claim.claim_id) for claim in case.claims)
    payload = (
        f'{{"member_id":"{member_id}","studio_id":"{case.studio_id!s}",'
        f'"case_id":"{case.case_id!s}","run_id":"{case.run_id!s}","reason":"{reason}",'
        f'"claims":["{claims}"]}}'
    )
    return WrittenEvent(MemberReleasedV1, member_id, payload.encode())


def dunning_level_reset(case: Case, occasion: Occasion) -> MemberDunningLevelResetV1:
    """The member's dunning level is to start again; `case` is its last one that closed."""
    return MemberDunningLevelResetV1(
        member_id=case.member_id,
        studio_id=case.studio_id,
        case_id=case.case_id,
        reset_at=occasion.at,
    )


def _base(case: Case, occasion: Occasion) -> dict[str, Any]:
    return {
        "case_id": case.case_id,
        "run_id": case.run_id,
        "member_id": case.member_id,
        "studio_id": case.studio_id,
        "partner_id": case.partner_id,
        "occurred_at": occasion.at,
    }


@lru_cache(maxsize=10)
def _instant(at: datetime) -> str:
    """Return a moment as in events; all that is done at once has the same."""
    return at.isoformat().replace("+00:00", "Z")


def _money(case: Case, amount: Decimal) -> Money:
    return _checked_money(amount, case.currency)


@lru_cache(maxsize=10_000)
def _checked_money(amount: Decimal, currency: str) -> Money:
    """Return an amount as in events; the same fees are owed again and again."""
    return Money(amount=amount, currency=currency)


def _claim_ids(case: Case) -> tuple[UUID, ...]:
    return tuple(claim.claim_id for claim in case.claims)


def _shares(case: Case, shares: tuple[Share, ...]) -> tuple[ClaimShare, ...]:
    return tuple(
        ClaimShare(
            claim_id=share.claim_id,
            amount=_money(case, share.amount),
            open=_money(case, case.claim(share.claim_id).open),
        )
        for share in shares
    )


def _results(case: Case) -> tuple[ClaimResult, ...]:
    """Say what became of each claim of a case that has just ended."""
    return tuple(
        ClaimResult(
            claim_id=claim.claim_id,
            collected=_money(case, claim.collected),
            residual=_money(case, claim.written_off + claim.released),
            written_off=_money(case, claim.written_off),
        )
        for claim in case.claims
    )
