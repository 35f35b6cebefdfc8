"""Hand one member over alone, from any dunning level, with a fee if need be (R9)."""

from dataclasses import replace
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import MAX_CLAIMS, ClaimSnapshotV1, Money
from kit.auth import Principal
from kit.ids import new_id
from kit.problems import not_found, problem, unprocessable
from kit.trace import Cause
from run_service.candidates import versions
from run_service.candidates.selection import (
    IS_GOING,
    LEFT_OUT_REASON,
    OWES_SOMETHING,
    TOO_LARGE_TOTAL,
    LeftOut,
    Scope,
    scope_of,
)
from run_service.previews.create_preview import check_partner, new_preview
from run_service.previews.freeze import freeze
from run_service.previews.store import insert_preview, save_decision
from run_service.problems import MEMBER_NOT_HANDED_OVER
from run_service.runs import store
from run_service.runs.changed_members import Change, members_with_claims_going
from run_service.runs.create_run import make_run
from run_service.runs.resources import HandoverOrder
from run_service.tables import claims

FLAT_FEE: Final = "FLAT_FEE"

BEFORE_ANY: Final = -1
"""Sequence of a claim whose owner has published nothing of it: whatever it publishes is newer."""

_FIND_MEMBER = text(
    f"""
    SELECT studio_id, currency, total, cardinality(claim_ids) AS claim_count,
           {LEFT_OUT_REASON} AS left_out_reason,
           {OWES_SOMETHING} AND NOT {IS_GOING} AS owes_something,
           {IS_GOING} OR EXISTS (
               SELECT FROM claims JOIN reservations AS reserved USING (tenant_id, claim_id)
               WHERE claims.tenant_id = member.tenant_id AND claims.member_id = member.member_id
                 AND released_at IS NULL) AS is_in_collection
    FROM members AS member
    WHERE tenant_id = :tenant_id AND member_id = :member_id AND sequence IS NOT NULL
      AND EXISTS (SELECT FROM studios
                  WHERE studios.tenant_id = member.tenant_id
                    AND studios.studio_id = member.studio_id)
    FOR NO KEY UPDATE OF member
    """  # noqa: S608 - constants
)
_KEEP_FEE = text(
    """
    INSERT INTO claim_snapshots (tenant_id, claim_id, sequence, details)
    VALUES (:tenant_id, :claim_id, :sequence, CAST(:details AS json))
    """
)
_ADD_FEE = text(
    """
    UPDATE preview_members
    SET claim_ids = claim_ids || CAST(:claim_id AS uuid),
        claim_sequences = claim_sequences || CAST(:sequence AS bigint),
        claim_amounts = claim_amounts || CAST(:amount AS numeric(14, 2)),
        total = total + :amount
    WHERE tenant_id = :tenant_id AND preview_id = :preview_id
    """
)


async def hand_over_member(
    connection: AsyncConnection,
    principal: Principal,
    order: HandoverOrder,
    default_time_zone: str,
    cause: Cause,
) -> UUID:
    """Make a run of one member's open claims, and return the run's id.

    Neither the dunning level nor the tenant's minimum count; all else that leaves members out of
    runs does. A minor without a legal guardian needs a reason (R3).

    Raises the 404 for a member that the caller may not see; the 409 that says why the member
    cannot be handed over; the 422 for a partner that is not known, for a missing reason, for a
    fee in another currency than the claims; the 409 for a paused partner.
    """
    await store.lock_making(connection, principal.tenant_id)
    await check_partner(connection, principal.tenant_id, order.partner_id)
    scope = replace(await scope_of(connection, principal, default_time_zone), any_level=True)
    studio_id, is_minor = await _check_member(connection, principal, scope, order)

    preview = new_preview(principal, order.partner_id, [studio_id])
    await insert_preview(connection, principal.tenant_id, preview)
    await freeze(connection, preview.preview_id, scope, order.member_id)
    if await members_with_claims_going(connection, principal.tenant_id, preview.preview_id):
        raise problem(MEMBER_NOT_HANDED_OVER, extensions={"reason": Change.IN_COLLECTION})
    if is_minor:
        taken_in = {
            "left_out": False,
            "left_out_reason": None,
            "decided_by": principal.subject,
            "decided_as": sorted(principal.roles),
            "decision_reason": order.reason,
        }
        await save_decision(
            connection, principal.tenant_id, preview.preview_id, order.member_id, taken_in
        )
    if order.fee is not None:
        fee = _fee(order, order.fee, studio_id, scope.today)
        await _add_fee(connection, principal.tenant_id, preview.preview_id, fee)
    return await make_run(connection, principal, preview, scope.today, "SINGLE_MEMBER", cause)


