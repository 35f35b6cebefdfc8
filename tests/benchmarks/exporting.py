"""Exports of a run of many rows: how fast, in how much memory, and are all rows there (R40 to R42).

Not part of the tests: `make bench` runs it, against the real process with a real PostgreSQL and a
real Kafka; it looks into `/proc`, so it needs Linux. ROWS: another number of rows, such as 1000000.
"""

import asyncio
import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import UUID

import psutil
import pytest
from tests.benchmarks.export_totals import (
    ROWS,
    claims_in_database,
    members_in_database,
    read_csv,
    read_german,
    read_members,
    read_xlsx,
    read_zip,
)
from tests.benchmarks.many_rows import STUDIOS, fill
from tests.benchmarks.measuring import MEGABYTE, p95
from tests.benchmarks.service_process import ServiceProcess, export_service

from local_stack.http_client import Answer

ROWS_OF_A_SMALL_RUN: Final = 1_000
GROWS_BY: Final = 60
"""Megabytes of the process, above what it takes when it has nothing to do."""
LIST: Final = 0.5
"""Seconds in which 95 of 100 lists are there."""
SECONDS: Final = 3_600
_EVERY: Final = 0.05
_ASK_EVERY: Final = 0.2
_AT_REST: Final = 10.0
_PART: Final = 64 * 1024 * 1024

GERMAN: Final = {"format": "csv", "csv": {"dialect": "GERMAN_EXCEL"}}
MEMBERS: Final = {"kind": "MEMBERS", "format": "xlsx", "language": "en"}


@dataclass(frozen=True)
class Measured:
    """How an export fared."""

    what: str
    rows: int
    seconds: float
    processor: float
    """Seconds of a processor that the service took, for this and all that it did beside it."""
    size_bytes: int
    grew_by: float
    """Megabytes of the process above idle, at most."""
    list_p95: float
    small: float
    """Seconds that a small export took that was ordered meanwhile."""

    def __str__(self) -> str:
        return (
            f"{self.what:<24}{self.rows:>10,}{self.rows / self.seconds:>9,.0f}"
            f"{self.rows / self.processor:>11,.0f}{self.size_bytes / MEGABYTE:>9,.1f}"
            f"{self.grew_by:>8.1f}{1000 * self.list_p95:>8.0f}{self.small:>8.1f}"
        )


HEADINGS: Final = (
    f"{'':<24}{'rows':>10}{'rows/s':>9}{'rows/CPU s':>11}{'MB':>9}{'+ MB':>8}{'list ms':>8}"
    f"{'small s':>8}"
)


class Watch:
    """The memory of a process and the files that it makes, looked at twenty times a second."""

    def __init__(self, process_id: int, folder: Path, temporary: Path) -> None:
        self._process = psutil.Process(process_id)
        self._proc = Path(f"/proc/{process_id}")
        self._folders = (folder, temporary)
        self._peak = 0
        self.files: set[Path] = set()
        """Each that was seen in the folders, and each that was open for writing elsewhere."""
        (self._proc / "clear_refs").write_text("5")  # the highest mark begins anew
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look_often)
        self._thread.start()

    def processor(self) -> float:
        """Return how many seconds of a processor the process has taken since its start."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def stop(self) -> float:
        """Look no more; return the largest size in megabytes, by the kernel's own mark, too."""
        self._ended.set()
        self._thread.join()
        (mark,) = re.findall(r"VmHWM:\s+(\d+) kB", (self._proc / "status").read_text())
        return max(self._peak, int(mark) * 1024) / MEGABYTE

    def _look_often(self) -> None:
        while not self._ended.wait(_EVERY):
            self._peak = max(self._peak, self._process.memory_info().rss)
            for folder in self._folders:
                self.files.update(path for path in folder.rglob("*") if path.is_file())
            self.files.update(self._written())

    def _written(self) -> Iterator[Path]:
        """Files that are open for writing, those without a name among them; not the logs."""
        for descriptor in (self._proc / "fd").iterdir():
            try:
                target = descriptor.readlink()
                flags = int((self._proc / "fdinfo" / descriptor.name).read_text().split()[3], 8)
            except (FileNotFoundError, ProcessLookupError):
                continue  # closed meanwhile
            is_file = target.is_absolute() and not target.is_relative_to("/dev")
            if is_file and flags & os.O_ACCMODE and target.suffix != ".log":
                yield target


