"""Requests go out again as they were: by schedule, when staff want it, after a pause (R50, R52)."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import Request, Response

from tests.partner_gateway.claims import studio_payment
from tests.partner_gateway.listener import Listener, always, listening, never
from tests.partner_gateway.sending import change_settings, deliveries, delivery_of, held_by, serve
from tests.partner_gateway.waiting import until
from tests.partner_gateway.world import Gateway, Partner, Simulator, cancelled, closed, handed_over


async def retry(gateway: Gateway, partner: Partner, request_id: str) -> Any:
    """Try a request again now."""
    path = f"/v1/partners/{partner.partner_id}/deliveries/{request_id}/retry"
    return await gateway.call("POST", path)


def ids(listener: Listener) -> list[str]:
    """Return the ids of the requests that a partner got, in order."""
    return [headers["webhook-id"] for _, headers, _ in listener.requests]


# Trying again now


async def test_an_open_request_is_tried_at_once_though_the_partner_asked_for_a_pause(
    gateway: Gateway,
) -> None:
    async with listening(always(503, b"", **{"Retry-After": "7200"})) as listener:
        partner = await gateway.set_up(listener.url)
        await gateway.receive(handed_over(partner, 1))
        await serve(gateway, partner)
        await serve(gateway, partner)
        assert len(listener.requests) == 1
        listener.answer = always(202)
        shown = (await retry(gateway, partner, ids(listener)[0])).json()
        assert (shown["status"], shown["retried_by"]) == ("OPEN", "staff-1")
        assert datetime.fromisoformat(shown["next_try_at"]) <= datetime.now(UTC)
        await serve(gateway, partner)
    delivery = await delivery_of(gateway, partner)
    assert (delivery["status"], delivery["tries"]) == ("DONE", 2)
    assert (await retry(gateway, partner, delivery["request_id"])).json()["type"] == (
        "urn:collection:problem:delivery-is-done"
    )


async def test_what_staff_want_becomes_the_probe_of_an_open_circuit(gateway: Gateway) -> None:
    async with listening(always(503)) as listener:
        partner = await gateway.set_up(listener.url)
        for _ in range(6):
            await gateway.receive(handed_over(partner, 1))
        await serve(gateway, partner)
        await gateway.execute("UPDATE deliveries SET next_try_at = now() - interval '1 hour'")
        last = (await deliveries(gateway, partner))[0]["request_id"]
        tried = len(listener.requests)
        await retry(gateway, partner, last)
        await serve(gateway, partner)
    assert ids(listener)[tried:] == [last]


async def test_a_request_that_is_under_way_does_not_go_out_twice(gateway: Gateway) -> None:
    answers = asyncio.Event()

    async def slow(_: Request) -> Response:
        await answers.wait()
        return Response(status_code=202)

    async with listening(slow) as listener:
        partner = await gateway.set_up(listener.url)
        await gateway.receive(handed_over(partner, 1))
        serving = asyncio.create_task(serve(gateway, partner))
        await until(lambda: bool(listener.requests))
        assert (await retry(gateway, partner, ids(listener)[0])).status_code == 200
        await serve(gateway, partner)
        answers.set()
        await serving
    assert len(listener.requests) == 1
    assert (await delivery_of(gateway, partner))["status"] == "DONE"


async def test_a_stopped_handover_goes_out_again_as_it_was(gateway: Gateway) -> None:
    async with listening(always(401)) as listener:
        partner = await gateway.set_up(listener.url)
        await gateway.receive(handed_over(partner, 3))
        await serve(gateway, partner)
        stopped = await delivery_of(gateway, partner)
        assert (stopped["status"], stopped["last_error"]) == ("STOPPED", "HTTP 401")
        listener.answer = always(202)
        shown = (await retry(gateway, partner, stopped["request_id"])).json()
        assert (shown["request_id"], shown["status"]) == (stopped["request_id"], "OPEN")
        assert shown["finished_at"] is None
        await serve(gateway, partner)
    (_, first, first_body), (_, second, second_body) = listener.requests
    assert (first["webhook-id"], first_body) == (second["webhook-id"], second_body)
    assert (await delivery_of(gateway, partner))["status"] == "DONE"
    assert await gateway.rows("SELECT 1 FROM cases WHERE item IS NOT NULL") == []


@pytest.mark.parametrize("ends_first", [True, False])
async def test_of_a_stopped_handover_what_has_ended_is_forgotten_and_the_rest_goes_out(
    gateway: Gateway, ends_first: bool
) -> None:
    """Another body needs another id."""
    async with listening(always(503 if ends_first else 400)) as listener:
        partner = await gateway.set_up(listener.url)
        ended, *others = handed_over(partner, 3)
        await gateway.receive([ended, *others])
        await serve(gateway, partner)
        await gateway.receive([closed(ended, "COMPLETED")])
        if ends_first:  # the page is to be sent again as it is, until it is refused
            assert len(await gateway.rows("SELECT 1 FROM cases WHERE item IS NOT NULL")) == 3
            listener.answer = always(400)
            await gateway.let_time_pass()
            await serve(gateway, partner)
        kept = await gateway.rows("SELECT case_id FROM cases WHERE item IS NOT NULL")
        assert {row.case_id for row in kept} == {case.case_id for case in others}
        stopped = ids(listener)[0]
        listener.answer = always(202)
        shown = (await retry(gateway, partner, stopped)).json()
        assert shown["request_id"] != stopped
        assert (shown["cases"], shown["tries"]) == (2, 0)
        await serve(gateway, partner)
    assert ids(listener)[-1] == shown["request_id"]
    sent = [item["case_id"] for item in listener.bodies()[-1]["items"]]
    assert sent == [str(case.case_id) for case in others]
    by_status = {each["status"]: each for each in await deliveries(gateway, partner)}
    assert by_status["DONE"]["request_id"] == shown["request_id"]
    assert by_status["STOPPED"]["request_id"] == stopped
    assert (await retry(gateway, partner, stopped)).json()["type"] == (
        "urn:collection:problem:nothing-to-send"
    )


async def test_a_stopped_notice_is_sent_again_unless_staff_told_the_partner(
    gateway: Gateway, simulator: Simulator
) -> None:
    partner, cases = await held_by(gateway, simulator, 2)
    await gateway.execute("UPDATE partners SET base_url = base_url || '/wrong'")
    await gateway.receive([cancelled(case) for case in cases])
    await serve(gateway, partner)
    failed = (await gateway.call("GET", "/v1/notices?status=FAILED")).json()["items"]
    first, second = await deliveries(gateway, partner, "?status=STOPPED")
    await gateway.execute("UPDATE partners SET base_url = replace(base_url, '/wrong', '')")
    assert (await retry(gateway, partner, first["request_id"])).status_code == 200
    (sent,) = (await gateway.call("GET", "/v1/notices?status=SENT")).json()["items"]
    (left,) = [each for each in failed if each["notice_id"] != sent["notice_id"]]
    done = await gateway.call("POST", f"/v1/notices/{left['notice_id']}/done", {})
    assert done.status_code == 200, done.text
    refused = await retry(gateway, partner, second["request_id"])
    assert refused.json()["type"] == "urn:collection:problem:nothing-to-send"
    await serve(gateway, partner)
    told = (await gateway.call("GET", "/v1/notices?status=ACKNOWLEDGED")).json()["items"]
    assert sorted(each["acknowledged_by"] for each in told) == ["PARTNER", "STAFF"]
    assert (await simulator.state())["notices"] == 1


# The same request


async def test_an_unknown_request_is_repeated_as_it_was_whatever_happened_meanwhile(
    gateway: Gateway,
) -> None:
    """Its cases ended, a claim changed, the process is another one, the partner's name, too."""
    change_settings(gateway, partner_timeout_seconds=0.5)
    async with listening(never) as listener:
        partner = await gateway.set_up(listener.url)
        run = handed_over(partner, 3)
        await gateway.receive(run)
        await serve(gateway, partner)
        assert (await delivery_of(gateway, partner))["last_error"] == "time-out"
        await gateway.receive([studio_payment(run[0]), closed(run[0]), closed(run[1], "COMPLETED")])
        await gateway.receive(run)  # once more, though under other ids
        path = f"/v1/partners/{partner.partner_id}"
        assert (await gateway.call("PATCH", path, {"name": "Neuer Name"})).is_success
        await gateway.context.database.close()  # the pool of the process that died
        listener.answer = always(202)
        change_settings(gateway, partner_timeout_seconds=10)
        await gateway.let_time_pass()
        await serve(gateway, partner)
    (_, first, first_body), (_, second, second_body), *_ = listener.requests
    assert (first["webhook-id"], first_body) == (second["webhook-id"], second_body)
    by_kind = {each["kind"]: each["status"] for each in await deliveries(gateway, partner)}
    assert by_kind["HANDOVER"] == "DONE"


