"""The test vectors of the Partner API: we, the simulator and the adapter agree with them (R51)."""

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from partner_conformance.signatures import fault
from partner_gateway.adapters import standard
from partner_gateway.adapters.adapter import HandoverPage, Notice, Request, UnreadableError
from partner_gateway.callbacks.api import MAX_BODY_BYTES
from partner_gateway.deliveries.delivery import Verdict, judge, retry_after
from partner_gateway.notices.claim_change import ClaimChange
from partner_gateway.standard_webhooks import verify
from partner_simulator.app import create_app
from partner_simulator.behaviour import Behaviour
from partner_simulator.signatures import verify as simulator_verify
from tests.partner_gateway.test_partner_api import CONTRACTS, DOCUMENT, validator
from tests.partner_gateway.world import Gateway, plain_http

FOLDER = CONTRACTS / "partner-api"
SIGNATURES, REQUESTS, ANSWERS, CALLBACKS = (
    json.loads((FOLDER / "test-vectors" / f"{name}.json").read_text())
    for name in ("signatures", "requests", "answers", "callbacks")
)


def of(vectors: dict[str, Any]) -> pytest.MarkDecorator:
    """Run a test with each case of a file."""
    return pytest.mark.parametrize("case", vectors["cases"], ids=lambda case: case["name"])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Let the clock stand at the moment that the vectors are made for."""
    monkeypatch.setattr("time.time", lambda: float(SIGNATURES["clock"]))
    return datetime.fromtimestamp(SIGNATURES["clock"], UTC)


def test_they_are_what_the_script_writes() -> None:
    script = "import json, make_test_vectors as made; print(json.dumps(made.files()))"
    printed = subprocess.run(
        [sys.executable, "-c", script], cwd=FOLDER, check=True, capture_output=True, text=True
    ).stdout
    kept = {file.name: file.read_text() for file in (FOLDER / "test-vectors").iterdir()}
    assert json.loads(printed) == kept


@of(SIGNATURES)
def test_signatures_are_judged_alike(case: dict[str, Any], clock: datetime) -> None:
    body = case["body"].encode()
    assert verify(case["secrets"], case["headers"], body, clock) is case["valid"]
    for judge_one in (simulator_verify, lambda *given: fault(*given) is None):
        taken = any(judge_one(secret, case["headers"], body) for secret in case["secrets"])
        assert taken is case["valid"]


async def test_the_simulator_answers_requests_as_they_say(clock: datetime) -> None:
    app = create_app(Behaviour(secret=REQUESTS["secrets"][0]))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://agency.example"
    ) as http:
        for case in REQUESTS["cases"]:
            body = case["body"].encode()
            answer = await http.post(case["path"], content=body, headers=case["headers"])
            assert answer.status_code in case["status"], case["name"]


@pytest.mark.parametrize("path", ["/v1/handovers", "/v1/notices"])
def test_the_adapter_makes_the_requests_that_they_hold(path: str) -> None:
    for case in REQUESTS["cases"]:
        said = json.loads(case["body"]) if case["path"] == path else {}
        if not said or case["status"][0] >= 400 or "new" in said:
            continue
        validator("Handover" if "items" in said else "Notice").validate(said)
        assert json.loads(_made(said).body) == said
        assert _made(said).path == path


def _made(said: dict[str, Any]) -> Request:
    request_id = UUID(said["request_id"])
    if "items" in said:
        run, items = said["run"], [json.dumps(item).encode() for item in said["items"]]
        day = date.fromisoformat(run["collection_date"])
        page = HandoverPage(UUID(run["run_id"]), run["booking_number"], day, items)
        return standard.handover_request(request_id, page)
    change = said.get("claim_change")
    notice = Notice(
        UUID(said["notice_id"]),
        said["kind"],
        UUID(said["case_id"]),
        change and ClaimChange.model_validate_json(json.dumps({"paid": None, **change})),
    )
    return standard.notice_request(request_id, notice)


@of(ANSWERS)
def test_answers_mean_what_they_say(case: dict[str, Any]) -> None:
    verdict, body = judge(case["status"]), case["body"].encode()
    if verdict is not Verdict.ANSWERED:
        assert verdict == case["means"]
        head = case.get("headers", {}).get("Retry-After")
        pause = retry_after(head, datetime.fromtimestamp(ANSWERS["clock"], UTC))
        assert pause == timedelta(seconds=case.get("at_least_seconds", 0))
        return
    try:
        if case["to"] == "/v1/notices":
            means = Verdict.ANSWERED if standard.notice_acknowledged(body) else Verdict.TRY_AGAIN
            assert means == case["means"]
            return
        results = standard.handover_answer(body)
    except UnreadableError:
        assert case["means"] == Verdict.TRY_AGAIN
        return
    assert case["means"] == Verdict.ANSWERED
    assert [
        {
            key: value
            for key, value in statement.model_dump(mode="json").items()
            if value is not None
        }
        for statement in results
    ] == [{key: said[key] for key in said if key != "status"} for said in case["results"]]


@of(CALLBACKS)
def test_callbacks_are_judged_as_they_say(case: dict[str, Any], clock: datetime) -> None:
    body = case["body"].encode()
    taken = verify(CALLBACKS["secrets"], case["headers"], body, clock)
    assert taken is (case["status"] != 401)
    if case["status"] != 202:
        return
    try:
        says = standard.statement(body)
    except UnreadableError:
        assert case["answer"] == "PARKED"
        return
    assert case["answer"] == "RECEIVED"
    assert type(says) is standard.STATEMENTS[case["says"]]
    assert json.loads(body)["type"] == case["says"]


def test_the_answers_to_callbacks_are_documented() -> None:
    responses = DOCUMENT["paths"]["/v1/partners/{partner_id}/callbacks"]["post"]["responses"]
    assert {str(case["status"]) for case in CALLBACKS["cases"]} <= responses.keys()
    for response in responses.values():
        for content in response.get("content", {}).values():
            name = content["schema"]["$ref"].rpartition("/")[2]
            for example in content["examples"].values():
                validator(name).validate(example["value"])


async def test_the_gateway_answers_callbacks_as_they_say(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = datetime.fromtimestamp(CALLBACKS["clock"], UTC)
    monkeypatch.setattr("partner_gateway.callbacks.api.now", lambda: moment)
    partner = await gateway.set_up("http://127.0.0.1:1")
    sealed = gateway.context.settings.seal.close(CALLBACKS["secrets"][0])
    await gateway.execute("UPDATE secrets SET sealed_secret = :sealed", sealed=sealed)
    path = f"/v1/partners/{partner.partner_id}/callbacks"
    async with plain_http(gateway.url) as http:
        for case in CALLBACKS["cases"]:
            body = case["body"].encode()
            answer = await http.post(path, content=body, headers=case["headers"])
            assert answer.status_code == case["status"], case["name"]
            name = "CallbackAnswer" if answer.is_success else "Problem"
            validator(name).validate(answer.json())
            if answer.is_success:
                assert answer.json()["status"] == case["answer"], case["name"]
    large = await gateway.call_back(partner, b" " * (MAX_BODY_BYTES + 1))
    assert large.status_code == 413
    validator("Problem").validate(large.json())
