"""The service's side of the reader process: starts it, feeds it, and believes nothing it says."""

import asyncio
import sys
import time
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from json import dumps
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from contracts.money import Amount, Currency
from contracts.parts import Code, Day, Identifier, LongText, ShortText
from partner_gateway.report_files.kinds import Kind
from partner_gateway.report_files.refusal import RefusedError

DIED: Final = "The file cannot be read within the limits of memory and time"

_BATCH: Final = 1000
"""Rows that are given on together."""
_READER: Final = "partner_gateway.report_files.reader"


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Begin(_Line):
    rows: int = Field(ge=0)


class _End(_Line):
    end: int


class _Refused(_Line):
    refused: str = Field(max_length=2000)


class ReadRow(_Line):
    """What one row says; nothing, when it has faults."""

    row: int = Field(ge=1)
    """As a spreadsheet counts."""
    faults: tuple[tuple[str | None, str], ...]
    """Heading, if it is about one column, and what is wrong."""
    kind: Kind | None = None
    case_id: UUID | None = None
    named_by_number: ShortText | None = None
    """The file number that stands for the case."""
    amount: Amount | None = None
    own_fees: Amount | None = None
    currency: Currency | None = None
    day: Day | None = None
    partner_reference: Identifier | None = None
    file_number: ShortText | None = None
    """The file number that the case gets."""
    reason_code: Code | None = None
    reason_text: LongText | None = None
    result_code: Code | None = None


_Said = Annotated[ReadRow | _Begin | _End | _Refused, Field(union_mode="left_to_right")]
_LINE: Final[TypeAdapter[ReadRow | _Begin | _End | _Refused]] = TypeAdapter(_Said)


@dataclass(frozen=True, slots=True)
class ReaderLimits:
    """What the reader process may use."""

    memory_bytes: int
    seconds: int
    """Of a processor, and also of waiting for it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows in their order."""

    rows: list[ReadRow]
    rows_expected: int
    """About how many the file has."""


@asynccontextmanager
async def reading(
    content: AsyncIterable[bytes], how: Mapping[str, Any], limits: ReaderLimits
) -> AsyncIterator[AsyncIterator[Batch]]:
    """Read a file in a process of its own, which is gone when the block ends.

    What the block iterates over raises `RefusedError` when the file cannot be read, also for the
    reason that its reader died.
    """
    # No variable of ours reaches it: they hold keys and passwords.
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-m",
        _READER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )
    try:
        yield _batches(_Reader(process, limits), content, how)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


class _Reader:
    """The process, and how long it may still be waited for."""

    def __init__(self, process: asyncio.subprocess.Process, limits: ReaderLimits) -> None:
        assert process.stdin is not None, "it has pipes"
        assert process.stdout is not None, "it has pipes"
        self._source, self._target = process.stdin, process.stdout
        self._seconds_left = float(limits.seconds)
        self.limits = limits

    async def feed(self, piece: bytes) -> None:
        """Write to the process; one that has died reads nothing more."""
        with suppress(ConnectionError):
            self._source.write(piece)
            async with self._waiting():
                await self._source.drain()

    async def fed(self) -> None:
        """Tell it that this was all."""
        with suppress(ConnectionError):
            self._source.close()
            await self._source.wait_closed()

    async def line(self) -> ReadRow | _Begin | _End | _Refused:
        """Return what it says next."""
        try:
            async with self._waiting():
                written = await self._target.readline()
            return _LINE.validate_json(written)
        except (ValidationError, ValueError):  # dead in the middle of a line, or broken into
            raise RefusedError(DIED) from None

    @asynccontextmanager
    async def _waiting(self) -> AsyncIterator[None]:
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._seconds_left):
                yield
        except TimeoutError:
            raise RefusedError(DIED) from None
        finally:
            self._seconds_left -= time.monotonic() - began


async def _batches(
    reader: _Reader, content: AsyncIterable[bytes], how: Mapping[str, Any]
) -> AsyncIterator[Batch]:
    limits = reader.limits
    order = {"memory_bytes": limits.memory_bytes, "seconds": limits.seconds, "reading": how}
    await reader.feed(dumps(order).encode() + b"\n")
    async for piece in content:
        await reader.feed(piece)
    await reader.fed()
    rows: list[ReadRow] = []
    expected = 0
    while True:
        match await reader.line():
            case _Begin(rows=expected):
                pass
            case ReadRow() as row:
                rows.append(row)
                if len(rows) == _BATCH:
                    yield Batch(rows, expected)
                    rows = []
            case _Refused(refused=reason):
                raise RefusedError(reason)
            case _End():
                break
    if rows:
        yield Batch(rows, expected)
