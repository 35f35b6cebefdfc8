"""What an audit finds, and the ranges in which it looks for it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from uuid import UUID

from aiokafka.errors import KafkaError
from sqlalchemy import TextClause, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.database import sqlstate

Range = dict[str, UUID]
"""The bounds of some cases (or claims), as parameters: after the one, up to the other."""

IN_RANGE: Final = (
    "(tenant_id, case_id) > (:after_tenant, :after_id)"
    " AND (tenant_id, case_id) <= (:last_tenant, :last_id)"
)
CLAIMS_IN_RANGE: Final = IN_RANGE.replace("case_id", "claim_id")


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is otherwise than the entries say; ids, amounts and states, nothing personal.

    `tenant_id` and `case_id` are None for what belongs to nobody, such as an unreadable message.
    """

    tenant_id: UUID | None
    case_id: UUID | None
    what: str
    kept: str | None
    recomputed: str | None

    def __str__(self) -> str:
        of = f"tenant {self.tenant_id} case {self.case_id} " if self.case_id else ""
        return f"{of}{self.what}: is {self.kept}, should be {self.recomputed}"


async def found(
    connection: AsyncConnection, check: TextClause, parameters: Range
) -> AsyncIterator[Difference]:
    """Run a check, a statement that returns the fields of differences; yield what it found."""
    for row in await connection.execute(check, parameters):
        yield Difference(*row)


async def ranges(connection: AsyncConnection, table: str, column: str, size: int) -> list[Range]:
    """Split all keys (tenant and `column`) there can be, `size` rows of `table` in each range."""
    result = await connection.execute(
        text(
            f"""
            SELECT tenant_id, {column} FROM (
                SELECT tenant_id, {column},
                       row_number() OVER (ORDER BY tenant_id, {column}) AS place
                FROM {table}
            ) AS ordered
            WHERE place % :size = 0 ORDER BY place
            """  # noqa: S608 - names of ours
        ),
        {"size": size},
    )
    bounds = [(UUID(int=0), UUID(int=0))]
    bounds += [(row[0], row[1]) for row in result]
    bounds.append((UUID(int=2**128 - 1), UUID(int=2**128 - 1)))
    return [
        {"after_tenant": after[0], "after_id": after[1], "last_tenant": to[0], "last_id": to[1]}
        for after, to in pairwise(bounds)
    ]


def reason_of(error: Exception) -> str:
    """Say what stopped a command: who was away or refused, and nothing that it was working on."""
    name = type(error).__name__
    if isinstance(error, KafkaError):
        return f"Kafka: {name}"
    if isinstance(error, SQLAlchemyError | OSError):
        return f"database: {sqlstate(error) or name}"
    return name
