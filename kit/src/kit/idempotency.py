"""Requests that are sent again: the same key gives the same answer, and the thing is made once."""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from fastapi import Request, Response
from pydantic import BaseModel
from pydantic_core import to_json
from sqlalchemy import Row, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.auth import Principal
from kit.clock import now
from kit.context import Context
from kit.plumbing import idempotency_keys
from kit.problems import IN_FLIGHT, KEY_MISSING, KEY_REUSED, problem

Answer = BaseModel | Mapping[str, Any]

KEPT_FOR: Final = timedelta(days=2)
"""How long an answer is given again; after that the key is as good as new."""

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_HEADER: Final = "Idempotency-Key"


async def once(
    context: Context[Any],
    principal: Principal,
    request: Request,
    body: BaseModel,
    verb: Callable[[AsyncConnection], Awaitable[Answer]],
    *,
    status: int = 201,
) -> Response:
    """Run `verb` in one transaction, together with the note of what was answered.

    The request's `Idempotency-Key` counts for one tenant, subject, method and path. The same key
    and request again get the same answer, marked `Idempotent-Replayed: true`.

    Raises the 400 for a missing key, the 422 when the key was used for another request, the 409
    while the first one is still being worked on. A problem that `verb` raises undoes everything
    and is not noted: the request can be repeated with the same key.

    Crash-safe by construction: thing, answer and lock live and die with the one transaction.
    """
    key = request.headers.get(_HEADER, "")
    if not _KEY.fullmatch(key):
        raise problem(KEY_MISSING)
    scope = f"{principal.subject} {request.method} {request.url.path}"
    request_hash = _hash(request.url.query, body.model_dump_json(exclude_unset=True))
    same = {"tenant_id": principal.tenant_id, "scope": scope, "key": key}
    async with context.database.begin() as connection:
        # The lock ends with the transaction, after its rows have become visible to others.
        lock = _lock_number(_hash(str(principal.tenant_id), scope, key))
        if not await connection.scalar(select(func.pg_try_advisory_xact_lock(lock))):
            raise problem(IN_FLIGHT, headers={"Retry-After": "1"})
        found = await connection.execute(select(idempotency_keys).filter_by(**same))
        earlier = found.one_or_none()
        if earlier is not None:
            return _again(earlier, request_hash)
        answer = _to_json(await verb(connection))
        await connection.execute(
            insert(idempotency_keys).values(
                **same, request_hash=request_hash, status=status, answer=answer
            )
        )
    return _response(answer, status)


async def forget_old_answers(connection: AsyncConnection) -> int:
    """Delete the answers that are older than `KEPT_FOR`; return how many they were."""
    old = idempotency_keys.c.created_at < now() - KEPT_FOR
    return (await connection.execute(delete(idempotency_keys).where(old))).rowcount


def _again(earlier: Row[Any], request_hash: bytes) -> Response:
    if earlier.request_hash != request_hash:
        raise problem(KEY_REUSED)
    return _response(earlier.answer, earlier.status, {"Idempotent-Replayed": "true"})


def _to_json(answer: Answer) -> bytes:
    return answer.model_dump_json().encode() if isinstance(answer, BaseModel) else to_json(answer)


def _hash(*parts: str) -> bytes:
    return hashlib.sha256("\x00".join(parts).encode()).digest()


def _lock_number(digest: bytes) -> int:
    return int.from_bytes(digest[:8], "big", signed=True)


def _response(answer: bytes, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return Response(answer, status, headers, media_type="application/json")
