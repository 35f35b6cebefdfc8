"""What the API reads of the members of a preview. Nothing but decisions changes in them."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import ColumnElement, Row, Select, func, literal, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import Money
from contracts.parts import ClaimDetails
from kit import cursors
from kit.auth import Principal
from kit.cursors import Page
from kit.problems import not_found, unprocessable
from run_service.candidates.search_text import search_words
from run_service.candidates.selection import LeftOut
from run_service.previews.open_preview import readable_preview
from run_service.previews.resources import PreviewClaim, PreviewMember
from run_service.tables import preview_members as members

Sort = Literal[
    "studio",
    "-studio",
    "name",
    "-name",
    "membership_number",
    "-membership_number",
    "total",
    "-total",
]

# Each ends with the place, so that no two members are equal. Amounts are compared within a
# currency; those of members with several come first.
_SORT_KEYS: Final[Mapping[str, Sequence[ColumnElement[Any]]]] = {
    "studio": (members.c.place,),
    "name": (members.c.surname, members.c.name, members.c.place),
    "membership_number": (members.c.membership_number, members.c.place),
    "total": (
        func.coalesce(members.c.currency, ""),
        func.coalesce(members.c.total, 0),
        members.c.place,
    ),
}

# Versions are looked up by their key in a subquery: a join would hang on statistics, which know
# nothing of rows that came in just now.
_VERSIONS = text(
    """
    SELECT claim_id, sequence,
           (SELECT version.details::text FROM claim_snapshots AS version
            WHERE version.tenant_id = :tenant_id AND version.claim_id = shown.claim_id
              AND version.sequence = shown.sequence) AS details
    FROM unnest(CAST(:claim_ids AS uuid[]), CAST(:sequences AS bigint[]))
         AS shown (claim_id, sequence)
    """
)


@dataclass(frozen=True, slots=True)
class WantedMembers:
    """Which members of a preview are asked for, and in which order; None means any."""

    sort: Sort = "studio"
    search: str | None = None
    """Words that the name and the membership number hold together."""
    studio_id: UUID | None = None
    left_out: bool | None = None
    reason: LeftOut | None = None
    minor: bool | None = None

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """The same, of the table's columns."""
        wanted = {
            members.c.studio_id: self.studio_id,
            members.c.left_out: self.left_out,
            members.c.left_out_reason: self.reason and self.reason.value,
            members.c.minor: self.minor,
        }
        return [
            *(
                func.strpos(members.c.search_text, word) > 0
                for word in search_words(self.search or "")
            ),
            *(column == value for column, value in wanted.items() if value is not None),
        ]

    @property
    def is_descending(self) -> bool:
        """Whether the order is turned round."""
        return self.sort.startswith("-")

    @property
    def key(self) -> Sequence[ColumnElement[Any]]:
        """What the members are sorted by."""
        return _SORT_KEYS[self.sort.removeprefix("-")]

    def order(self, key: Iterable[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
        """Return the parts of a key as they are ordered by."""
        return [part.desc() if self.is_descending else part for part in key]


async def preview_members(
    connection: AsyncConnection,
    principal: Principal,
    preview_id: UUID,
    wanted: WantedMembers,
    *,
    limit: int,
    cursor: str | None,
) -> Page[PreviewMember]:
    """Return members of a preview; raises as `queries.preview` does.

    Raises the 422 that names `cursor` for one of another list, order or search.
    """
    await readable_preview(connection, principal, preview_id)
    found = (
        _members_of(principal, preview_id)
        .with_only_columns(*wanted.key)
        .where(*wanted.conditions)
        .order_by(*wanted.order(wanted.key))
        .limit(limit + 1)
    )
    if cursor:
        last = await _last_key(connection, principal, preview_id, wanted, cursor)
        here = tuple_(*wanted.key)
        found = found.where(here < last if wanted.is_descending else here > last)
    rows = (await connection.execute(_whole(principal, preview_id, wanted, found))).all()
    more = None
    if len(rows) > limit:
        more = cursors.encode([_name_of(preview_id, wanted), rows[limit - 1].place])
    return Page(items=await _render(connection, principal, rows[:limit]), next=more)


async def preview_member(
    connection: AsyncConnection, principal: Principal, preview_id: UUID, member_id: UUID
) -> PreviewMember:
    """Return one member of a preview; raises as `queries.preview` does, the 404 without one."""
    await readable_preview(connection, principal, preview_id)
    statement = _members_of(principal, preview_id).where(members.c.member_id == member_id)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise not_found()
    (member,) = await _render(connection, principal, [row])
    return member


def _whole(
    principal: Principal, preview_id: UUID, wanted: WantedMembers, found: Select[Any]
) -> Select[Any]:
    """Return the rows of members whose keys were found: to sort these alone is much faster.

    Each is looked up by its place; the OFFSET keeps the planner from another way.
    """
    keys = found.subquery()
    whole = _members_of(principal, preview_id).where(members.c.place == keys.c.place).offset(0)
    return select(whole.lateral()).select_from(keys).order_by(*wanted.order(keys.c))


def _members_of(principal: Principal, preview_id: UUID) -> Select[Any]:
    return select(members).where(
        members.c.tenant_id == principal.tenant_id, members.c.preview_id == preview_id
    )


async def _last_key(
    connection: AsyncConnection,
    principal: Principal,
    preview_id: UUID,
    wanted: WantedMembers,
    cursor: str,
) -> ColumnElement[Any]:
    """Return the sort key of the last member of the page before.

    The cursor holds its place alone: the key follows from that, and names stay out of addresses.
    """
    name, place = cursors.decode(cursor, [str, cursors.Place])
    statement = _members_of(principal, preview_id).with_only_columns(*wanted.key)
    last = (await connection.execute(statement.where(members.c.place == place))).one_or_none()
    if last is None or name != _name_of(preview_id, wanted):
        raise unprocessable("cursor", "Not a cursor of this list")
    return tuple_(
        *(literal(value, part.type) for value, part in zip(last, wanted.key, strict=True))
    )


def _name_of(preview_id: UUID, wanted: WantedMembers) -> str:
    """Return what tells a list from others; of a search it holds nothing that could be read."""
    return hashlib.sha256(to_json([preview_id, asdict(wanted)])).hexdigest()[:16]


async def _render(
    connection: AsyncConnection, principal: Principal, rows: Sequence[Row[Any]]
) -> list[PreviewMember]:
    """Return members with their claims, each in the version that the preview shows."""
    parameters = {
        "tenant_id": principal.tenant_id,
        "claim_ids": [claim_id for row in rows for claim_id in row.claim_ids],
        "sequences": [sequence for row in rows for sequence in row.claim_sequences],
    }
    versions = {
        (row.claim_id, row.sequence): ClaimDetails.model_validate_json(row.details)
        for row in await connection.execute(_VERSIONS, parameters)
    }
    return [_member(row, versions) for row in rows]


def _member(row: Row[Any], versions: Mapping[tuple[UUID, int], ClaimDetails]) -> PreviewMember:
    total = None if row.currency is None else Money(amount=row.total, currency=row.currency)
    claims = zip(row.claim_ids, row.claim_sequences, row.claim_amounts, strict=True)
    return PreviewMember(
        member_id=row.member_id,
        sequence=row.sequence,
        studio_id=row.studio_id,
        name=row.name,
        membership_number=row.membership_number,
        claims=tuple(
            _claim(versions[claim_id, sequence], sequence, to_collect)
            for claim_id, sequence, to_collect in claims
        ),
        total=total,
        minor=row.minor,
        came_of_age_on=row.came_of_age_on,
        left_out=row.left_out,
        left_out_reason=row.left_out_reason,
        decided_by=row.decided_by,
        decided_as=row.decided_as,
        decision_reason=row.decision_reason,
    )


def _claim(version: ClaimDetails, sequence: int, to_collect: Decimal) -> PreviewClaim:
    return PreviewClaim(
        claim_id=version.claim_id,
        sequence=sequence,
        kind=version.kind,
        designation=version.designation,
        voucher_date=version.voucher_date,
        due_date=version.due_date,
        to_collect=Money(amount=to_collect, currency=version.amount.currency),
    )
