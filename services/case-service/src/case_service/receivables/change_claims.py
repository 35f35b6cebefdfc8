"""Receivables says something else of claims than before: their cases follow (R27, R28)."""

from collections.abc import Mapping, Sequence, Set

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


async def changes_since_handover(
    connection: AsyncConnection, handed_over: Mapping[ClaimKey, tuple[ClaimFacts, str, Cause]]
) -> tuple[list[ClaimChange], Set[ClaimKey]]:
    """Lock claims that go into cases; return what receivables said of them after the handovers.

    And return the claims that may have been known before: no other one is in any case.

    A handover says what receivables said of a claim when it was made (facts, currency and cause).
    That may not have come here yet: then the handover brings it, and the cases that the claim had
    before follow.
    """
    rows = [
        store.claim_row(key, facts, currency) for key, (facts, currency, _) in handed_over.items()
    ]
    known = await store.hold_claims(connection, rows)
    later, brought, new = [], [], []
    for (key, (facts, _, cause)), row in zip(handed_over.items(), rows, strict=True):
        before = known.get(key, facts)
        if before.sequence > facts.sequence:
            later.append(ClaimChange(key, facts, before, _occasion(cause)))
        elif before.sequence < facts.sequence:
            brought.append(ClaimChange(key, before, facts, _occasion(cause)))
            new.append(row)
    if new:
        await store.take_in(connection, new)
        await let_cases_follow(connection, brought)
    return later, known.keys()


def _facts(snapshot: ClaimSnapshotV1) -> ClaimFacts:
    return ClaimFacts(
        snapshot.sequence,
        snapshot.amount.amount,
        snapshot.paid_directly.amount,
        snapshot.cancelled,
    )


def _occasion(cause: Cause) -> Occasion:
    return Occasion(ActorKind.SYSTEM, RECEIVABLES, now(), cause)
