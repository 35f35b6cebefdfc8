"""Whatever an agency does wrong, a run ends right or waits visibly; healed, all arrives (R54).

20 members for each misbehaviour; 1,000: `make misbehave`.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from contracts import MemberHandedOverV1
from kit.context import Context
from kit.database import Database
from tests.partner_gateway.world import (
    Gateway,
    Partner,
    Simulator,
    cancelled,
    handed_over,
    make_settings,
)

MEMBERS = int(os.environ.get("MEMBERS", "20"))
LIMIT_SECONDS = 240.0

ACCEPTED = "report.accepted.v1"
REJECTED = "report.rejected.v1"
PAID = "report.payment-received.v1"
CORRECTED = "report.payment-corrected.v1"
NUMBERED = "report.file-number-assigned.v1"
CLOSED = "report.case-closed.v1"

AT_ONCE = {"step": "ACCEPT", "by": "ANSWER"}


@dataclass(frozen=True)
class Misbehaviour:
    """What an agency does, what staff see of it, and what comes of it in the end."""

    rules: list[dict[str, Any]]
    waits: str | None = None
    """The reason that staff see until the agency is healed; None: it ends right by itself."""
    each: Sequence[str] = (ACCEPTED,)
    """Reports on each case in the end; the first one may be a refusal instead."""
    catches_up: bool = False
    """Healed, it says what it had never said."""
    tries: int = 0
    """How many tries of each callback fail before one is taken."""


def handovers(*steps: Any, **conditions: Any) -> list[dict[str, Any]]:
    """Return rules for handovers; the cases are accepted within the answer, once it comes."""
    return [
        {"of": "HANDOVER", "steps": steps, **conditions},
        {"of": "CASE", "steps": [AT_ONCE]},
    ]


def cases(*steps: Any, **conditions: Any) -> list[dict[str, Any]]:
    """Return rules for cases."""
    return [{"of": "CASE", "steps": steps, **conditions}]


def wrong(fault: str) -> list[dict[str, Any]]:
    """Return rules under which the first tries of each callback are signed wrong."""
    return cases({"step": "ACCEPT", "fault": fault, "fault_tries": 2})


def answer(**options: Any) -> dict[str, Any]:
    """Return a step."""
    return {"step": "ANSWER", **options}


MISBEHAVIOURS = {
    "fails after having worked": Misbehaviour(
        handovers("TAKE", answer(status=500)), waits="HTTP 500"
    ),
    "fails once after having worked": Misbehaviour(
        handovers("TAKE", answer(status=500), first_tries=1)
    ),
    "answers too late": Misbehaviour(
        handovers("TAKE", {"step": "WAIT", "seconds": 2.5}, answer()), waits="time-out"
    ),
    "answers byte by byte": Misbehaviour(
        handovers("TAKE", answer(seconds_per_byte=0.3)), waits="time-out"
    ),
    "hangs up": Misbehaviour(handovers("TAKE", "HANG_UP"), waits="connection"),
    "wants a pause": Misbehaviour(
        handovers(answer(status=429, retry_after=1), first_tries=2), waits="HTTP 429"
    ),
    "sends us elsewhere": Misbehaviour(
        handovers(answer(status=302, location="http://169.254.169.254/")), waits="HTTP 302"
    ),
    "answers without end": Misbehaviour(
        handovers("TAKE", answer(body="HUGE")), waits="answer too large"
    ),
    "answers nonsense": Misbehaviour(
        handovers("TAKE", answer(body="GARBAGE")), waits="answer unreadable"
    ),
    "is away": Misbehaviour(handovers(answer(status=503)), waits="HTTP 503"),
    "refuses us": Misbehaviour(handovers(answer(status=403)), waits="HTTP 403"),
    "refuses a share": Misbehaviour(
        [*cases({"step": "REFUSE", "by": "ANSWER"}, share=0.3), *cases(AT_ONCE)]
    ),
    "never says a word": Misbehaviour(cases(), catches_up=True),
    "says it later": Misbehaviour(cases({"step": "WAIT", "seconds": 0.5}, "ACCEPT")),
    "says it twice": Misbehaviour(cases({"step": "ACCEPT", "times": 2})),
    "pays before it accepts": Misbehaviour(cases("PAY", "ACCEPT"), each=(ACCEPTED, PAID)),
    "signs with another secret": Misbehaviour(wrong("OTHER_SECRET"), tries=2),
    "signs with an old timestamp": Misbehaviour(wrong("OLD_TIMESTAMP"), tries=2),
    "changes what it signed": Misbehaviour(wrong("CHANGED_BODY"), tries=2),
    "pays in parts, corrects, closes, and pays again": Misbehaviour(
        cases(
            AT_ONCE,
            {"step": "FILE_NUMBER", "file_number": "AZ 1"},
            {"step": "PAY", "percent": 30},
            {"step": "PAY", "percent": 80},
            {"step": "CORRECT", "percent": 70},
            "CLOSE",
            {"step": "PAY", "percent": 10},
        ),
        each=(ACCEPTED, NUMBERED, PAID, PAID, CORRECTED, CLOSED, PAID),
    ),
    "reports nonsense": Misbehaviour(
        cases({"step": "SAY", "type": "case.eaten"}), waits="unreadable", catches_up=True
    ),
}


@pytest.fixture
async def gateway(database_url: str, pool_of: Callable[[str], Database]) -> AsyncIterator[Gateway]:
    """A gateway that has little patience."""
    settings = make_settings(database_url, partner_timeout_seconds=1.5)
    gateway = Gateway(Context(settings, pool_of(database_url)))
    async with gateway.serving():
        yield gateway
    await gateway.database.close()


@pytest.mark.parametrize("name", MISBEHAVIOURS)
async def test_a_run_ends_right_or_waits_visibly(
    gateway: Gateway, simulator: Simulator, name: str
) -> None:
    misbehaviour = MISBEHAVIOURS[name]
    partner = await gateway.set_up(simulator.url)
    await simulator.connect(gateway, partner, rules=misbehaviour.rules)
    run = handed_over(partner, MEMBERS)
    await gateway.receive(run)
    async with gateway.working():
        if misbehaviour.waits is not None:
            await hurried(gateway, lambda: seen(gateway, partner, misbehaviour.waits or ""))
            await heal(gateway, partner, simulator)
        if misbehaviour.catches_up:
            await hurried(gateway, lambda: decided_nothing(simulator))
            await simulator.call("POST", "/behaviour", {"rules": []})
            await simulator.call("POST", "/catch-up")
        await hurried(gateway, lambda: reported(gateway, len(run) * len(misbehaviour.each)))
        await hurried(gateway, lambda: is_quiet(simulator))
    await check_reports(gateway, simulator, run, misbehaviour)
    await check_effects(simulator)
    callbacks = (await simulator.state())["callbacks"]
    assert callbacks["tries"] == callbacks["delivered"] * (1 + misbehaviour.tries)
    assert not await gateway.rows("SELECT request_id FROM deliveries WHERE status <> 'DONE'")


async def test_notices_that_are_not_acknowledged_wait_and_then_arrive(
    gateway: Gateway, simulator: Simulator
) -> None:
    partner = await gateway.set_up(simulator.url)
    await simulator.connect(gateway, partner, answer="ACCEPT_NOW", acknowledge_notices=False)
    run = handed_over(partner, MEMBERS)
    await gateway.receive(run)
    async with gateway.working():
        await hurried(gateway, lambda: reported(gateway, len(run)))
        await gateway.receive([cancelled(case) for case in run])
        await hurried(gateway, lambda: seen(gateway, partner, "not acknowledged"))
        await simulator.call("POST", "/behaviour", {"acknowledge_notices": True})

        async def all_stopped() -> bool:
            return bool((await simulator.state())["notices"] == len(run))

        await hurried(gateway, all_stopped)
        await hurried(gateway, lambda: ended(gateway))
    await check_effects(simulator)


async def hurried(gateway: Gateway, condition: Callable[[], Any]) -> None:
    """Wait until something is so; pauses before tries that nobody makes now are over at once."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while not await condition():
            await gateway.execute(
                "UPDATE deliveries SET next_try_at = now(), asked_until = NULL"
                " WHERE status = 'OPEN' AND under_way_until IS NULL AND next_try_at > now()"
            )
            await gateway.execute(
                "UPDATE circuits SET next_probe_at = now()"
                " WHERE opened_at IS NOT NULL AND probing_until IS NULL"
            )
            await asyncio.sleep(0.05)


