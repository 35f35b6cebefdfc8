"""What a change at receivables does to a claim in its cases (R27, R28). Pure.

What is owed of a claim is its amount less what was paid directly, or nothing when it is cancelled.
What collection took in on it, in all cases, is held against that (`docs/claim-changes.md`):

- More was collected than is owed: the difference leaves the claim, from the payments booked last,
  and stands on their cases as unallocated.
- A case that has not ended holds what is owed and was neither collected, nor written off before,
  nor is open again on a case that has ended.
- What is open again on a case that has ended falls to what is owed and not collected. It never
  rises: such a claim is not in collection.

So a snapshot that echoes what collection booked changes nothing. Where a claim was corrected and
paid at the studio at once, it was corrected first.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final
from uuid import UUID

from case_service.cases.case import Case, Key
from case_service.ledger import payment_journal
from case_service.ledger.events import ClaimFacts
from case_service.ledger.journal import Journal
from case_service.ledger.occasion import Occasion
from case_service.payments.allocation import NOTHING, Allocation, Share
from case_service.payments.payment import Payment

OTHER_CURRENCY: Final = "the claim had another currency before"
"""Why a snapshot or a handover cannot be used."""

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
    if replace(change.before, sequence=change.after.sequence) == change.after:
        return
    claim_id, owed = change.key[1], change.after.owed
    collected = sum((case.claim(claim_id).collected for case in holders), NOTHING)
    _free_surplus(cases, payments, collected - owed, change, journal)
    kept = min(collected, owed)
    corrected = replace(change.after, paid_directly=change.before.paid_directly)
    after_correction = _open_on(holders, claim_id, corrected.owed - kept)
    after_all = _open_on(holders, claim_id, owed - kept)
    for case, halfway, after in zip(holders, after_correction, after_all, strict=True):
        claim = case.claim(claim_id)
        parts = (halfway - claim.open, after - halfway)
        if any(parts):
            claim.change(sum(parts, NOTHING))
            day = case.day(change.occasion.at)
            journal.claim_changed(
                case, claim, change.before, change.after, parts, day, change.occasion
            )


def _open_on(holders: Sequence[Case], claim_id: UUID, left: Decimal) -> list[Decimal]:
    """Say what is to be open on a claim in each of its cases when this much of it is left to pay.

    At most one of the cases has not ended: run-service never hands a claim over twice at once.
    """
    left = max(left, NOTHING)
    open_ = {}
    for case in holders:
        if not case.is_live:
            open_[case.case_id] = min(case.claim(claim_id).open, left)
            left -= open_[case.case_id]
    given_up = sum((case.claim(claim_id).written_off for case in holders), NOTHING)
    in_collection = max(left - given_up, NOTHING)
    return [open_.get(case.case_id, in_collection) for case in holders]


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
            payment_journal.surplus_arose(
                journal, case, own, payment, (part,), day, change.occasion
            )
