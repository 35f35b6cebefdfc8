"""A reversed run of 100,000 members at a partner by hand: duties are made, found and ticked off.

Not part of the tests: `make bench` runs it, with a real PostgreSQL. `make bench MEMBERS=5000` takes
less than a minute; limits count at the full size only (R10, R52).
"""

import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import pytest
from tests.benchmarks.measuring import Figure, p95
from tests.partner_gateway.claims import studio_payment
from tests.partner_gateway.telling import by_hand
from tests.partner_gateway.world import Gateway, closed, handed_over, make_settings

from kit.context import Context
from kit.database import Database
from kit.ids import new_id
from partner_gateway.notices.mark_overdue import mark_overdue

FULL_SIZE: Final = 100_000
NOTICES: Final = int(os.environ.get("MEMBERS", FULL_SIZE))
BATCH: Final = 500
"""Messages that the consumer takes at once."""
PAGE_SECONDS: Final = 0.3


@pytest.fixture
async def gateway(
    migrated: Callable[[str], AbstractAsyncContextManager[str]],
) -> AsyncIterator[Gateway]:
    """A gateway with an empty database."""
    async with migrated("partner_gateway.migrations") as url:
        gateway = Gateway(Context(make_settings(url), Database(url)))
        async with gateway.serving():
            yield gateway
        await gateway.database.close()


@pytest.mark.timeout(3_600)
async def test_a_large_reversed_run_is_told_to_a_partner_by_hand(gateway: Gateway) -> None:
    partner, run_id = await by_hand(gateway), new_id()
    figures = []
    taken, made = 0.0, 0.0
    for _ in range(NOTICES // BATCH):
        cases = handed_over(partner, BATCH, run_id)
        taken += await seconds(gateway.receive(cases))
        made += await seconds(gateway.receive([closed(case) for case in cases]))
    await gateway.receive([studio_payment(case) for case in handed_over(partner, 10)])
    figures.append(Figure(f"{NOTICES:,} cases are kept", taken, "s"))
    figures.append(Figure(f"{NOTICES:,} notices are made", made, "s"))
    await gateway.execute("UPDATE notices SET due_on = due_on - 30")
    await gateway.execute("ANALYZE notices")
    figures += await read(gateway, "due", partner.partner_id, run_id)
    figures.append(await sweep(gateway))
    figures += await read(gateway, "overdue", partner.partner_id, run_id)
    figures += await tick_off(gateway, partner.partner_id)
    figures += await read(gateway, "ticked off", partner.partner_id, run_id)
    figures.append(Figure("nothing is overdue", await seconds(mark_overdue(gateway.context)), "s"))
    sys.stdout.write("\n" + "".join(f"{figure}\n" for figure in figures))
    if NOTICES >= FULL_SIZE:
        assert [figure.what for figure in figures if figure.is_too_much] == []


async def read(gateway: Gateway, when: str, partner_id: object, run_id: object) -> list[Figure]:
    """Measure what staff look at."""
    queries = {
        "all": "",
        "DUE": "status=DUE",
        "duties": "by_hand=true&status=DUE",
        "of the partner": f"partner_id={partner_id}&status=DUE",
        "of the run": f"run_id={run_id}&kind=STOP",
        "overdue": "overdue=true",
        "payments": f"partner_id={partner_id}&kind=STUDIO_PAYMENT",
    }
    figures = []
    for name, query in queries.items():
        times = [
            await seconds(gateway.call("GET", f"/v1/notices?limit=500&{query}")) for _ in range(20)
        ]
        what = f"when {when}: 500 notices, {name}"
        figures.append(Figure(f"{what} (p95)", p95(times), "s", PAGE_SECONDS))
    return figures


async def sweep(gateway: Gateway) -> Figure:
    """Measure how long it takes until all are found overdue."""
    started = time.perf_counter()
    while await mark_overdue(gateway.context):
        pass
    return Figure(f"{NOTICES:,} become overdue", time.perf_counter() - started, "s")


async def tick_off(gateway: Gateway, partner_id: object) -> list[Figure]:
    """Measure letters of 500 duties, and ticking each off, until nothing is to tell."""
    letters, done = [], []
    path = f"/v1/notices/text?partner_id={partner_id}"
    while True:
        started = time.perf_counter()
        letter = await gateway.call("GET", path)
        letters.append(time.perf_counter() - started)
        if letter.status_code == 404:
            break
        body = {"notice_ids": letter.json()["notice_ids"]}
        started = time.perf_counter()
        answer = await gateway.call("POST", "/v1/notices/done", body)
        done.append(time.perf_counter() - started)
        assert answer.is_success, answer.text
    return [
        Figure("a letter of 500 notices (p95)", p95(letters), "s", 1.0),
        Figure("500 notices are ticked off (p95)", p95(done), "s", 2.0),
    ]


async def seconds(work: Awaitable[Any]) -> float:
    """Return how long something takes."""
    started = time.perf_counter()
    await work
    return time.perf_counter() - started
