"""What the API takes and gives of imports."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from kit.http import Body
from run_service.imports.kinds import Kind, Status
from run_service.resources import Resource


class ImportedFile(Resource):
    """One of the files. Numbers count rows; a row is as spreadsheets have it."""

    file: Kind
    size: int
    """In bytes."""
    rows: int
    """Read so far; blank rows do not count."""
    good: int
    bad: int
    unchanged: int
    """Good rows with what was published last of the same thing: they are not published again."""
    published: int


class Import(Resource):
    """Files on their way in."""

    import_id: UUID
    status: Status
    progress: Annotated[int, Field(ge=0, le=100)]
    """Percent of the checking, or of the publishing once that was ordered."""
    files: tuple[ImportedFile, ...]
    errors: int
    """How many errors were found; the first 10,000 of them can be read."""
    created_at: datetime
    created_by: str
    expires_at: datetime
    """When it is discarded if nobody has published it; until then its errors can be read."""
    published_at: datetime | None


class ImportedRowError(Resource):
    """What is wrong in a row. Never repeats what stands there."""

    file: Kind
    row: int
    """As a spreadsheet counts: the headings are row 1."""
    column: str | None
    """The heading of the column; null where it is not one column."""
    message: str


class PublicationOrder(Body):
    """Publishes what was checked."""

    leave_out_bad_rows: bool = False
    """Publish the good rows though there are bad ones."""


class Contents(Body):
    """The files of a request by their hashes: tells whether a repeated request is the same."""

    files: dict[str, str]
