"""Partners are asked when it is time, whatever goes wrong, and staff see how it goes (R50, R61)."""

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from kit.context import Context
from kit.ids import new_id
from kit.metrics import registry
from partner_gateway.exchange import MAX_ANSWER_BYTES
from partner_gateway.polls import ask_partners
from partner_gateway.polls.ask_partners import Asker
from partner_gateway.polls.measure_polls import measure_polls
from tests.partner_gateway.asking import (
    NOTHING,
    Agency,
    answering,
    ask,
    books,
    claim,
    hold,
    poll_of,
)
from tests.partner_gateway.waiting import LIMIT_SECONDS
from tests.partner_gateway.world import Gateway, bearer


async def test_what_cannot_be_read_is_shown_and_nothing_is_skipped(gateway: Gateway) -> None:
    more = b'{"items": ["x"], "next": "1", "more": true}'
    last = b'{"items": ["y"], "next": "1", "more": false}'
    async with answering(b"<html>", more, more, last) as url:
        partner = await gateway.set_up(url, api="BALANCES")
        for expected in (
            (1, "answer unreadable: body: json_invalid"),
            (0, None),
            (1, "answer unreadable: more is said to follow, under the same cursor"),
            (0, None),
        ):
            await ask_partners.ask(gateway.context, await claim(gateway))
            shown = await poll_of(gateway, partner)
            assert (shown["failures"], shown["last_error"]) == expected
    assert len(await gateway.rows("SELECT 1 FROM callbacks")) == 2


@pytest.mark.parametrize(
    ("status", "length", "error"),
    [
        (301, 0, "HTTP 301"),
        (404, 0, "HTTP 404"),
        (429, 0, "HTTP 429"),
        (200, MAX_ANSWER_BYTES + 1, "answer too large"),
    ],
)
async def test_whatever_goes_wrong_is_tried_again_and_not_before_the_partner_wants_it(
    gateway: Gateway, status: int, length: int, error: str
) -> None:
    async with answering(b" " * length, status=status, retry_after="600") as url:
        partner = await gateway.set_up(url, api="BALANCES")
        assert await Asker().work(gateway.context)
    shown = await poll_of(gateway, partner)
    assert shown["last_error"] == error
    asked, again = (
        datetime.fromisoformat(shown[f"{name}_at"]) for name in ("last_asked", "next_ask")
    )
    assert (again - asked > timedelta(seconds=599)) is (length == 0)


async def test_staff_see_how_a_partner_is_asked_and_let_it_be_asked_now(
    gateway: Gateway, agency: Agency
) -> None:
    await agency.behave(unavailable=True)
    partner = await gateway.set_up(agency.url, api="BALANCES")
    path = f"/v1/partners/{partner.partner_id}/poll"
    assert (await poll_of(gateway, partner))["last_asked_at"] is None
    assert await Asker().work(gateway.context)
    shown = await poll_of(gateway, partner)
    assert (shown["failures"], shown["last_error"]) == (1, "HTTP 503")
    await measure_polls(gateway.context)
    assert registry.get_sample_value("polls_failing") == 1
    await agency.behave()
    await gateway.execute("UPDATE polls SET next_ask_at = now() + interval '1 hour'")
    assert not await Asker().work(gateway.context), "its time comes in an hour"
    asked = await gateway.call("POST", path)
    assert (asked.status_code, asked.json()["failures"]) == (202, 1)
    assert gateway.context.bell(ask_partners.WORKER).is_set()
    asker = Asker()
    while await asker.work(gateway.context):
        pass
    shown = await poll_of(gateway, partner)
    assert (shown["failures"], shown["last_error"]) == (0, None)
    await measure_polls(gateway.context)
    assert registry.get_sample_value("polls_failing") == 0


async def test_a_paused_partner_and_one_without_a_secret_are_not_asked(
    gateway: Gateway, agency: Agency
) -> None:
    """What a partner says while it is paused is asked for afterwards."""
    partner, (case,) = await hold(gateway, agency, 1)
    body = {
        "name": "Ohne Geheimnis",
        "channel": "API",
        "api": "BALANCES",
        "base_url": agency.url,
    }
    assert (await gateway.call("POST", "/v1/partners", body)).status_code == 201
    path = f"/v1/partners/{partner.partner_id}"
    assert (await gateway.call("PATCH", path, {"status": "PAUSED"})).status_code == 200
    await agency.change(case, paid_cents=1000)
    await ask(gateway)
    assert "polls" not in await agency.call("GET", "/state")
    assert (await gateway.call("PATCH", path, {"status": "ACTIVE"})).status_code == 200
    await ask(gateway)
    assert (await agency.call("GET", "/state"))["polls"] == 1
    assert await books(gateway) == {case.case_id: (Decimal("10.00"), NOTHING)}


async def test_only_partners_of_ones_own_that_are_asked_have_a_poll(
    gateway: Gateway, agency: Agency
) -> None:
    """R63."""
    polled = await gateway.set_up(agency.url, api="BALANCES")
    calling_back = await gateway.set_up(agency.url)
    for method in ("GET", "POST"):
        path = f"/v1/partners/{polled.partner_id}/poll"
        assert (await gateway.call(method, path, **bearer(new_id()))).status_code == 404
        refused = await gateway.call(method, f"/v1/partners/{calling_back.partner_id}/poll")
        assert refused.status_code == 409
        assert refused.json()["type"] == "urn:collection:problem:partner-not-polled"


async def test_a_dead_partner_holds_up_nobody(gateway: Gateway, agency: Agency) -> None:
    settings = gateway.context.settings.model_copy(update={"partner_timeout_seconds": 60})
    context = Context(settings, gateway.database)
    async with answering(b"{}", seconds=LIMIT_SECONDS) as url:
        await gateway.set_up(url, api="BALANCES")
        _, (case,) = await hold(gateway, agency, 1)
        await agency.change(case, paid_cents=1000)
        asker = Asker()
        while not await gateway.rows("SELECT 1 FROM callbacks"):
            assert await asker.work(context)
        rows = await gateway.rows("SELECT last_answered_at FROM polls ORDER BY partner_id")
        assert [row.last_answered_at is None for row in rows] == [True, False]
        working = asyncio.create_task(asker.work(context))
        await asyncio.sleep(0)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
