"""Where the files of exports are: a folder, or a bucket that speaks S3.

A file is there under its name only once it is whole: until then a folder holds it under another
name, and a bucket as parts of an upload that nobody sees. No file is ever changed or replaced.
"""

import contextlib
import errno
import hashlib
import os
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store
from prometheus_client import Counter

from export_service.exports.export import ExportFailedError, FailureReason, Job, stored_name
from export_service.settings import Settings
from kit.context import Context
from kit.metrics import registry

if TYPE_CHECKING:
    from obstore.store import S3Config

log = structlog.stdlib.get_logger(__name__)

not_deleted_total: Final = Counter(
    "export_files_not_deleted",
    "Files that were to be deleted and could not be; each is tried again.",
    registry=registry,
)

PART_BYTES: Final = 5 * 1024 * 1024
"""What is written at a time: the least that S3 takes. It takes 10,000 parts, 50 GB."""

BLOCK_BYTES: Final = 256 * 1024
"""What is read at a time: a slow reader of a large file keeps no request to the storage open. With
blocks of 1 MB the process kept 20 MB more for good after a large download."""

# What a bucket deletes in one request; one name that it refuses does not keep the others.
_NAMES_AT_ONCE: Final = 1000

# A bucket that does not answer in this time has failed: nobody waits for it for minutes.
_PATIENCE: Final = timedelta(seconds=15)
_REQUEST_TIME: Final = timedelta(seconds=20)

# The library tells the numbers of errors, and what the bucket answered, in its text only.
_FULL: Final = re.compile(
    rf"(os error|Errno) ({errno.ENOSPC}|{errno.EDQUOT}|{errno.EFBIG})\b|507 Insufficient Storage"
)