async def test_the_first_pauses_are_those_of_the_schedule(gateway: Gateway) -> None:
    default = type(gateway.context.settings).model_fields["retry_delays_seconds"].default
    assert default == (5, 300, 1800, 7200, 18_000, 36_000)
    change_settings(gateway, retry_delays_seconds=default)
    async with listening(always(500)) as listener:
        partner = await gateway.set_up(listener.url)
        await gateway.receive(handed_over(partner, 1))
        for tries, seconds in enumerate([*default, 36_000, 36_000], start=1):
            await serve(gateway, partner)
            await serve(gateway, partner)
            assert len(listener.requests) == tries
            shown = await delivery_of(gateway, partner)
            pause = datetime.fromisoformat(shown["next_try_at"]) - datetime.now(UTC)
            assert timedelta(seconds=seconds - 3) < pause < timedelta(seconds=seconds * 1.1)
            await gateway.let_time_pass()


# Paused partners


async def test_a_paused_partner_is_sent_nothing_until_it_is_resumed(gateway: Gateway) -> None:
    async with listening(always(202)) as listener:
        partner = await gateway.set_up(listener.url)
        path = f"/v1/partners/{partner.partner_id}"
        (sent,) = handed_over(partner, 1)
        await gateway.receive([sent])
        await serve(gateway, partner)
        assert (await gateway.call("PATCH", path, {"status": "PAUSED"})).is_success
        (waiting,) = handed_over(partner, 1)
        await gateway.receive([waiting, studio_payment(sent)])
        async with gateway.working():

            async def is_noted() -> bool:
                return bool((await gateway.call("GET", "/v1/notices")).json()["items"])

            await until(is_noted)  # what is to be told stands there, with the day it is due by
            assert len(listener.requests) == 1
            assert (await gateway.call("GET", f"{path}/deliveries/summary")).json()[
                "waiting_cases"
            ] == 1
            assert (await gateway.call("PATCH", path, {"status": "ACTIVE"})).is_success
            await until(lambda: len(listener.requests) == 3)
