"""Events in: one function for each contract."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import (
    CaseCancelledV1,
    CaseClosedV1,
    CaseOpenedV1,
    CasePaymentBookedV1,
    CasePaymentReallocatedV1,
    CasePaymentReducedV1,
    CaseRejectedV1,
    ClaimSnapshotV1,
    MemberSnapshotV1,
    PartnerSnapshotV1,
    StudioSnapshotV1,
)
from contracts.case import CaseEvent
from kit.subscriptions import Batch, Subscriptions
from run_service import tables
from run_service.candidates.recount import Members, recount, recount_listed, share_settings
from run_service.candidates.snapshot_rows import ClaimRow, MemberRow, claim_row, member_row
from run_service.candidates.store import (
    Share,
    add_shares,
    save_newest,
    save_versions,
    written_off,
)
from run_service.runs import tallies
from run_service.runs.run import CaseStatus
from run_service.runs.tallies import Answer

# Answers on cases, of which a run has as many, would cost more in two transactions.
subscriptions = Subscriptions(worth_parting=(MemberSnapshotV1, ClaimSnapshotV1))


@subscriptions.handles(StudioSnapshotV1)
async def keep_studios(batch: Batch[StudioSnapshotV1]) -> None:
    """Keep the newest snapshot of each studio (R12)."""
    await save_newest(
        batch.connection,
        tables.studios,
        ("tenant_id", "studio_id", "sequence", "name", "snapshot"),
        (
            (
                message.tenant_id,
                message.event.studio_id,
                message.event.sequence,
                message.event.name1,
                message.event.model_dump_json(),
            )
            for message in batch.messages
        ),
    )


@subscriptions.handles(MemberSnapshotV1, keeps=member_row)
async def keep_members(batch: Batch[MemberRow]) -> None:
    """Keep the newest snapshot of each member (R12)."""
    await share_settings(batch.connection, {message.tenant_id for message in batch.messages})
    await _save(batch, tables.members, tables.member_snapshots, MemberRow._fields)


def _members_key(row: ClaimRow) -> str:
    """Return the key of a member's own snapshots, and of what happens to its cases."""
    return str(row.member_id)


@subscriptions.handles(ClaimSnapshotV1, keeps=claim_row, parted_by=_members_key)
async def keep_claims(batch: Batch[ClaimRow]) -> None:
    """Keep the newest snapshot of each claim (R12)."""
    members = await _save(batch, tables.claims, tables.claim_snapshots, ClaimRow._fields)
    if members is not None:
        await share_settings(batch.connection, {message.tenant_id for message in batch.messages})
        await recount_listed(batch.connection, members, may_be_new=True)


async def _save(
    batch: Batch[Any], table: Table, versions: Table, names: tuple[str, ...]
) -> Members | None:
    """Save the rows that are kept of snapshots, each with the tenant of its message.

    Returns whom they are about, as `save_versions` does.
    """
    return await save_versions(
        batch.connection,
        table,
        versions,
        ("tenant_id", *names),
        ((message.tenant_id, *message.event) for message in batch.messages),
    )


@subscriptions.handles(PartnerSnapshotV1)
async def keep_partners(batch: Batch[PartnerSnapshotV1]) -> None:
    """Keep the newest snapshot of each partner."""
    await save_newest(
        batch.connection,
        tables.partners,
        ("tenant_id", "partner_id", "sequence", "name", "channel", "status"),
        (
            (
                message.tenant_id,
                message.event.partner_id,
                message.event.sequence,
                message.event.name,
                message.event.channel,
                message.event.status,
            )
            for message in batch.messages
        ),
    )


@subscriptions.handles(CasePaymentBookedV1)
async def count_payments(batch: Batch[CasePaymentBookedV1]) -> None:
    """Add what was paid through collection to what is known of the claims."""
    await _add(
        batch.connection,
        [
            Share(
                message.tenant_id,
                message.event.case_id,
                share.claim_id,
                message.event.payment_id,
                share.amount.amount,
            )
            for message in batch.messages
            for share in message.event.shares
        ],
    )


