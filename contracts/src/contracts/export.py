"""Exports: files that staff and programs may fetch. Kept for 30 days."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.event import Event
from contracts.parts import Count, Instant


class ExportEvent(Event):
    """A file is ready to be fetched."""

    TOPIC = "collection.export.v1"
    KEY = ("export_id",)

    export_id: UUID
    """Id of the export."""
    format: Literal["CSV", "XLSX"]
    """Format of the file."""
    row_count: Count
    """Number of rows, without headers."""
    size_bytes: Annotated[int, Field(ge=0, le=2**53 - 1)]
    """Size of the file in bytes."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the file, in hexadecimal."""
    expires_at: Instant
    """When the file is deleted."""


class ExportCompletedV1(ExportEvent):
    """The details of a run are ready to be fetched."""

    TYPE = "export.completed.v1"

    kind: Literal["RUN"]
    """What was exported: the details of a run."""
    run_id: UUID
    """Run that was exported."""
    archive: Literal["ZIP"] | None = None
    """ZIP: an archive with one file of the format for each studio. None: one file."""


class ExportMembersCompletedV1(ExportEvent):
    """A members overview is ready to be fetched."""

    TYPE = "export.members-completed.v1"
