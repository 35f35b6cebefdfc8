"""What goes wrong while handovers go out is tried again or shown, and slows no other (R50, R61)."""

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import Request, Response

from kit.clock import now
from partner_gateway.deliveries.delivery import Verdict, judge, pause_after, retry_after
from partner_gateway.exchange import MAX_ANSWER_BYTES
from tests.partner_gateway.listener import always, listening
from tests.partner_gateway.sending import ANSWERS, by_runs, change_settings, delivery_of, serve
from tests.partner_gateway.waiting import until
from tests.partner_gateway.world import Gateway, Simulator, handed_over


async def test_passing_trouble_is_tried_again_under_the_same_id(gateway: Gateway) -> None:
    statuses = iter([503, 500, 429, 408, 425, 302, 202])

    async def answer(_: Request) -> Response:
        return Response(status_code=next(statuses), headers={"Location": "http://127.0.0.1:9/"})

    async with listening(answer) as listener:
        partner = await gateway.set_up(listener.url)
        await gateway.receive(handed_over(partner, 1))
        for _ in range(7):
            await gateway.let_time_pass()
            await serve(gateway, partner)
    assert {headers["webhook-id"] for _, headers, _ in listener.requests} == {
        (await delivery_of(gateway, partner))["request_id"]
    }
    assert len({body for _, _, body in listener.requests}) == 1
    delivery = await delivery_of(gateway, partner)
    assert (delivery["status"], delivery["tries"]) == ("DONE", 7)


async def test_what_comes_back_wrong_counts_as_unknown(gateway: Gateway) -> None:
    async def drip(_: Request) -> Response:
        await asyncio.sleep(5)
        return Response()

    too_large = b" " * (MAX_ANSWER_BYTES + 1)
    wrong_result = json.dumps({"results": [{"case_id": "x", "status": "ACCEPTED"}]}).encode()
    for answer, error in (
        (drip, "time-out"),
        (always(200, too_large), "answer too large"),
        (always(200, b"", **{"Content-Encoding": "gzip"}), "answer in an encoding"),
        (always(200, b"<html>"), "answer unreadable: body: json_invalid"),
        (always(200, wrong_result), "answer unreadable: results.0.ACCEPTED.case_id: uuid_parsing"),
    ):
        async with listening(answer) as listener:
            partner = await gateway.set_up(listener.url)
            await gateway.receive(handed_over(partner, 1))
            await serve(gateway, partner)
        delivery = await delivery_of(gateway, partner)
        assert delivery["status"] == "OPEN", error
        assert delivery["last_error"].startswith(error)
        assert delivery["next_try_at"] is not None
    partner = await gateway.set_up("http://127.0.0.1:9")
    await gateway.receive(handed_over(partner, 1))
    await serve(gateway, partner)
    delivery = await delivery_of(gateway, partner)
    assert delivery["last_error"] == "connection: ConnectError"
    assert await gateway.published(*ANSWERS) == []


async def test_a_refusal_stops_the_delivery_and_says_why(gateway: Gateway) -> None:
    async with listening(always(403)) as listener:
        partner = await gateway.set_up(listener.url)
        await gateway.receive(handed_over(partner, 1))
        await serve(gateway, partner)
        await gateway.let_time_pass()
        await serve(gateway, partner)
    assert len(listener.requests) == 1
    delivery = await delivery_of(gateway, partner)
    assert (delivery["status"], delivery["last_error"]) == ("STOPPED", "HTTP 403")
    assert delivery["next_try_at"] is None


async def test_a_dead_partner_slows_no_other(gateway: Gateway, simulator: Simulator) -> None:
    async def hang(_: Request) -> Response:
        await asyncio.sleep(60)
        return Response()

    change_settings(gateway, partner_timeout_seconds=60)
    async with listening(hang) as dead:
        dead_partner = await gateway.set_up(dead.url)
        partner = await gateway.set_up(simulator.url)
        await simulator.connect(gateway, partner, answer="ACCEPT_NOW")
        await gateway.receive(handed_over(dead_partner, 1))
        async with gateway.working():
            await until(lambda: bool(dead.requests))
            await gateway.receive(handed_over(partner, 3))

            async def is_answered() -> bool:
                return len(await gateway.published(*ANSWERS)) == 3

            await until(is_answered)
            waiting = await delivery_of(gateway, dead_partner)
            assert (waiting["status"], waiting["last_error"]) == ("OPEN", None), "under way"


