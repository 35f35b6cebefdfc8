"""Who can be handed over: the one statement behind summary, preview and the check before a run.

A candidate has passed the last dunning level, has no collection block today, and owes at least one
claim that is open, neither cancelled nor disputed, and in no other handover (R1, R11). A claim
counts once its member and the member's studio are known, in whatever order they came (R12).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    CompoundSelect,
    Date,
    Integer,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    except_,
    exists,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    union,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.parts import MAX_CLAIMS
from run_service.tables import (
    SUM,
    claims,
    collected,
    members,
    preview_claims,
    preview_members,
    preview_studios,
    reservations,
    studios,
)


class LeftOut(StrEnum):
    """Why a candidate is left out of a run."""

    MINOR_WITHOUT_GUARDIAN = "MINOR_WITHOUT_GUARDIAN"
    """Staff can take the member in, with a reason (R3)."""
    MIXED_CURRENCIES = "MIXED_CURRENCIES"
    """A case has one currency."""
    TOO_MANY_CLAIMS = "TOO_MANY_CLAIMS"
    """More claims than one handover can hold."""
    BY_STAFF = "BY_STAFF"
    CHANGED = "CHANGED"
    """The member's claims changed between preview and run."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose candidates, on which day; `studio_ids` None means all studios."""

    tenant_id: UUID
    today: date
    studio_ids: Collection[UUID] | None = None


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """Candidates of one studio that are alike in currency and in why they are left out."""

    studio_id: UUID
    name: str
    currency: str | None
    left_out_reason: str | None
    members: int
    claims: int
    total: object


async def summarize(connection: AsyncConnection, scope: Scope) -> list[SummaryRow]:
    """Count and sum the candidates by studio, currency and reason, in one statement (R1)."""
    found = _candidates(_candidate_claims(scope), scope)
    rows = await connection.execute(
        select(
            found.c.studio_id,
            studios.c.name,
            found.c.currency,
            found.c.left_out_reason,
            func.count().label("members"),
            func.sum(found.c.claim_count).label("claims"),
            func.sum(found.c.total).label("total"),
        )
        .join(
            studios,
            and_(studios.c.tenant_id == scope.tenant_id, studios.c.studio_id == found.c.studio_id),
        )
        .group_by(found.c.studio_id, studios.c.name, found.c.currency, found.c.left_out_reason)
        .order_by(studios.c.name, found.c.studio_id, found.c.currency)
    )
    return [SummaryRow(**row._mapping) for row in rows]


async def freeze(connection: AsyncConnection, preview_id: UUID, scope: Scope) -> None:
    """Copy the candidates with claims and studios into a preview (R2).

    One statement, so that all three show the same moment.
    """
    found_claims = _candidate_claims(scope)
    found = _candidates(found_claims, scope)
    of_preview = (literal(scope.tenant_id, Uuid), literal(preview_id, Uuid))
    known_studio = and_(
        studios.c.tenant_id == scope.tenant_id, studios.c.studio_id == found.c.studio_id
    )

    frozen_studios = insert(preview_studios).from_select(
        ["tenant_id", "preview_id", "studio_id", "name", "snapshot"],
        select(*of_preview, studios.c.studio_id, studios.c.name, studios.c.snapshot).where(
            studios.c.tenant_id == scope.tenant_id,
            studios.c.studio_id.in_(select(found.c.studio_id)),
        ),
    )
    frozen_claims = insert(preview_claims).from_select(
        [
            "tenant_id",
            "preview_id",
            "member_id",
            "claim_id",
            "sequence",
            "to_collect",
            "snapshot",
        ],
        select(
            *of_preview,
            found_claims.c.member_id,
            found_claims.c.claim_id,
            found_claims.c.sequence,
            found_claims.c.to_collect,
            claims.c.snapshot,
        ).join(
            claims,
            and_(
                claims.c.tenant_id == scope.tenant_id,
                claims.c.claim_id == found_claims.c.claim_id,
            ),
        ),
    )
    place = func.row_number().over(
        order_by=[
            studios.c.name,
            found.c.studio_id,
            members.c.surname,
            members.c.name,
            found.c.member_id,
        ]
    )
    frozen_members = insert(preview_members).from_select(
        [
            "tenant_id",
            "preview_id",
            "member_id",
            "studio_id",
            "place",
            "name",
            "membership_number",
            "claim_count",
            "currency",
            "total",
            "minor",
            "left_out",
            "left_out_reason",
            "snapshot",
        ],
        select(
            *of_preview,
            found.c.member_id,
            found.c.studio_id,
            cast(place, Integer),
            members.c.name,
            members.c.membership_number,
            found.c.claim_count,
            found.c.currency,
            found.c.total,
            found.c.minor,
            found.c.left_out_reason.is_not(None),
            found.c.left_out_reason,
            members.c.snapshot,
        )
        .join(
            members,
            and_(members.c.tenant_id == scope.tenant_id, members.c.member_id == found.c.member_id),
        )
        .join(studios, known_studio),
    )
    await connection.execute(
        frozen_members.add_cte(
            frozen_studios.cte("frozen_studios"), frozen_claims.cte("frozen_claims")
        )
    )


