"""Callbacks are taken in groups of one commit, and each is answered for itself (R51)."""

import asyncio
import json
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from kit.clock import now
from kit.ids import new_id
from partner_gateway.callbacks import intake
from partner_gateway.callbacks.intake import callbacks_total
from partner_gateway.callbacks.receive_callbacks import Arrival, receive_callbacks
from partner_gateway.callbacks.store import forget_bodies
from partner_gateway.standard_webhooks import sign
from tests.partner_gateway.saying import NOWHERE, hold, said, translate
from tests.partner_gateway.serving import serving
from tests.partner_gateway.waiting import until
from tests.partner_gateway.world import Gateway, Partner, plain_http

UNKNOWN_CASE = said("case.accepted", case_id=str(new_id()))


def arrival(
    partner: Partner, body: bytes, webhook_id: str = "", signed: bytes | None = None
) -> Arrival:
    """Return a callback as it comes in."""
    received_at = now()
    webhook_id = webhook_id or str(new_id())
    headers = sign([partner.secret], webhook_id, received_at, body if signed is None else signed)
    return Arrival(partner.partner_id, headers, body, received_at, "correlation-1", None)


async def post(
    gateway: Gateway, partner: Partner, body: bytes, headers: Mapping[str, str]
) -> tuple[int, Any]:
    """Send a callback with these headers and no others; return status and answer."""
    async with plain_http(gateway.url) as http:
        path = f"/v1/partners/{partner.partner_id}/callbacks"
        answer = await http.post(path, content=body, headers=headers)
    return answer.status_code, answer.json()


