"""Partners that do not call back are asked, and what they say acts once (R50, R51, R61)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI, Response

from contracts import (
    MemberHandedOverV1,
    ReportAcceptedV1,
    ReportPaymentCorrectedV1,
    ReportPaymentReceivedV1,
    ReportRejectedV1,
)
from kit.clock import now
from kit.context import Context
from kit.ids import new_id
from kit.metrics import registry
from partner_gateway.callbacks.release_callbacks import release_callbacks
from partner_gateway.callbacks.translate_callbacks import translate_callbacks
from partner_gateway.exchange import MAX_ANSWER_BYTES
from partner_gateway.polls import ask_partners, store
from partner_gateway.polls.ask_partners import Asker
from partner_gateway.polls.measure_polls import measure_polls
from partner_simulator.balances import create_balances_app
from tests.partner_gateway.serving import serving
from tests.partner_gateway.test_deliveries import serve
from tests.partner_gateway.waiting import LIMIT_SECONDS
from tests.partner_gateway.world import (
    Gateway,
    KilledError,
    Partner,
    bearer,
    closed,
    handed_over,
    killed,
)

PAYMENTS = ("report.payment-received.v1", "report.payment-corrected.v1")
NOTHING = Decimal("0.00")


class Agency:
    """The simulated agency that is asked."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.url = str(http.base_url).rstrip("/")

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """Steer it."""
        answer = await self._http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def behave(self, **behaviour: object) -> None:
        """Set how it behaves; what is left out is as by default."""
        await self.call("POST", "/behaviour", behaviour)

    async def change(self, case: MemberHandedOverV1, **changed: object) -> None:
        """Let a case stand otherwise."""
        await self.call("POST", f"/dossiers/{case.case_id}", changed)


@asynccontextmanager
async def agency_serving() -> AsyncIterator[Agency]:
    """Let an agency answer."""
    async with (
        serving(create_balances_app(seed=7)) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as http,
    ):
        yield Agency(http)


@pytest.fixture
async def agency() -> AsyncIterator[Agency]:
    """An agency with an empty memory."""
    async with agency_serving() as agency:
        yield agency


async def let_time_pass(gateway: Gateway) -> None:
    """Let the time come to ask everybody."""
    await gateway.execute("UPDATE polls SET next_ask_at = now()")


async def ask(gateway: Gateway) -> None:
    """Ask everybody until nobody has more to say, and translate what was said."""
    await let_time_pass(gateway)
    asker = Asker()
    while await asker.work(gateway.context):
        pass
    await translate(gateway)


async def claim(gateway: Gateway) -> store.Poll:
    """Take the only partner to ask it, though its time has not come; another may take it, too."""
    await let_time_pass(gateway)
    time = now()
    async with gateway.database.begin() as connection:
        (poll,) = await store.claim(connection, 1, time, time)
    return poll


async def translate(gateway: Gateway) -> None:
    """Translate all that can be translated now."""
    await release_callbacks(gateway.context)
    while await translate_callbacks(gateway.context):
        pass


async def hold(gateway: Gateway, agency: Agency, count: int) -> tuple[Partner, list[Any]]:
    """Let the agency hold so many cases."""
    partner = await gateway.set_up(agency.url, api="BALANCES")
    cases = handed_over(partner, count)
    await gateway.receive(cases)
    await serve(gateway, partner)
    return partner, cases


async def books(gateway: Gateway) -> dict[UUID, tuple[Decimal, Decimal]]:
    """Return what the reports add up to for each case: for the creditor, and own fees."""
    payments: dict[tuple[UUID, str], tuple[Decimal, Decimal]] = {}
    for report in await gateway.published(*PAYMENTS):
        assert isinstance(report, ReportPaymentReceivedV1 | ReportPaymentCorrectedV1)
        key = report.case_id, report.partner_reference
        assert (key in payments) is isinstance(report, ReportPaymentCorrectedV1)
        payments[key] = report.amount.amount, report.own_fees.amount
    sums: dict[UUID, tuple[Decimal, Decimal]] = {}
    for (case_id, _), (amount, own_fees) in payments.items():
        before = sums.get(case_id, (Decimal(0), Decimal(0)))
        sums[case_id] = before[0] + amount, before[1] + own_fees
    return sums