async def _check_member(
    connection: AsyncConnection, principal: Principal, scope: Scope, order: HandoverOrder
) -> tuple[UUID, bool]:
    """Return the member's studio, and whether it is a minor without a legal guardian.

    The member stays locked: what is frozen of it next is what was looked at here.
    """
    found = await connection.execute(
        _FIND_MEMBER, {**scope.parameters, "member_id": order.member_id}
    )
    member = found.one_or_none()
    if member is None or not principal.may_see(member.studio_id):
        raise not_found()
    reason = _reason_against(member, order.fee)
    is_minor = reason == LeftOut.MINOR_WITHOUT_GUARDIAN
    if reason is not None and not is_minor:
        raise problem(MEMBER_NOT_HANDED_OVER, extensions={"reason": reason})
    if is_minor and not (order.reason or "").strip():
        raise unprocessable("reason", "Taking in a minor without a legal guardian needs a reason")
    if order.fee is not None and order.fee.currency != member.currency:
        raise unprocessable("fee.currency", "Must be the currency of the member's claims")
    return member.studio_id, is_minor


def _reason_against(member: Row[Any], fee: Money | None) -> str | None:
    """Return why a member cannot be handed over with such a fee, or without one."""
    if not member.owes_something:
        return "IN_COLLECTION" if member.is_in_collection else "NOTHING_TO_HAND_OVER"
    reason: str | None = member.left_out_reason
    if fee is None or reason not in {None, LeftOut.MINOR_WITHOUT_GUARDIAN}:
        return reason
    if member.claim_count == MAX_CLAIMS:
        return LeftOut.TOO_MANY_CLAIMS.value
    if member.total + fee.amount >= TOO_LARGE_TOTAL:
        return LeftOut.AMOUNT_TOO_LARGE.value
    return reason


def _fee(order: HandoverOrder, amount: Money, studio_id: UUID, today: date) -> ClaimSnapshotV1:
    return ClaimSnapshotV1(
        claim_id=new_id(),
        sequence=0,
        member_id=order.member_id,
        studio_id=studio_id,
        voucher_date=today,
        due_date=today,
        kind=FLAT_FEE,
        designation=order.fee_designation,
        amount=amount,
        paid_directly=Money(amount=amount.amount * 0, currency=amount.currency),
        cancelled=False,
        disputed=False,
    )


async def _add_fee(
    connection: AsyncConnection, tenant_id: UUID, preview_id: UUID, fee: ClaimSnapshotV1
) -> None:
    """Add the fee to what the preview hands over, and to the claims, as part of this handover."""
    key = {"tenant_id": tenant_id, "claim_id": fee.claim_id, "sequence": BEFORE_ANY}
    await connection.execute(
        insert(claims).values(
            **key,
            member_id=fee.member_id,
            kind=fee.kind,
            voucher_date=fee.voucher_date,
            due_date=fee.due_date,
            currency=fee.amount.currency,
            amount=fee.amount.amount,
            paid_directly=fee.paid_directly.amount,
            cancelled=False,
            disputed=False,
            is_handover_fee=True,
        )
    )
    await connection.execute(_KEEP_FEE, {**key, "details": versions.claim_details(fee)})
    await connection.execute(
        _ADD_FEE, {**key, "preview_id": preview_id, "amount": fee.amount.amount}
    )
