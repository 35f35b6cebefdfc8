"""Two of a service share its work, and one goes on alone when the other dies (R61)."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import pytest

from local_stack.stack import Program, Stack
from tests.another_instance import another_instance
from tests.e2e.kafka_reader import Received, read_everything
from tests.e2e.story import Tenant

MEMBERS = 600
DOUBLED = ("run-service", "case-service")
IN_ORDER = ["case.opened.v1", "case.file-number-set.v1", "case.payment-booked.v1"]


@pytest.fixture
def seconds(stack: Stack) -> Iterator[dict[str, Program]]:
    """A second process of each of two services; afterwards only the first ones run, as before."""
    with ExitStack() as afterwards:
        programs = {name: another_instance(stack, name) for name in DOUBLED}
        for name, program in programs.items():
            afterwards.callback(program.stop)
            afterwards.callback(start_again, stack.service(name))
            program.start()
        yield programs


def start_again(program: Program) -> None:
    """Start a process unless it runs."""
    if not program.is_running:
        program.start()


def leads(program: Program) -> bool:
    """Tell whether a process has become the one that publishes."""
    return "relay leads" in program.log.read_text()


def test_a_run_ends_right_when_one_of_two_dies_in_its_middle(
    stack: Stack, make_tenant: Callable[[int], Tenant], seconds: dict[str, Program]
) -> None:
    tenant = make_tenant(MEMBERS)
    members = len(tenant.candidates)
    tenant.publish_members()
    run_id = tenant.start_run(tenant.partner_by_api(answer="CALLBACK", pay_percent=10))
    run = tenant.wait_for(
        lambda: tenant.run(run_id), lambda run: run["accepted"] > members / 10, "the first answers"
    )
    assert run["accepted"] < members
    assert not any(leads(second) for second in seconds.values())
    for name in DOUBLED:
        stack.service(name).kill()
    tenant.turn_to(runs=seconds["run-service"].url, cases=seconds["case-service"].url)

    run = tenant.await_run(run_id, "HANDED_OVER")
    assert all(leads(second) for second in seconds.values())
    assert (run["published"], run["accepted"], run["rejected"]) == (members, members, 0)
    cases = tenant.wait_for(
        lambda: {"all": tenant.all_cases(run_id)},
        lambda cases: all(case["open"] != case["handed_over"] for case in cases["all"]),
        "all payments",
    )["all"]
    assert Counter(case["status"] for case in cases) == {"OPEN": members}
    assert len({case["member_id"] for case in cases}) == members
    assert "audit: 0 differences" in stack.service("case-service").run("audit").stdout
    check_messages([each for each in read_everything(stack) if is_of(tenant, each)], members)


def is_of(tenant: Tenant, message: Received) -> bool:
    """Tell whether a message is a tenant's."""
    return message.headers.get("ce_tenantid") == str(tenant.tenant_id).encode()


def check_messages(messages: Sequence[Received], members: int) -> None:
    """Check that each thing happened once, and for each member in the right order.

    A message may be there twice, under the same id: what had not been noted as published when
    its publisher died is published again.
    """
    first = {each.headers["ce_id"]: each for each in reversed(messages)}
    once = [each for each in messages if first.get(each.headers["ce_id"]) is each]
    counts = Counter(each.type for each in once)
    for type_ in ("run.created.v1", "run.handed-over.v1"):
        assert counts[type_] == 1
    by_member: defaultdict[bytes, list[str]] = defaultdict(list)
    for each in once:
        if each.topic == "collection.case.v1":
            by_member[each.key].append(each.type)
    assert len(by_member) == members == counts["member.handed-over.v1"]
    assert all(types == IN_ORDER for types in by_member.values())
