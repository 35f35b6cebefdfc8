"""The simulator is an agency that anyone building a connection can run (R54)."""

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from kit.clock import now
from kit.ids import new_id
from local_stack.ports import free_port
from partner_gateway.standard_webhooks import new_secret, sign
from partner_simulator.agency import Agency
from partner_simulator.behaviour import Behaviour
from partner_simulator.main import read_scenario
from partner_simulator.partner_api import Handover
from tests.partner_gateway.listener import always, listening
from tests.partner_gateway.test_partner_api import CONTRACTS
from tests.partner_gateway.waiting import until
from tests.partner_gateway.world import Partner, Simulator, handed_over, plain_http

SECRET = new_secret()
FAIL = {"step": "ANSWER", "status": 500}


def handover(count: int = 3) -> dict[str, Any]:
    """Return a request with so many cases."""
    cases = handed_over(Partner(new_id(), ""), count)
    return {
        "request_id": str(new_id()),
        "run": {
            "run_id": str(cases[0].run_id),
            "booking_number": "2026-000001",
            "collection_date": "2026-03-01",
        },
        "items": [case.model_dump(mode="json") for case in cases],
    }


async def send(
    simulator: Simulator, request: dict[str, Any], path: str = "/v1/handovers"
) -> httpx.Response:
    """Send it a signed request."""
    body = json.dumps(request).encode()
    headers = sign([SECRET], request["request_id"], now(), body)
    async with httpx.AsyncClient(base_url=simulator.url, trust_env=False) as http:
        return await http.post(path, content=body, headers=headers)


async def test_it_takes_nothing_that_is_not_signed_with_its_secret(simulator: Simulator) -> None:
    request = handover()
    assert (await send(simulator, request)).status_code == 401
    await simulator.call("POST", "/behaviour", {"secret": new_secret()})
    assert (await send(simulator, request)).status_code == 401
    await simulator.call("POST", "/behaviour", {"secret": SECRET})
    assert (await send(simulator, request)).status_code == 202
    assert (await simulator.state())["wrong_signatures"] == 2


async def test_it_acts_once_for_a_request_and_answers_the_same_again(
    simulator: Simulator,
) -> None:
    await simulator.call("POST", "/behaviour", {"secret": SECRET, "answer": "ACCEPT_NOW"})
    request = handover()
    first, again = await send(simulator, request), await send(simulator, request)
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert len(first.json()["results"]) == 3
    other = await send(simulator, {**handover(), "request_id": request["request_id"]})
    assert other.status_code == 422
    state = await simulator.state()
    assert (state["cases"], state["repeated_requests"]) == (3, 1)
    assert state["conflicting_requests"] == 1


async def test_it_goes_silent_and_away(simulator: Simulator) -> None:
    await simulator.call("POST", "/behaviour", {"secret": SECRET, "answer": "SILENT"})
    assert (await send(simulator, handover())).status_code == 202
    await simulator.call("POST", "/behaviour", {"answer": "UNAVAILABLE"})
    assert (await send(simulator, handover())).status_code == 503
    state = await simulator.state()
    assert state["cases"] == 3
    assert state["callbacks"]["waiting"] == 0


async def test_it_repeats_a_callback_unchanged_until_it_is_taken(simulator: Simulator) -> None:
    async with listening(always(503)) as gateway:
        await simulator.call(
            "POST",
            "/behaviour",
            {"secret": SECRET, "callback_url": gateway.url, "answer_twice": True},
        )
        request = handover(1)
        await send(simulator, request)
        await until(lambda: len(gateway.requests) >= 2)
        gateway.answer = always(202)

        async def is_delivered() -> bool:
            return bool((await simulator.state())["callbacks"]["delivered"] == 2)

        await until(is_delivered)
    assert len({body for _, _, body in gateway.requests}) == 1
    assert len({headers["webhook-id"] for _, headers, _ in gateway.requests}) == 1
    assert len(gateway.requests) >= 4