@dataclass(frozen=True, slots=True)
class ChangedMember:
    """A member of a preview that cannot be handed over as the preview shows it."""

    member_id: UUID
    name: str
    in_collection: bool
    """Whether one of its claims is in another handover by now."""


async def changed_members(
    connection: AsyncConnection, preview_id: UUID, scope: Scope
) -> list[ChangedMember]:
    """Return the members that are to go into a run, but are not what the preview shows (R4).

    A member is unchanged when it is a candidate in the same studio, with the same claims, each
    in the same version and with the same amount open. Its name or address may change: what is
    handed over is what the preview shows.
    """
    included = (
        select(preview_members.c.member_id, preview_members.c.name)
        .where(
            preview_members.c.tenant_id == scope.tenant_id,
            preview_members.c.preview_id == preview_id,
            ~preview_members.c.left_out,
        )
        .cte("included")
    )
    frozen = _as_frozen(preview_id, scope).cte("frozen")
    present = _as_it_is_now(included, scope).cte("present")
    differences: CompoundSelect[tuple[UUID]] = union(
        select(except_(select(frozen), select(present)).subquery().c.member_id),
        select(except_(select(present), select(frozen)).subquery().c.member_id),
    )
    in_collection = exists().where(
        preview_claims.c.tenant_id == scope.tenant_id,
        preview_claims.c.preview_id == preview_id,
        preview_claims.c.member_id == included.c.member_id,
        reservations.c.tenant_id == scope.tenant_id,
        reservations.c.claim_id == preview_claims.c.claim_id,
        reservations.c.released_at.is_(None),
    )
    rows = await connection.execute(
        select(included.c.member_id, included.c.name, in_collection.label("in_collection"))
        .where(included.c.member_id.in_(differences))
        .order_by(included.c.name, included.c.member_id)
    )
    return [ChangedMember(**row._mapping) for row in rows]


