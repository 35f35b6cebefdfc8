"""Users without other systems begin with CSV files (R12)."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

from local_stack.http_client import Answer
from local_stack.stack import Stack
from tests.e2e.story import Tenant, examples


def test_the_example_files_become_a_run(stack: Stack, make_tenant: Callable[[int], Tenant]) -> None:
    tenant = make_tenant(0)
    checked = tenant.check_files(**examples())
    assert checked["errors"] == 0
    path = f"/v1/imports/{checked['import_id']}"
    tenant.runs.post(f"{path}/publication", {"leave_out_bad_rows": False})
    published = tenant.wait_for(
        lambda: tenant.runs.get(path),
        lambda import_: import_["status"] == "PUBLISHED",
        "the publication",
    )
    assert [file["published"] for file in published["files"]] == [2, 20, 27]

    def summary() -> Answer:
        return tenant.runs.get("/v1/candidates/summary")

    shown = tenant.wait_for(summary, lambda answer: answer["claims"] == 23, "all candidates")
    assert shown["members"] == 16
    assert [studio["name"] for studio in shown["studios"]] == [
        "Studio Elbufer GmbH",
        "Studio Südpark GmbH",
    ]
    preview = tenant.preview(tenant.partner_by_hand())
    run_id = tenant.runs.post("/v1/runs", {"preview_id": preview["preview_id"]})["run_id"]
    tenant.await_run(str(run_id), "HANDED_OVER")
    assert len(tenant.all_cases(str(run_id))) == 16
    assert not [log.name for log in logs_of(stack) if secrets() & words(log)]


def logs_of(stack: Stack) -> list[Path]:
    """Return the logs of the services."""
    return [log for log in stack.logs.glob("*.log") if log.stem not in ("kafka", "postgres")]


def secrets() -> set[str]:
    """Return surnames, e-mails and IBANs of the example files."""
    rows = csv.DictReader(io.StringIO(examples()["members"].decode()))
    found = {row[name] for row in rows for name in ("name1", "email", "iban") if row[name]}
    assert len(found) > 40
    return found


def words(log: Path) -> set[str]:
    """Return the words of a log."""
    return set(re.findall(r"[\w@.-]+", log.read_text("utf-8", errors="replace")))
