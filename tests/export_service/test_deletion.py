"""Files hold personal data, and go when their time is over (R63)."""

import asyncio
import os
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from export_service.exports.delete_expired_exports import delete_expired_exports
from export_service.exports.delete_forgotten_files import GRACE, delete_forgotten_files
from export_service.exports.expired import AGAIN_AFTER
from export_service.exports.export_file import ExportFile, ExportFiles, StorageUnavailableError
from export_service.exports.store import exports
from export_service.settings import Settings
from kit.clock import now
from kit.context import Context
from kit.ids import new_id
from tests.export_service.ended_exports import (
    CONTENT,
    cancelled,
    completed,
    export,
    failed,
    name_of,
    store_file,
)
from tests.export_service.storage import cannot_be_deleted, names_in

pytestmark = pytest.mark.parametrize("storage", ["folder", "bucket"], indirect=True)


async def deleted(context: Context[Settings]) -> set[Any]:
    """The exports of which nothing is in storage any more."""
    async with context.database.connect() as connection:
        found = await connection.scalars(
            select(exports.c.export_id).where(exports.c.file_deleted_at.is_not(None))
        )
        return set(found)


async def test_what_has_expired_is_deleted_with_all_its_attempts(
    context: Context[Settings],
) -> None:
    kept = await completed(context)
    over = [
        await completed(context, expires_at=now()),
        await export(context, **failed(now())),
        await export(context, **cancelled(now())),
    ]
    for export_id in over:
        await store_file(context, name_of(export_id, attempt=1))
    files = context.one(ExportFiles)
    half = ExportFile(files, name_of(over[2]))
    await asyncio.to_thread(half.write, CONTENT)

    assert await delete_expired_exports(context) is False
    assert names_in(files) == [name_of(kept)]
    if context.settings.export_directory is not None:
        assert os.listdir(context.settings.export_directory) == [name_of(kept)]
    assert await deleted(context) == set(over)
    half.close()


async def test_what_could_not_be_deleted_is_deleted_later_and_keeps_nothing_else(
    context: Context[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    stubborn, *others = [await completed(context, expires_at=now()) for _ in range(3)]
    monkeypatch.setattr("export_service.exports.delete_expired_exports.EXPORTS_PER_ROUND", 1)
    files = context.one(ExportFiles)
    with cannot_be_deleted(name_of(stubborn)):
        while await delete_expired_exports(context):
            pass
        assert await deleted(context) == set(others)
    await _delete_again(context, at_once=False)
    assert await deleted(context) == set(others), "it is left alone for a while"
    await _delete_again(context, at_once=True)
    assert await deleted(context) == {stubborn, *others}
    assert names_in(files) == []


async def test_storage_that_is_away_is_told_from_a_file_that_cannot_be_deleted(
    context: Context[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash before the commit is like that, too: nothing is noted."""
    export_id = await completed(context, expires_at=now())
    files = context.one(ExportFiles)
    with monkeypatch.context() as patched, pytest.raises(StorageUnavailableError):
        patched.setattr(files, "delete", _away)
        await delete_expired_exports(context)
    assert names_in(files) == [name_of(export_id)]
    for _ in range(2):
        await delete_expired_exports(context)
        assert names_in(files) == []
        assert await deleted(context) == {export_id}


async def test_what_no_export_knows_of_goes_a_day_after_its_time(
    context: Context[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    await store_file(context, name_of(new_id()))
    files = context.one(ExportFiles)
    time_is_over = now() + context.settings.export_lifetime + GRACE
    for minutes, left in ((-1, 1), (1, 0)):
        at = time_is_over + timedelta(minutes=minutes)
        monkeypatch.setattr("export_service.exports.delete_forgotten_files.now", lambda at=at: at)
        assert await delete_forgotten_files(context) is False
        assert len(names_in(files)) == left


async def _delete_again(context: Context[Settings], *, at_once: bool) -> None:
    """Lets the worker go on; `at_once` as if it was long ago that it could not delete something."""
    if at_once:
        async with context.database.begin() as connection:
            earlier = exports.c.deletion_failed_at - AGAIN_AFTER
            await connection.execute(exports.update().values(deletion_failed_at=earlier))
    while await delete_expired_exports(context):
        pass


def _away(_names: object) -> None:
    raise StorageUnavailableError