async def seen(gateway: Gateway, partner: Partner, reason: str) -> bool:
    """Say whether staff see a reason, of a request or of a callback that is parked."""
    path = f"/v1/partners/{partner.partner_id}"
    deliveries = (await gateway.call("GET", f"{path}/deliveries?failing=true")).json()["items"]
    parked = (await gateway.call("GET", f"{path}/callbacks?status=PARKED")).json()["items"]
    shown = [one["last_error"] for one in deliveries] + [one["reason"] for one in parked]
    return any(reason in each for each in shown)


async def heal(gateway: Gateway, partner: Partner, simulator: Simulator) -> None:
    """Let the agency behave well, and staff try again what had been stopped."""
    rules = cases(AT_ONCE)
    await simulator.call("POST", "/behaviour", {"rules": rules})
    path = f"/v1/partners/{partner.partner_id}/deliveries"
    while stopped := (await gateway.call("GET", f"{path}?status=STOPPED")).json()["items"]:
        for delivery in stopped:
            again = await gateway.call("POST", f"{path}/{delivery['request_id']}/retry")
            assert again.is_success, again.text


async def reported(gateway: Gateway, count: int) -> bool:
    """Say whether so many reports are published."""
    (row,) = await gateway.rows("SELECT count(*) FROM outbox WHERE type LIKE 'report.%'")
    return bool(row.count >= count)


