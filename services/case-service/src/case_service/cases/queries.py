"""What the HTTP interface reads of cases. Each asks for the caller's tenant and studios."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service.cases.history_texts import history_text
from case_service.cases.selection import WantedCases, newest_cases, visible, who
from case_service.cases.views import (
    CaseDetails,
    CaseSummary,
    ClaimInCase,
    CommentOnCase,
    Difference,
    HistoryEntry,
    NoticeOfCase,
)
from case_service.language import Language
from case_service.ledger.history import HistoryKind
from case_service.ledger.occasion import ActorKind
from case_service.payments.queries import payments_of_case, shares_from_other_cases
from case_service.tables import case_claims, cases, claims, history, members, notices, partners
from kit import cursors
from kit.auth import Principal
from kit.cursors import Page

LATEST: Final = 50
"""How much of its history, and how many comments, are shown with a case."""


def case_columns(principal: Principal) -> tuple[ColumnElement[Any], ...]:
    """Return the columns that `case_summary` renders."""
    return *cases.c, *who(principal)


"""What `case_summary` needs."""

_AMOUNTS_OF_CASE: Final = frozenset(
    {"handed_over", "collected", "open", "unallocated", "residual", "written_off"}
)
_AMOUNTS_OF_CLAIM: Final = frozenset(
    {
        *("amount", "paid_directly", "amount_now", "paid_directly_now"),
        *("handed_over", "collected", "written_off", "released", "open"),
    }
)


async def list_cases(
    connection: AsyncConnection,
    principal: Principal,
    wanted: WantedCases,
    limit: int,
    cursor: str | None,
) -> Page[CaseSummary]:
    """Return the cases that are asked for, the newest handover first."""
    rows, following = await newest_cases(connection, principal, wanted, limit, cursor)
    return Page(items=[case_summary(row) for row in rows], next=following)


async def find_case(
    connection: AsyncConnection, principal: Principal, case_id: UUID, language: Language
) -> CaseDetails | None:
    """Return a case with all that belongs to it, or None when the caller has no such case."""
    row = await _case_row(connection, principal, case_id)
    if row is None:
        return None
    latest = _history_of(row).order_by(history.c.item_number.desc()).limit(LATEST)
    items = (await connection.execute(latest)).all()
    comments = (await connection.execute(latest.where(_is_comment))).all()
    return CaseDetails(
        **dict(case_summary(row)),
        claims=await _claims(connection, row),
        payments=await payments_of_case(connection, principal, row),
        shares_from_other_cases=await shares_from_other_cases(connection, principal, row),
        notices=await _notices(connection, row),
        comments=[_comment(item) for item in comments],
        history=await _told(connection, row, items, language),
    )


async def list_history(
    connection: AsyncConnection,
    principal: Principal,
    case_id: UUID,
    language: Language,
    limit: int,
    cursor: str | None,
) -> Page[HistoryEntry] | None:
    """Return what happened to a case, newest first, or None when the caller has no such case."""
    case = await _case_row(connection, principal, case_id)
    if case is None:
        return None
    rows, following = await _page(connection, _history_of(case), limit, cursor)
    return Page(items=await _told(connection, case, rows, language), next=following)


async def list_comments(
    connection: AsyncConnection,
    principal: Principal,
    case_id: UUID,
    limit: int,
    cursor: str | None,
) -> Page[CommentOnCase] | None:
    """Return what was noted on a case, newest first, or None when the caller has no such case."""
    case = await _case_row(connection, principal, case_id)
    if case is None:
        return None
    comments = _history_of(case).where(_is_comment)
    rows, following = await _page(connection, comments, limit, cursor)
    return Page(items=[_comment(row) for row in rows], next=following)


def case_summary(row: Row[Any]) -> CaseSummary:
    """Render a row with `case_columns`."""
    return CaseSummary(**_shown(row, row.currency, CaseSummary.model_fields, _AMOUNTS_OF_CASE))


async def _case_row(
    connection: AsyncConnection, principal: Principal, case_id: UUID
) -> Row[Any] | None:
    same_member = and_(
        members.c.tenant_id == cases.c.tenant_id, members.c.member_id == cases.c.member_id
    )
    statement: Select[Any] = (
        select(*case_columns(principal))
        .join(members, same_member)
        .where(visible(principal), cases.c.case_id == case_id)
    )
    row: Row[Any] | None = (await connection.execute(statement)).one_or_none()
    return row


async def _claims(connection: AsyncConnection, case: Row[Any]) -> list[ClaimInCase]:
    of = case_claims.c
    same_claim = and_(claims.c.tenant_id == of.tenant_id, claims.c.claim_id == of.claim_id)
    result = await connection.execute(
        select(
            case_claims,
            func.coalesce(claims.c.amount, of.amount).label("amount_now"),
            func.coalesce(claims.c.paid_directly, of.paid_directly).label("paid_directly_now"),
            func.coalesce(claims.c.cancelled, False).label("cancelled"),
        )
        .outerjoin(claims, same_claim)
        .where(of.tenant_id == case.tenant_id, of.case_id == case.case_id)
        .order_by(of.due_date, of.voucher_date, of.claim_id)
    )
    return [
        ClaimInCase(
            **_shown(row, case.currency, ClaimInCase.model_fields, _AMOUNTS_OF_CLAIM)
            | {"changed": Difference(amount=row.changed, currency=case.currency)}
        )
        for row in result
    ]


async def _notices(connection: AsyncConnection, case: Row[Any]) -> list[NoticeOfCase]:
    result = await connection.execute(
        select(notices)
        .where(notices.c.tenant_id == case.tenant_id, notices.c.case_id == case.case_id)
        .order_by(notices.c.notice_id)
    )
    return [NoticeOfCase(**_shown(row, case.currency, NoticeOfCase.model_fields)) for row in result]


_is_comment: Final = history.c.kind == HistoryKind.COMMENTED.value


def _history_of(case: Row[Any]) -> Select[Any]:
    return select(history).where(
        history.c.tenant_id == case.tenant_id, history.c.case_id == case.case_id
    )


async def _page(
    connection: AsyncConnection, statement: Select[Any], limit: int, cursor: str | None
) -> tuple[Sequence[Row[Any]], str | None]:
    """Return a page of a case's history, newest first, and the cursor of the next one."""
    if cursor is not None:
        (before,) = cursors.decode(cursor, [int])
        statement = statement.where(history.c.item_number < before)
    statement = statement.order_by(history.c.item_number.desc()).limit(limit + 1)
    rows = (await connection.execute(statement)).all()
    following = cursors.encode([rows[limit - 1].item_number]) if len(rows) > limit else None
    return rows[:limit], following


