"""What the API shows of report files and their formats."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.money import Currency
from partner_gateway.report_files.kinds import Kind, Status
from partner_gateway.report_files.report_format import OWN_FORMAT, ReportFormat


class ReportFormatView(BaseModel):
    """How a partner writes its report files."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    format: ReportFormat
    is_own: bool
    """Whether this is our own format, because none was set up for the partner."""
    changed_at: datetime | None
    changed_by: str | None


class Sum(BaseModel):
    """An amount of money in sum."""

    amount: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]{2}$")]
    currency: Currency


class RowsOfKind(BaseModel):
    """Rows that say the same kind of thing, in one currency."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    kind: Kind
    rows: int
    amount: Sum | None
    """Sum of what goes to the creditor; null for rows without an amount."""
    own_fees: Sum | None


class ReportFileView(BaseModel):
    """A report file on its way; numbers count rows."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    report_file_id: UUID
    partner_id: UUID
    status: Status
    reason: str | None
    """Why it is REFUSED."""
    progress: Annotated[int, Field(ge=0, le=100)]
    """Percent of the check, or of the application once that was ordered."""
    size: int
    """In bytes."""
    good: int
    """Rows to be applied, or that were; known when the check is through, like the next two."""
    known: int
    """Rows that say what an applied file or a row above has said: they have no effect."""
    bad: int
    """Rows with errors."""
    to_apply: list[RowsOfKind]
    """What the good rows say."""
    applied: int
    """Rows that were reported so far."""
    created_at: datetime
    created_by: str
    expires_at: datetime
    """When it is discarded if nobody has applied it; until then its errors can be read."""
    applied_at: datetime | None


class RowError(BaseModel):
    """What is wrong in a row. Never repeats what stands there."""

    model_config = ConfigDict(use_attribute_docstrings=True, from_attributes=True)

    row: int
    """As a spreadsheet counts."""
    heading: str | None
    """The column; null where it is not one column."""
    message: str


_FORMAT = text(
    """
    SELECT format, changed_at, changed_by FROM report_formats
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id
    """
)
_FILES = """
    SELECT report_file_id, partner_id, status, reason, size, good, known, bad, to_apply, applied,
           rows_expected, last_row_read, created_at, created_by, expires_at, applied_at
    FROM report_files
    WHERE tenant_id = :tenant_id
"""
_ONE = text(f"{_FILES} AND report_file_id = :report_file_id").columns(to_apply=JSONB)
_MANY = text(
    f"""
    {_FILES}
      AND (CAST(:partner_id AS uuid) IS NULL OR partner_id = :partner_id)
      AND (CAST(:status AS text) IS NULL OR status = :status)
      AND (CAST(:before AS uuid) IS NULL OR report_file_id < :before)
    ORDER BY report_file_id DESC
    LIMIT :limit
    """
).columns(to_apply=JSONB)
_ERRORS = text(
    """
    SELECT row, number, heading, message FROM report_file_errors
    WHERE tenant_id = :tenant_id AND report_file_id = :report_file_id
      AND (row, number) > (:row, :number)
    ORDER BY row, number
    LIMIT :limit
    """
)


async def find_format(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID
) -> ReportFormatView:
    """Return how a partner's files are read: its own format, or ours where it has none."""
    parameters = {"tenant_id": tenant_id, "partner_id": partner_id}
    row = (await connection.execute(_FORMAT, parameters)).one_or_none()
    if row is None:
        return ReportFormatView(format=OWN_FORMAT, is_own=True, changed_at=None, changed_by=None)
    return ReportFormatView(
        format=ReportFormat.model_validate(row.format),
        is_own=False,
        changed_at=row.changed_at,
        changed_by=row.changed_by,
    )


async def find_file(
    connection: AsyncConnection, tenant_id: UUID, report_file_id: UUID
) -> ReportFileView | None:
    """Return a tenant's report file."""
    parameters = {"tenant_id": tenant_id, "report_file_id": report_file_id}
    row = (await connection.execute(_ONE, parameters)).one_or_none()
    return None if row is None else _view(row)


async def list_files(
    connection: AsyncConnection,
    tenant_id: UUID,
    *,
    partner_id: UUID | None,
    status: Status | None,
    before: UUID | None,
    limit: int,
) -> Sequence[ReportFileView]:
    """Return a tenant's report files that came before `before`, newest first."""
    parameters = {
        "tenant_id": tenant_id,
        "partner_id": partner_id,
        "status": status,
        "before": before,
        "limit": limit,
    }
    return [_view(row) for row in await connection.execute(_MANY, parameters)]


async def list_errors(
    connection: AsyncConnection,
    tenant_id: UUID,
    report_file_id: UUID,
    after: tuple[int, int],
    limit: int,
) -> Sequence[tuple[int, int, RowError]]:
    """Return errors behind a row and number, with theirs, by row."""
    parameters = {
        "tenant_id": tenant_id,
        "report_file_id": report_file_id,
        "row": after[0],
        "number": after[1],
        "limit": limit,
    }
    rows = await connection.execute(_ERRORS, parameters)
    return [(row.row, row.number, RowError.model_validate(row)) for row in rows]


def _view(row: Any) -> ReportFileView:
    columns = row._asdict()
    expected, read = columns.pop("rows_expected"), columns.pop("last_row_read")
    match Status(columns["status"]):
        case Status.RECEIVED:
            progress = 0
        case Status.CHECKING:
            progress = min(100 * read // max(expected, 1), 99)
        case Status.APPLYING:
            progress = min(100 * columns["applied"] // max(columns["good"], 1), 99)
        case _:
            progress = 100
    columns["to_apply"] = columns["to_apply"] or []
    return ReportFileView(**columns, progress=progress)
