"""What the HTTP interface takes and shows of exports."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from contracts import MAX_STUDIOS
from export_service.exports.export import (
    ExportKind,
    FailureReason,
    Format,
    Layout,
    Status,
)
from export_service.exports.store import layout_of
from export_service.members.wanted import WantedMembers
from export_service.rendering.csv_writer import CsvDialect
from export_service.rendering.language import Language
from kit.http import Body
from kit.problems import INVALID, FieldError, problem


class CsvOptions(Body):
    """How a CSV file is written."""

    dialect: CsvDialect = CsvDialect.STANDARD
    """STANDARD: RFC 4180. GERMAN_EXCEL: byte order mark, semicolons, decimal commas."""
    guarded: bool = True
    """Whether texts that a spreadsheet could take for formulas get an apostrophe; programs that
    read the file need none."""


class ExportOrder(Body):
    """What is to be exported, and how."""

    kind: ExportKind = ExportKind.RUN
    """RUN: the details of a run. MEMBERS: the members overview."""
    run_id: UUID | None = None
    """The run whose details are wanted; for RUN."""
    studio_ids: Annotated[list[UUID] | None, Field(min_length=1, max_length=MAX_STUDIOS)] = None
    """The studios of the run whose rows are wanted; for RUN. All that you may see if it is left
    out."""
    filters: WantedMembers | None = None
    """The members who are wanted; for MEMBERS. All if it is left out."""
    format: Format
    """The format of the file."""
    csv: CsvOptions | None = None
    """How the file is written; for csv."""
    language: Language = Language.DE
    """For headings whose names are not fixed, for the summary and the name of the file."""
    per_studio: bool = False
    """Whether there is to be a ZIP archive with one file for each studio; for RUN."""

    def checked(self) -> UUID | WantedMembers:
        """The run, or the members; raises the 422 that names all that does not go together."""
        of_run = "Only for kind RUN; the filters of members know run and studio"
        is_members = self.kind is ExportKind.MEMBERS
        rules = (
            ("csv", self.csv is None or self.format is Format.CSV, "Only for format csv"),
            ("run_id", is_members or self.run_id is not None, "Needed for kind RUN"),
            ("run_id", not is_members or self.run_id is None, of_run),
            ("studio_ids", not is_members or self.studio_ids is None, of_run),
            ("per_studio", not is_members or not self.per_studio, "Only for kind RUN"),
            ("filters", is_members or self.filters is None, "Only for kind MEMBERS"),
        )
        errors = [FieldError(field, message) for field, fits, message in rules if not fits]
        if errors:
            raise problem(INVALID, errors=errors)
        return self.run_id or self.filters or WantedMembers()

    @property
    def layout(self) -> Layout:
        """How the file is to be written."""
        csv = self.csv or CsvOptions()
        return Layout(self.format, self.language, csv.dialect, csv.guarded, self.per_studio)


class ExportAnswer(BaseModel):
    """An export and how far it is."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    export_id: UUID
    """Id of the export."""
    kind: ExportKind
    """RUN: the details of a run. MEMBERS: the members overview."""
    run_id: UUID | None
    """The run that is exported; null for MEMBERS."""
    studio_ids: list[UUID] | None
    """The studios whose rows it holds; null for all."""
    filters: WantedMembers | None
    """The members who are wanted; null for RUN."""
    format: Format
    """Format of the file."""
    csv: CsvOptions | None
    """How the file is written; null unless the format is csv."""
    language: Language
    """The language of what people read in it, where no name is fixed."""
    per_studio: bool
    """Whether the file is a ZIP archive with one file for each studio."""
    status: Status
    """WAITING until all members have arrived, RUNNING, COMPLETED until the file has EXPIRED; or
    FAILED or CANCELLED."""
    reason_code: FailureReason | None
    """Why it failed."""
    rows_done: int
    """Rows that are written."""
    rows_total: int | None
    """Rows that there will be; null while the export waits."""
    members_missing: int | None
    """Members who were announced and have not arrived. An export of a run waits for all of them;
    the overview for those of the last hour's runs, and lacks the others. Null while it is not
    known, for a run is not announced."""
    file_name: str | None
    """What the file is called when it is fetched."""
    size_bytes: int | None
    """Size of the file in bytes."""
    sha256: str | None
    """SHA-256 of the file, in hexadecimal."""
    created_by: str
    """Subject of the token of who asked for it."""
    created_at: datetime
    """When it was asked for."""
    completed_at: datetime | None
    """When the file was whole."""
    cancelled_by: str | None
    """Subject of the token of who cancelled it."""
    cancelled_at: datetime | None
    """When it was cancelled."""
    expires_at: datetime | None
    """When the file is deleted."""

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """The answer for an export as `queries` find it."""
        layout = layout_of(row)
        csv = CsvOptions(dialect=layout.csv_dialect, guarded=layout.csv_guarded)
        return cls(
            export_id=row.export_id,
            kind=row.kind,
            run_id=row.run_id,
            studio_ids=row.studio_ids,
            filters=row.filters,
            format=layout.format,
            csv=csv if layout.format is Format.CSV else None,
            language=layout.language,
            per_studio=layout.per_studio,
            status=row.current_status,
            reason_code=row.failure_reason,
            rows_done=row.rows_done,
            rows_total=row.rows_total,
            members_missing=row.currently_missing,
            file_name=row.file_name,
            size_bytes=row.size_bytes,
            sha256=row.sha256,
            created_by=row.created_by,
            created_at=row.created_at,
            completed_at=row.completed_at,
            cancelled_by=row.cancelled_by,
            cancelled_at=row.cancelled_at,
            expires_at=row.expires_at,
        )
