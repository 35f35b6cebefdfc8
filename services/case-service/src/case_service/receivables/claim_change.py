"""What a change at receivables does to a claim in its cases (R27, R28). Pure.

What is owed of a claim is its amount less what was paid directly, or nothing when it is cancelled.
What collection took in on it, in all cases, is held against that:

- More was collected than is owed: the difference leaves the claim, from the payments booked last,
  and stands on their cases as unallocated.
- A case that has not ended holds what is owed and was neither collected, nor written off before,
  nor is open again on a case that has ended.
- What is open again on a case that has ended falls to what is owed and not collected. It never
  rises: such a claim is not in collection.

So a snapshot that echoes what collection booked changes nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from case_service.cases.case import Case, Claim, Key
from case_service.ledger.entry import Occasion, Payment
from case_service.ledger.events import ClaimFacts
from case_service.ledger.journal import Journal
from case_service.payments.allocation import NOTHING, Allocation, Share

ClaimKey = tuple[UUID, UUID]
"""Tenant and claim."""


@dataclass(frozen=True, slots=True)
class ClaimChange:
    """What receivables said of a claim before, and says now."""

    key: ClaimKey
    before: ClaimFacts
    after: ClaimFacts
    occasion: Occasion


def holders_of(cases: Iterable[Case]) -> dict[ClaimKey, list[Case]]:
    """Return the cases of each claim, the newest first."""
    holders: defaultdict[ClaimKey, list[Case]] = defaultdict(list)
    for case in sorted(cases, key=lambda each: each.case_id, reverse=True):
        for claim in case.claims:
            holders[case.tenant_id, claim.claim_id].append(case)
    return holders


def due_in_new_case(owed: Decimal, holders: Sequence[Case], claim_id: UUID) -> Decimal:
    """Return what a case that is opened with a claim is to collect of what is owed.

    `holders` have ended; what is open again on them must have gone into the new case before.
    """
    claims = [case.claim(claim_id) for case in holders]
    gone = sum((claim.collected + claim.written_off for claim in claims), NOTHING)
    return max(owed - gone, NOTHING)


def change_claim(
    cases: Mapping[Key, Case],
    holders: Sequence[Case],
    payments: Sequence[Payment],
    change: ClaimChange,
    journal: Journal,
) -> None:
    """Let the cases of a claim follow a change.

    `holders` are its cases, the newest first, `payments` those with a share on it, the last booked
    first, and `cases` all cases of the members concerned; all are locked.
    """
    claim_id, owed = change.key[1], change.after.owed
    open_before = {case.key: case.claim(claim_id).open for case in holders}
    collected = sum((case.claim(claim_id).collected for case in holders), NOTHING)
    _free_surplus(cases, payments, collected - owed, change, journal)
    left = max(owed - collected, NOTHING)
    ended = [case for case in holders if not case.is_live]
    for case in ended:
        claim = case.claim(claim_id)
        after = min(open_before[case.key], left)
        left -= after
        _change_to(case, claim, after, change, journal)
    written_off = sum((case.claim(claim_id).written_off for case in ended), NOTHING)
    for case in holders:
        if case.is_live:
            after = max(left - written_off, NOTHING)
            _change_to(case, case.claim(claim_id), after, change, journal)


def _free_surplus(
    cases: Mapping[Key, Case],
    payments: Sequence[Payment],
    surplus: Decimal,
    change: ClaimChange,
    journal: Journal,
) -> None:
    """Take shares off a claim that is less than was paid on it, the last booked first."""
    for payment in payments:
        for share in reversed(payment.allocation.shares):
            if share.claim_id != change.key[1] or surplus <= 0:
                continue
            part = Share(share.case_id, share.claim_id, min(share.amount, surplus))
            surplus -= part.amount
            case = cases[change.key[0], share.case_id]
            own = cases[change.key[0], payment.case_id]
            case.claim(share.claim_id).take_back(part.amount)
            own.unallocated += part.amount
            left = payment.allocation.minus(Allocation((part,), NOTHING))
            payment.allocation = Allocation(left.shares, left.unallocated + part.amount)
            day = case.day(change.occasion.at)
            journal.surplus_arose(case, own, payment, (part,), day, change.occasion)


def _change_to(
    case: Case, claim: Claim, after: Decimal, change: ClaimChange, journal: Journal
) -> None:
    """Bring what is open on a claim to `after`, and say how much of it was paid at the studio."""
    difference = after - claim.open
    if not difference:
        return
    paid = change.after.paid_directly - change.before.paid_directly
    only_paid = (
        paid
        and change.after.amount == change.before.amount
        and change.after.cancelled == change.before.cancelled
    )
    direct = difference if only_paid else max(-paid, -claim.open)
    claim.change(difference)
    journal.claim_changed(
        case,
        claim,
        change.before,
        change.after,
        (direct, difference - direct),
        case.day(change.occasion.at),
        change.occasion,
    )
