"""The files of exports, in a folder and in a bucket alike: whole or not there at all (R41)."""

import asyncio
import hashlib
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from export_service.exports import export_file
from export_service.exports.export import ExportFailedError
from export_service.exports.export_file import ExportFile, ExportFiles, StorageUnavailableError
from export_service.main import main
from export_service.settings import Settings
from kit.context import Context
from kit.database import Database
from kit.metrics import registry
from kit.service import Service
from tests.export_service.storage import (
    S3Server,
    cannot_be_deleted,
    names_in,
    storage_that_answers,
)

MEGABYTE = 1024 * 1024
CONTENT = os.urandom(MEGABYTE) * 20  # four parts
NAME = "019af000-0000-7000-8000-000000000001.1.csv"

Place = tuple[ExportFiles, Callable[[], int]]
"""The files, and how many of them are unfinished where they lie."""


def settings(**more: Any) -> Settings:
    """The settings of a service that needs no more than a place for its files."""
    return Settings(
        database_url="postgresql+asyncpg://nobody@127.0.0.1/nothing",
        kafka_bootstrap_servers="127.0.0.1:1",
        auth_issuer="nobody",
        auth_audience="nobody",
        auth_jwks_url="http://127.0.0.1/keys",
        **more,
    )


def files_of(settings: Settings) -> ExportFiles:
    """The files of a service that needs no database."""
    return ExportFiles(Context(settings, Database(settings.database_url)))


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty place for files."""
    if request.param == "folder":
        folder = tmp_path / "new" / "exports"
        files = files_of(settings(export_directory=folder))
        return files, lambda: sum("#" in path.name for path in folder.iterdir())
    server: S3Server = request.getfixturevalue("s3")
    bucket = server.new_bucket()
    files = files_of(settings(**bucket))
    return files, lambda: server.unfinished_uploads(bucket["export_bucket"])


async def read(files: ExportFiles, start: int, end: int) -> list[bytes]:
    """The blocks that are read."""
    return [block async for block in files.read(NAME, start, end)]


async def test_a_file_is_there_once_it_is_whole(place: Place) -> None:
    files, unfinished = place
    file = ExportFile(files, NAME)
    for start in range(0, len(CONTENT), 700_000):
        file.write(CONTENT[start : start + 700_000])
    assert names_in(files) == []
    assert await files.size(NAME) is None
    assert unfinished() == 1

    file.keep()
    assert names_in(files) == [NAME]
    assert await files.size(NAME) == file.size_bytes == len(CONTENT)
    assert file.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert unfinished() == 0


@pytest.mark.parametrize("written", [0, 100, len(CONTENT)])
@pytest.mark.parametrize("kept", [False, True])
def test_a_deleted_file_leaves_nothing(place: Place, written: int, kept: bool) -> None:
    files, unfinished = place
    file = ExportFile(files, NAME)
    file.write(CONTENT[:written])
    if kept:
        file.keep()
        file.close()
        assert names_in(files) == [NAME]
        file.delete()
    else:
        file.close()
    assert names_in(files) == []
    assert unfinished() == 0


async def test_any_part_is_read_block_by_block(place: Place) -> None:
    files, _ = place
    file = ExportFile(files, NAME)
    file.write(CONTENT)
    file.keep()
    blocks = await read(files, 0, len(CONTENT))
    assert b"".join(blocks) == CONTENT
    assert max(map(len, blocks)) == export_file.BLOCK_BYTES
    for start, end in [(0, 1), (5, 5 * MEGABYTE), (len(CONTENT) - 1, len(CONTENT)), (7, 7)]:
        assert b"".join(await read(files, start, end)) == CONTENT[start:end]


async def test_deleted_files_are_gone_and_so_are_unfinished_ones(place: Place) -> None:
    """In a bucket, unfinished uploads are for its lifecycle rule."""
    files, unfinished = place
    dead, whole, other = (ExportFile(files, NAME.replace(".1.", f".{n}.")) for n in (1, 2, 3))
    dead.write(CONTENT)
    for file in (whole, other):
        file.write(b"personal data")
        file.keep()
    files.delete([])
    for _ in range(2):  # what is not there any more is no trouble
        files.delete([NAME, NAME.replace(".1.", ".2.")])
        assert names_in(files) == [NAME.replace(".1.", ".3.")]
    with pytest.raises(StorageUnavailableError):
        await read(files, 0, 1)
    dead.close()
    assert unfinished() == 0


def test_old_files_are_deleted_and_nothing_else(place: Place) -> None:
    """R63: they hold personal data, whoever forgot them."""
    files, unfinished = place
    half = ExportFile(files, NAME.replace(".1.", ".2."))
    half.write(CONTENT)
    for name in (NAME, "somebody-elses.csv"):
        file = ExportFile(files, name)
        file.write(b"personal data")
        file.keep()
    files.delete_older(datetime.now(UTC) - timedelta(minutes=1))
    assert names_in(files) == [NAME, "somebody-elses.csv"]
    assert unfinished() == 1
    files.delete_older(datetime.now(UTC) + timedelta(minutes=1))
    assert names_in(files) == ["somebody-elses.csv"]
    half.close()
    assert unfinished() == 0


def test_what_cannot_be_deleted_is_told_and_keeps_nothing_else(place: Place) -> None:
    """R63: neither the files that are named beside it, nor those that are forgotten."""
    files, _ = place
    names = [NAME, *(NAME.replace(".1.", f".{attempt}.") for attempt in (2, 3))]
    for name in names:
        file = ExportFile(files, name)
        file.write(b"personal data")
        file.keep()
    counted = registry.get_sample_value("export_files_not_deleted_total") or 0
    with cannot_be_deleted(NAME):
        assert files.delete(names[:2]) == {NAME}
        assert names_in(files) == [NAME, names[2]]
        files.delete_older(datetime.now(UTC) + timedelta(minutes=1))
        assert names_in(files) == [NAME]
    assert registry.get_sample_value("export_files_not_deleted_total") == counted + 2
    assert files.delete([NAME]) == set()
    assert names_in(files) == []


def test_a_folder_is_looked_through_once_for_all_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_for: list[str] = []

    def glob(folder: Path, pattern: str) -> Iterator[Path]:
        looked_for.append(pattern)
        return unpatched(folder, pattern)

    unpatched = Path.glob
    monkeypatch.setattr(Path, "glob", glob)
    files_of(settings(export_directory=tmp_path)).delete([f"{number}" for number in range(100)])
    assert len(looked_for) == 1


def test_a_file_that_somebody_else_deletes_meanwhile_stops_nothing(tmp_path: Path) -> None:
    """R63."""
    files = files_of(settings(export_directory=tmp_path))
    for number in range(9):
        (tmp_path / f"gone.{number}").symlink_to("nowhere")  # listed, and not there
    file = ExportFile(files, NAME)
    file.write(b"personal data")
    file.keep()
    files.delete_older(datetime.now(UTC) + timedelta(minutes=1))
    assert not (tmp_path / NAME).exists()


def test_a_folder_is_for_the_service_alone_and_survives_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []

    def note(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", note)
    folder = tmp_path / "exports"
    file = ExportFile(files_of(settings(export_directory=folder)), NAME)
    assert folder.stat().st_mode & 0o777 == 0o700
    file.write(CONTENT)
    file.keep()
    assert synced == [(folder / NAME).stat().st_ino, folder.stat().st_ino]


def test_files_are_for_the_service_alone_whatever_the_folder_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R63: also those that are not finished."""
    monkeypatch.setattr(Service, "run", lambda _: 0)
    tmp_path.chmod(0o755)
    before = os.umask(0o022)
    try:
        with pytest.raises(SystemExit):
            main()
        files = files_of(settings(export_directory=tmp_path))
        whole, half = (ExportFile(files, NAME.replace(".1.", f".{n}.")) for n in (1, 2))
        for file in (whole, half):
            file.write(CONTENT)
        whole.keep()
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert len(list(tmp_path.iterdir())) == 2
    half.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for half of the content."""
    options = f"size={len(CONTENT) // 2}"
    mount = ["mount", "-t", "tmpfs", "-o", options, "exports", str(tmp_path)]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("only root can mount a file system")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.parametrize("in_parts", [True, False])
def test_a_full_disk_is_told_from_a_broken_one(
    small_disk: Path, in_parts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the file is written part by part or at once, when it is kept."""
    if not in_parts:
        monkeypatch.setattr(export_file, "PART_BYTES", 2 * len(CONTENT))
    file = ExportFile(files_of(settings(export_directory=small_disk)), NAME)
    with pytest.raises(ExportFailedError, match="STORAGE_FULL"):
        for start in range(0, len(CONTENT), MEGABYTE):
            file.write(CONTENT[start : start + MEGABYTE])
        file.keep()
    file.close()
    assert list(small_disk.iterdir()) == []