async def test_a_request_that_cannot_be_built_waits_visibly_and_holds_up_nobody(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(always(503)) as listener:
        partner = await gateway.set_up(listener.url)
        broken, *others = [case for _ in range(4) for case in handed_over(partner, 1)]
        await gateway.receive([broken, *others])
        change_settings(gateway, retry_delays_seconds=(3600.0,))
        await serve(gateway, partner)
        await gateway.execute(
            "UPDATE cases SET item = NULL WHERE case_id = :case_id", case_id=broken.case_id
        )
        listener.answer = always(202)
        await gateway.let_time_pass()
        await serve(gateway, partner)
    by_run = await by_runs(gateway, partner)
    assert [by_run[str(case.run_id)]["status"] for case in others] == ["DONE"] * 3
    shown = by_run[str(broken.run_id)]
    assert (shown["status"], shown["tries"]) == ("OPEN", 2)
    assert shown["last_error"] == "our failure: TypeError"
    assert datetime.fromisoformat(shown["next_try_at"]) > now() + timedelta(minutes=50)
    assert "delivery-failed-here" in caplog.text


async def test_an_outcome_that_cannot_be_stored_waits_visibly_and_holds_up_nobody(
    gateway: Gateway, simulator: Simulator
) -> None:
    partner = await gateway.set_up(simulator.url)
    await simulator.connect(gateway, partner, answer="ACCEPT_NOW")
    broken, *others = [case for _ in range(4) for case in handed_over(partner, 1)]
    await gateway.receive([broken, *others])
    await gateway.execute(
        """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION 'no room'; END $$
        """
    )
    await gateway.execute(
        f"""
        CREATE TRIGGER refuses BEFORE INSERT ON outbox FOR EACH ROW
        WHEN (position('{broken.run_id}' IN convert_from(new.payload, 'UTF8')) > 0)
        EXECUTE FUNCTION refuse()
        """
    )
    await serve(gateway, partner)
    by_run = await by_runs(gateway, partner)
    assert [by_run[str(case.run_id)]["status"] for case in others] == ["DONE"] * 3
    shown = by_run[str(broken.run_id)]
    assert (shown["status"], shown["last_error"]) == ("OPEN", "our failure: DBAPIError")
    await gateway.execute("DROP TRIGGER refuses ON outbox")
    await gateway.let_time_pass()
    await serve(gateway, partner)
    assert len(await gateway.published("report.accepted.v1")) == 4


def test_only_some_refusals_are_final() -> None:
    verdicts = {status: judge(status) for status in range(100, 600)}
    assert all(verdicts[status] is Verdict.ANSWERED for status in range(200, 300))
    assert all(verdicts[status] is Verdict.TRY_AGAIN for status in range(500, 600))
    assert [s for s in range(400, 500) if verdicts[s] is Verdict.TRY_AGAIN] == [408, 425, 429]
    assert all(verdicts[status] is Verdict.TRY_AGAIN for status in (100, 301, 302, 307))


def test_pauses_follow_the_schedule_with_a_little_chance() -> None:
    chance = random.Random(1)
    delays = (5.0, 300.0, 1800.0)
    for tries, seconds in ((1, 5), (2, 300), (3, 1800), (4, 1800), (900, 1800)):
        pause = pause_after(delays, tries, timedelta(), chance).total_seconds()
        assert seconds <= pause <= seconds * 1.1
    assert pause_after(delays, 1, timedelta(hours=1), chance) == timedelta(hours=1)
    assert pause_after(delays, 1, timedelta(days=30), chance) == timedelta(days=1)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("120", 120),
        ("9" * 400, 86_400),
        ("-5", 0),
        ("soon", 0),
        ("²", 0),
        ("Sun, 01 Mar 2026 12:01:00 GMT", 60),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("Tue, 01 Mar 2033 12:00:00 GMT", 86_400),
        ("Sun, 99 Mar 2026 11:00:00 GMT", 0),
        ("Sun, 01 Mar 99999999999999999999 12:00:00 GMT", 0),
        ("Sun, 01 Mar 2026 12:00:00 +99999999999999999999", 0),
    ],
)
def test_retry_after_is_read_in_both_forms(header: str | None, seconds: int) -> None:
    now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    assert retry_after(header, now) == timedelta(seconds=seconds)
