"""An export: a file made of a run or of the members overview, and the job of making it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from export_service.members.wanted import WantedMembers
from export_service.rendering.csv_writer import CsvDialect
from export_service.rendering.language import Language
from kit.trace import Cause

LEASE = timedelta(seconds=30)
"""How long a worker that is not heard of keeps a job; it says so with each batch of rows."""

MAX_ATTEMPTS = 5
"""How often a job is begun before it is given up: it may be the job that kills its workers."""

LONGEST_WAIT = timedelta(days=1)
"""How long an export waits for its run to be whole before it fails."""

SMALL = 5_000
"""How many rows a small export has at most: a worker always has a place for one, and its file may
be the answer to its order."""

MAX_UNFINISHED = 100
"""How many exports of a tenant may wait or run; a few more if they are ordered at once."""


class ExportKind(StrEnum):
    """What is exported: the details of a run, or the members overview."""

    RUN = "RUN"
    MEMBERS = "MEMBERS"


class Format(StrEnum):
    """What the rows are written as; the value is the ending of a file of that format."""

    CSV = "csv"
    XLSX = "xlsx"


class Status(StrEnum):
    """Where an export stands.

    WAITING → RUNNING → COMPLETED → EXPIRED, when the file goes. WAITING and RUNNING may become
    FAILED or CANCELLED, for good. EXPIRED is not stored: it follows from the time.
    """

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


class FailureReason(StrEnum):
    """Why an export failed."""

    RUN_INCOMPLETE = "RUN_INCOMPLETE"
    """Members of the run that were announced have not arrived within `LONGEST_WAIT`."""
    STUDIO_NOT_IN_RUN = "STUDIO_NOT_IN_RUN"
    """A studio that the order named has no part in the run, which was not announced by then."""
    DETAILS_DELETED = "DETAILS_DELETED"
    """The rows of the run were deleted while the export waited: their time was over."""
    ROWS_MISSING = "ROWS_MISSING"
    """Fewer or more rows came out than the run has claims."""
    TOO_LARGE = "TOO_LARGE"
    """The workbook or the archive would have 4 GiB; CSV in one file has no such limit."""
    STORAGE_FULL = "STORAGE_FULL"
    """There was no room for the file."""
    STORAGE_FAILED = "STORAGE_FAILED"
    """The file could not be written."""
    INTERRUPTED = "INTERRUPTED"
    """Each of `MAX_ATTEMPTS` workers went away while at it."""
    INTERNAL_ERROR = "INTERNAL_ERROR"
    """A fault of this service; its log tells more."""


class ExportFailedError(Exception):
    """The export can never be completed; another try would end the same way."""

    def __init__(self, reason: FailureReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Layout:
    """How the file is written.

    `language` is for what people read, where no name is fixed. `per_studio` asks for an archive
    with a file for each studio.
    """

    format: Format
    language: Language = Language.DE
    csv_dialect: CsvDialect = CsvDialect.STANDARD
    csv_guarded: bool = True
    per_studio: bool = False

    @property
    def ending(self) -> str:
        """The ending of the file's name."""
        return "zip" if self.per_studio else self.format.value

    @property
    def media_type(self) -> str:
        """What HTTP calls the file."""
        return _MEDIA_TYPES[self.ending]


_MEDIA_TYPES: Final = {
    "csv": "text/csv; charset=utf-8; header=present",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "zip": "application/zip",
}
MEDIA_TYPES: Final = tuple(_MEDIA_TYPES.values())
"""What the files of exports may be."""


@dataclass(frozen=True, slots=True)
class Job:
    """An export that this worker has claimed.

    `attempt` fences: whoever was given an earlier attempt changes nothing any more. `studio_ids`
    narrows the export to those studios; None is all. With `studios_named` the order has named them:
    each must be in the run. `run_id` is there for the details of a run, `filters` for the members
    overview.
    """

    export_id: UUID
    tenant_id: UUID
    run_id: UUID | None
    studio_ids: list[UUID] | None
    studios_named: bool
    filters: WantedMembers | None
    layout: Layout
    created_at: datetime
    attempt: int
    cause: Cause

    @property
    def stored_name(self) -> str:
        """Name of the file in storage, once it is whole."""
        return stored_name(self.export_id, self.attempt, self.layout)


def stored_name(export_id: UUID, attempt: int, layout: Layout) -> str:
    """Name in storage of the file that an attempt made.

    Each attempt has a name of its own: one that was thought dead cannot replace another's file.
    """
    return f"{export_id}.{attempt}.{layout.ending}"
