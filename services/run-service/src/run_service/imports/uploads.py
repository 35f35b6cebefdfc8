"""The files of a request, as `multipart/form-data` brings them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import BinaryIO, Final

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from kit.problems import MALFORMED, TOO_LARGE, FieldError, problem, unprocessable
from run_service.imports.create_import import Upload
from run_service.imports.csv_reading import Content, examine
from run_service.imports.kinds import Kind

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
MAX_BODY_BYTES: Final = len(Kind) * MAX_FILE_BYTES + 64 * 1024
"""All files, and what stands between them."""

_READ_AT_ONCE: Final = 1024 * 1024
_NAMES: Final = ", ".join(Kind)


@asynccontextmanager
async def uploads_of(request: Request) -> AsyncIterator[list[Upload]]:
    """Receive the files of a request; they are there until the block ends.

    Raises the 400 for what is no form of files, the 422 when there is no file or one of another
    name, the 413 when one is too large.
    """
    try:
        form = await request.form(max_files=len(Kind), max_fields=0)
    except HTTPException as error:
        if error.status_code != HTTPStatus.BAD_REQUEST:
            raise
        raise problem(MALFORMED, f"Send multipart/form-data with the files {_NAMES}.") from error
    try:
        yield [await _examined(kind, file) for kind, file in _files(form)]
    finally:
        await form.close()


def _files(form: FormData) -> list[tuple[Kind, UploadFile]]:
    """Return the files of a form in the order in which they are worked through."""
    found: dict[Kind, UploadFile] = {}
    for name, file in form.multi_items():
        if name not in set(Kind) or not isinstance(file, UploadFile):
            raise unprocessable(name, f"Must be a file with one of the names {_NAMES}")
        if Kind(name) in found:
            raise unprocessable(name, "Must be there once")
        if (file.size or 0) > MAX_FILE_BYTES:
            detail = f"The file {name} is larger than {MAX_FILE_BYTES // 1024**2} MB."
            raise problem(TOO_LARGE, detail, [FieldError(name, "Is too large")])
        found[Kind(name)] = file
    if not found:
        raise unprocessable("body", f"Send multipart/form-data with one of the files {_NAMES}")
    return [(kind, found[kind]) for kind in Kind if kind in found]


async def _examined(kind: Kind, file: UploadFile) -> Upload:
    await file.seek(0)
    return Upload(kind, await asyncio.to_thread(_examine, file.file), file)


def _examine(file: BinaryIO) -> Content:
    return examine(iter(partial(file.read, _READ_AT_ONCE), b""))
