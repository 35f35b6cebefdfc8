"""What case-service says of cases and their claims, in events."""

from decimal import Decimal
from typing import Any

from contracts import CaseClaimChangedV1, CaseFileNumberSetV1, MemberHandedOverV1, Money
from kit.clock import now


def euros(amount: str) -> Money:
    """Return an amount in euros."""
    return Money(amount=Decimal(amount), currency="EUR")


def claim_changed(
    case: MemberHandedOverV1,
    sequence: int = 2,
    *,
    amount: str = "50.00",
    paid: str = "0.00",
    cancelled: bool = False,
    amount_before: str | None = "50.00",
    paid_before: str | None = "0.00",
    opens: tuple[str, str] = ("50.00", "50.00"),
) -> CaseClaimChangedV1:
    """Return a change of a case's claim; `opens` is what was open on it before, and after."""
    open_before, open_now = map(euros, opens)
    return CaseClaimChangedV1(
        case_id=case.case_id,
        run_id=case.run_id,
        member_id=case.member_id,
        studio_id=case.studio.studio_id,
        partner_id=case.partner_id,
        occurred_at=now(),
        claim_id=case.claims[0].claim_id,
        snapshot_sequence=sequence,
        amount=euros(amount),
        paid_directly=euros(paid),
        cancelled=cancelled,
        amount_before=None if amount_before is None else euros(amount_before),
        paid_directly_before=None if paid_before is None else euros(paid_before),
        open_before=open_before,
        open=open_now,
        case_open=open_now,
    )


def studio_payment(case: MemberHandedOverV1, sequence: int = 2) -> CaseClaimChangedV1:
    """Return that 20.00 of a case's claim were paid at the studio."""
    return claim_changed(case, sequence, paid="20.00", opens=("50.00", "30.00"))


def numbered(case: MemberHandedOverV1, file_number: str, **other: Any) -> CaseFileNumberSetV1:
    """Return that a case has a file number."""
    values = {
        "case_id": case.case_id,
        "run_id": case.run_id,
        "member_id": case.member_id,
        "studio_id": case.studio.studio_id,
        "partner_id": case.partner_id,
        "occurred_at": now(),
    }
    return CaseFileNumberSetV1(**{**values, **other}, file_number=file_number)