@dataclass(frozen=True)
class Bench:
    """A service with a large run and a small one, and where its files are."""

    service: ServiceProcess
    folder: Path
    temporary: Path
    run_id: UUID
    small_run_id: UUID
    idle: float
    """Megabytes that the process takes when it has nothing to do."""

    def order(self, run_id: UUID, order: Mapping[str, Any]) -> str:
        """Order an export, of a run unless it is one of members; return its id."""
        of_run = {} if order.get("kind") == "MEMBERS" else {"run_id": str(run_id)}
        return str(self.service.client.post("/v1/exports", {**of_run, **order})["export_id"])

    def render(self, what: str, order: Mapping[str, Any]) -> tuple[Measured, Answer]:
        """Order an export, and a small one beside it, and see to it that they end well."""
        watch = Watch(self.service.program.pid, self.folder, self.temporary)
        try:
            export_id = self.order(self.run_id, order)
            started, taken = time.perf_counter(), watch.processor()
            listing = Listing(self.service)
            listing.until(export_id, lambda export: export["rows_done"] > 0)
            small_id = self.order(self.small_run_id, {"format": "xlsx"})
            small_started = time.perf_counter()
            listing.until(small_id, is_completed)
            small = time.perf_counter() - small_started
            meanwhile = listing.until(export_id, lambda _: True)
            assert meanwhile["status"] == "RUNNING", "the small one was to be done long before"
            export = listing.until(export_id, is_completed)
            seconds, processor = time.perf_counter() - started, watch.processor() - taken
        finally:
            peak = watch.stop()
        strangers = {path for path in watch.files if not is_of(path, export_id, small_id)}
        assert not strangers, "files besides the exports"
        self._file(small_id).unlink()
        return (
            Measured(
                what,
                rows=export["rows_done"],
                seconds=seconds,
                processor=processor,
                size_bytes=export["size_bytes"],
                grew_by=peak - self.idle,
                list_p95=p95(listing.times),
                small=small,
            ),
            export,
        )

    def download(self, export: Answer, to: Path) -> None:
        """Fetch a file part by part, and delete it; its checksum must be that of the export."""
        sha256 = hashlib.sha256()
        path = f"/v1/exports/{export['export_id']}/file"
        with to.open("wb") as file:
            while file.tell() < export["size_bytes"]:
                asked = {"Range": f"bytes={file.tell()}-{file.tell() + _PART - 1}"}
                answer = self.service.client._send(
                    "GET", path, headers=asked | {"If-Range": f'"{export["sha256"]}"'}
                )
                assert answer.status_code == 206
                sha256.update(answer.content)
                file.write(answer.content)
        assert sha256.hexdigest() == export["sha256"]
        self._file(export["export_id"]).unlink()

    def _file(self, export_id: str) -> Path:
        (path,) = self.folder.glob(f"{export_id}.*")
        return path


class Listing:
    """Asks for the list of exports again and again, and remembers how long each answer took."""

    def __init__(self, service: ServiceProcess) -> None:
        self._client = service.client
        self.times: list[float] = []

    def until(self, export_id: str, is_right: Callable[[Answer], bool]) -> Answer:
        """Return the export as soon as it is right."""
        ends_at = time.monotonic() + SECONDS
        while time.monotonic() < ends_at:
            started = time.perf_counter()
            page = self._client.get("/v1/exports")
            self.times.append(time.perf_counter() - started)
            (export,) = (each for each in page["items"] if each["export_id"] == export_id)
            assert export["status"] in ("WAITING", "RUNNING", "COMPLETED"), export["reason_code"]
            if is_right(export):
                return dict(export)
            time.sleep(_ASK_EVERY)
        raise AssertionError(f"not in {SECONDS} seconds")


def is_completed(export: Answer) -> bool:
    """Tell whether the file is there."""
    return bool(export["status"] == "COMPLETED")


def is_of(path: Path, *export_ids: str) -> bool:
    """Tell whether a file is that of one of the exports."""
    return path.name.startswith(export_ids)


@contextmanager
def bench(logs: Path) -> Iterator[Bench]:
    """Start a service whose database is full, and let it come to rest."""
    with TemporaryDirectory() as data:
        folder, temporary = Path(data) / "exports", Path(data) / "temporary"
        folder.mkdir()
        temporary.mkdir()
        with export_service(logs, folder, temporary) as service:
            run_id = asyncio.run(fill(service.owner_url, service.tenant_id, "2026-000001", ROWS))
            small_run_id = asyncio.run(
                fill(service.owner_url, service.tenant_id, "2026-000002", ROWS_OF_A_SMALL_RUN)
            )
            service.program.start()
            service.client.get("/v1/exports")
            time.sleep(_AT_REST)  # nothing is waited for but time
            idle = psutil.Process(service.program.pid).memory_info().rss / MEGABYTE
            yield Bench(service, folder, temporary, run_id, small_run_id, idle)


@pytest.mark.timeout(2 * SECONDS)
def test_a_large_run_is_exported_in_little_memory(tmp_path: Path) -> None:
    """R40, R41, R42."""
    file = tmp_path / "export"
    measured: list[Measured] = []
    with bench(tmp_path) as large:
        claims = claims_in_database(large.service, large.run_id)
        members = members_in_database(large.service)
        assert sum(count for count, _ in claims.values()) == ROWS
        temporary_files = temporary_files_of_database(large)
        show(f"\n{large.idle:.1f} MB when idle\n{HEADINGS}")
        for what, order, read, expected in (
            ("run, CSV", {"format": "csv"}, read_csv, claims),
            ("run, CSV, German", GERMAN, read_german, claims),
            ("run, Excel", {"format": "xlsx"}, read_xlsx, claims),
            (f"run, {STUDIOS} CSV in ZIP", {"format": "csv", "per_studio": True}, read_zip, claims),
            ("members, Excel", MEMBERS, read_members, members),
        ):
            figures, export = large.render(what, order)
            show(figures)
            large.download(export, file)
            assert read(file) == expected
            measured.append(figures)
        assert temporary_files_of_database(large) == temporary_files
    file.unlink()
    assert not [each for each in measured if each.grew_by >= GROWS_BY]
    assert not [each for each in measured if each.list_p95 >= LIST]


def temporary_files_of_database(bench: Bench) -> int:
    """Return how many temporary files PostgreSQL has made so far."""
    query = "SELECT temp_files FROM pg_stat_database WHERE datname = current_database()"
    return int(bench.service.value(query))


def show(what: object) -> None:
    """Print something at once: all of it takes long."""
    print(what, flush=True)  # noqa: T201  what a benchmark is for
