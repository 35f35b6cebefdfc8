"""Is what came of a run right? What is quick but wrong does not count."""

import asyncio
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from tests.benchmarks.whole_run.system import System

from contracts import DEAD_LETTERS, TOPICS
from local_stack.export_files import read_csv
from local_stack.figures import Figures, sum_of
from local_stack.http_client import Answer, until
from local_stack.scene import same
from local_stack.stack import SERVICES


def check_run(system: System, preview: Answer, run_id: str, directory: Path) -> None:
    """Check that run, cases and exported rows are what the preview showed, to the cent."""
    expected = Figures.of_answer(preview)
    same(
        "the figures of the run", Figures.of_answer(system.runs.get(f"/v1/runs/{run_id}")), expected
    )
    cases = list(system.cases.all("/v1/cases", run_id=run_id, status="OPEN"))
    same("the number of cases", len(cases), expected.members)
    same("members with a case", len({case["member_id"] for case in cases}), expected.members)
    same("what is open on the cases", sum_of(case["open"] for case in cases), expected.totals)
    same("the figures of the export", _exported(system, run_id, directory), expected)


def check_leftovers(system: System) -> None:
    """Check that nothing was set aside, and that nothing waits."""
    same("dead letters", asyncio.run(_dead_letters(system.stack.kafka.bootstrap_servers)), 0)
    for service in SERVICES:
        parked = system.value(service, "SELECT count(*) FROM parked")
        same(f"parked messages of {service}", parked, 0)


def check_ledger(system: System) -> None:
    """Let case-service recompute everything from its entries."""
    audit = system.programs["case-service"].run("audit")
    found = (audit.returncode, audit.stdout.splitlines()[-1:])
    same("the audit", found, (0, ["audit: 0 differences"]))


def _exported(system: System, run_id: str, directory: Path) -> Figures:
    """Export the run, and return what stands in the file."""
    order = {"run_id": run_id, "format": "csv"}
    path = f"/v1/exports/{system.exports.post('/v1/exports', order)['export_id']}"
    done = until(
        lambda: system.exports.get(path),
        lambda export: export["status"] in ("COMPLETED", "FAILED"),
        limit=system.limit,
        what="the export is ready",
    )
    same("the export", done["status"], "COMPLETED")
    file = directory / "run.csv"
    file.write_bytes(system.exports.file(f"{path}/file"))
    figures = read_csv(file).figures
    file.unlink()
    return figures


async def _dead_letters(bootstrap_servers: str) -> int:
    places = [
        TopicPartition(topic.dead_letter_name, number)
        for topic in TOPICS.values()
        for number in range(DEAD_LETTERS.partitions)
    ]
    async with AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, enable_auto_commit=False
    ) as consumer:
        return sum((await consumer.end_offsets(places)).values())
