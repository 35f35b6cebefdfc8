"""Sets of rows on their way into SQL: each in one statement, however many they are."""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

from pydantic_core import to_json
from sqlalchemy import (
    ColumnElement,
    Table,
    TableValuedAlias,
    Text,
    and_,
    cast,
    column,
    func,
    literal,
)
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.database import copy_rows

Values = dict[str, Any]
"""A row: each column by its name. All rows of one set have the same columns."""


def given(table: Table, rows: Sequence[Values]) -> TableValuedAlias:
    """Return `rows`, in their order, as a relation with the types of the table's columns.

    They travel as one JSON document: the planner expects few rows of it, and looks them up by their
    ids, also where it made its plan while the tables were still empty. Decimals, dates and ids
    travel as text, so nothing is lost. There must be at least one row.
    """
    columns = [column(name, table.c[name].type) for name in rows[0]]
    document = cast(literal(to_json(rows).decode(), Text), JSON)
    relation = func.json_to_recordset(document).table_valued(*columns, name="given")
    return relation.render_derived(with_types=True)


def same(table: Table, relation: TableValuedAlias, names: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that these columns are the same in a table and in a relation."""
    return and_(*(table.c[name] == relation.c[name] for name in names))


async def insert_rows(connection: AsyncConnection, table: Table, rows: Sequence[Values]) -> None:
    """Add rows of at least two columns to a table, in their order; they must be new.

    There must have been a statement before in this transaction.
    """
    if rows:
        columns = list(rows[0])
        await copy_rows(connection, table.name, columns, map(itemgetter(*columns), rows))