def test_a_file_larger_than_files_may_be_finds_no_room(tmp_path: Path) -> None:
    file = ExportFile(files_of(settings(export_directory=tmp_path)), NAME)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MEGABYTE, hard))
    try:
        with pytest.raises(ExportFailedError, match="STORAGE_FULL"):
            file.write(CONTENT)
            file.keep()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    file.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (403, "STORAGE_FAILED"),
        (404, "STORAGE_FAILED"),
        (507, "STORAGE_FULL"),
        (None, "STORAGE_FAILED"),
    ],
)
@pytest.mark.parametrize("size", [100, len(CONTENT)])
async def test_a_bucket_that_does_not_do_its_part_is_given_up_in_time(
    monkeypatch: pytest.MonkeyPatch, status: int | None, reason: str, size: int
) -> None:
    """Wrong keys, no such bucket, no room, no answer."""
    monkeypatch.setattr(export_file, "_PATIENCE", timedelta(milliseconds=200))
    if status is None:
        monkeypatch.setattr(export_file, "_REQUEST_TIME", timedelta(milliseconds=300))
    with storage_that_answers(status) as bucket:
        files = files_of(settings(**bucket))
        file = ExportFile(files, NAME)
        async with asyncio.timeout(60):
            with pytest.raises(ExportFailedError, match=reason):
                await asyncio.to_thread(_write_and_keep, file, CONTENT[:size])
            await asyncio.to_thread(file.close)
            with pytest.raises(StorageUnavailableError):
                await read(files, 0, 1)