# An earlier release gave other endings.
_OURS: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[0-9a-z.]+(#[0-9]+)?")


class StorageUnavailableError(OSError):
    """The storage does not answer, or not with what was asked for. It may do so later."""


class ExportFiles:
    """The files of all exports; one for a service (`context.one`), for it keeps connections."""

    def __init__(self, context: Context[Settings]) -> None:
        self._settings = context.settings
        self._folder = context.settings.export_directory

    @cached_property
    def store(self) -> LocalStore | S3Store:
        """The bucket, or the folder, which is made if it is not there; that may fail."""
        return _bucket(self._settings) if self._folder is None else _local(self._folder)

    def create(self, job: Job) -> "ExportFile":
        """Begins the file of this attempt; those of earlier ones, which are dead, are deleted.

        Blocks on the storage. Raises ExportFailedError.
        """
        dead = range(1, job.attempt)
        try:
            self.delete([stored_name(job.export_id, attempt, job.layout) for attempt in dead])
            return ExportFile(self, job.stored_name)
        except (BaseError, OSError) as error:
            _fail(error)

    async def size(self, name: str) -> int | None:
        """How many bytes a file has; None if there is none. Raises StorageUnavailableError."""
        try:
            return (await obstore.head_async(self.store, name))["size"]
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise StorageUnavailableError from error

    async def read(self, name: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes of a file from `start` to before `end`, block by block.

        Raises StorageUnavailableError if they do not come.
        """
        while start < end:
            try:
                block = await obstore.get_range_async(
                    self.store, name, start=start, end=min(start + BLOCK_BYTES, end)
                )
            except (BaseError, OSError) as error:
                raise StorageUnavailableError from error
            yield block.to_bytes()
            start += len(block)

    def delete(self, names: Sequence[str]) -> set[str]:
        """Deletes files, and what a folder has of unfinished ones; returns which could not be.

        What is not there is no error. Those that could not be deleted are logged and counted, and
        stop no other. Unfinished uploads to a bucket are for its lifecycle rule. Blocks on the
        storage. Raises StorageUnavailableError if it does not answer.
        """
        try:
            if self._folder is None:
                left = self._delete_objects(names)
            else:
                left = dict(_not_deleted(self._folder, names))
        except (BaseError, OSError) as error:
            raise StorageUnavailableError from error
        for name, why in left.items():
            log.error("export-file-not-deleted", name=name, exc_info=why)
        not_deleted_total.inc(len(left))
        return set(left)

    def _delete_objects(self, names: Sequence[str]) -> dict[str, Exception]:
        left: dict[str, Exception] = {}
        for start in range(0, len(names), _NAMES_AT_ONCE):
            some = names[start : start + _NAMES_AT_ONCE]
            try:
                obstore.delete(self.store, some)
            except (BaseError, OSError) as error:
                # It does not tell which: what is there still.
                left |= {name: error for name, _ in self._all() if name in some}
        return left

    def delete_older(self, than: datetime) -> None:
        """Deletes what has the name of a file, whole or not, and was last written before a time.

        Blocks on the storage. Raises StorageUnavailableError if it does not answer.
        """
        try:
            names = [name for name, at in self._all() if at < than and _OURS.fullmatch(name)]
        except (BaseError, OSError) as error:
            raise StorageUnavailableError from error
        self.delete(names)

    def _all(self) -> Iterator[tuple[str, datetime]]:
        """The names of all that is there, and when each was last written."""
        if self._folder is None:
            for batch in obstore.list(self.store):
                for each in batch:
                    yield each["path"], each["last_modified"]
        else:  # the library does not list what is unfinished
            for path in self._folder.glob("*"):
                with contextlib.suppress(FileNotFoundError):  # somebody has just deleted it
                    yield path.name, datetime.fromtimestamp(path.stat().st_mtime, UTC)

    def sync(self, name: str) -> None:
        """Waits until a file in a folder survives a power cut, which the library does not."""
        if self._folder is not None:
            for path in (self._folder / name, self._folder):
                descriptor = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)


class ExportFile:
    """An output that counts and hashes what is written: `write` …, `keep`, `close`.

    What is not kept is deleted when closed. The methods block on the storage: call them in a
    thread. They raise ExportFailedError when the storage does not do its part.
    """

    def __init__(self, files: ExportFiles, name: str) -> None:
        self._files = files
        self._name = name
        # One part is sent while the next one is filled: two of them are in memory.
        self._writer = obstore.open_writer(
            files.store, name, buffer_size=PART_BYTES, max_concurrency=1
        )
        self._is_kept = False
        self._sha256 = hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        """SHA-256 of all that was written, in hexadecimal."""
        return self._sha256.hexdigest()

    def write(self, data: bytes, /) -> None:
        """Adds to the file."""
        try:
            self._writer.write(data)
        except (BaseError, OSError) as error:
            _fail(error)
        self._sha256.update(data)
        self.size_bytes += len(data)

    def keep(self) -> None:
        """Completes the file: from now on it is there under its name, even after a power cut."""
        try:
            self._writer.close()
            self._files.sync(self._name)
        except (BaseError, OSError) as error:
            _fail(error)
        self._is_kept = True

    def close(self) -> None:
        """Deletes the file unless it was kept."""
        if not self._is_kept:
            self.delete()

    def delete(self) -> None:
        """Deletes the file, kept or not; what cannot be deleted now is when the export expires."""
        with contextlib.suppress(BaseError, OSError, StorageUnavailableError):
            if not self._writer.closed():
                # As if its block had ended by an error: closed, the writer would complete the file.
                self._writer.__exit__(ExportFailedError, None, None)
            self._files.delete([self._name])


def _not_deleted(folder: Path, names: Sequence[str]) -> Iterator[tuple[str, Exception]]:
    """Deletes files and what there is of unfinished ones; yields the names of the others, and why.

    The folder is looked through once, however many names there are.
    """
    unfinished = defaultdict(list)
    for path in folder.glob("*#*") if names else ():
        unfinished[path.name.partition("#")[0]].append(path)
    for name in names:
        try:
            for path in (folder / name, *unfinished.get(name, ())):
                path.unlink(missing_ok=True)
        except OSError as error:
            yield name, error


def _local(folder: Path) -> LocalStore:
    # Personal data: nobody else on the machine may read it.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return LocalStore(folder)


def _bucket(settings: Settings) -> S3Store:
    config: S3Config = {"region": settings.export_s3_region}
    endpoint, secret = settings.export_s3_endpoint, settings.export_s3_secret_access_key
    if endpoint is not None:
        config["endpoint"] = endpoint
    if settings.export_s3_access_key_id is not None and secret is not None:
        config["access_key_id"] = settings.export_s3_access_key_id
        config["secret_access_key"] = secret.get_secret_value()
    return S3Store(
        settings.export_bucket,
        config=config,
        client_options={
            "allow_http": endpoint is not None and endpoint.startswith("http://"),
            "timeout": _REQUEST_TIME,
        },
        retry_config={"retry_timeout": _PATIENCE},
    )


def _fail(error: Exception) -> NoReturn:
    full = _FULL.search(str(error)) is not None
    reason = FailureReason.STORAGE_FULL if full else FailureReason.STORAGE_FAILED
    raise ExportFailedError(reason) from error