def _candidate_claims(scope: Scope, only: CTE | None = None) -> CTE:
    """Return the claims that can be handed over; `only` narrows to the members it names."""
    to_collect = claims.c.amount - claims.c.paid_directly - func.coalesce(collected.c.amount, 0)
    reserved = exists().where(
        reservations.c.tenant_id == claims.c.tenant_id,
        reservations.c.claim_id == claims.c.claim_id,
        reservations.c.released_at.is_(None),
    )
    statement = (
        select(
            members.c.member_id,
            members.c.studio_id,
            members.c.of_age_on,
            members.c.has_guardian,
            claims.c.claim_id,
            claims.c.sequence,
            claims.c.currency,
            claims.c.voucher_date,
            to_collect.label("to_collect"),
        )
        .join(
            studios,
            and_(
                studios.c.tenant_id == members.c.tenant_id,
                studios.c.studio_id == members.c.studio_id,
            ),
        )
        .join(
            claims,
            and_(
                claims.c.tenant_id == members.c.tenant_id,
                claims.c.member_id == members.c.member_id,
            ),
        )
        .outerjoin(
            collected,
            and_(
                collected.c.tenant_id == claims.c.tenant_id,
                collected.c.claim_id == claims.c.claim_id,
            ),
        )
        .where(
            members.c.tenant_id == scope.tenant_id,
            members.c.last_level_passed_on.is_not(None),
            or_(members.c.blocked_until.is_(None), members.c.blocked_until < scope.today),
            ~claims.c.cancelled,
            ~claims.c.disputed,
            to_collect > 0,
            ~reserved,
        )
    )
    if scope.studio_ids is not None:
        wanted = bindparam(None, list(scope.studio_ids), ARRAY(Uuid))
        statement = statement.where(members.c.studio_id == any_(wanted))
    if only is not None:
        statement = statement.where(members.c.member_id.in_(select(only.c.member_id)))
    return statement.cte("candidate_claims")


def _candidates(found: CTE, scope: Scope) -> CTE:
    """Return one row for each member with claims that can be handed over."""
    arose_on = func.least(func.min(found.c.voucher_date), literal(scope.today, Date))
    minor = and_(~found.c.has_guardian, func.coalesce(found.c.of_age_on > arose_on, literal(False)))
    currency = func.min(found.c.currency)
    mixed = currency != func.max(found.c.currency)
    return (
        select(
            found.c.member_id,
            found.c.studio_id,
            cast(func.count(), Integer).label("claim_count"),
            _unless(mixed, currency).label("currency"),
            _unless(mixed, cast(func.sum(found.c.to_collect), SUM)).label("total"),
            minor.label("minor"),
            cast(
                case(
                    (mixed, LeftOut.MIXED_CURRENCIES.value),
                    (func.count() > MAX_CLAIMS, LeftOut.TOO_MANY_CLAIMS.value),
                    (minor, LeftOut.MINOR_WITHOUT_GUARDIAN.value),
                ),
                Text,
            ).label("left_out_reason"),
        )
        .group_by(found.c.member_id, found.c.studio_id, found.c.of_age_on, found.c.has_guardian)
        .cte("candidates")
    )


def _unless(mixed: ColumnElement[bool], value: ColumnElement[object]) -> ColumnElement[object]:
    return case((mixed, null()), else_=value)


def _as_frozen(preview_id: UUID, scope: Scope) -> Select[tuple[object, ...]]:
    """Select what a preview shows of the claims that are to go into a run."""
    return (
        select(
            preview_members.c.member_id,
            preview_members.c.studio_id,
            preview_members.c.minor,
            preview_claims.c.claim_id,
            preview_claims.c.sequence,
            preview_claims.c.to_collect,
        )
        .join(
            preview_claims,
            and_(
                preview_claims.c.tenant_id == preview_members.c.tenant_id,
                preview_claims.c.preview_id == preview_members.c.preview_id,
                preview_claims.c.member_id == preview_members.c.member_id,
            ),
        )
        .where(
            preview_members.c.tenant_id == scope.tenant_id,
            preview_members.c.preview_id == preview_id,
            ~preview_members.c.left_out,
        )
    )


def _as_it_is_now(included: CTE, scope: Scope) -> Select[tuple[object, ...]]:
    """Select the same of today's candidates among the `included` members."""
    found_claims = _candidate_claims(scope, only=included)
    found = _candidates(found_claims, scope)
    return (
        select(
            found.c.member_id,
            found.c.studio_id,
            found.c.minor,
            found_claims.c.claim_id,
            found_claims.c.sequence,
            found_claims.c.to_collect,
        )
        .join(found_claims, found_claims.c.member_id == found.c.member_id)
        .where(
            or_(
                found.c.left_out_reason.is_(None),
                found.c.left_out_reason == LeftOut.MINOR_WITHOUT_GUARDIAN.value,
            )
        )
    )
