"""What the file of an export holds: the details of a run, or the members overview."""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from export_service.exports.export import ExportFailedError, FailureReason, Job
from export_service.exports.missing import members_missing
from export_service.members import queries as members
from export_service.members.columns import columns
from export_service.members.wanted import WantedMembers
from export_service.rendering.columns import Column
from export_service.rendering.language import Language
from export_service.rendering.summary import OverviewSummary, SummaryRow, summary_of
from export_service.rendering.xlsx_writer import SheetNames
from export_service.runs import queries as runs
from export_service.runs.columns import COLUMNS
from export_service.runs.run import Run

log = structlog.stdlib.get_logger(__name__)

_RUN_STEM: Final = {Language.DE: "inkassolauf", Language.EN: "collection-run"}
_MEMBERS_STEM: Final = {Language.DE: "mitglieder-im-inkasso", Language.EN: "members-in-collection"}
_PART: Final = {Language.DE: "teil", Language.EN: "part"}


class Rows(Protocol):
    """One row, or some that are kept together."""

    @property
    def studio_id(self) -> UUID:
        """The studio that they belong to."""

    def texts(self) -> list[list[str]]:
        """One text for each column, of each row."""


class Contents(Protocol):
    """Rows, what they are called, and what they add up to."""

    columns: Sequence[Column]
    sheets: SheetNames
    rows_total: int
    """How many rows there will be, as far as it is known before."""
    members_missing: int | None
    """Members who were announced and have not arrived; None if that is not known."""

    async def next_rows(self, connection: AsyncConnection, limit: int) -> Sequence[Rows]:
        """The rows behind those of the last time; none at the end."""

    def count(self, rows: Sequence[Sequence[str]]) -> None:
        """Adds rows that are written to what the summary tells."""

    async def check(self, connection: AsyncConnection, row_count: int) -> None:
        """Raises ExportFailedError if there should have been more or fewer rows."""

    def summary(self, studio_id: UUID | None) -> Iterable[SummaryRow]:
        """What the rows add up to, of one studio or of all."""

    def stem(self, studio_id: UUID | None) -> str:
        """What the file, or that of one studio, is called, without its ending."""


async def contents_of(connection: AsyncConnection, job: Job, time_zone: str) -> Contents:
    """Looks up what the job is about, and how many rows there will be.

    `time_zone` says on which days things happened that are known to the second. Raises
    ExportFailedError if the details of the run are deleted, or are not what was announced.
    """
    if job.filters is not None:
        rows_total = await members.count_rows(
            connection, job.tenant_id, job.studio_ids, job.filters
        )
        missing = await members_missing(connection, job)
        return _MembersContents(job, job.filters, time_zone, rows_total, missing)
    assert job.run_id is not None, "whatever is not about members is about a run"
    run = await runs.find_run(connection, job.tenant_id, job.run_id, job.studio_ids)
    if run is not None and run.details_deleted:
        raise ExportFailedError(FailureReason.DETAILS_DELETED)
    known = 0 if run is None else len(run.studios)
    if job.studios_named and job.studio_ids is not None and known < len(job.studio_ids):
        raise ExportFailedError(FailureReason.STUDIO_NOT_IN_RUN)
    if run is None or not run.is_whole:
        arrived = 0 if run is None else sum(studio.claims_arrived for studio in run.studios)
        raise _rows_missing(job, 0 if run is None else run.claim_count, arrived)
    return _RunContents(job, run)


def _rows_missing(job: Job, expected: int, found: int) -> ExportFailedError:
    log.error("export-rows-missing", export_id=job.export_id, expected=expected, found=found)
    return ExportFailedError(FailureReason.ROWS_MISSING)


class _RunContents:
    """A row for each claim as it was handed over; none ever changes (R40)."""

    def __init__(self, job: Job, run: Run) -> None:
        self._job = job
        self._run = run
        self._position = runs.START
        self.columns: Sequence[Column] = COLUMNS
        self.sheets = SheetNames.of_claims(job.layout.language)
        self.rows_total = run.claim_count
        self.members_missing: int | None = 0

    async def next_rows(self, connection: AsyncConnection, limit: int) -> Sequence[Rows]:
        rows = await runs.next_rows(
            connection,
            self._job.tenant_id,
            self._run.run_id,
            self._job.studio_ids,
            after=self._position,
            limit=limit,
        )
        if rows:
            self._position = rows[-1].position
        return rows

    def count(self, rows: Sequence[Sequence[str]]) -> None:
        """The run knows its sums already."""

    async def check(self, connection: AsyncConnection, row_count: int) -> None:
        if row_count == self.rows_total:
            return
        run = await runs.find_run(
            connection, self._job.tenant_id, self._run.run_id, self._job.studio_ids
        )
        if run is not None and run.details_deleted:
            raise ExportFailedError(FailureReason.DETAILS_DELETED)
        raise _rows_missing(self._job, self.rows_total, row_count)

    def summary(self, studio_id: UUID | None) -> Iterable[SummaryRow]:
        run = self._run if studio_id is None else self._run.narrowed_to(studio_id)
        return summary_of(run, self._job.layout.language)

    def stem(self, studio_id: UUID | None) -> str:
        language = self._job.layout.language
        stem = f"{_RUN_STEM[language]}-{self._run.booking_number}"
        if studio_id is None:
            return stem if self._job.studio_ids is None else f"{stem}-{_PART[language]}"
        return f"{stem}-{self._run.narrowed_to(studio_id).studios[0].name}"


class _MembersContents:
    """A row for each case, as it was when the row was read; the newest handover first (R42)."""

    def __init__(
        self,
        job: Job,
        wanted: WantedMembers,
        time_zone: str,
        rows_total: int,
        missing: int | None,
    ) -> None:
        language = job.layout.language
        self._job = job
        self._wanted = wanted
        self._time_zone = time_zone
        self._position = members.START
        self._summary = OverviewSummary(language, wanted, missing)
        self.columns: Sequence[Column] = columns(language)
        self.sheets = SheetNames.of_members(language)
        self.rows_total = rows_total
        self.members_missing = missing

    async def next_rows(self, connection: AsyncConnection, limit: int) -> Sequence[Rows]:
        rows = await members.next_rows(
            connection,
            self._job.tenant_id,
            self._job.studio_ids,
            self._wanted,
            self._time_zone,
            after=self._position,
            limit=limit,
        )
        if rows:
            self._position = rows[-1].position
        return rows

    def count(self, rows: Sequence[Sequence[str]]) -> None:
        self._summary.add(rows)

    async def check(self, connection: AsyncConnection, row_count: int) -> None:
        """Cases come and change while they are read: there is no number that must come out."""

    def summary(self, studio_id: UUID | None) -> Iterable[SummaryRow]:
        return self._summary.rows()

    def stem(self, studio_id: UUID | None) -> str:
        day = self._job.created_at.astimezone(ZoneInfo(self._time_zone)).date()
        return f"{_MEMBERS_STEM[self._job.layout.language]}-{day}"