async def poll_of(gateway: Gateway, partner: Partner) -> Any:
    """Return how a partner is asked, as staff see it."""
    answer = await gateway.call("GET", f"/v1/partners/{partner.partner_id}/poll")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_from_the_handover_to_the_last_cent(gateway: Gateway, agency: Agency) -> None:
    await agency.behave(decline_every=3)
    partner, cases = await hold(gateway, agency, 6)
    answers = await gateway.published("report.accepted.v1", "report.rejected.v1")
    accepted = [each.case_id for each in answers if isinstance(each, ReportAcceptedV1)]
    rejected = [each for each in answers if isinstance(each, ReportRejectedV1)]
    assert (len(accepted), {each.reason_code for each in rejected}) == (4, {"ABROAD"})
    first, second, *_ = (case for case in cases if case.case_id in accepted)

    await agency.change(first, paid_cents=5000)
    await agency.change(second, paid_cents=2000, own_fees_cents=2000)
    await ask(gateway)
    await agency.change(first, paid_cents=12000, own_fees_cents=2000)
    await ask(gateway)
    euros = Decimal("0.01")
    assert await books(gateway) == {
        first.case_id: (10000 * euros, 2000 * euros),
        second.case_id: (0 * euros, 2000 * euros),
    }
    await agency.change(first, paid_cents=3000, own_fees_cents=500)
    await agency.behave(repeat=100, shuffle=True)
    for _ in range(3):
        await ask(gateway)
    await agency.change(second, state="CLOSED", result=1, paid_cents=5000)
    await ask(gateway)
    assert await books(gateway) == {
        first.case_id: (2500 * euros, 500 * euros),
        second.case_id: (3000 * euros, 2000 * euros),
    }
    (end,) = await gateway.published("report.case-closed.v1")
    assert end.model_dump()["case_id"] == second.case_id
    assert end.model_dump()["result_code"] == "PAID"
    shown = await poll_of(gateway, partner)
    assert (shown["failures"], shown["last_error"]) == (0, None)
    assert shown["last_asked_at"] < shown["last_answered_at"] < shown["next_ask_at"]


async def test_the_agency_may_answer_later_and_is_told_to_halt(
    gateway: Gateway, agency: Agency
) -> None:
    await agency.behave(token="t-0")
    partner = await gateway.set_up(agency.url, api="BALANCES", api_token="t-1")
    await ask(gateway)
    assert (await poll_of(gateway, partner))["last_error"] == "HTTP 401"
    await agency.behave(answer="LATER", decline_every=2, token="t-1")
    first, second = cases = handed_over(partner, 2)
    await gateway.receive(cases)
    await serve(gateway, partner)
    await ask(gateway)
    (yes,) = await gateway.published("report.accepted.v1")
    (no,) = await gateway.published("report.rejected.v1")
    (number,) = await gateway.published("report.file-number-assigned.v1")
    assert yes.model_dump()["case_id"] == number.model_dump()["case_id"] == first.case_id
    assert no.model_dump()["case_id"] == second.case_id
    await gateway.receive([closed(first)])
    await serve(gateway, partner)
    dossiers = (await agency.call("GET", "/dossiers"))["items"]
    assert [each["instructions"] for each in dossiers] == [["HALT"], []]
    assert len(await gateway.published("notice.acknowledged.v1")) == 1


async def test_what_is_said_before_the_handover_waits_for_it(
    gateway: Gateway, agency: Agency
) -> None:
    partner = await gateway.set_up(agency.url, api="BALANCES")
    (case,) = cases = handed_over(partner, 1)
    about = {
        "client_ref": str(case.case_id),
        "as_of": "2026-03-05",
        "currency": "EUR",
        "own_fees_cents": 0,
        "state": "OPEN",
    }
    await agency.call("POST", "/items", [{**about, "number": 1, "paid_cents": 1000}, "nonsense"])
    await ask(gateway)
    rows = await gateway.rows("SELECT status, reason FROM callbacks ORDER BY callback_id")
    assert [tuple(row) for row in rows] == [
        ("WAITING", None),
        ("PARKED", "unreadable: body: model_type"),
    ]
    seen = await gateway.call("GET", f"/v1/partners/{partner.partner_id}/callbacks")
    assert sorted(each["status"] for each in seen.json()["items"]) == ["PARKED", "WAITING"]
    await gateway.receive(cases)
    await serve(gateway, partner)
    await agency.call(
        "POST",
        "/items",
        [
            {**about, "number": 2, "paid_cents": 1500},
            {**about, "number": 2, "paid_cents": 1600},
            {**about, "number": 3, "paid_cents": 1600, "currency": "CHF"},
        ],
    )
    await ask(gateway)
    await translate(gateway)
    assert await books(gateway) == {case.case_id: (Decimal("15.00"), NOTHING)}
    assert len(await gateway.published("report.payment-received.v1")) == 2
    rows = await gateway.rows("SELECT reason FROM callbacks WHERE status = 'PARKED'")
    assert {row.reason for row in rows} == {
        "unreadable: body: model_type",
        "contradiction: number: stands for another balance",
        "contradiction: currency: not that of the case",
    }


