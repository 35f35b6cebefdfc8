"""Who can be handed over: the one selection behind summary, preview and the check before a run.

A candidate has passed the last dunning level by today, has no collection block today, and owes at
least one claim that is open, neither cancelled nor disputed, and in no other handover (R1, R11). A
claim counts once its member and the member's studio are known, in whatever order they came (R12).
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
    Date,
    FromClause,
    Integer,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
)

from contracts.parts import MAX_CLAIMS
from run_service.tables import SUM, claims, collected, members, reservations, studios


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


def candidate_claims(scope: Scope, only: Select[tuple[UUID]] | None = None) -> CTE:
    """Return the claims that can be handed over; `only` narrows to the members it selects."""
    # Subqueries that give one value are looked up by key for each row. As joins they would hang on
    # statistics, which know nothing of a hundred thousand rows that came in a minute ago.
    paid = select(collected.c.amount).where(same(collected, claims, "tenant_id", "claim_id"))
    to_collect = claims.c.amount - claims.c.paid_directly - func.coalesce(paid.scalar_subquery(), 0)
    known_studio = select(literal(True)).where(same(studios, members, "tenant_id", "studio_id"))
    reserved = select(literal(True)).where(
        same(reservations, claims, "tenant_id", "claim_id"), reservations.c.released_at.is_(None)
    )
    statement = (
        select(
            members.c.tenant_id,
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
        .join(claims, same(claims, members, "tenant_id", "member_id"))
        .where(
            members.c.tenant_id == scope.tenant_id,
            members.c.last_level_passed_on <= scope.today,
            or_(members.c.blocked_until.is_(None), members.c.blocked_until < scope.today),
            known_studio.scalar_subquery(),
            ~claims.c.cancelled,
            ~claims.c.disputed,
            to_collect > 0,
            reserved.scalar_subquery().is_(None),
        )
    )
    if scope.studio_ids is not None:
        wanted = bindparam("studio_ids", list(scope.studio_ids), ARRAY(Uuid))
        statement = statement.where(members.c.studio_id == any_(wanted))
    if only is not None:
        statement = statement.where(members.c.member_id.in_(only))
    return statement.cte("candidate_claims")


def candidates(found: CTE, scope: Scope) -> CTE:
    """Return one row for each member that has some of the `candidate_claims`.

    `minor` marks a minor without a legal guardian; `left_out_reason` is null where nothing speaks
    against handing the member over.
    """
    arose_on = func.least(func.min(found.c.voucher_date), literal(scope.today, Date))
    minor = and_(~found.c.has_guardian, func.coalesce(found.c.of_age_on > arose_on, literal(False)))
    currency = func.min(found.c.currency)
    mixed = currency != func.max(found.c.currency)
    left_out_reason = case(
        (mixed, LeftOut.MIXED_CURRENCIES.value),
        (func.count() > MAX_CLAIMS, LeftOut.TOO_MANY_CLAIMS.value),
        (minor, LeftOut.MINOR_WITHOUT_GUARDIAN.value),
    )
    return (
        select(
            found.c.tenant_id,
            found.c.member_id,
            found.c.studio_id,
            cast(func.count(), Integer).label("claim_count"),
            case((mixed, null()), else_=currency).label("currency"),
            case((mixed, null()), else_=cast(func.sum(found.c.to_collect), SUM)).label("total"),
            minor.label("minor"),
            cast(left_out_reason, Text).label("left_out_reason"),
        )
        .group_by(
            found.c.tenant_id,
            found.c.member_id,
            found.c.studio_id,
            found.c.of_age_on,
            found.c.has_guardian,
        )
        .cte("candidates")
    )


def same(left: FromClause, right: FromClause, *names: str) -> ColumnElement[bool]:
    """Return the condition that these columns of two tables are equal."""
    return and_(*(left.c[name] == right.c[name] for name in names))
