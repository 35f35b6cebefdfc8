"""What only all rows together show: things that are there twice, and owners that nobody knows.

Statements look up by key, row for row: the rows came a moment ago, and the planner knows nothing of
them yet.
"""

from typing import Final

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from run_service.imports import store
from run_service.imports.headings import Fault, heading_of
from run_service.imports.kinds import Kind
from run_service.imports.store import LockedImport, StoredFile

_MARK_REPEATED: Final = text(
    """
    WITH numbered AS (
        SELECT row, min(row) OVER (PARTITION BY number) AS first FROM import_rows
        WHERE tenant_id = :tenant_id AND import_id = :import_id AND kind = :kind
          AND number IS NOT NULL
    ), marked AS (
        UPDATE import_rows SET snapshot = NULL FROM numbered
        WHERE tenant_id = :tenant_id AND import_id = :import_id AND kind = :kind
          AND import_rows.row = numbered.row AND numbered.row > first
        RETURNING numbered.row, 'Stands in row ' || first || ' already' AS message
    )
    SELECT row, message, count(*) OVER () AS total FROM marked ORDER BY row LIMIT :most
    """
)
"""Rows of things that stand in an earlier row already become bad."""

_MARK_WITHOUT: Final = """
    WITH wrong AS (
        SELECT row, EXISTS (
            SELECT FROM import_rows AS named
            WHERE named.tenant_id = :tenant_id AND named.import_id = :import_id
              AND named.kind = :owner AND named.number = owned.{owner}_number
        ) AS is_there
        FROM import_rows AS owned
        WHERE tenant_id = :tenant_id AND import_id = :import_id AND kind = :kind
          AND snapshot IS NOT NULL AND {owner}_number IS NOT NULL
          AND NOT EXISTS (
            SELECT FROM import_rows AS named
            WHERE named.tenant_id = :tenant_id AND named.import_id = :import_id
              AND named.kind = :owner AND named.number = owned.{owner}_number
              AND named.snapshot IS NOT NULL)
          AND NOT EXISTS (
            SELECT FROM imported_ids AS known
            WHERE known.tenant_id = :tenant_id AND known.kind = :owner
              AND known.number = owned.{owner}_number)
          AND NOT EXISTS (
            SELECT FROM imported_things AS known
            WHERE known.tenant_id = :tenant_id AND known.kind = :owner
              AND known.thing_id = owned.{owner}_id)
          AND NOT EXISTS (
            SELECT FROM {owner}s AS known
            WHERE known.tenant_id = :tenant_id AND known.{owner}_id = owned.{owner}_id
              AND known.studio_id IS NOT NULL)
    ), marked AS (
        UPDATE import_rows SET snapshot = NULL FROM wrong
        WHERE tenant_id = :tenant_id AND import_id = :import_id AND kind = :kind
          AND import_rows.row = wrong.row
        RETURNING wrong.row, CASE WHEN is_there
            THEN 'Its row in ' || :owner || ' has errors itself'
            ELSE 'Is neither in ' || :owner || ' of this import nor known from before'
            END AS message
    )
    SELECT row, message, count(*) OVER () AS total FROM marked ORDER BY row LIMIT :most
    """
"""Rows whose studio or member is nowhere become bad."""

_MARK_WITHOUT_STUDIO: Final = text(_MARK_WITHOUT.format(owner="studio"))
_MARK_WITHOUT_MEMBER: Final = text(_MARK_WITHOUT.format(owner="member"))

_COUNT: Final = text(
    """
    UPDATE import_files SET good = counted.good, bad = counted.bad, unchanged = counted.unchanged
    FROM (
        SELECT own.kind, count(snapshot) AS good, count(*) - count(snapshot) AS bad,
               count(*) FILTER (
                   WHERE snapshot IS NOT NULL AND last.content_hash = own.content_hash
                     AND (studio_number IS NULL OR last.studio_id = coalesce(own.studio_id, (
                         SELECT known.thing_id FROM imported_ids AS known
                         WHERE known.tenant_id = :tenant_id AND known.kind = 'studios'
                           AND known.number = studio_number)))
                     AND (member_number IS NULL OR last.member_id = coalesce(own.member_id, (
                         SELECT known.thing_id FROM imported_ids AS known
                         WHERE known.tenant_id = :tenant_id AND known.kind = 'members'
                           AND known.number = member_number)))
               ) AS unchanged
        FROM import_rows AS own
        LEFT JOIN imported_things AS last
               ON last.tenant_id = :tenant_id AND last.kind = own.kind
              AND last.thing_id = coalesce(own.thing_id, (
                  SELECT known.thing_id FROM imported_ids AS known
                  WHERE known.tenant_id = :tenant_id AND known.kind = own.kind
                    AND known.number = own.number))
        WHERE own.tenant_id = :tenant_id AND import_id = :import_id
        GROUP BY own.kind
    ) AS counted
    WHERE tenant_id = :tenant_id AND import_id = :import_id AND import_files.kind = counted.kind
    """
)
"""What is unchanged is counted anew on publication, for another import may be faster."""

_OWN_COLUMN: Final = {
    Kind.STUDIOS: "studio_number",
    Kind.MEMBERS: "membership_number",
    Kind.CLAIMS: "claim_number",
}


async def check_references(connection: AsyncConnection, import_: LockedImport) -> None:
    """Find what is wrong between rows, and count the good, the bad and the unchanged ones.

    A row whose owner is bad is bad itself: it would be published without its owner.
    """
    for file in import_.files:
        await _mark(connection, import_, file, _MARK_REPEATED, file.kind)
    for file in import_.files:
        if file.kind is not Kind.STUDIOS:
            await _mark(connection, import_, file, _MARK_WITHOUT_STUDIO, Kind.STUDIOS)
    for file in import_.files:
        if file.kind is Kind.CLAIMS:
            await _mark(connection, import_, file, _MARK_WITHOUT_MEMBER, Kind.MEMBERS)
    await connection.execute(_COUNT, import_.key)


async def _mark(
    connection: AsyncConnection,
    import_: LockedImport,
    file: StoredFile,
    statement: TextClause,
    named: Kind,
) -> None:
    """Mark rows as bad, with a fault in the column that names the things of a kind."""
    parameters = {**import_.key, "kind": file.kind, "most": store.MOST_FAULTS}
    if statement is not _MARK_REPEATED:
        parameters["owner"] = named
    rows = (await connection.execute(statement, parameters)).all()
    if rows:
        heading = heading_of(file.kind, _OWN_COLUMN[named], file.headings or ())
        faults = [Fault(row.row, heading, row.message) for row in rows]
        await store.add_faults(connection, import_, file.kind, faults, total=rows[0].total)
