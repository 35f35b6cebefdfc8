"""The conformance check finds what of the Partner API an agency breaks (R54)."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from local_stack.ports import free_port
from partner_conformance import samples
from partner_conformance.check import Verdict, check
from partner_conformance.listener import listening
from partner_conformance.main import arguments, run
from partner_conformance.rules import RULES
from partner_conformance.sandbox import Sandbox, encoded
from partner_conformance.session import Session
from partner_conformance.shapes import (
    DATA,
    UnreadableError,
    callback,
    handover_answer,
    notice_answer,
)
from partner_gateway.standard_webhooks import new_secret
from tests.partner_gateway.test_partner_api import DOCUMENT, validator
from tests.partner_gateway.world import Simulator

SECRET = new_secret()
OF_NOBODY = {"case_id": "019cc249-883f-786b-9878-f46c862748bb"}
SIGNED_WRONG = {"fault": "OTHER_SECRET", "fault_tries": 1000}


async def checked(
    simulator: Simulator,
    behaviour: dict[str, Any],
    *,
    wait: float = 0,
    limit: float = 5,
    until: str | None = None,
) -> dict[str, tuple[Verdict, str]]:
    """Return what was found of each rule, `until` one, at a simulator that behaves so."""
    port = free_port()
    behaviour = {"secret": SECRET, "callback_url": f"http://127.0.0.1:{port}/", **behaviour}
    await simulator.call("POST", "/behaviour", behaviour)
    async with AsyncExitStack() as stack:
        sandbox = Sandbox(simulator.url, SECRET, None, limit)
        stack.push_async_callback(sandbox.close)
        listener = await stack.enter_async_context(listening(SECRET, port)) if wait else None
        session = Session(sandbox, listener, wait)
        found = {}
        async for finding in check(session):
            found[finding.rule.name] = finding.verdict, finding.seen
            if finding.rule.name == until:
                break
        return found


def violated(found: dict[str, tuple[Verdict, str]]) -> set[str]:
    """Return the rules that do not hold."""
    return {name for name, (verdict, _) in found.items() if verdict is Verdict.VIOLATED}


def takes(**options: Any) -> dict[str, Any]:
    """Return a behaviour that takes handovers and notices in its own way."""
    steps = [{"step": "TAKE", **options}, "ANSWER"]
    return {"rules": [{"of": of, "steps": steps} for of in ("HANDOVER", "NOTICE")]}


def answers(of: str, **options: Any) -> dict[str, Any]:
    """Return a behaviour that takes requests and answers in its own way."""
    return {"rules": [{"of": of, "steps": ["TAKE", {"step": "ANSWER", **options}]}]}


def cases(*steps: Any) -> dict[str, Any]:
    """Return a behaviour that does so with every case."""
    return {"rules": [{"of": "CASE", "steps": steps}]}


ONCE = [
    {"of": "NOTICE", "nth": [6], "first_tries": 1, "steps": ["TAKE", "ANSWER"]},
    {"of": "NOTICE", "nth": [6], "steps": ["TAKE", {"step": "ANSWER", "status": 409}]},
]
"""Takes the notice that comes twice, and refuses it then."""


async def test_all_holds_at_our_own_simulator(simulator: Simulator) -> None:
    found = await checked(simulator, {"pay_percent": 50, "reject_every": 3}, wait=10)
    assert {name for name, (verdict, _) in found.items() if verdict is Verdict.HOLDS} == {
        rule.name for rule in RULES
    }, found


async def test_answers_at_once_are_enough_where_nobody_listens(simulator: Simulator) -> None:
    found = await checked(simulator, {"answer": "ACCEPT_NOW"})
    assert not violated(found)
    unseen = {name for name, (verdict, _) in found.items() if verdict is Verdict.NOT_CHECKED}
    assert unseen == {
        "decided",
        "callbacks-signed",
        "callbacks-shaped",
        "callbacks-repeated",
        "callbacks-about-own",
    }
    assert found["acts-once"][0] is Verdict.HOLDS


@pytest.mark.parametrize(
    ("behaviour", "rule"),
    [
        ({"secret": new_secret()}, "handover-taken"),
        (answers("HANDOVER", status=500), "handover-taken"),
        (answers("HANDOVER", content={"results": [{"case_id": "1"}]}), "handover-answer"),
        (answers("HANDOVER", body="GARBAGE"), "handover-answer"),
        (answers("HANDOVER", body="HUGE"), "handover-taken"),
        (
            {**takes(without=["REPETITION"]), "answer": "ACCEPT_NOW"},
            "same-answer-again",
        ),
        ({**takes(without=["REPETITION"]), "answer": "ACCEPT_NOW"}, "acts-once"),
        (takes(without=["SIGNATURE"]), "wrong-signature"),
        (takes(without=["TIMESTAMP"]), "old-timestamp"),
        (takes(refuses=["UNKNOWN_FIELDS"]), "unknown-fields"),
        (takes(most_cases=100), "full-page"),
        (answers("NOTICE", content={"acknowledged": "yes"}), "notices"),
        (answers("NOTICE", status=410), "notices"),
        ({"acknowledge_notices": False}, "notices"),
        ({"rules": ONCE}, "notice-again"),
        (takes(refuses=["UNKNOWN_KINDS"]), "unknown-notice"),
        (answers("NOTICE", seconds_per_byte=0.2), "in-time"),
        (
            {"rules": [{"of": "HANDOVER", "nth": [2], "steps": ["HANG_UP"]}]},
            "wrong-signature",
        ),
    ],
)
async def test_each_violation_is_found(
    simulator: Simulator, behaviour: dict[str, Any], rule: str
) -> None:
    found = await checked(simulator, behaviour, limit=1, until=rule)
    assert rule in violated(found), found


@pytest.mark.parametrize(
    ("behaviour", "rule"),
    [
        ({"answer": "SILENT"}, "decided"),
        (takes(without=["REPETITION"]), "acts-once"),
        (cases("ACCEPT", "REPEAT"), "acts-once"),
        (cases({"step": "ACCEPT", **SIGNED_WRONG}), "callbacks-signed"),
        (
            cases({"step": "ACCEPT", "fault": "OLD_TIMESTAMP", "fault_tries": 99}),
            "callbacks-signed",
        ),
        (cases("ACCEPT", {"step": "SAY", "type": "case.paid"}), "callbacks-shaped"),
        (cases({"step": "REFUSE", "reason_code": "not a code"}), "callbacks-shaped"),
        (cases({"step": "ACCEPT", "fault": "NOT_REPEATED"}), "callbacks-repeated"),
        (
            cases({"step": "ACCEPT", "fault": "NEW_ID", "fault_tries": 99}),
            "callbacks-repeated",
        ),
        (
            cases("ACCEPT", {"step": "SAY", "type": "case.accepted", "data": OF_NOBODY}),
            "callbacks-about-own",
        ),
    ],
)
async def test_each_violation_of_callbacks_is_found(
    simulator: Simulator, behaviour: dict[str, Any], rule: str
) -> None:
    found = await checked(simulator, behaviour, wait=1, until=rule)
    assert rule in violated(found), found


async def test_its_lines_and_its_exit_status_tell_what_was_found(
    simulator: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    async def program(base_url: str, *more: str) -> tuple[int, list[str]]:
        given = arguments(["--secret", SECRET, "--base-url", base_url, *more])
        status = await run(given)
        return status, capsys.readouterr().out.splitlines()

    await simulator.call("POST", "/behaviour", {"secret": SECRET, "answer": "ACCEPT_NOW"})
    status, lines = await program(simulator.url)
    assert (status, len(lines)) == (0, len(RULES) + 1)
    assert lines[-1] == "13 holds; 0 does not hold; 5 not checked"
    await simulator.call("POST", "/behaviour", takes(most_cases=100))
    status, lines = await program(simulator.url)
    assert status == 1
    assert "does not hold full-page            A page of 200 cases is taken: status 400" in lines
    assert await program(f"http://127.0.0.1:{free_port()}") == (2, [])
    taken = simulator.url.rpartition(":")[2]
    assert await program(simulator.url, "--callback-port", taken) == (2, [])


def test_it_loads_nothing_of_ours() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, partner_conformance.main; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    ours = {"kit", "contracts", "partner_gateway", "partner_simulator"}
    assert not ours & {module.partition(".")[0] for module in loaded}


@pytest.mark.parametrize("kind", ["STOP", "STUDIO_PAYMENT", "CLAIM_CHANGED", "OF_LATER_DAYS"])
def test_its_requests_are_as_documented(kind: str) -> None:
    page = samples.page(2)
    validator("Handover").validate(json.loads(encoded(page)))
    validator("Notice").validate(samples.notice(page["items"][0], kind))


def test_its_shapes_are_those_of_the_document() -> None:
    """Each example, and each example with one field missing, null or of another kind."""
    operation = DOCUMENT["paths"]["/v1/partners/{partner_id}/callbacks"]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    examples = {name: each["value"] for name, each in content["examples"].items()}
    assert DATA.keys() == examples.keys()
    documented = validator("Callback")
    for example in examples.values():
        for value in [example, *mutations(example)]:
            assert readable(callback, value) == documented.is_valid(value), value
    for path, name, read in (
        ("/v1/handovers", "HandoverAnswer", handover_answer),
        ("/v1/notices", "NoticeAnswer", notice_answer),
    ):
        answer = DOCUMENT["paths"][path]["post"]["responses"]["200"]["content"]
        for each in answer["application/json"]["examples"].values():
            for value in [each["value"], *mutations(each["value"])]:
                assert readable(read, value) == validator(name).is_valid(value), value


def mutations(value: Any) -> list[Any]:
    """Return the value with each of its fields missing or changed, one at a time."""
    changed: list[Any] = []
    if isinstance(value, dict):
        for name, inner in value.items():
            changed.append({key: other for key, other in value.items() if key != name})
            changed += [{**value, name: mutated} for mutated in mutations(inner)]
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            changed += [
                [*value[:number], mutated, *value[number + 1 :]] for mutated in mutations(inner)
            ]
    return [*changed, None, 7, "", "x" * 600, "12.345", {}]


def readable(read: Callable[[bytes], object], value: Any) -> bool:
    """Say whether the check takes a value."""
    try:
        read(json.dumps(value).encode())
    except UnreadableError:
        return False
    return True


def test_a_wrong_secret_is_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = "whsec_not base64 at all"
    with pytest.raises(SystemExit):
        arguments(["--secret", wrong, "--base-url", "http://127.0.0.1:1"])
    assert wrong not in capsys.readouterr().err
