"""The file of a request, as `multipart/form-data` brings it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO, Final
from uuid import UUID

from fastapi import Request
from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from kit.http import Body
from kit.problems import MALFORMED, TOO_LARGE, FieldError, problem, unprocessable

MAX_FILE_BYTES: Final = 20 * 1024 * 1024
MAX_BODY_BYTES: Final = MAX_FILE_BYTES + 64 * 1024
"""The file, and what stands around it."""
PIECE: Final = 256 * 1024
"""Bytes of a piece of a file, the last one apart."""

_WANTED: Final = "Send multipart/form-data with a file named file, and a field partner_id"
_ID: Final = TypeAdapter(UUID)


class Contents(Body):
    """What a request sends: tells whether a repeated request is the same."""

    partner_id: UUID
    sha256: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a partner; its content is there until the request ends."""

    partner_id: UUID
    size: int
    sha256: bytes
    file: BinaryIO

    @property
    def contents(self) -> Contents:
        """What makes two requests the same."""
        return Contents(partner_id=self.partner_id, sha256=self.sha256.hex())


@asynccontextmanager
async def upload_of(request: Request) -> AsyncIterator[Upload]:
    """Receive the file of a request.

    Raises the 400 for what is no such form, the 422 for a missing or empty file and a wrong
    partner, the 413 for too large a file.
    """
    try:
        form = await request.form(max_files=1, max_fields=1)
    except HTTPException as error:
        if error.status_code != HTTPStatus.BAD_REQUEST:
            raise
        raise problem(MALFORMED, f"{_WANTED}.") from error
    try:
        yield await _upload(form)
    finally:
        await form.close()


async def _upload(form: FormData) -> Upload:
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise unprocessable("file", _WANTED)
    if not file.size:
        raise unprocessable("file", "Must not be empty")
    if file.size > MAX_FILE_BYTES:
        detail = f"The file is larger than {MAX_FILE_BYTES // 1024**2} MB."
        raise problem(TOO_LARGE, detail, [FieldError("file", "Is too large")])
    try:
        partner_id = _ID.validate_python(form.get("partner_id"))
    except ValidationError:
        raise unprocessable("partner_id", "Must be the id of a partner") from None
    sha256 = await asyncio.to_thread(_sha256, file.file)
    return Upload(partner_id, file.size, sha256, file.file)


def _sha256(file: BinaryIO) -> bytes:
    digest = hashlib.sha256()
    for piece in pieces_of(file):
        digest.update(piece)
    return digest.digest()


def pieces_of(file: BinaryIO) -> Iterator[bytes]:
    """Yield a file in pieces as they are stored."""
    file.seek(0)
    while piece := file.read(PIECE):
        yield piece
