"""Staff say where unallocated money belongs: to claims, to the partner, to the debtor (R29)."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

from case_service.cases.case import Case, Claim, Key, Status
from case_service.ledger import payment_journal
from case_service.ledger.events import ClaimFacts, Outcome
from case_service.ledger.journal import Journal
from case_service.ledger.occasion import Occasion
from case_service.payments.allocation import NOTHING, Share
from case_service.payments.payment import Payment
from case_service.payments.reduce_payment import GivenShare
from case_service.receivables.claim_change import ClaimKey, holders_of
from contracts import Money
from kit.ids import new_id
from kit.problems import Problem, unprocessable, within


def allocate_unallocated(
    cases: Mapping[Key, Case],
    payment: Payment,
    shares: Sequence[GivenShare],
    facts: Mapping[ClaimKey, ClaimFacts],
    occasion: Occasion,
    journal: Journal,
) -> None:
    """Give unallocated money of a payment to claims of the member's cases.

    `cases` holds all cases of the member, locked; `facts` what receivables says of the claims. A
    claim can take what is open on it; on a case that has ended also what went back to the creditor
    unpaid, unless it was paid there since or is in another case now. Raises the 422 naming the
    field when a share does not fit or all of them are more than what is unallocated.
    """
    holders = holders_of(cases.values())
    for place, share in enumerate(shares):
        with within(f"shares.{place}"):
            _check(cases, payment, share, holders, facts)
    if len({share.claim_id for share in shares}) < len(shares):
        raise unprocessable("shares", "Must name each claim once")
    if sum((share.amount.amount for share in shares), NOTHING) > payment.allocation.unallocated:
        raise unprocessable("shares", "Must be at most what is unallocated of the payment")
    own = cases[payment.tenant_id, payment.case_id]
    for case_id in sorted({share.case_id for share in shares}):
        case = cases[payment.tenant_id, case_id]
        given = tuple(
            Share(case_id, share.claim_id, share.amount.amount)
            for share in shares
            if share.case_id == case_id
        )
        _give(case, own, payment, given, case.day(occasion.at), occasion, journal)


def no_such_case() -> Problem:
    """Return the 422 for a share that names a case which cannot have it."""
    return unprocessable("case_id", "Must be a case of the same member, in the same currency")


def pay_out(
    case: Case,
    payment: Payment,
    amount: Money,
    outcome: Outcome,
    occasion: Occasion,
    journal: Journal,
) -> None:
    """Note that unallocated money of a payment left its locked case.

    Raises the 422 naming the field for another currency or more than is unallocated.
    """
    if amount.currency != payment.currency:
        raise unprocessable("amount.currency", "Must be the currency of the case")
    if not NOTHING < amount.amount <= payment.allocation.unallocated:
        raise unprocessable("amount", "Must be above zero and at most what is unallocated")
    payment.allocation = payment.allocation.without_surplus(amount.amount)
    payment.paid_out += amount.amount
    case.unallocated -= amount.amount
    payment_journal.paid_out(
        journal, case, payment, amount.amount, outcome, case.day(occasion.at), occasion
    )


def _check(
    cases: Mapping[Key, Case],
    payment: Payment,
    share: GivenShare,
    holders: Mapping[ClaimKey, Sequence[Case]],
    facts: Mapping[ClaimKey, ClaimFacts],
) -> None:
    case = cases.get((payment.tenant_id, share.case_id))
    if case is None or case.currency != payment.currency:
        raise no_such_case()
    if case.status is Status.PENDING:
        raise unprocessable("case_id", "The partner has not taken this case yet")
    if share.amount.currency != payment.currency:
        raise unprocessable("amount.currency", "Must be the currency of the case")
    key = (payment.tenant_id, share.claim_id)
    claim = next((each for each in case.claims if each.claim_id == share.claim_id), None)
    if claim is None:
        raise unprocessable("claim_id", "Must be a claim of the case")
    if not NOTHING < share.amount.amount <= _takes(case, claim, holders[key], facts[key]):
        raise unprocessable("amount", "Must be above zero and at most what the claim can take")


def _takes(case: Case, claim: Claim, holders: Sequence[Case], facts: ClaimFacts) -> Decimal:
    """Return how much a claim can take: what is open, or went back unpaid and is owed still."""
    if case.is_live or any(each.is_live for each in holders):
        return claim.open
    held = [each.claim(claim.claim_id) for each in holders]
    gone = sum((each.collected + each.written_off + each.open for each in held), NOTHING)
    return claim.open + max(min(claim.released, facts.owed - gone), NOTHING)


def _give(
    case: Case,
    own: Case,
    payment: Payment,
    given: tuple[Share, ...],
    day: date,
    occasion: Occasion,
    journal: Journal,
) -> None:
    missing = [
        (claim.claim_id, share.amount - claim.open)
        for share in given
        for claim in [case.claim(share.claim_id)]
        if share.amount > claim.open
    ]
    for claim_id, amount in missing:
        case.claim(claim_id).take_up(amount)
    posted = new_id()
    journal.taken_up(case, missing, day, occasion, posted)
    for share in given:
        case.claim(share.claim_id).pay(share.amount)
        own.unallocated -= share.amount
    payment.allocation = payment.allocation.plus(given)
    payment_journal.shares_given(journal, case, own, payment, given, day, occasion, posted)
