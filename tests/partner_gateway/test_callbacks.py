"""Callbacks: what is not signed right is refused, what was accepted acts once (R51)."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx

from contracts import (
    ReportAcceptedV1,
    ReportCaseClosedV1,
    ReportFileNumberAssignedV1,
    ReportPaymentCorrectedV1,
    ReportPaymentReceivedV1,
    ReportRejectedV1,
)
from kit.clock import now
from kit.ids import new_id
from partner_gateway.callbacks.api import MAX_BODY_BYTES
from partner_gateway.standard_webhooks import sign
from tests.partner_gateway.saying import NOWHERE, euros, hold, said, send, statuses, translate
from tests.partner_gateway.world import Gateway, Partner, handed_over


async def test_every_kind_of_callback_becomes_its_report(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    (case,) = await hold(gateway, partner)
    ids = {"run_id": str(case.run_id), "case_id": str(case.case_id)}
    payment = {
        "partner_reference": "P-1",
        "amount": euros("12.30"),
        "own_fees": euros("1.00"),
    }
    for body in (
        said("case.accepted", **ids, file_number="AZ-1"),
        said("case.rejected", **ids, reason_code="ABROAD", reason_text="wohnt in Übersee"),
        said("file-number.assigned", **ids, file_number="AZ-2"),
        said("payment.received", **ids, **payment, paid_on="2026-03-05", new_field=True),
        said("payment.corrected", **ids, **payment, corrected_on="2026-03-06"),
        said("case.closed", case_id=str(case.case_id), closed_on="2026-03-07"),
    ):
        taken = await gateway.call_back(partner, body)
        assert taken.status_code == 202
        assert taken.json() == {"status": "RECEIVED"}
    await translate(gateway)
    reports = (await gateway.published())[1:]
    assert [type(report) for report in reports] == [
        ReportAcceptedV1,
        ReportRejectedV1,
        ReportFileNumberAssignedV1,
        ReportPaymentReceivedV1,
        ReportPaymentCorrectedV1,
        ReportCaseClosedV1,
    ]
    for report in reports:
        about = report.model_dump()
        assert about["case_id"] == case.case_id
        assert about["member_id"] == case.member_id
        assert about["run_id"] == case.run_id
        assert about["partner_id"] == partner.partner_id
        assert report.key() == str(case.member_id)
    received = reports[3]
    assert isinstance(received, ReportPaymentReceivedV1)
    assert received.model_dump(mode="json")["amount"] == euros("12.30")
    assert received.model_dump(mode="json")["own_fees"] == euros("1.00")
    assert await statuses(gateway) == ["TRANSLATED"] * 6


async def test_a_whole_run_is_answered_without_a_case(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    case, _ = await hold(gateway, partner, 2)
    await gateway.call_back(partner, said("run.accepted", run_id=str(case.run_id)))
    await gateway.call_back(
        partner, said("run.rejected", run_id=str(case.run_id), reason_code="CONTRACT_ENDED")
    )
    await translate(gateway)
    accepted, rejected = (await gateway.published())[1:]
    assert isinstance(accepted, ReportAcceptedV1)
    assert isinstance(rejected, ReportRejectedV1)
    for report in (accepted, rejected):
        assert (report.case_id, report.member_id) == (None, None)
        assert report.key() == str(case.run_id)


async def test_the_same_callback_again_gets_the_same_answer_and_acts_once(
    gateway: Gateway,
) -> None:
    partner = await gateway.set_up(NOWHERE)
    (case,) = await hold(gateway, partner)
    body = said("case.accepted", case_id=str(case.case_id))
    first = await gateway.call_back(partner, body, webhook_id="msg_1")
    again = await gateway.call_back(
        partner, body, webhook_id="msg_1", at=now() + timedelta(seconds=5)
    )
    await translate(gateway)
    after = await gateway.call_back(partner, body, webhook_id="msg_1")
    await translate(gateway)
    assert {each.status_code for each in (first, again, after)} == {202}
    assert first.content == again.content == after.content
    assert len(await gateway.published("report.accepted.v1")) == 1


async def test_another_body_under_the_same_id_is_refused(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    await gateway.call_back(partner, b'{"a": 1}', webhook_id="msg_1")
    refused = await gateway.call_back(partner, b'{"a": 2}', webhook_id="msg_1")
    assert refused.status_code == 422
    assert refused.json()["type"] == "urn:collection:problem:webhook-id-reused"
    assert [row.body for row in await gateway.rows("SELECT body FROM callbacks ORDER BY 1")] == [
        b'{"a": 1}',
        b'{"a": 2}',
    ]
    other = await gateway.set_up(NOWHERE)
    assert (await gateway.call_back(other, b"{}", webhook_id="msg_1")).status_code == 202


async def test_whatever_is_wrong_with_a_signature_looks_the_same(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    body = b'{"type": "case.accepted"}'
    stranger = Partner(partner.partner_id, (await gateway.set_up(NOWHERE)).secret)
    unknown = Partner(new_id(), partner.secret)
    without_secret = (
        await gateway.call(
            "POST", "/v1/partners", {"name": "Ohne", "channel": "API", "base_url": NOWHERE}
        )
    ).json()
    refusals = [
        await gateway.call_back(stranger, body),
        await gateway.call_back(unknown, body),
        await gateway.call_back(Partner(UUID(without_secret["partner_id"]), partner.secret), body),
        await gateway.call_back(partner, body, signed=body + b" "),
        await gateway.call_back(partner, body, at=now() - timedelta(seconds=301)),
        await gateway.call_back(partner, body, at=now() + timedelta(seconds=360)),
        await gateway.call("POST", f"/v1/partners/{partner.partner_id}/callbacks", {}),
    ]
    seen = {
        (
            each.status_code,
            json.dumps({**each.json(), "request_id": ""}, sort_keys=True),
            frozenset(each.headers) - {"date"},
        )
        for each in refusals
    }
    assert len(seen) == 1
    assert refusals[0].status_code == 401
    assert await gateway.rows("SELECT 1 FROM callbacks") == []


async def test_a_callback_that_is_too_large_is_not_read_to_its_end(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    largest = b'"' + b"x" * (MAX_BODY_BYTES - 2) + b'"'
    assert (await gateway.call_back(partner, largest)).status_code == 202
    assert (await gateway.call_back(partner, largest + b" ")).status_code == 413

    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while sent < 50_000_000:
            sent += 65_536
            yield b"x" * 65_536

    # Straight at the program: a server in between reads ahead.
    transport = httpx.ASGITransport(gateway.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        refused = await http.post(f"/v1/partners/{partner.partner_id}/callbacks", content=endless())
    assert refused.status_code == 413
    assert sent <= MAX_BODY_BYTES + 2 * 65_536
    assert len(await gateway.rows("SELECT 1 FROM callbacks")) == 1


async def test_a_partner_cannot_speak_of_a_case_or_a_run_of_another(gateway: Gateway) -> None:
    honest = await gateway.set_up(NOWHERE)
    liar = await gateway.set_up(NOWHERE)
    (case,) = await hold(gateway, honest)
    (own,) = await hold(gateway, liar)
    for body in (
        said("case.accepted", case_id=str(case.case_id)),
        said("run.rejected", run_id=str(case.run_id), reason_code="NO"),
        said("case.accepted", case_id=str(own.case_id), run_id=str(case.run_id)),
    ):
        assert (await gateway.call_back(liar, body)).status_code == 202
    await translate(gateway)
    assert await statuses(gateway) == ["PARKED"] * 3
    assert await gateway.published("report.accepted.v1", "report.rejected.v1") == []
    rows = await gateway.rows("SELECT reason FROM callbacks ORDER BY callback_id")
    assert [row.reason for row in rows] == [
        "not held by this partner",
        "not held by this partner",
        "the case is not of this run",
    ]


async def test_a_partner_cannot_speak_of_a_case_of_another_tenant(gateway: Gateway) -> None:
    """R63: it waits for a case of its own tenant, and learns nothing."""
    honest = await gateway.set_up(NOWHERE)
    stranger = await gateway.set_up(NOWHERE, tenant=new_id())
    (case,) = await hold(gateway, honest)
    await gateway.call_back(stranger, said("case.accepted", case_id=str(case.case_id)))
    await gateway.call_back(stranger, said("run.accepted", run_id=str(case.run_id)))
    await translate(gateway)
    assert await statuses(gateway) == ["WAITING", "WAITING"]
    assert await gateway.published("report.accepted.v1") == []


async def test_what_is_said_of_a_case_before_it_is_known_waits_in_order(
    gateway: Gateway,
) -> None:
    partner = await gateway.set_up(NOWHERE)
    early, later = handed_over(partner, 2)
    numbers = [
        said("file-number.assigned", case_id=str(early.case_id), file_number=f"AZ-{number}")
        for number in range(3)
    ]
    await gateway.call_back(partner, numbers[0])
    await gateway.call_back(partner, said("run.accepted", run_id=str(early.run_id)))
    await translate(gateway)
    assert await statuses(gateway) == ["WAITING", "WAITING"]
    await gateway.receive([early, later])
    await translate(gateway)
    assert await statuses(gateway) == ["WAITING", "WAITING"], "known, but never sent to anybody"
    await gateway.call_back(partner, numbers[1])
    await send(gateway, partner)
    await gateway.call_back(partner, numbers[2])
    await translate(gateway)
    assert await statuses(gateway) == ["TRANSLATED"] * 4
    reports = await gateway.published("report.file-number-assigned.v1")
    assert [report.model_dump()["file_number"] for report in reports] == ["AZ-0", "AZ-1", "AZ-2"]


async def test_what_cannot_be_read_is_parked_with_the_reason(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    expected = [
        (b"", "unreadable: body: json_invalid"),
        (b"\xff", "unreadable: body: json_invalid"),
        (b"[]", "unreadable: body: model_type"),
        (b"{}", "unreadable: type: missing; data: missing"),
        (said("case.sold"), "unreadable: type: unknown"),
        (said("case.accepted"), "unreadable: data.case_id: missing"),
        (said("case.accepted", case_id="Erika"), "unreadable: data.case_id: uuid_parsing"),
    ]
    for body, reason in expected:
        answer = await gateway.call_back(partner, body)
        assert answer.status_code == 202
        told = reason.removeprefix("unreadable: ")
        assert answer.json() == {"status": "PARKED", "reason": told}
    await translate(gateway)
    rows = await gateway.rows("SELECT status, reason, body FROM callbacks ORDER BY callback_id")
    assert [(row.body, row.reason) for row in rows] == expected
    assert {row.status for row in rows} == {"PARKED"}


async def test_an_amount_that_is_none_is_parked(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    (case,) = await hold(gateway, partner)
    for amount in ("-1.00", "1", "1.000", "1e2", "NaN", 1.5, None):
        body = said(
            "payment.received",
            case_id=str(case.case_id),
            partner_reference="P-1",
            amount={"amount": amount, "currency": "EUR"},
            own_fees=euros("0.00"),
            paid_on="2026-03-05",
        )
        await gateway.call_back(partner, body)
    await translate(gateway)
    assert await statuses(gateway) == ["PARKED"] * 7
    rows = await gateway.rows("SELECT reason FROM callbacks")
    assert all(row.reason.startswith("unreadable: data.amount.amount: ") for row in rows)


async def test_a_payment_in_two_currencies_is_parked(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    (case,) = await hold(gateway, partner)
    body = said(
        "payment.received",
        case_id=str(case.case_id),
        partner_reference="P-1",
        amount=euros("1.00"),
        own_fees={"amount": "1.00", "currency": "CHF"},
        paid_on="2026-03-05",
    )
    await gateway.call_back(partner, body)
    await translate(gateway)
    (row,) = await gateway.rows("SELECT status, reason FROM callbacks")
    assert (row.status, row.reason) == ("PARKED", "against the contract: value_error")


async def test_one_bad_callback_holds_up_no_other(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    (case,) = await hold(gateway, partner)
    await gateway.call_back(partner, b"nonsense")
    await gateway.call_back(partner, said("case.accepted", case_id=str(new_id())))
    await gateway.call_back(partner, said("case.accepted", case_id=str(case.case_id)))
    await translate(gateway)
    assert await statuses(gateway) == ["PARKED", "WAITING", "TRANSLATED"]


async def test_a_replaced_secret_and_the_old_one_both_count(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    made = await gateway.call("POST", f"/v1/partners/{partner.partner_id}/secrets")
    renewed = Partner(partner.partner_id, made.json()["secret"])
    assert (await gateway.call_back(partner, b"1")).status_code == 202
    assert (await gateway.call_back(renewed, b"2")).status_code == 202
    headers = sign([renewed.secret, partner.secret], "msg_3", now(), b"3")
    path = f"{gateway.url}/v1/partners/{partner.partner_id}/callbacks"
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.post(path, content=b"3", headers=headers)).status_code == 202


async def test_a_payment_in_another_currency_than_the_case_is_parked(gateway: Gateway) -> None:
    """case-service could not book it, and nobody here would know."""
    partner = await gateway.set_up("http://127.0.0.1:1")
    (case,) = await hold(gateway, partner)
    francs = {"amount": "10.00", "currency": "CHF"}
    for kind, day in (("payment.received", "paid_on"), ("payment.corrected", "corrected_on")):
        told = {"partner_reference": "P-1", "amount": francs, "own_fees": francs, day: "2026-03-02"}
        body = said(kind, case_id=str(case.case_id), **told)
        assert (await gateway.call_back(partner, body)).status_code == 202
    await translate(gateway)
    assert await reasons(gateway) == ["contradiction: currency: not that of the case"] * 2
    right = paid(case, "10.00")  # under the same reference: what was parked has not used it
    assert (await gateway.call_back(partner, right)).status_code == 202
    await translate(gateway)
    assert len(await gateway.published("report.payment-received.v1")) == 1


async def test_a_reference_stands_for_one_payment_of_a_case(gateway: Gateway) -> None:
    """The same payment under another webhook id is told once; another one is for staff."""
    partner = await gateway.set_up("http://127.0.0.1:1")
    first, second = await hold(gateway, partner, 2)
    for body in (
        *(paid(first, "10.00"), paid(first, "10.00"), paid(first, "15.00")),
        paid(second, "20.00"),
    ):
        assert (await gateway.call_back(partner, body)).status_code == 202
    await translate(gateway)
    assert (await gateway.call_back(partner, paid(second, "20.00"))).status_code == 202
    assert (await gateway.call_back(partner, paid(second, "25.00"))).status_code == 202
    await translate(gateway)
    reported = await gateway.published("report.payment-received.v1")
    assert [
        (event.case_id, event.amount.amount)
        for event in reported
        if isinstance(event, ReportPaymentReceivedV1)
    ] == [(first.case_id, Decimal("10.00")), (second.case_id, Decimal("20.00"))]
    assert await statuses(gateway) == [
        *("TRANSLATED", "TRANSLATED", "PARKED", "TRANSLATED"),
        *("TRANSLATED", "PARKED"),
    ]
    assert (
        await reasons(gateway)
        == ["contradiction: partner_reference: stands for another payment of the case"] * 2
    )


def paid(case: Any, amount: str) -> bytes:
    """Return a payment of a case, under the one reference that is used here."""
    return said(
        "payment.received",
        case_id=str(case.case_id),
        partner_reference="P-1",
        amount=euros(amount),
        own_fees=euros("1.00"),
        paid_on="2026-03-02",
    )


async def reasons(gateway: Gateway) -> list[str]:
    """Return why callbacks are parked, in the order in which they came."""
    query = "SELECT reason FROM callbacks WHERE status = 'PARKED' ORDER BY callback_id"
    return [row.reason for row in await gateway.rows(query)]