async def test_nobody_speaks_of_cases_of_others(gateway: Gateway, agency: Agency) -> None:
    _, (case,) = await hold(gateway, agency, 1)
    async with agency_serving() as liar:
        await gateway.set_up(liar.url, api="BALANCES")
        item = {
            "number": 1,
            "client_ref": str(case.case_id),
            "as_of": "2026-03-05",
            "currency": "EUR",
            "paid_cents": 100,
            "own_fees_cents": 0,
            "state": "OPEN",
        }
        await liar.call("POST", "/items", [item])
        await ask(gateway)
    (row,) = await gateway.rows("SELECT status, reason FROM callbacks")
    assert tuple(row) == ("PARKED", "not held by this partner")
    assert await gateway.rows("SELECT 1 FROM balances") == []


async def test_a_crash_between_asking_and_storing_loses_nothing_and_doubles_nothing(
    gateway: Gateway, agency: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, cases = await hold(gateway, agency, 3)
    for case in cases:
        await agency.change(case, paid_cents=1000)

    async def crash(*_: object) -> None:
        raise RuntimeError("killed")

    for step in ("insert_callbacks", "_keep"):
        with monkeypatch.context() as patched:
            patched.setattr(ask_partners, step, crash)
            await ask(gateway)
        assert await gateway.rows("SELECT 1 FROM callbacks") == []
        assert await gateway.rows("SELECT 1 FROM polls WHERE cursor IS NOT NULL") == []
    await ask(gateway)
    with monkeypatch.context() as patched:
        patched.setattr("kit.outbox.publish", killed)
        await agency.change(cases[0], paid_cents=2000)
        with pytest.raises(KilledError):
            await ask(gateway)
    (row,) = await gateway.rows("SELECT sum(amount) AS sum FROM balance_payments")
    assert row.sum == Decimal("30.00")
    gateway.context.shared.clear()  # it is another process
    await ask(gateway)
    assert sorted((await books(gateway)).values()) == [
        (Decimal("10.00"), NOTHING),
        (Decimal("10.00"), NOTHING),
        (Decimal("20.00"), NOTHING),
    ]


async def test_an_answer_counts_only_for_who_asked_last(gateway: Gateway, agency: Agency) -> None:
    _, (case,) = await hold(gateway, agency, 1)
    await agency.change(case, paid_cents=1000)

    slow, quick = await claim(gateway), await claim(gateway)
    await ask_partners.ask(gateway.context, slow)
    assert await gateway.rows("SELECT 1 FROM callbacks") == []
    await ask_partners.ask(gateway.context, quick)
    assert len(await gateway.rows("SELECT 1 FROM callbacks")) == 1


async def test_two_instances_at_once_report_everything_once(
    gateway: Gateway, agency: Agency
) -> None:
    _, cases = await hold(gateway, agency, 5)
    done = asyncio.Event()

    async def instance() -> None:
        asker = Asker()
        while not done.is_set():
            await let_time_pass(gateway)
            await asker.work(gateway.context)
            await translate_callbacks(gateway.context)
        while await asker.work(gateway.context):
            pass

    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(instance())
        for paid in (100, 400, 300, 900, 800, 1000):
            for case in cases:
                await agency.change(case, paid_cents=paid, own_fees_cents=paid // 10)
        done.set()
    await ask(gateway)
    expected = (Decimal("9.00"), Decimal("1.00"))
    assert await books(gateway) == {case.case_id: expected for case in cases}
    assert await gateway.rows("SELECT 1 FROM callbacks WHERE status <> 'TRANSLATED'") == []


@asynccontextmanager
async def answering(
    *answers: bytes, status: int = 200, seconds: float = 0, retry_after: str = "0"
) -> AsyncIterator[str]:
    """Be a partner that answers every poll, one after the other, with these; then with the last."""
    app, left = FastAPI(), list(answers)

    @app.get("/balances")
    async def get_balances() -> Response:
        await asyncio.sleep(seconds)
        return Response(
            left.pop(0) if len(left) > 1 else left[0], status, {"Retry-After": retry_after}
        )

    async with serving(app) as url:
        yield url


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


async def test_all_pages_are_asked_for_and_translated_in_batches(
    gateway: Gateway, agency: Agency
) -> None:
    """As many cases as a page of a handover, each with several balances."""
    _, cases = await hold(gateway, agency, 200)
    number = 0
    for paid in (100, 300, 200, 400, 500, 700):
        items = []
        for case in cases:
            number += 1
            items.append(
                {
                    "number": number,
                    "client_ref": str(case.case_id),
                    "as_of": "2026-03-05",
                    "currency": "EUR",
                    "paid_cents": paid,
                    "own_fees_cents": 0,
                    "state": "OPEN",
                }
            )
        await agency.call("POST", "/items", items)
    await ask(gateway)
    assert (await agency.call("GET", "/state"))["polls"] == 3
    assert await books(gateway) == {case.case_id: (Decimal("7.00"), NOTHING) for case in cases}
