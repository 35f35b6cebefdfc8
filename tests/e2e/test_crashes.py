"""Kill any process in the middle of a run, start it again: the run ends right (R61)."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from local_stack.stack import SERVICES, Stack
from tests.e2e.story import LIMIT, Tenant, rows

MEMBERS = 3_000
"""So many that a test process that is late by a second still finds the run in its middle."""
DONE = {
    "run-service": "SELECT published FROM runs WHERE run_id = $1",
    "case-service": "SELECT count(*) FROM cases WHERE run_id = $1",
    "export-service": "SELECT count(*) FROM cases WHERE run_id = $1",
    "partner-gateway": "SELECT count(*) FROM cases WHERE run_id = $1",
}
"""How many members of a run a service has done its part for."""


def test_a_run_survives_the_death_of_every_service(
    stack: Stack, make_tenant: Callable[[int], Tenant]
) -> None:
    """Each is killed in the middle of its own work, and starts again while the others go on."""
    tenant, run_id = begin_run(make_tenant)
    alive = set(SERVICES)
    with ThreadPoolExecutor(len(SERVICES)) as starting:
        starts = []
        ends_at = time.monotonic() + LIMIT
        while alive:
            assert time.monotonic() < ends_at, f"nothing done: {alive}"
            for name in [name for name in alive if done(stack, name, run_id)]:
                stack.service(name).kill()
                assert stack.service(name) in stack.dead
                assert 0 < done(stack, name, run_id) < len(tenant.candidates), name
                starts.append(starting.submit(stack.service(name).start))
                alive.remove(name)
    for start in starts:
        start.result()
    check_end(tenant, run_id)


def test_a_run_survives_the_death_of_kafka(
    stack: Stack, make_tenant: Callable[[int], Tenant]
) -> None:
    tenant, run_id = begin_run(make_tenant)
    await_cases(tenant, run_id)
    stack.kafka.kill()
    assert 0 < done(stack, "case-service", run_id) < len(tenant.candidates)
    stack.kafka.start()
    check_end(tenant, run_id)


def test_a_run_survives_the_death_of_postgres(
    stack: Stack, make_tenant: Callable[[int], Tenant]
) -> None:
    tenant, run_id = begin_run(make_tenant)
    await_cases(tenant, run_id)
    assert 0 < done(stack, "case-service", run_id) < len(tenant.candidates)
    stack.postgres.stop("immediate")
    stack.postgres.start()
    check_end(tenant, run_id)


def begin_run(make_tenant: Callable[[int], Tenant]) -> tuple[Tenant, str]:
    """Hand many members over to a partner who accepts each at once."""
    tenant = make_tenant(MEMBERS)
    tenant.publish_members()
    return tenant, tenant.start_run(tenant.partner_by_api(answer="ACCEPT_NOW"))


def done(stack: Stack, service: str, run_id: str) -> int:
    """Return how many members of a run a service has done its part for."""
    found = rows(stack, service, DONE[service], run_id)
    return int(found[0][0]) if found else 0


def await_cases(tenant: Tenant, run_id: str) -> None:
    """Wait until the first members of a run have gone all the way to their cases."""
    ends_at = time.monotonic() + LIMIT
    while not done(tenant.stack, "case-service", run_id):
        assert time.monotonic() < ends_at, "no case"


def check_end(tenant: Tenant, run_id: str) -> None:
    """Check that the run ends with each member in it once, and all sums right."""
    members = len(tenant.candidates)
    run = tenant.await_run(run_id, "HANDED_OVER")
    assert (run["published"], run["accepted"], run["rejected"]) == (members, members, 0)
    cases = tenant.all_cases(run_id)
    assert Counter(case["status"] for case in cases) == {"OPEN": members}
    assert len({case["member_id"] for case in cases}) == members
    assert len(tenant.export(run_id=run_id)) == sum(len(one.open) for one in tenant.candidates)
    audit = tenant.stack.service("case-service").run("audit")
    assert (audit.returncode, "audit: 0 differences" in audit.stdout) == (0, True), audit.stdout
