"""Receivables says something else of claims than before: their cases follow (R27, R28)."""

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from case_service import store as case_store
from case_service.ledger.entry import ActorKind, Occasion
from case_service.ledger.events import ClaimFacts
from case_service.ledger.journal import Journal
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


async def change_claims(
    connection: AsyncConnection, snapshots: Sequence[Snapshot]
) -> set[ClaimKey]:
    """Take in snapshots of claims, and let the cases of those that changed follow.

    Of several snapshots of a claim the highest sequence counts, as it does against what is known.
    Returns the claims that have another currency than before: their snapshots cannot be used.
    """
    newest: dict[ClaimKey, Snapshot] = {}
    for snapshot, cause in sorted(snapshots, key=lambda each: each[0].sequence):
        newest[cause.tenant_id, snapshot.claim_id] = (snapshot, cause)
    before, other_currency = await store.take_in(
        connection,
        [
            store.claim_row(key, _facts(snapshot), snapshot.amount.currency)
            for key, (snapshot, _) in newest.items()
        ],
    )
    changes = [
        ClaimChange(key, before[key], _facts(newest[key][0]), _occasion(newest[key][1]))
        for key in sorted(before)
    ]
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


def changes_since_handover(
    handed_over: Mapping[ClaimKey, tuple[ClaimFacts, Cause]], known: Mapping[ClaimKey, ClaimFacts]
) -> list[ClaimChange]:
    """Return what receivables said of claims after what their handovers say."""
    return [
        ClaimChange(key, facts, known[key], _occasion(cause))
        for key, (facts, cause) in sorted(handed_over.items())
        if known[key].sequence > facts.sequence
    ]


def _facts(snapshot: ClaimSnapshotV1) -> ClaimFacts:
    return ClaimFacts(
        snapshot.sequence,
        snapshot.amount.amount,
        snapshot.paid_directly.amount,
        snapshot.cancelled,
    )


def _occasion(cause: Cause) -> Occasion:
    return Occasion(ActorKind.SYSTEM, RECEIVABLES, now(), cause)
