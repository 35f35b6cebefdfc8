"""How case-service serves a tenant of 1,000,000 cases (R20), and audits 1,000,000 entries (R31).

Not part of the tests: `make bench` runs it, against the real process with a real PostgreSQL and a
real Kafka. `make bench MEMBERS=5000` takes two minutes: there are ten cases for each of these, and
ten entries; limits count at the full size only.
"""

import asyncio
import os
import statistics
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.benchmarks.handovers import handovers, publish
from tests.benchmarks.many_cases import CASES_OF_A_RUN, fill, id_of
from tests.benchmarks.measuring import Figure, p95, seconds_of, times_of
from tests.benchmarks.service_process import ServiceProcess, case_service

from contracts import Event, MemberHandedOverV1, Money, ReportPaymentReceivedV1
from local_stack.data import Population
from local_stack.processes import wait_until

FULL_SIZE = 1_000_000
CASES = 10 * int(os.environ.get("MEMBERS", FULL_SIZE // 10))
OTHER_TENANTS = 3
REQUESTS = 40
ENTRIES_OF_A_CASE = 6.9
"""At the least: not quite three claims on average, and a payment with its shares."""

READ = 0.3
AUDIT = 60.0
SECONDS = 3_000
_CENT = Decimal("0.01")

# One member is found by its number, and none by the last.
SEARCHES = ("Müller", "jorg schroder", "z", f"{CASES // 2:07}", "Nobody")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ServiceProcess]:
    """A case-service with an empty database, yet to be started."""
    with case_service(tmp_path) as service:
        yield service


@pytest.mark.timeout(5_400)
def test_a_large_tenant_is_read_in_time(service: ServiceProcess) -> None:
    for tenant_id in [uuid4() for _ in range(OTHER_TENANTS)]:
        asyncio.run(fill(service.owner_url, tenant_id, CASES // 20))
    seconds = seconds_of(lambda: asyncio.run(fill(service.owner_url, service.tenant_id, CASES)))
    show(Figure(f"{CASES:,} cases are made", seconds, "s"))
    service.program.start()
    figures = [
        read_often(service, what, path, parameters)
        for what, (path, parameters) in reads(service).items()
    ]
    figures += read_pages(service, "/v1/members") + read_pages(service, "/v1/cases")
    if CASES >= FULL_SIZE:
        assert [figure.what for figure in figures if figure.is_too_much] == []


@pytest.mark.timeout(5_400)
def test_an_audit_of_a_large_ledger_finds_nothing_in_time(service: ServiceProcess) -> None:
    service.program.start()
    started = time.perf_counter()
    entries = make_ledger(service)
    show(Figure(f"{entries:,} entries are made", time.perf_counter() - started, "s"))
    before = time.perf_counter()
    audit = service.program.run("audit")
    figure = Figure(f"audit of {entries:,} entries", time.perf_counter() - before, "s", AUDIT)
    show(figure)
    assert (audit.returncode, audit.stdout.splitlines()[-1]) == (0, "audit: 0 differences")
    if CASES >= FULL_SIZE:
        assert entries >= FULL_SIZE
        assert not figure.is_too_much


# What staff read

Read = tuple[str, Mapping[str, str]]
"""A path, and the parameters of its query."""


def reads(service: ServiceProcess) -> dict[str, Read]:
    """Everything that is read, by what it is called."""
    tenant = service.tenant_id
    today = datetime.now(UTC).date()
    filters: dict[str, dict[str, str]] = {
        "": {},
        "?status=OPEN": {"status": "OPEN"},
        "?status=PENDING": {"status": "PENDING"},
        "?partner_id=": {"partner_id": str(id_of(tenant, "partner", 3))},
        "?studio_id=": {"studio_id": str(id_of(tenant, "studio", 7))},
        "?from=&to=": _period(today, CASES // CASES_OF_A_RUN // 2),
        "?status=CLOSED&partner_id=&from=&to=": {
            "status": "CLOSED",
            "partner_id": str(id_of(tenant, "partner", 2)),
            **_period(today, CASES // CASES_OF_A_RUN // 3),
        },
        **{f"?search={search}": {"search": search} for search in SEARCHES},
        "?search=Müller&status=PENDING": {"search": "Müller", "status": "PENDING"},
        "?search=z&studio_id=": {"search": "z", "studio_id": str(id_of(tenant, "studio", 7))},
    }
    found: dict[str, Read] = {}
    for path in ("/v1/members", "/v1/cases"):
        found |= {f"GET {path}{what}": (path, query) for what, query in filters.items()}
    run_id = str(id_of(tenant, "run", CASES // CASES_OF_A_RUN // 2))
    partner_id = str(id_of(tenant, "partner", 1))
    case_id = service.value(
        f"SELECT case_id FROM cases WHERE tenant_id = '{tenant}' AND unallocated > 0 LIMIT 1"
    )
    return {
        **found,
        "GET /v1/cases?run_id=": ("/v1/cases", {"run_id": run_id}),
        "GET /v1/cases?run_id=&status=OPEN&search=Müller": (
            "/v1/cases",
            {"run_id": run_id, "status": "OPEN", "search": "Müller"},
        ),
        "GET /v1/cases/…": (f"/v1/cases/{case_id}", {}),
        "GET /v1/cases/…/history": (f"/v1/cases/{case_id}/history", {}),
        "GET /v1/files": ("/v1/files", {}),
        "GET /v1/files?partner_id=&search=": (
            "/v1/files",
            {"partner_id": partner_id, "search": "AZ-00"},
        ),
        "GET /v1/files/…/…": (f"/v1/files/{partner_id}/AZ-0000001", {}),
        "GET /v1/unallocated": ("/v1/unallocated", {}),
        "GET /v1/unallocated?partner_id=": ("/v1/unallocated", {"partner_id": partner_id}),
    }


def read_often(
    service: ServiceProcess, what: str, path: str, parameters: Mapping[str, str]
) -> Figure:
    """Read the same again and again, and show how long it took."""
    return timed(what, times_of(lambda _: service.client.get(path, **parameters), REQUESTS))


def read_pages(service: ServiceProcess, path: str) -> list[Figure]:
    """Read page after page, of everything and of a search."""
    figures = []
    for what, parameters in ((path, {}), (f"{path}?search=Müller", {"search": "Müller"})):
        cursor: dict[str, str] = {}

        def read(_: int, query: dict[str, str] = parameters, place: dict[str, str] = cursor) -> Any:
            page = service.client.get(path, limit="500", **query, **place)
            place.update({"cursor": page["next"]} if page["next"] else {})

        figures.append(timed(f"GET {what}: next pages of 500", times_of(read, REQUESTS)))
    return figures


def timed(what: str, times: list[float]) -> Figure:
    """Show how long 95 of 100 requests took at most."""
    median = f"median {statistics.median(times):.3f} s"
    figure = Figure(f"{what}, p95", p95(times), "s", READ, median)
    show(figure)
    return figure


# A ledger that the service itself has made, with all that it published


def make_ledger(service: ServiceProcess) -> int:
    """Let the service open cases and book a payment on each; return how many entries it made."""
    today = datetime.now(UTC).date()
    members = int(CASES / ENTRIES_OF_A_CASE) + 1
    opened: list[MemberHandedOverV1] = []

    def all_handovers() -> Iterator[Event]:
        for event in handovers(Population(members=members, today=today), uuid4(), today):
            opened.append(event)
            yield event

    _publish(service, "/run-service", all_handovers())
    _wait_for(service, f"SELECT count(*) = {members} FROM cases", "all cases")
    _publish(service, "/partner-gateway", (_half_paid(event) for event in opened))
    _wait_for(service, f"SELECT count(*) = {members} FROM payments", "all payments")
    _wait_for(service, "SELECT count(*) = 0 FROM outbox", "all events")
    return int(service.value("SELECT count(*) FROM entries"))


def _half_paid(event: MemberHandedOverV1) -> ReportPaymentReceivedV1:
    currency = event.claims[0].amount.currency
    owed = sum((claim.to_collect.amount for claim in event.claims), Decimal(0))
    return ReportPaymentReceivedV1(
        report_id=uuid4(),
        partner_id=event.partner_id,
        run_id=event.run_id,
        reported_at=datetime.now(UTC),
        case_id=event.case_id,
        member_id=event.member_id,
        partner_reference=f"P-{event.booking_number}",
        amount=Money(amount=(owed / 2).quantize(_CENT, ROUND_DOWN), currency=currency),
        own_fees=Money(amount=Decimal(0), currency=currency),
        paid_on=event.collection_date,
    )


def _publish(service: ServiceProcess, source: str, events: Iterator[Event]) -> None:
    asyncio.run(publish(service.kafka.bootstrap_servers, service.tenant_id, source, events))


def _wait_for(service: ServiceProcess, query: str, what: str) -> None:
    wait_until(lambda: bool(service.value(query)), limit=SECONDS, what=what)


def _period(today: date, days: int) -> dict[str, str]:
    """Return a week that lies so many days back."""
    last = today - timedelta(days=days)
    return {"from": str(last - timedelta(days=6)), "to": str(last)}


def show(figure: Figure) -> None:
    """Print a figure at once: all of them take long."""
    print(figure, flush=True)  # noqa: T201  what a benchmark is for
