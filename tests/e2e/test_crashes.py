"""Kill any process in the middle of a run, start it again: the run ends right (R61)."""

import time
from collections import Counter
from collections.abc import Callable

import pytest

from local_stack.stack import Stack
from tests.e2e.story import Tenant

MEMBERS = 2_000


def kill_and_restart(stack: Stack, victim: str) -> None:
    """End a process with SIGKILL, wait a moment, start it again."""
    if victim == "postgres":
        stack.postgres.stop("immediate")
        stack.postgres.start()
    elif victim == "kafka":
        stack.kafka.kill()
        stack.kafka.start()
    else:
        stack.service(victim).kill()
        time.sleep(1)  # the others go on without it
        stack.service(victim).start()


@pytest.mark.parametrize(
    "victim",
    ["run-service", "case-service", "partner-gateway", "export-service", "kafka", "postgres"],
)
def test_a_run_survives_the_death_of_any_process(
    stack: Stack, make_tenant: Callable[[int], Tenant], victim: str
) -> None:
    tenant = make_tenant(MEMBERS)
    tenant.publish_members()
    partner = tenant.partner_by_api(answer="ACCEPT_NOW")
    run_id = tenant.start_run(partner)
    tenant.wait_for(
        lambda: tenant.run(run_id), lambda run: run["published"] > 0, "the run is under way"
    )
    kill_and_restart(stack, victim)
    members = len(tenant.candidates)
    run = tenant.await_run(run_id, "HANDED_OVER")
    assert (run["published"], run["accepted"], run["rejected"]) == (members, members, 0)
    cases = tenant.all_cases(run_id)
    assert Counter(case["status"] for case in cases) == {"OPEN": members}
    assert len({case["member_id"] for case in cases}) == members
    assert tenant.export_rows(run_id) == sum(len(one.open) for one in tenant.candidates)
    audit = stack.service("case-service").run("audit")
    assert (audit.returncode, "audit: 0 differences" in audit.stdout) == (0, True), audit.stdout
