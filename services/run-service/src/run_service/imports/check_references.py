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

_FIRST: Final = """
    (SELECT min(first.row) FROM import_rows AS first
     WHERE first.tenant_id = :tenant_id AND first.import_id = :import_id AND first.kind = :kind
       AND first.number = own.number)
"""
_MARK_REPEATED: Final = f"""
    UPDATE import_rows AS own SET snapshot = NULL
    WHERE tenant_id = :tenant_id AND import_id = :import_id AND kind = :kind
      AND number IS NOT NULL AND {_FIRST} < own.row
    RETURNING own.row, 'Stands in row ' || {_FIRST} || ' already' AS message
"""  # noqa: S608 - constants
"""Rows of things that stand in an earlier row already become bad."""

_MARK_WITHOUT: Final = """
    UPDATE import_rows AS own SET snapshot = NULL
    WHERE tenant_id = :tenant_id AND import_id = :import_id AND kind = :kind
      AND snapshot IS NOT NULL AND {owner}_number IS NOT NULL
      AND (SELECT true FROM import_rows AS known
           WHERE known.tenant_id = :tenant_id AND known.import_id = :import_id
             AND known.kind = :owner AND known.number = own.{owner}_number
             AND known.snapshot IS NOT NULL LIMIT 1) IS NULL
      AND (SELECT true FROM imported_ids AS known
           WHERE known.tenant_id = :tenant_id AND known.kind = :owner
             AND known.number = own.{owner}_number) IS NULL
      AND (SELECT true FROM imported_things AS known
           WHERE known.tenant_id = :tenant_id AND known.kind = :owner
             AND known.thing_id = own.{owner}_id) IS NULL
      AND (SELECT true FROM {owner}s AS known
           WHERE known.tenant_id = :tenant_id AND known.{owner}_id = own.{owner}_id
             AND known.studio_id IS NOT NULL) IS NULL
    RETURNING own.row, CASE
        WHEN (SELECT true FROM import_rows AS bad
              WHERE bad.tenant_id = :tenant_id AND bad.import_id = :import_id
                AND bad.kind = :owner AND bad.number = own.{owner}_number LIMIT 1)
        THEN 'Its row in ' || :owner || ' has errors itself'
        ELSE 'Is neither in ' || :owner || ' of this import nor known from before'
        END AS message
"""
"""Rows whose studio or member is nowhere become bad."""

_MARK: Final = """
    WITH marked AS ({})
    SELECT row, message, count(*) OVER () AS total FROM marked ORDER BY row LIMIT :most
"""

_REPEATED: Final = text(_MARK.format(_MARK_REPEATED))
_WITHOUT_STUDIO: Final = text(_MARK.format(_MARK_WITHOUT.format(owner="studio")))
_WITHOUT_MEMBER: Final = text(_MARK.format(_MARK_WITHOUT.format(owner="member")))

_ID_OF: Final = """
    coalesce(own.{name}_id, (SELECT thing_id FROM imported_ids AS known
                             WHERE known.tenant_id = :tenant_id AND known.kind = {kind}
                               AND known.number = own.{number}))
"""
_COUNT: Final = text(
    f"""
    UPDATE import_files SET good = counted.good, bad = counted.bad, unchanged = counted.unchanged
    FROM (
        SELECT own.kind, count(snapshot) AS good, count(*) - count(snapshot) AS bad,
               count(*) FILTER (
                   WHERE snapshot IS NOT NULL AND last.content_hash = own.content_hash
                     AND (studio_number IS NULL OR last.studio_id = {
        _ID_OF.format(name="studio", kind="'studios'", number="studio_number")
    }) AND (member_number IS NULL OR last.member_id = {
        _ID_OF.format(name="member", kind="'members'", number="member_number")
    })) AS unchanged
        FROM import_rows AS own
        LEFT JOIN LATERAL (
            SELECT * FROM imported_things AS thing
            WHERE thing.tenant_id = :tenant_id AND thing.kind = own.kind
              AND thing.thing_id = {_ID_OF.format(name="thing", kind="own.kind", number="number")}
            LIMIT 1
        ) AS last ON true
        WHERE own.tenant_id = :tenant_id AND import_id = :import_id
        GROUP BY own.kind
    ) AS counted
    WHERE tenant_id = :tenant_id AND import_id = :import_id AND import_files.kind = counted.kind
    """  # noqa: S608 - constants
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
        await _mark(connection, import_, file, _REPEATED, file.kind)
    for file in import_.files:
        if file.kind is not Kind.STUDIOS:
            await _mark(connection, import_, file, _WITHOUT_STUDIO, Kind.STUDIOS)
    for file in import_.files:
        if file.kind is Kind.CLAIMS:
            await _mark(connection, import_, file, _WITHOUT_MEMBER, Kind.MEMBERS)
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
    if statement is not _REPEATED:
        parameters["owner"] = named
    rows = (await connection.execute(statement, parameters)).all()
    if rows:
        heading = heading_of(file.kind, _OWN_COLUMN[named], file.headings or ())
        faults = [Fault(row.row, heading, row.message) for row in rows]
        await store.add_faults(connection, import_, file.kind, faults, total=rows[0].total)
