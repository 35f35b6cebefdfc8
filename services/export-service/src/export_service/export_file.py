"""The file of an export: written under a temporary name, and there under its own only when whole."""

import errno
import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from export_service.export import ExportFailed, FailureReason, Job


class ExportFile:
    """An output that counts and hashes what is written; use as a context manager.

    What is not `keep`-ed is deleted at the end of the block. Every method that touches the disk
    blocks: call it in a thread. Raises ExportFailed when the disk does not do its part.
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

    def __enter__(self) -> Self:
        """Opens the file; parts that dead attempts left behind are deleted."""
        try:
            for left_behind in self._directory.glob(f"{self._path.name}.*.part"):
                left_behind.unlink(missing_ok=True)
            self._file = self._part.open("xb")
        except OSError as error:
            raise _failure(error) from error
        return self

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

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes the file and deletes it unless it was kept."""
        self._file.close()
        self._part.unlink(missing_ok=True)


def _failure(error: OSError) -> ExportFailed:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return ExportFailed(FailureReason.STORAGE_FULL if full else FailureReason.STORAGE_FAILED)
