"""The file of an export: has a temporary name until it is whole."""

import contextlib
import errno
import hashlib
import os
from pathlib import Path
from uuid import UUID

from export_service.exports.export import ExportFailedError, FailureReason, Job


class ExportFile:
    """An output that counts and hashes what is written: `open`, `write` …, `sync`, `keep`, `close`.

    What is not kept is deleted when closed. The methods block on the disk: call them in a thread.
    They raise ExportFailedError when the disk does not do its part.
    """

    def __init__(self, directory: Path, job: Job) -> None:
        self._directory = directory
        self._part = directory / job.part_name
        self._path = directory / job.stored_name
        self._sha256 = hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        """SHA-256 of all that was written, in hexadecimal."""
        return self._sha256.hexdigest()

    def open(self) -> None:
        """Opens the file; parts that dead attempts left behind are deleted."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            for left_behind in self._directory.glob(f"{self._path.name}.*.part"):
                left_behind.unlink(missing_ok=True)
            # Personal data: nobody else on the machine may read it.
            descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            self._file = os.fdopen(descriptor, "wb")
        except OSError as error:
            raise _failure(error) from error

    def write(self, data: bytes, /) -> None:
        """Adds to the file."""
        try:
            self._file.write(data)
        except OSError as error:
            raise _failure(error) from error
        self._sha256.update(data)
        self.size_bytes += len(data)

    def sync(self) -> None:
        """Waits until all that was written is on the disk."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _failure(error) from error

    def keep(self) -> None:
        """Gives the file, synced before, its own name; survives a power cut after that."""
        try:
            self._part.rename(self._path)
            directory = os.open(self._directory, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise _failure(error) from error

    def close(self) -> None:
        """Closes the file and deletes it unless it was kept."""
        with contextlib.suppress(OSError):  # what could not be flushed is deleted anyway
            self._file.close()
        self._part.unlink(missing_ok=True)


def delete_left_behind(directory: Path, export_id: UUID) -> None:
    """Deletes all that dead attempts wrote of an export that nobody begins again."""
    for path in directory.glob(f"{export_id}.*"):
        path.unlink(missing_ok=True)


def _failure(error: OSError) -> ExportFailedError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return ExportFailedError(FailureReason.STORAGE_FULL if full else FailureReason.STORAGE_FAILED)