async def test_callbacks_that_come_together_share_a_commit(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    taking = gateway.context.one(intake.Intake)
    receipts = await asyncio.gather(
        *[taking.take(arrival(partner, UNKNOWN_CASE)) for _ in range(2 * intake.GROUP)]
    )
    assert {receipt.status for receipt in receipts} == {"RECEIVED"}
    rows = await gateway.rows("SELECT count(*) FROM callbacks GROUP BY xmin")
    assert [row.count for row in rows] == [intake.GROUP, intake.GROUP]


async def test_each_of_a_group_gets_its_own_answer(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    unsealed = await gateway.set_up(NOWHERE)
    await gateway.execute(
        "UPDATE secrets SET sealed_secret = 'x' WHERE partner_id = :id", id=unsealed.partner_id
    )
    group = [
        arrival(partner, UNKNOWN_CASE, "msg_1"),
        arrival(partner, UNKNOWN_CASE, "msg_1"),
        arrival(partner, b"{}", "msg_1"),
        arrival(partner, b"{}", "msg_2"),
        arrival(partner, b"{}", "msg_2"),
        arrival(partner, UNKNOWN_CASE, signed=b"other"),
        arrival(Partner(new_id(), partner.secret), UNKNOWN_CASE),
        arrival(unsealed, UNKNOWN_CASE),
        arrival(partner, UNKNOWN_CASE, "msg_3"),
    ]
    async with gateway.database.begin() as connection:
        outcomes = await receive_callbacks(connection, group, gateway.context.settings.seal)
    assert [outcome.kind for outcome in outcomes] == [
        "received",
        "repeated",
        "conflict",
        "parked",
        "repeated",
        "refused",
        "refused",
        "failed",
        "received",
    ]
    rows = await gateway.rows("SELECT webhook_id, status FROM callbacks ORDER BY callback_id")
    assert [(row.webhook_id.split(" ")[0], row.status) for row in rows] == [
        ("msg_1", "RECEIVED"),
        ("msg_1", "CONFLICT"),
        ("msg_2", "PARKED"),
        ("msg_3", "RECEIVED"),
    ]


async def test_a_commit_that_fails_is_a_503_for_all_of_its_group(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    partner = await gateway.set_up(NOWHERE)

    async def lost(*_: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patched:
        patched.setattr("partner_gateway.callbacks.store.first_answers", lost)
        answers = await asyncio.gather(
            *[gateway.call_back(partner, UNKNOWN_CASE) for _ in range(5)]
        )
    assert {answer.status_code for answer in answers} == {503}
    assert all(answer.headers["Retry-After"] for answer in answers)
    assert await gateway.rows("SELECT 1 FROM callbacks") == []
    assert (await gateway.call_back(partner, UNKNOWN_CASE)).status_code == 202


async def test_when_too_many_wait_the_next_ones_are_asked_to_come_again(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    partner = await gateway.set_up(NOWHERE)
    monkeypatch.setattr(intake, "MAX_WAITING", 0)
    assert (await gateway.call_back(partner, UNKNOWN_CASE)).status_code == 503


async def test_a_callback_that_is_being_stored_is_answered_before_the_service_ends(
    gateway: Gateway,
) -> None:
    partner = await gateway.set_up(NOWHERE)
    headers = sign([partner.secret], "msg_1", now(), UNKNOWN_CASE)
    path = f"/v1/partners/{partner.partner_id}/callbacks"
    async with plain_http("") as http, gateway.database.begin() as connection:
        await connection.execute(text("LOCK TABLE callbacks IN EXCLUSIVE MODE"))
        async with serving(gateway.app) as url:
            request = http.post(f"{url}{path}", content=UNKNOWN_CASE, headers=headers)
            sent = asyncio.create_task(request)
            await until(lambda: _is_storing(gateway))
            release = asyncio.get_running_loop().create_task(_later(connection.rollback()))
            # The server ends now, while the callback waits for the lock.
        await release
        assert (await sent).status_code == 202
    assert len(await gateway.rows("SELECT 1 FROM callbacks")) == 1


async def _is_storing(gateway: Gateway) -> bool:
    return bool(await gateway.rows("SELECT 1 FROM pg_locks WHERE NOT granted"))


async def _later(doing: Awaitable[None]) -> None:
    await asyncio.sleep(0.3)
    await doing


async def test_a_conflict_is_counted_and_logged_without_what_it_says(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    partner = await gateway.set_up(NOWHERE)
    before = callbacks_total.labels("conflict")._value.get()
    for body in (UNKNOWN_CASE, b'"Mustermann"'):
        await gateway.call_back(partner, body, webhook_id="erika@example.com")
    assert callbacks_total.labels("conflict")._value.get() == before + 1
    (warning,) = [line.message for line in caplog.records if line.levelname == "WARNING"]
    assert "a partner used a webhook id again" in warning
    assert str(partner.partner_id) in warning
    assert "erika" not in caplog.text
    assert "Mustermann" not in caplog.text


async def test_what_was_told_of_what_cannot_be_read_is_told_again(gateway: Gateway) -> None:
    """Also when staff let it be read again, and when its body is forgotten."""
    partner = await gateway.set_up(NOWHERE)
    body = said("payment.received", case_id=str(new_id()), own_fees=None, paid_on="Erika")
    headers = sign([partner.secret], "msg_1", now(), body)
    first = await post(gateway, partner, body, headers)
    assert first[0] == 202
    assert first[1]["status"] == "PARKED"
    assert "data.amount: missing" in first[1]["reason"]
    assert "Erika" not in first[1]["reason"]
    assert await post(gateway, partner, body, headers) == first
    await gateway.execute("UPDATE callbacks SET status = 'TRANSLATED', reason = NULL")
    assert await post(gateway, partner, body, headers) == first
    async with gateway.database.begin() as connection:
        assert await forget_bodies(connection, now(), 10) == 1
    assert await post(gateway, partner, body, headers) == first
    again = sign([partner.secret], "msg_1", now(), b"{}")
    assert (await post(gateway, partner, b"{}", again))[0] == 422


async def test_a_callback_counts_for_five_minutes_of_our_clock(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    partner = await gateway.set_up(NOWHERE)
    our_time = datetime(2026, 3, 1, 12, tzinfo=UTC)
    monkeypatch.setattr("partner_gateway.callbacks.api.now", lambda: our_time)
    for seconds, expected in ((299, 202), (-299, 202), (301, 401), (-301, 401)):
        at = our_time + timedelta(seconds=seconds)
        answer = await gateway.call_back(partner, UNKNOWN_CASE, at=at)
        assert answer.status_code == expected, seconds


async def test_a_secret_that_has_ended_counts_no_more_from_then_on(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    assert (await gateway.call_back(partner, UNKNOWN_CASE)).status_code == 202
    await gateway.execute("UPDATE secrets SET ends_at = now(), ended_by = 'staff-1'")
    assert (await gateway.call_back(partner, UNKNOWN_CASE)).status_code == 401


async def test_headers_are_kept_without_credentials(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    (case,) = await hold(gateway, partner)
    body = said("case.accepted", case_id=str(case.case_id))
    headers = {
        **sign([partner.secret], "msg_1", now(), body),
        "Content-Type": "text/plain; charset=utf-16",
        "Authorization": "Bearer geheim",
        "Proxy-Authorization": "Basic geheim",
        "Cookie": "sitzung=geheim",
        "X-Agency": "Suedwest",
        "X-Long": "x" * 20_000,
    }
    assert await post(gateway, partner, body, headers) == (202, {"status": "RECEIVED"})
    (row,) = await gateway.rows("SELECT CAST(headers AS text) AS headers FROM callbacks")
    kept = json.loads(row.headers)
    assert {"webhook-id", "webhook-timestamp", "webhook-signature", "x-agency"} <= kept.keys()
    assert not {"authorization", "proxy-authorization", "cookie", "x-long"} & kept.keys()
    assert "geheim" not in row.headers
    await translate(gateway)
    assert len(await gateway.published("report.accepted.v1")) == 1
