"""Report files of 50,000 rows, 1 % of them bad: each bad row is named, each good one applied once,
memory is bounded, and kill -9 changes nothing of that (R53).

`python -m pytest -s tests/benchmarks/report_files.py`. REPORT_ROWS: another number of rows.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from tests.benchmarks.callbacks import reports
from tests.benchmarks.measuring import MEGABYTE, Figure, Memory, seconds_of
from tests.benchmarks.service_process import ServiceProcess, partner_gateway
from tests.partner_gateway.report_desk import as_csv, as_xlsx

from local_stack.http_client import Answer, until

ROWS = int(os.environ.get("REPORT_ROWS", "50000"))
BAD_EVERY = 100
SERVICE_GROWS_BY = 100
"""Megabytes."""
READER_TAKES = 400
"""Megabytes."""
SECONDS = 1200.0
FORMAT = {
    "columns": {
        "file_number": "Aktenzeichen",
        "kind": "Vorgang",
        "amount": "Betrag",
        "own_fees": "Gebühren",
        "day": "Datum",
        "partner_reference": "Beleg",
    },
    "kinds": {"Zahlung": "payment.received"},
    "numbers": "GERMAN",
    "days": "GERMAN",
}
_FIRST_DAY = date(2026, 1, 1)
_HOLD = """
    INSERT INTO cases (tenant_id, case_id, partner_id, run_id, member_id, file_number,
                       correlation_id)
    SELECT $1, uuidv7(), $2, $3, uuidv7(), 'AZ-' || number, 'benchmark'
    FROM generate_series(1, $4) AS number
