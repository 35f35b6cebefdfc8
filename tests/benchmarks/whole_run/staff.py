"""Staff who look at lists and cases while a run goes out; how long they wait is measured."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import cycle

from tests.benchmarks.measuring import seconds_of

from local_stack.http_client import Answer, ServiceClient

_PAUSE = 0.25

Waited = Mapping[str, list[float]]
"""How many seconds each answer took, by what was asked for."""


@contextmanager
def reading_staff(runs: ServiceClient, cases: ServiceClient, run_id: str) -> Iterator[Waited]:
    """Read one thing after the other, four times a second, until the block ends."""
    waited: dict[str, list[float]] = defaultdict(list)
    ended = threading.Event()
    with ThreadPoolExecutor(1) as thread:
        reading = thread.submit(_read, runs, cases, run_id, waited, ended)
        try:
            yield waited
        finally:
            ended.set()
        reading.result()


def _read(
    runs: ServiceClient,
    cases: ServiceClient,
    run_id: str,
    waited: dict[str, list[float]],
    ended: threading.Event,
) -> None:
    case_ids: list[str] = []

    def read_cases() -> None:
        case_ids[:] = [case["case_id"] for case in _items(cases.get("/v1/cases"))]

    reads: Mapping[str, Callable[[], object]] = {
        "GET /v1/runs": partial(runs.get, "/v1/runs"),
        "GET /v1/runs/…/members": partial(runs.get, f"/v1/runs/{run_id}/members"),
        "GET /v1/cases": read_cases,
        "GET /v1/members": partial(cases.get, "/v1/members"),
        "GET /v1/cases/…": lambda: cases.get(f"/v1/cases/{case_ids[0]}"),
    }
    for what, read in cycle(reads.items()):
        if ended.wait(_PAUSE):
            return
        if case_ids or what != "GET /v1/cases/…":
            waited[what].append(seconds_of(read))


def _items(page: Answer) -> list[Answer]:
    items: list[Answer] = page["items"]
    return items
