"""What becomes of cases, as their events tell of it."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from contracts import (
    CaseClosedV1,
    CaseFileNumberSetV1,
    CaseOpenedV1,
    CasePaymentBookedV1,
    ClaimResult,
    ClaimShare,
    MemberHandedOverV1,
    Money,
    OpenClaim,
)
from export_service.subscribers import (
    case_closed,
    case_file_number_set,
    case_opened,
    case_payment_booked,
)
from kit.ids import new_id
from tests.export_service.handed_over import COLLECTION_DATE, receive
from tests.export_service.ordering import TENANT, ServiceContext

ENDED_AT = datetime(2026, 4, 17, 22, 30, tzinfo=UTC)
"""In Berlin it is the 18th already."""


async def open_case(context: ServiceContext, handed_over: MemberHandedOverV1) -> None:
    """The partner works it."""
    claims = tuple(
        OpenClaim(claim_id=claim.claim_id, open=claim.to_collect) for claim in handed_over.claims
    )
    opened = CaseOpenedV1(
        **_of(handed_over), opened_at=ENDED_AT, claims=claims, open=_owed(handed_over)
    )
    await receive(context, case_opened, TENANT, [opened])


async def set_file_number(
    context: ServiceContext, handed_over: MemberHandedOverV1, number: str
) -> None:
    """The partner has a number for it."""
    event = CaseFileNumberSetV1(**_of(handed_over), file_number=number)
    await receive(context, case_file_number_set, TENANT, [event])


async def pay(context: ServiceContext, handed_over: MemberHandedOverV1, amount: str) -> None:
    """So much is paid on its only claim."""
    (claim,) = handed_over.claims
    paid, rest = _euros(amount), _euros(claim.to_collect.amount - Decimal(amount))
    event = CasePaymentBookedV1(
        **_of(handed_over),
        payment_id=new_id(),
        amount=paid,
        unallocated=_euros("0.00"),
        own_fees=_euros("0.00"),
        booking_date=COLLECTION_DATE,
        allocation="AUTOMATIC",
        booked_by="STAFF",
        shares=(ClaimShare(claim_id=claim.claim_id, amount=paid, open=rest),),
        open=rest,
    )
    await receive(context, case_payment_booked, TENANT, [event])


async def close(
    context: ServiceContext, handed_over: MemberHandedOverV1, at: datetime = ENDED_AT
) -> None:
    """It ends, with nothing collected."""
    claims = tuple(
        ClaimResult(
            claim_id=claim.claim_id,
            collected=_euros("0.00"),
            residual=claim.to_collect,
            written_off=_euros("0.00"),
        )
        for claim in handed_over.claims
    )
    event = CaseClosedV1(
        **_of(handed_over) | {"occurred_at": at},
        reason="COMPLETED",
        result="UNPAID",
        closed_by="STAFF",
        claims=claims,
        collected=_euros("0.00"),
        residual=_owed(handed_over),
    )
    await receive(context, case_closed, TENANT, [event])


def _of(handed_over: MemberHandedOverV1) -> dict[str, Any]:
    return {
        "case_id": handed_over.case_id,
        "run_id": handed_over.run_id,
        "member_id": handed_over.member_id,
        "studio_id": handed_over.studio.studio_id,
        "partner_id": handed_over.partner_id,
        "occurred_at": ENDED_AT,
    }


def _owed(handed_over: MemberHandedOverV1) -> Money:
    return _euros(sum((claim.to_collect.amount for claim in handed_over.claims), Decimal()))


def _euros(amount: str | Decimal) -> Money:
    return Money(amount=Decimal(amount), currency="EUR")
