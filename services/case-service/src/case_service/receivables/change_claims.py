"""Receivables says something else of claims than before: their cases follow (R27, R28)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from case_service import store as case_store
from case_service.cases.handover import HandedOverClaim
from case_service.ledger.events import ClaimFacts
from case_service.ledger.journal import Journal
from case_service.ledger.occasion import ActorKind, Occasion
from case_service.payments.store import payments_on_claims
from case_service.receivables import store
from case_service.receivables.claim_change import (
    ClaimChange,
    ClaimKey,
    change_claim,
    holders_of,
)
from contracts import ClaimSnapshotV1
from kit.clock import now
from kit.trace import Cause

RECEIVABLES = "receivables"
"""Who says what becomes of claims."""

Snapshot = tuple[ClaimSnapshotV1, Cause]


@dataclass(frozen=True, slots=True)
class HeldClaims:
    """What is known of claims that go into new cases, besides what their handovers say."""

    other_currency: set[ClaimKey] = field(default_factory=set)
    """Those that are known, or handed over earlier in this batch, in another currency."""
    in_cases: set[ClaimKey] = field(default_factory=set)
    """Those that earlier cases have."""
    later: list[ClaimChange] = field(default_factory=list)
    """What receivables said after the handovers."""
    brought: list[tuple[ClaimChange, str]] = field(default_factory=list)
    """What the handovers bring before receivables said it here, with the currency."""


async def change_claims(
    connection: AsyncConnection, snapshots: Sequence[Snapshot]
) -> set[tuple[ClaimKey, str]]:
    """Take in snapshots of claims, and let the cases of those that changed follow.

    Of several snapshots of a claim the highest sequence counts, as it does against what is known.
    Returns the claims that came in another currency than before, with that currency: such
    snapshots cannot be used.
    """
    newest: dict[tuple[ClaimKey, str], Snapshot] = {}
    for snapshot, cause in sorted(snapshots, key=lambda each: each[0].sequence):
        key = (cause.tenant_id, snapshot.claim_id)
        newest[key, snapshot.amount.currency] = (snapshot, cause)
    taken_in, other_currency = await store.take_in(
        connection,
        [
            store.claim_row(key, _facts(snapshot), currency)
            for (key, currency), (snapshot, _) in newest.items()
        ],
    )
    changes = []
    for (key, currency), before in sorted(taken_in.items()):
        snapshot, cause = newest[key, currency]
        changes.append(ClaimChange(key, before, _facts(snapshot), _occasion(cause)))
    await let_cases_follow(connection, changes)
    return other_currency


async def let_cases_follow(connection: AsyncConnection, changes: Sequence[ClaimChange]) -> None:
    """Change the claims in all their cases; the claims themselves must be locked."""
    if not changes:
        return
    keys = [change.key for change in changes]
    members = await case_store.members_of_claims(connection, keys)
    if not members:
        return
    cases = await case_store.lock_cases_of_members(connection, members)
    holders = holders_of(cases.values())
    payments = await payments_on_claims(connection, keys)
    journal = Journal()
    for change in changes:
        if held := holders.get(change.key):
            change_claim(cases, held, payments.get(change.key, []), change, journal)
    await case_store.save(connection, journal)


async def hold_handed_over(
    connection: AsyncConnection, handed_over: Sequence[tuple[HandedOverClaim, Cause]]
) -> HeldClaims:
    """Lock claims that go into cases, and say what is known of them besides what handovers say."""
    known = await store.hold_claims(
        connection,
        [
            store.SaidClaim(
                cause.tenant_id,
                claim.claim_id,
                claim.snapshot_sequence,
                claim.amount,
                claim.paid_directly,
                claim.currency,
            )
            for claim, cause in handed_over
        ],
    )
    held = HeldClaims()
    if not known:
        return held
    last = {(cause.tenant_id, claim.claim_id): claim for claim, cause in handed_over}
    for place, before, currency, is_in_case in known:
        claim, cause = handed_over[place]
        key = (cause.tenant_id, claim.claim_id)
        if currency != claim.currency:
            held.other_currency.add(key)
        if is_in_case:
            held.in_cases.add(key)
        after = _handed_over_facts(claim)
        if claim is not last[key]:
            continue
        if before.sequence > after.sequence:
            held.later.append(ClaimChange(key, after, before, _occasion(cause)))
        elif before.sequence < after.sequence:
            held.brought.append((ClaimChange(key, before, after, _occasion(cause)), currency))
    return held


async def take_in_brought(connection: AsyncConnection, held: HeldClaims) -> None:
    """Take in what handovers brought before receivables did; earlier cases of the claims follow.

    A handover says what receivables said of a claim when it was made. That may not have come here.
    """
    if held.brought:
        rows = [
            store.claim_row(change.key, change.after, currency) for change, currency in held.brought
        ]
        await store.take_in(connection, rows)
        await let_cases_follow(connection, [change for change, _ in held.brought])


def _facts(snapshot: ClaimSnapshotV1) -> ClaimFacts:
    return ClaimFacts(
        snapshot.sequence,
        snapshot.amount.amount,
        snapshot.paid_directly.amount,
        snapshot.cancelled,
    )


def _handed_over_facts(claim: HandedOverClaim) -> ClaimFacts:
    return ClaimFacts(claim.snapshot_sequence, claim.amount, claim.paid_directly, cancelled=False)


def _occasion(cause: Cause) -> Occasion:
    return Occasion(ActorKind.SYSTEM, RECEIVABLES, now(), cause)
