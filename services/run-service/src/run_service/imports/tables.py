"""The tables of imports. What files hold is personal data: it goes when it was published."""

from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)

from run_service.tables import metadata


def _key(name: str) -> Column[Any]:
    return Column(name, Uuid, primary_key=True)


def _kind() -> Column[Any]:
    return Column("kind", Text, primary_key=True)


def _count(name: str, comment: str | None = None) -> Column[Any]:
    return Column(name, Integer, nullable=False, server_default=text("0"), comment=comment)


imports: Final = Table(
    "imports",
    metadata,
    _key("tenant_id"),
    _key("import_id"),
    Column("status", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("emptied", Boolean, nullable=False, server_default=text("false")),
    Column("worked_on_at", DateTime(timezone=True), nullable=False, comment="the last time"),
    _count("fault_count", "with those that are too many to be kept"),
    Column("published_at", DateTime(timezone=True)),
    Column("correlation_id", Text, comment="of the request to publish it"),
    Column("traceparent", Text),
    Index(
        "imports_to_do",
        "worked_on_at",
        postgresql_where=text("status IN ('CHECKING', 'PUBLISHING')"),
    ),
    Index("imports_to_empty", "expires_at", postgresql_where=text("NOT emptied")),
    CheckConstraint(
        "status IN ('CHECKING', 'CHECKED', 'REFUSED', 'PUBLISHING', 'PUBLISHED', 'DISCARDED')",
        name="status_known",
    ),
)

import_files: Final = Table(
    "import_files",
    metadata,
    _key("tenant_id"),
    _key("import_id"),
    _kind(),
    Column("size", BigInteger, nullable=False, comment="in bytes"),
    Column("encoding", Text, nullable=False),
    Column("separator", Text),
    Column("headings", ARRAY(Text), comment="empty texts for columns without a heading"),
    Column("checked", BigInteger, nullable=False, server_default=text("0"), comment="bytes"),
    Column("next_row", Integer, nullable=False, server_default=text("2")),
    _count("good"),
    _count("bad"),
    _count("unchanged", "good rows with the content that was published last"),
    _count("published"),
    _count("last_row_done", "on publication"),
)

import_pieces: Final = Table(
    "import_pieces",
    metadata,
    _key("tenant_id"),
    _key("import_id"),
    _kind(),
    Column("number", Integer, primary_key=True, comment="from 0 on"),
    Column("content", LargeBinary, nullable=False),
    comment="the files as they came, until they are checked",
)

import_rows: Final = Table(
    "import_rows",
    metadata,
    _key("tenant_id"),
    _key("import_id"),
    _kind(),
    Column("row", Integer, primary_key=True, comment="as spreadsheets count"),
    # What the row is, and what it belongs to: the number, and the id where it was named by that.
    Column("number", Text),
    Column("thing_id", Uuid),
    Column("studio_number", Text),
    Column("studio_id", Uuid),
    Column("member_number", Text),
    Column("member_id", Uuid),
    Column("snapshot", Text, comment="without ids and sequence; none of a bad row"),
    Column("content_hash", LargeBinary),
    Index("import_rows_number", "tenant_id", "import_id", "kind", "number", "row"),
    comment="rows that were checked, until they are published",
)

import_faults: Final = Table(
    "import_faults",
    metadata,
    _key("tenant_id"),
    _key("import_id"),
    Column("number", Integer, primary_key=True, comment="in the order in which they were found"),
    Column("kind", Text, nullable=False),
    Column("row", Integer, nullable=False),
    Column("heading", Text),
    Column("message", Text, nullable=False, comment="holds nothing of what stands in the file"),
)

imported_ids: Final = Table(
    "imported_ids",
    metadata,
    _key("tenant_id"),
    _kind(),
    Column("number", Text, primary_key=True),
    Column("thing_id", Uuid, nullable=False),
    comment="the id that each number got when it was first published",
)

imported_things: Final = Table(
    "imported_things",
    metadata,
    _key("tenant_id"),
    _kind(),
    _key("thing_id"),
    Column("studio_id", Uuid, comment="of a member or claim"),
    Column("member_id", Uuid, comment="of a claim"),
    Column("content_hash", LargeBinary, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    comment="what was published last of each thing",
)