@subscriptions.handles(CasePaymentReducedV1)
async def count_reductions(batch: Batch[CasePaymentReducedV1]) -> None:
    """Take off what turned out not to be paid."""
    await _add(
        batch.connection,
        [
            Share(
                message.tenant_id,
                message.event.case_id,
                share.claim_id,
                message.event.reduction_id,
                -share.amount.amount,
            )
            for message in batch.messages
            for share in message.event.shares
        ],
    )


@subscriptions.handles(CasePaymentReallocatedV1)
async def count_reallocations(batch: Batch[CasePaymentReallocatedV1]) -> None:
    """Move what was paid through collection from claim to claim, or to none (R28, R29)."""
    await _add(
        batch.connection,
        [
            Share(
                message.tenant_id,
                message.event.case_id,
                claim_id,
                message.event.reallocation_id,
                amount,
            )
            for message in batch.messages
            for claim_id, amount in _moved(message.event).items()
        ],
    )


def _moved(event: CasePaymentReallocatedV1) -> dict[UUID, Decimal]:
    """Return what a reallocation changed on each claim: a claim has one share in a booking."""
    moved: defaultdict[UUID, Decimal] = defaultdict(Decimal)
    for share in event.given:
        moved[share.claim_id] += share.amount.amount
    for share in event.taken:
        moved[share.claim_id] -= share.amount.amount
    return moved


async def _add(connection: AsyncConnection, shares: Sequence[Share]) -> None:
    if shares:
        await recount(connection, await add_shares(connection, shares))


def _answer(event: CaseEvent) -> Answer:
    return Answer(event.case_id, event.run_id)


def _rejected(event: CaseRejectedV1) -> Answer:
    return Answer(event.case_id, event.run_id, reason_code=event.reason_code)


@subscriptions.handles(CaseOpenedV1, keeps=_answer)
async def count_accepted(batch: Batch[Answer]) -> None:
    """Count the members that the partner took (R8)."""
    await _record(batch, CaseStatus.OPEN, [message.event for message in batch.messages])


@subscriptions.handles(CaseRejectedV1, keeps=_rejected)
async def count_rejected(batch: Batch[Answer]) -> None:
    """Count the members that the partner refused, and free their claims (R8)."""
    await _record(batch, CaseStatus.REJECTED, [message.event for message in batch.messages])


class _Closed(NamedTuple):
    answer: Answer
    written_off: Sequence[tuple[UUID, Decimal]]


def _closed(event: CaseClosedV1) -> _Closed:
    return _Closed(
        Answer(event.case_id, event.run_id, reversed=event.reason == "RUN_REVERSED"),
        [
            (claim.claim_id, claim.written_off.amount)
            for claim in event.claims
            if claim.written_off.amount > 0
        ],
    )


@subscriptions.handles(CaseClosedV1, keeps=_closed)
async def count_closed(batch: Batch[_Closed]) -> None:
    """Count the members whose case was closed, and free what is still owed (R10, R11, R25).

    The answers come first: they lock all claims before any member, like a batch of claims.
    """
    await _record(batch, CaseStatus.CLOSED, [message.event.answer for message in batch.messages])
    await _add(
        batch.connection,
        [
            written_off(message.tenant_id, message.event.answer.case_id, claim_id, amount)
            for message in batch.messages
            for claim_id, amount in message.event.written_off
        ],
    )


@subscriptions.handles(CaseCancelledV1, keeps=_answer)
async def count_cancelled(batch: Batch[Answer]) -> None:
    """Count the members whose case was cancelled, and free their claims (R11)."""
    await _record(batch, CaseStatus.CANCELLED, [message.event for message in batch.messages])


async def _record(batch: Batch[Any], status: CaseStatus, answers: Sequence[Answer]) -> None:
    """Save the answers; those on a case of a run that is not known wait for it."""
    whose = [message.tenant_id for message in batch.messages]
    unknown = await tallies.record(batch.connection, status, list(zip(whose, answers, strict=True)))
    if not unknown:
        return
    for message, answer in zip(batch.messages, answers, strict=True):
        if (message.tenant_id, answer.case_id) in unknown:
            batch.park(message, f"run:{answer.run_id}")
