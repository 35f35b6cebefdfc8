"""Handovers go out to partners with an API, each case once, whatever breaks (R50, R52, R61)."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from fastapi import Request, Response
from sqlalchemy import text

from contracts import ReportAcceptedV1, ReportRejectedV1
from kit.clock import now
from kit.ids import new_id
from partner_gateway.deliveries import deliver, store
from partner_gateway.exchange import client
from partner_gateway.standard_webhooks import verify
from tests.partner_gateway.listener import always, listening
from tests.partner_gateway.sending import ANSWERS, change_settings, delivery_of, serve
from tests.partner_gateway.telling import by_hand
from tests.partner_gateway.waiting import until
from tests.partner_gateway.world import Gateway, Simulator, handed_over, is_waiting, killed


async def test_a_run_goes_out_in_pages_and_every_answer_comes_back_once(
    gateway: Gateway, simulator: Simulator
) -> None:
    partner = await gateway.set_up(simulator.url)
    await simulator.connect(gateway, partner, answer="ACCEPT_NOW", reject_every=4)
    run = handed_over(partner, 450)
    await gateway.receive(run)
    await serve(gateway, partner)
    state = await simulator.state()
    assert (state["requests"], state["cases"]) == (3, 450)
    reports = await gateway.published(*ANSWERS)
    accepted = [each for each in reports if isinstance(each, ReportAcceptedV1)]
    rejected = [each for each in reports if isinstance(each, ReportRejectedV1)]
    assert (len(accepted), len(rejected)) == (338, 112)
    assert {each.case_id: each.member_id for each in accepted + rejected} == {
        case.case_id: case.member_id for case in run
    }
    assert all(each.file_number for each in accepted)
    path = f"/v1/partners/{partner.partner_id}/deliveries"
    shown = (await gateway.call("GET", path)).json()["items"]
    assert sorted(each["cases"] for each in shown) == [50, 200, 200]
    assert {each["status"] for each in shown} == {"DONE"}
    assert await gateway.rows("SELECT 1 FROM cases WHERE item IS NOT NULL") == []


async def test_answers_may_come_by_callback_and_twice(
    gateway: Gateway, simulator: Simulator
) -> None:
    """R54."""
    partner = await gateway.set_up(simulator.url)
    await simulator.connect(gateway, partner, reject_every=3, pay_percent=50, answer_twice=True)
    run = handed_over(partner, 6)
    await gateway.receive(run)

    async def all_is_told() -> bool:
        state = await simulator.state()
        return bool(state["callbacks"]["delivered"] == 20 and not state["callbacks"]["waiting"])

    async def all_is_translated() -> bool:
        return not await gateway.rows("SELECT 1 FROM callbacks WHERE status = 'RECEIVED'")

    async with gateway.working():
        await until(all_is_told)
        await until(all_is_translated)
    assert len(await gateway.published("report.accepted.v1")) == 4
    assert len(await gateway.published("report.rejected.v1")) == 2
    payments = await gateway.published("report.payment-received.v1")
    assert [each.model_dump(mode="json")["amount"]["amount"] for each in payments] == ["25.00"] * 4


async def test_a_request_is_signed_and_holds_the_handover(gateway: Gateway) -> None:
    async with listening(always(202)) as listener:
        partner = await gateway.set_up(f"{listener.url}/agency/", api_token="token-1")
        (case,) = handed_over(partner, 1)
        await gateway.receive([case])
        await serve(gateway, partner)
    ((path, headers, body),) = listener.requests
    assert path == "agency/v1/handovers"
    assert headers["authorization"] == "Bearer token-1"
    assert verify([partner.secret], headers, body, datetime.now(UTC))
    request = json.loads(body)
    assert request["request_id"] == headers["webhook-id"]
    assert request["run"] == {
        "run_id": str(case.run_id),
        "booking_number": "2026-000001",
        "collection_date": "2026-03-01",
    }
    assert request["items"] == [case.model_dump(mode="json")]
    delivery = await delivery_of(gateway, partner)
    assert (delivery["status"], delivery["tries"]) == ("DONE", 1)
    assert await gateway.published(*ANSWERS) == []


@pytest.mark.parametrize("fault", ["before the request", "after the answer", "while storing"])
async def test_a_kill_at_any_step_doubles_nothing(
    gateway: Gateway, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """The request is sent again under its id; the partner knows it, and answers the same."""
    partner = await gateway.set_up(simulator.url)
    await simulator.connect(gateway, partner, answer="ACCEPT_NOW", reject_every=2)
    run = handed_over(partner, 4)
    await gateway.receive(run)

    with monkeypatch.context() as patched:
        target = {
            "before the request": "partner_gateway.deliveries.deliver.exchange",
            "after the answer": "partner_gateway.deliveries.deliver.record_outcome",
            "while storing": "kit.outbox.publish",
        }[fault]
        patched.setattr(target, killed)
        with pytest.raises(BaseExceptionGroup):
            await serve(gateway, partner)
    assert await gateway.published(*ANSWERS) == []
    assert (await delivery_of(gateway, partner))["status"] == "OPEN"
    await serve(gateway, partner)
    assert await gateway.published(*ANSWERS) == [], "nobody else tries while the first may live"
    await gateway.let_time_pass()
    await serve(gateway, partner)
    state = await simulator.state()
    assert state["cases"] == 4
    assert state["requests"] == 1
    assert state["repeated_requests"] == (0 if fault == "before the request" else 1)
    assert state["conflicting_requests"] == 0
    reports = await gateway.published(*ANSWERS)
    assert sorted(str(each.model_dump()["case_id"]) for each in reports) == sorted(
        str(case.case_id) for case in run
    )
    assert (await delivery_of(gateway, partner))["tries"] == 2


async def test_a_late_answer_and_a_second_one_are_reported_once(
    gateway: Gateway, simulator: Simulator
) -> None:
    """Two instances send the same request because the first was slow: one of them reports."""
    partner = await gateway.set_up(simulator.url)
    await simulator.connect(gateway, partner, answer="ACCEPT_NOW")
    await gateway.receive(handed_over(partner, 2))
    recipient = store.Recipient(partner.tenant_id, partner.partner_id)
    slow = await deliver._begin_turn(gateway.context, recipient)
    assert slow is not None
    await gateway.let_time_pass()
    await serve(gateway, partner)
    async with client(gateway.context.settings.trusted_partner_hosts) as http:
        sender = deliver.Sender(gateway.context, http, slow.route)
        await sender.deliver(slow.deliveries[0])
    assert len(await gateway.published(*ANSWERS)) == 2
    assert (await simulator.state())["repeated_requests"] == 1


async def test_a_partner_answers_only_for_the_cases_it_was_asked_about(gateway: Gateway) -> None:
    other = await gateway.set_up("http://127.0.0.1:9")
    (foreign,) = handed_over(other, 1)
    result = {"case_id": str(foreign.case_id), "status": "ACCEPTED"}
    async with listening(always(200, json.dumps({"results": [result]}).encode())) as listener:
        partner = await gateway.set_up(listener.url)
        await gateway.receive([foreign, *handed_over(partner, 1)])
        await serve(gateway, partner)
    assert (await delivery_of(gateway, partner))["status"] == "DONE"
    assert await gateway.published(*ANSWERS) == []


async def test_what_is_for_a_partner_by_hand_is_not_sent(gateway: Gateway) -> None:
    partner = await by_hand(gateway)
    await gateway.receive(handed_over(partner, 2))
    # Their numbers are known: texts and report files name them. What they hold is not kept.
    kept = await gateway.rows("SELECT booking_number, item FROM cases ORDER BY booking_number")
    assert kept == [(1, None), (2, None)]
    async with gateway.database.connect() as connection:
        assert await store.recipients(connection, now()) == []
    assert await gateway.rows("SELECT 1 FROM outbox WHERE type = 'dead-letter'") == []


async def test_a_handover_to_an_unknown_partner_is_a_dead_letter(gateway: Gateway) -> None:
    """R63: neither is the partner of another tenant known."""
    stranger = await gateway.set_up("http://127.0.0.1:9", tenant=new_id())
    await gateway.receive(handed_over(stranger, 1))
    assert await gateway.rows("SELECT 1 FROM cases") == []
    assert len(await gateway.rows("SELECT 1 FROM outbox WHERE type = 'dead-letter'")) == 1


async def test_whoever_stops_while_it_looks_for_work_stops_what_is_under_way(
    gateway: Gateway,
) -> None:
    under_way = asyncio.Event()

    async def never(_: Request) -> Response:
        under_way.set()
        await asyncio.sleep(60)
        return Response()

    change_settings(gateway, partner_timeout_seconds=60)
    async with listening(never) as listener:
        partner = await gateway.set_up(listener.url)
        await gateway.receive(handed_over(partner, 1))
        deliverer = deliver.Deliverer()
        while not under_way.is_set():
            assert await deliverer.work(gateway.context)
        (serving,) = deliverer._serving.values()
        async with gateway.database.begin() as connection:
            await connection.execute(text("LOCK TABLE partners"))
            working = asyncio.create_task(deliverer.work(gateway.context))
            await until(lambda: is_waiting(gateway))
            working.cancel()
            with pytest.raises(asyncio.CancelledError):
                await working
        assert serving.cancelled()