async def test_it_pays_and_reports_what_it_is_told_to(simulator: Simulator) -> None:
    async with listening(always(202)) as gateway:
        await simulator.call("POST", "/behaviour", {"secret": SECRET, "callback_url": gateway.url})
        request = handover(1)
        await send(simulator, request)
        case_id = request["items"][0]["case_id"]
        paid = await simulator.call(
            "POST",
            "/payments",
            {"case_id": case_id, "amount": "12.3", "own_fees": "1", "paid_on": "2026-03-05"},
        )
        await simulator.call(
            "POST", "/callbacks", {"type": "case.closed", "data": {"case_id": case_id}}
        )
        await until(lambda: len(gateway.requests) == 3)
    assert paid["data"]["amount"] == {"amount": "12.30", "currency": "EUR"}
    assert paid["data"]["own_fees"] == {"amount": "1.00", "currency": "EUR"}
    assert paid["data"]["partner_reference"] == f"{case_id}-1"
    assert {json.loads(body)["type"] for _, _, body in gateway.requests} == {
        "case.accepted",
        "payment.received",
        "case.closed",
    }


async def test_notices_stop_cases_that_it_holds(simulator: Simulator) -> None:
    await simulator.call("POST", "/behaviour", {"secret": SECRET, "answer": "SILENT"})
    request = handover(1)
    await send(simulator, request)
    for case_id, status in ((request["items"][0]["case_id"], 200), (str(new_id()), 404)):
        notice = {
            "request_id": str(new_id()),
            "notice_id": str(new_id()),
            "kind": "STOP",
            "case_id": case_id,
        }
        assert (await send(simulator, notice, "/v1/notices")).status_code == status
    assert [case["stopped"] for case in (await simulator.call("GET", "/cases"))["items"]] == [True]


def test_the_same_seed_decides_the_same() -> None:
    request = Handover.model_validate_json(json.dumps(handover(20)))

    def decided(seed: int) -> list[dict[str, Any]]:
        return [case.result() for case in Agency(Behaviour(reject_every=3), seed).take(request)]

    assert decided(1) == decided(1) != decided(2)
    assert [each["status"] for each in decided(1)].count("REJECTED") == 6


async def test_it_takes_note_of_what_it_does_not_know_and_of_claims_that_change(
    simulator: Simulator,
) -> None:
    await simulator.call("POST", "/behaviour", {"secret": SECRET, "answer": "ACCEPT_NOW"})
    request = handover(1)
    await send(simulator, request)
    item = request["items"][0]
    change = {
        "claim_id": item["claims"][0]["claim_id"],
        "snapshot_sequence": 2,
        "amount": {"amount": "50.00", "currency": "EUR"},
        "paid_directly": {"amount": "20.00", "currency": "EUR"},
        "cancelled": False,
        "paid": {"amount": "20.00", "currency": "EUR"},
        "open_before": {"amount": "50.00", "currency": "EUR"},
        "open": {"amount": "30.00", "currency": "EUR"},
        "case_open": {"amount": "30.00", "currency": "EUR"},
    }
    for kind, said in (("NEW_KIND", None), ("STUDIO_PAYMENT", change)):
        notice = {
            "request_id": str(new_id()),
            "notice_id": str(new_id()),
            "kind": kind,
            "case_id": item["case_id"],
            **({"claim_change": said} if said else {}),
        }
        answer = await send(simulator, notice, "/v1/notices")
        assert (answer.status_code, answer.json()) == (200, {"acknowledged": True})
    (shown,) = (await simulator.call("GET", "/cases"))["items"]
    assert [(each["kind"], each["claim_change"]) for each in shown["notices"]] == [
        ("NEW_KIND", None),
        ("STUDIO_PAYMENT", change),
    ]
    assert (shown["stopped"], shown["open"]["amount"], shown["total"]["amount"]) == (
        False,
        "30.00",
        "50.00",
    )
    del notice["claim_change"]
    refused = await send(simulator, {**notice, "request_id": str(new_id())}, "/v1/notices")
    assert refused.status_code == 400


