"""Sets of rows on their way into SQL: as one JSON document for each statement, however many."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Table,
    TableValuedAlias,
    Text,
    and_,
    cast,
    column,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

Values = dict[str, Any]
"""A row: each column by its name. All rows of one set have the same columns."""


def given(table: Table, rows: Sequence[Values]) -> TableValuedAlias:
    """Return `rows`, in their order, as a relation with the types of the table's columns.

    Decimals, dates and ids travel as text, so nothing is lost. There must be at least one row.
    """
    columns = [column(name, table.c[name].type) for name in rows[0]]
    document = cast(literal(json.dumps(rows, default=str), Text), JSONB)
    relation = func.jsonb_to_recordset(document).table_valued(*columns, name="given")
    return relation.render_derived(with_types=True)


def same(table: Table, relation: TableValuedAlias, names: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that these columns are the same in a table and in a relation."""
    return and_(*(table.c[name] == relation.c[name] for name in names))


async def insert_rows(connection: AsyncConnection, table: Table, rows: Sequence[Values]) -> None:
    """Add rows to a table, in their order."""
    if rows:
        new = select(given(table, rows))
        await connection.execute(insert(table).from_select(list(rows[0]), new))
