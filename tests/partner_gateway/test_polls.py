"""Partners that do not call back are asked, and what they say acts once (R50, R51, R61)."""

import asyncio
from decimal import Decimal

import pytest

from contracts import ReportAcceptedV1, ReportRejectedV1
from partner_gateway.callbacks.translate_callbacks import translate_callbacks
from partner_gateway.polls import ask_partners
from partner_gateway.polls.ask_partners import Asker
from tests.partner_gateway.asking import (
    NOTHING,
    Agency,
    agency_serving,
    ask,
    books,
    claim,
    hold,
    let_time_pass,
    poll_of,
)
from tests.partner_gateway.saying import translate
from tests.partner_gateway.sending import serve
from tests.partner_gateway.world import Gateway, KilledError, closed, handed_over, killed


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
