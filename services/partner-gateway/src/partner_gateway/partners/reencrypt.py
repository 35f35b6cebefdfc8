"""`partner-gateway reencrypt`: what is sealed with an older key is sealed anew with the first one.

Safe while the service runs, to stop at any moment, and to repeat: a few rows at a time are locked,
written and committed. What a value is sealed with is found by opening it. The key's id beside it
may be missing, or stand for a value that the release before has replaced since.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.context import Context
from kit.database import Database
from partner_gateway.sealing import NotOpenedError, Seal
from partner_gateway.settings import Settings

ROWS_AT_A_TIME: Final = 200

_BEFORE_ALL: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """Where sealed values are, one in a row."""

    what: str
    """What they are called in the output."""
    table: str
    row_id: str
    value: str
    key_id: str

    @property
    def lock(self) -> TextClause:
        """Return the next values behind `:after`; in READ COMMITTED as they are once locked."""
        return text(
            f"""
            SELECT {self.row_id} AS row_id, {self.value} AS value, {self.key_id} AS key_id
            FROM {self.table} WHERE {self.value} IS NOT NULL AND {self.row_id} > :after
            ORDER BY {self.row_id} LIMIT :limit
            FOR NO KEY UPDATE
            """  # noqa: S608 - constants
        )

    @property
    def store(self) -> TextClause:
        """Store values and the id of the key that seals them."""
        return text(
            f"""
            UPDATE {self.table} SET {self.value} = new.value, {self.key_id} = :key_id
            FROM unnest(CAST(:row_ids AS uuid[]), CAST(:values AS bytea[])) AS new (row_id, value)
            WHERE {self.table}.{self.row_id} = new.row_id
            """  # noqa: S608 - constants
        )

    @property
    def count(self) -> TextClause:
        """Count the values that each key holds."""
        return text(
            f"""
            SELECT coalesce({self.key_id}, 'unknown') AS key_id, count(*) AS values
            FROM {self.table} WHERE {self.value} IS NOT NULL GROUP BY 1
            """  # noqa: S608 - constants
        )


SEALED_COLUMNS: Final = (
    SealedColumn("secrets", "secrets", "secret_id", "sealed_secret", "secret_key_id"),
    SealedColumn("API tokens", "partners", "partner_id", "sealed_api_token", "api_token_key_id"),
)


@dataclass(frozen=True, slots=True)
class Renewal:
    """What came of the values of one column."""

    what: str
    renewed: int
    not_opened: Sequence[UUID]
    """Rows whose value no key opens; it stays as it is."""
    by_key: Counter[str]
    """How many values each key holds now, by its id."""


async def reencrypt(context: Context[Settings], _arguments: Sequence[str]) -> int:
    """Seal anew and print what came of it; return 0 when the first key opens everything, else 1."""
    seal = context.settings.seal
    renewals = [await renew(context.database, seal, column) for column in SEALED_COLUMNS]
    lines = [f"{renewal.renewed} {renewal.what} sealed anew" for renewal in renewals]
    key_ids = {key_id for renewal in renewals for key_id in renewal.by_key}
    for key_id in sorted(key_ids):
        held = ", ".join(f"{renewal.by_key[key_id]} {renewal.what}" for renewal in renewals)
        lines.append(f"key {key_id}{' (the first)' if key_id == seal.key_id else ''} holds {held}")
    lines += [
        f"no key opens {row_id} of {renewal.what}"
        for renewal in renewals
        for row_id in renewal.not_opened
    ]
    for line in lines:
        print(f"reencrypt: {line}")  # noqa: T201 - what the command is for
    done = key_ids <= {seal.key_id} and not any(renewal.not_opened for renewal in renewals)
    return 0 if done else 1


async def renew(database: Database, seal: Seal, column: SealedColumn) -> Renewal:
    """Seal a column's values anew where the first key does not open them."""
    renewed = 0
    not_opened: list[UUID] = []
    after = _BEFORE_ALL
    while True:
        async with database.begin() as connection:
            limits = {"after": after, "limit": ROWS_AT_A_TIME}
            rows = (await connection.execute(column.lock, limits)).all()
            if not rows:
                found = (await connection.execute(column.count)).all()
                by_key = Counter({row.key_id: row.values for row in found})
                return Renewal(column.what, renewed, not_opened, by_key)
            values, failed = _opened(seal, rows)
            await _store(connection, seal, column, rows, values)
        renewed += sum(row.value != values.get(row.row_id, row.value) for row in rows)
        not_opened += failed
        after = rows[-1].row_id


def _opened(seal: Seal, rows: Sequence[Any]) -> tuple[dict[UUID, bytes], list[UUID]]:
    """Return each row's value under the first key, and the rows whose value no key opens."""
    values: dict[UUID, bytes] = {}
    failed = []
    for row in rows:
        try:
            values[row.row_id] = seal.renew(row.value)
        except NotOpenedError:
            failed.append(row.row_id)
    return values, failed


async def _store(
    connection: AsyncConnection,
    seal: Seal,
    column: SealedColumn,
    rows: Sequence[Any],
    values: Mapping[UUID, bytes],
) -> None:
    """Store what differs from what is there."""
    changed = {
        row.row_id: values[row.row_id]
        for row in rows
        if row.row_id in values and (row.value, row.key_id) != (values[row.row_id], seal.key_id)
    }
    parameters = {"row_ids": list(changed), "values": list(changed.values())}
    await connection.execute(column.store, {**parameters, "key_id": seal.key_id})