async def test_it_runs_as_a_program_of_its_own() -> None:
    port = free_port()
    environment = {**os.environ, "SIMULATOR_REJECT_EVERY": "5", "SIMULATOR_ANSWER": "SILENT"}
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "partner_simulator", "--port", str(port), env=environment
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:

            async def answers() -> bool:
                try:
                    return (await http.get("/state")).is_success
                except httpx.ConnectError:
                    return False

            await until(answers)
            behaviour = (await http.post("/behaviour", json={"pay_percent": 10})).json()
    finally:
        program.terminate()
        await asyncio.wait_for(program.wait(), 60)
    assert behaviour["reject_every"] == 5
    assert behaviour["answer"] == "SILENT"
    assert behaviour["pay_percent"] == 10


def test_it_loads_nothing_of_ours() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, partner_simulator.main; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    ours = {"kit", "contracts", "partner_gateway"}
    assert not ours & {module.partition(".")[0] for module in loaded}


def test_the_documented_scenario_can_be_read() -> None:
    scenario = read_scenario(CONTRACTS / "partner-api" / "scenario.toml")
    assert len(Behaviour.model_validate(scenario).rules) == 5


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"of": "CASE", "steps": ["ANSWER"]}, "ANSWER is no step of a CASE"),
        ({"of": "NOTICE", "steps": ["PAY", "ANSWER"]}, "PAY is no step of a NOTICE"),
        ({"of": "HANDOVER", "steps": ["TAKE"]}, "must be ANSWER or HANG_UP"),
        ({"of": "CASE", "steps": [], "first_tries": 1}, "first_tries is for requests"),
        ({"of": "CASE", "steps": [{"step": "PAY", "percents": 3}]}, "Extra inputs"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Behaviour.model_validate({"rules": [rule]})


async def test_it_writes_down_each_try_and_how_often_it_acted(simulator: Simulator) -> None:
    failing = {"of": "HANDOVER", "first_tries": 1, "steps": ["TAKE", FAIL]}
    await simulator.call("POST", "/behaviour", {"secret": SECRET, "rules": [failing]})
    request = handover()
    assert [(await send(simulator, request)).status_code for _ in range(2)] == [500, 202]
    (written,) = (await simulator.call("GET", "/requests"))["items"]
    assert (written["kind"], written["request_id"]) == ("HANDOVER", request["request_id"])
    assert written["effects"] == 1
    assert [each["answered"] for each in written["tries"]] == ["500", "202"]


async def test_a_reset_forgets_all_but_who_it_speaks_to(simulator: Simulator) -> None:
    await simulator.call("POST", "/behaviour", {"secret": SECRET, "answer": "ACCEPT_NOW"})
    assert (await send(simulator, handover())).status_code == 200
    async with plain_http(simulator.url) as http:
        assert (await http.post("/reset")).status_code == 204
    assert (await simulator.state())["cases"] == 0
    assert (await simulator.call("GET", "/requests"))["items"] == []
    assert (await send(simulator, handover())).status_code == 202


async def test_a_script_is_played_in_order_for_the_cases_that_its_rule_is_about(
    simulator: Simulator,
) -> None:
    second = {"of": "CASE", "nth": [2], "steps": ["PAY", "ACCEPT", "REPEAT", "CLOSE", "PAY"]}
    async with listening(always(202)) as gateway:
        behaviour = {"secret": SECRET, "callback_url": gateway.url, "rules": [second]}
        await simulator.call("POST", "/behaviour", {**behaviour, "answer": "SILENT"})
        request = handover(3)
        await send(simulator, request)
        await until(lambda: len(gateway.requests) == 5)
    said = [json.loads(body) for _, _, body in gateway.requests]
    assert {each["data"]["case_id"] for each in said} == {request["items"][1]["case_id"]}
    assert [each["type"] for each in said] == [
        "payment.received",
        "case.accepted",
        "case.accepted",
        "case.closed",
        "payment.received",
    ]
    ids = [headers["webhook-id"] for _, headers, _ in gateway.requests]
    assert len(set(ids)) == 5