async def is_quiet(simulator: Simulator) -> bool:
    """Say whether the agency has called back all that it had to say."""
    return bool((await simulator.state())["callbacks"]["waiting"] == 0)


async def decided_nothing(simulator: Simulator) -> bool:
    """Say whether the agency has all cases, and has said all that it says by itself."""
    state = await simulator.state()
    return bool(state["cases"] == MEMBERS and state["callbacks"]["waiting"] == 0)


async def ended(gateway: Gateway) -> bool:
    """Say whether nothing is owed to the agency any more."""
    return not await gateway.rows(
        "SELECT request_id FROM deliveries WHERE status <> 'DONE' LIMIT 1"
    )


async def check_reports(
    gateway: Gateway,
    simulator: Simulator,
    run: Sequence[MemberHandedOverV1],
    misbehaviour: Misbehaviour,
) -> None:
    """Each case has its reports, once each, and they say what the agency decided."""
    reports: dict[str, Counter[str]] = {str(case.case_id): Counter() for case in run}
    for report in await gateway.published():
        if report.TYPE.startswith("report."):
            reports[str(report.case_id)][report.TYPE] += 1  # type: ignore[attr-defined]
    expected = {
        case["case_id"]: Counter(
            [REJECTED, *misbehaviour.each[1:]]
            if case["status"] == "REJECTED"
            else misbehaviour.each
        )
        for case in (await simulator.call("GET", "/cases"))["items"]
    }
    assert reports == expected


async def check_effects(simulator: Simulator) -> None:
    """Each request reached the agency with one effect, however often it came."""
    requests = (await simulator.call("GET", "/requests"))["items"]
    assert {request["effects"] for request in requests} == {1}