async def test_a_bucket_that_nobody_serves_is_given_up_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(export_file, "_PATIENCE", timedelta(milliseconds=200))
    with storage_that_answers(None) as bucket:
        pass
    files = files_of(settings(**bucket))
    async with asyncio.timeout(60):
        with pytest.raises(ExportFailedError, match="STORAGE_FAILED"):
            await asyncio.to_thread(_write_and_keep, ExportFile(files, NAME), CONTENT)
        with pytest.raises(StorageUnavailableError):
            await files.size(NAME)
        with pytest.raises(StorageUnavailableError):
            await asyncio.to_thread(files.delete, [NAME])


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"export_directory": "/exports", "export_bucket": "exports"},
        {"export_bucket": ""},
        {"export_bucket": "exports", "export_s3_access_key_id": "key"},
        {"export_bucket": "exports", "export_s3_secret_access_key": "geheim"},
        {"export_bucket": "exports", "export_s3_endpoint": "geheim"},
        {"export_directory": "/exports", "export_s3_region": "geheim"},
        {"export_directory": "/exports", "export_s3_endpoint": "http://geheim"},
        {
            "export_directory": "/exports",
            "export_s3_access_key_id": "geheim",
            "export_s3_secret_access_key": "geheim",
        },
    ],
)
def test_wrong_settings_are_named_and_no_secret_is_shown(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(**wrong)
    assert "export_" in str(caught.value).lower()
    assert "geheim" not in str(caught.value)


def _write_and_keep(file: ExportFile, content: bytes) -> None:
    file.write(content)
    file.keep()
