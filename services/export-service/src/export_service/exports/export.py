"""An export: a file made of a run, and the job of making it."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from kit.trace import Cause

LEASE = timedelta(seconds=30)
"""How long a worker that is not heard of keeps a job; it says so with each batch of rows."""

MAX_ATTEMPTS = 5
"""How often a job is begun before it is given up: it may be the job that kills its workers."""

LONGEST_WAIT = timedelta(days=1)
"""How long an export waits for its run to be whole before it fails."""


class Format(StrEnum):
    """What the file is; the value is its ending."""

    CSV = "csv"
    XLSX = "xlsx"

    @property
    def media_type(self) -> str:
        """What HTTP calls it."""
        match self:
            case Format.CSV:
                return "text/csv; charset=utf-8; header=present"
            case Format.XLSX:
                return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class Status(StrEnum):
    """WAITING until the run is whole, RUNNING, then COMPLETED or FAILED for good."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class FailureReason(StrEnum):
    """Why an export failed."""

    RUN_INCOMPLETE = "RUN_INCOMPLETE"
    """Members of the run that were announced have not arrived within `LONGEST_WAIT`."""
    ROWS_MISSING = "ROWS_MISSING"
    """Fewer or more rows came out than the run has claims."""
    TOO_LARGE = "TOO_LARGE"
    """The file would be larger than an Excel workbook may be; CSV has no such limit."""
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
class Job:
    """An export that this worker has claimed.

    `attempt` fences: whoever was given an earlier attempt changes nothing any more. `studio_ids`
    narrows the export to those studios; None is the whole run.
    """

    export_id: UUID
    tenant_id: UUID
    run_id: UUID
    format: Format
    studio_ids: list[UUID] | None
    attempt: int
    cause: Cause

    @property
    def stored_name(self) -> str:
        """Name of the finished file in the export directory."""
        return stored_name(self.export_id, self.format)

    @property
    def part_name(self) -> str:
        """Name of the file while this attempt writes it."""
        return f"{self.stored_name}.{self.attempt}.part"


def stored_name(export_id: UUID, format_: Format) -> str:
    """Name of a finished file in the export directory."""
    return f"{export_id}.{format_}"


def download_name(booking_number: str, format_: Format) -> str:
    """The file's name for people, such as inkassolauf-2026-000001.xlsx."""
    return f"inkassolauf-{booking_number}.{format_}"