async def _told(
    connection: AsyncConnection, case: Row[Any], rows: Sequence[Row[Any]], language: Language
) -> list[HistoryEntry]:
    """Render a case's history in a language; a partner is called by its name, if that is known."""
    result = await connection.execute(
        select(partners.c.name).where(
            partners.c.tenant_id == case.tenant_id, partners.c.partner_id == case.partner_id
        )
    )
    partner = result.scalar_one_or_none() or str(case.partner_id)
    return [
        HistoryEntry(
            kind=row.kind,
            text=history_text(
                HistoryKind(row.kind),
                row.details,
                partner if row.actor_kind == ActorKind.PARTNER else row.actor,
                case.currency,
                language,
            ),
            recorded_at=row.recorded_at,
            actor_kind=row.actor_kind,
            actor=row.actor,
            why=row.why,
            details=row.details,
            request_id=row.correlation_id,
        )
        for row in rows
    ]


def _comment(row: Row[Any]) -> CommentOnCase:
    return CommentOnCase(
        comment=row.why,
        actor=row.actor,
        recorded_at=row.recorded_at,
        request_id=row.correlation_id,
    )


def _shown(
    row: Row[Any],
    currency: str,
    fields: Any,
    amounts: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """Return what a row says of `fields`, with amounts in their currency."""
    return {
        name: {"amount": value, "currency": currency}
        if name in amounts and value is not None
        else value
        for name, value in row._mapping.items()
        if name in fields
    }