"""

Row = dict[str, Any]


def said(number: int) -> Row:
    """Return what row `number` says, as a workbook has it; each hundredth is bad in some way."""
    row: Row = {
        "Aktenzeichen": f"AZ-{number}",
        "Name": f"Müßiggang, Änne {number}",
        "Vorgang": "Zahlung",
        "Betrag": Decimal(number) / 100 + 1000,
        "Gebühren": Decimal("0.50"),
        "Datum": _FIRST_DAY + timedelta(days=number % 200),
        "Beleg": f"B-{number}" if number % 2 else None,
    }
    if number % BAD_EVERY == 0:
        column, value = (
            ("Aktenzeichen", "AZ-unbekannt"),
            ("Betrag", "viel"),
            ("Datum", "31.02.2026"),
            ("Vorgang", "Notiz"),
        )[number // BAD_EVERY % 4]
        row[column] = value
    return row


def written(row: Row) -> Row:
    """Return a row as a German CSV file has it."""
    changed = dict(row)
    if isinstance(row["Betrag"], Decimal):
        english = f"{row['Betrag']:,.2f}"
        changed["Betrag"] = english.translate(str.maketrans(",.", ".,"))
    if isinstance(row["Datum"], date):
        changed["Datum"] = f"{row['Datum']:%d.%m.%Y}"
    changed["Gebühren"] = "0,50"
    return changed


class Reader:
    """The largest size of a reader process, looked at fifty times a second."""

    def __init__(self, parent: int) -> None:
        self._parent = psutil.Process(parent)
        self.megabytes = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(0.02):
            for child in self._parent.children():
                try:
                    size = child.memory_info().rss / MEGABYTE
                except psutil.NoSuchProcess:
                    continue
                self.megabytes = max(self.megabytes, size)

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()


@contextmanager
def watched(process_id: int) -> Iterator[tuple[Memory, Reader]]:
    """Watch the service and its readers."""
    memory, reader = Memory(process_id), Reader(process_id)
    try:
        yield memory, reader
    finally:
        memory.stop()
        reader.stop()


@pytest.mark.timeout(3600)
def test_a_large_report_file(tmp_path: Path) -> None:
    rows = [said(number) for number in range(1, ROWS + 1)]
    bad = [number + 1 for number in range(1, ROWS + 1) if number % BAD_EVERY == 0]
    good = ROWS - len(bad)
    workbook, table = as_xlsx(*rows), as_csv(*map(written, rows), encoding="cp1252")
    figures: list[Figure] = []
    with partner_gateway(tmp_path) as gateway:
        gateway.program.start()
        partner_id = str(
            gateway.client.post("/v1/partners", {"name": "Süd", "channel": "BY_HAND"})["partner_id"]
        )
        gateway.client.put(f"/v1/partners/{partner_id}/report-format", FORMAT)
        gateway.rows(_HOLD, gateway.tenant_id, partner_id, uuid4(), ROWS)
        checked = check(gateway, partner_id, workbook, "xlsx", figures)
        assert (checked["good"], checked["bad"], checked["known"]) == (good, len(bad), 0)
        (to_apply,) = checked["to_apply"]
        assert to_apply["rows"] == good
        assert Decimal(to_apply["amount"]["amount"]) == sum(
            (said(number)["Betrag"] for number in range(1, ROWS + 1) if number % BAD_EVERY),
            Decimal(0),
        )
        assert bad_rows(gateway, checked) == bad
        figures.append(Figure("apply, killed once", apply(gateway, checked, good), "s"))
        again = check(gateway, partner_id, table, "CSV, German", figures)
        assert (again["good"], again["bad"], again["known"]) == (0, len(bad), good)
        assert bad_rows(gateway, again) == bad
        published = reports(gateway)
        assert len(set(published)) == good
    print()  # noqa: T201
    for figure in figures:
        print(figure)  # noqa: T201
    assert not any(figure.is_too_much for figure in figures)


def check(
    gateway: ServiceProcess, partner_id: str, content: bytes, what: str, figures: list[Figure]
) -> Answer:
    """Send a file and wait until it is checked."""
    with watched(gateway.program.pid) as (memory, reader):
        before = psutil.Process(gateway.program.pid).memory_info().rss / MEGABYTE
        sent = gateway.client._send(
            "POST",
            "/v1/report-files",
            files={"file": content},
            data={"partner_id": partner_id},
            headers={"Idempotency-Key": str(uuid4())},
        ).json()
        path = f"/v1/report-files/{sent['report_file_id']}"
        seconds = seconds_of(lambda: await_status(gateway, path, "CHECKED"))
        checked = gateway.client.get(path)
        size = f"{ROWS:,} rows, {what}, {len(content) / MEGABYTE:.1f} MB"
        figures += [
            Figure(f"check {size}", seconds, "s", compared=f"{ROWS / seconds:,.0f} rows/s"),
            Figure("  the service grows by", memory.peak() - before, "MB", SERVICE_GROWS_BY),
            Figure("  its reader takes", reader.megabytes, "MB", READER_TAKES),
        ]
    return checked


def apply(gateway: ServiceProcess, checked: Answer, good: int) -> float:
    """Apply a file, kill the service in the middle of it, and return the seconds it took."""
    path = f"/v1/report-files/{checked['report_file_id']}"
    client = gateway.client

    def work() -> None:
        client.post(f"{path}/application", {"leave_out_bad_rows": True})
        until(
            lambda: client.get(path),
            lambda file: file["applied"] > 0,
            limit=SECONDS,
            what="the first rows applied",
        )
        gateway.program.kill()
        assert gateway.rows("SELECT applied FROM report_files")[0]["applied"] < good
        gateway.program.start()
        await_status(gateway, path, "APPLIED")

    seconds = seconds_of(work)
    assert client.get(path)["applied"] == good
    until(
        lambda: dict(gateway.rows("SELECT 'waiting', count(*) FROM outbox")),
        lambda found: found == {"waiting": 0},
        limit=SECONDS,
        what="all reports published",
    )
    return seconds


def await_status(gateway: ServiceProcess, path: str, status: str) -> None:
    """Wait until a file is so far."""
    until(
        lambda: gateway.client.get(path),
        lambda file: file["status"] == status,
        limit=SECONDS,
        what=f"a file that is {status}",
    )


def bad_rows(gateway: ServiceProcess, file: Answer) -> Sequence[int]:
    """Return the rows with errors."""
    errors = gateway.client.all(f"/v1/report-files/{file['report_file_id']}/errors")
    return [error["row"] for error in errors]
