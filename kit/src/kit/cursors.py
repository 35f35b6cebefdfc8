"""Pages of lists: a cursor holds the sort key of the last item, so that no item is skipped.

A cursor gives no rights: each query still asks for the caller's tenant. So it is not signed; what
was tampered with either is a valid place in the list or a 422.
"""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Final, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from kit.problems import Problem, unprocessable

T = TypeVar("T")

MAX_LENGTH: Final = 2000

Limit = Annotated[int, Query(ge=1, le=500, description="how many items at most")]
"""How many items a page holds at most; give it the default 100."""

Cursor = Annotated[
    str | None, Query(max_length=MAX_LENGTH, description="`next` of the page before")
]
"""Where the page starts; give it the default None."""

Place = Annotated[int, Field(ge=0, lt=2**31)]
"""A number in a list that is counted through, from an integer column."""


class Page(BaseModel, Generic[T]):
    """Some items of a list."""

    items: list[T]
    next: str | None
    """The cursor of the next page; null on the last one."""


def encode(values: Sequence[Any]) -> str:
    """Return the cursor for a sort key: UUIDs, dates, times, decimals, numbers, texts, None."""
    return base64.urlsafe_b64encode(to_json(list(values))).decode().rstrip("=")


def decode(cursor: str, types: Sequence[Any]) -> tuple[Any, ...]:
    """Return the sort key in `cursor`, each value of its type in `types` (`UUID`, `Place`).

    Raises the 422 that names `cursor` when it is not one that `encode` made for such a key.
    """
    try:
        values = _reader(tuple(types)).validate_json(_unwrap(cursor), strict=True)
    except (ValidationError, ValueError, binascii.Error):
        raise _invalid() from None
    if not all(_fits(value) for value in values):
        raise _invalid()
    return values


@lru_cache(maxsize=100)
def _reader(types: tuple[Any, ...]) -> TypeAdapter[tuple[Any, ...]]:
    key: Any = tuple.__class_getitem__(types)
    return TypeAdapter(key)


def _unwrap(cursor: str) -> bytes:
    padding = "=" * (-len(cursor) % 4)
    return base64.b64decode((cursor + padding).encode("ascii"), altchars=b"-_", validate=True)


def _fits(value: object) -> bool:
    """Say whether PostgreSQL can hold the value: bigint at most, times in UTC, no NUL in texts."""
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    if isinstance(value, datetime):
        return _has_time_in_utc(value)
    return not (isinstance(value, str) and "\x00" in value)


def _has_time_in_utc(value: datetime) -> bool:
    try:
        value.astimezone(UTC)
    except OverflowError:  # before the first year, or after the last one
        return False
    return True


def _invalid() -> Problem:
    return unprocessable("cursor", "Not a cursor of this list")
