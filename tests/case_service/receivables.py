"""What receivables says of claims, and what a case makes of it."""

from typing import Any

from contracts import ClaimSnapshotV1, HandoverClaim, MemberHandedOverV1
from tests.case_service.world import World, euros


def snapshot(
    case: MemberHandedOverV1,
    claim: HandoverClaim | None = None,
    *,
    sequence: int = 2,
    amount: str | None = None,
    paid: str = "0.00",
    cancelled: bool = False,
    **changes: Any,
) -> ClaimSnapshotV1:
    """Return what receivables says of a claim of a case, of its first one unless another is given.

    The amount is the one at the handover unless given; `paid` is what was paid at the studio.
    """
    claim = claim or case.claims[0]
    known: dict[str, Any] = {
        "claim_id": claim.claim_id,
        "voucher_date": claim.voucher_date,
        "due_date": claim.due_date,
        "kind": claim.kind,
        "designation": claim.designation,
        "amount": claim.amount if amount is None else euros(amount),
        "paid_directly": euros(paid),
        "sequence": sequence,
        "member_id": case.member_id,
        "studio_id": case.studio.studio_id,
        "cancelled": cancelled,
        "disputed": False,
    }
    return ClaimSnapshotV1(**(known | changes))


async def money_of(world: World, case: MemberHandedOverV1) -> dict[str, str]:
    """Return the amounts of a case as they stand beside the ledger."""
    (row,) = await world.rows(
        "SELECT open, collected, unallocated FROM cases WHERE case_id = :id", id=case.case_id
    )
    return {name: str(amount) for name, amount in row._mapping.items()}


async def entries_of(world: World, case: MemberHandedOverV1, account: str = "CLAIM") -> list[str]:
    """Return what was entered in an account of a case after the handover, in its order."""
    found = await world.rows(
        "SELECT kind, amount FROM entries WHERE case_id = :id AND account = :account"
        " AND kind <> 'HANDED_OVER' ORDER BY entry_number",
        id=case.case_id,
        account=account,
    )
    return [f"{row.kind} {row.amount}" for row in found]


async def version_of(world: World, case: MemberHandedOverV1) -> int:
    """Return the version of a case, which its ETag is made of."""
    (row,) = await world.rows("SELECT version FROM cases WHERE case_id = :id", id=case.case_id)
    return int(row.version)
