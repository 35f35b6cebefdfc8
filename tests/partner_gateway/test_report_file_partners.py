"""Whose cases report files may speak of, and who may read them in (R53, R63)."""

from uuid import uuid4

import pytest

from kit.ids import new_id
from partner_gateway.report_files.add_rows import (
    FROM_BALANCES,
    OTHER_CURRENCY,
    REFERENCE_NEEDED,
    UNKNOWN_ID,
)
from tests.partner_gateway.report_desk import ALL_ROLES, Desk, as_csv
from tests.partner_gateway.saying import NOWHERE, euros, hold, said, send, translate
from tests.partner_gateway.world import Gateway, bearer, handed_over


@pytest.fixture
async def desk(gateway: Gateway) -> Desk:
    """A partner by hand with three cases."""
    return await Desk.open(gateway)


async def test_files_are_seen_by_their_tenant_and_by_who_sees_all_its_studios(desk: Desk) -> None:
    file = await desk.check(as_csv(desk.payment()))
    path = f"/v1/report-files/{file['report_file_id']}"
    asked: list[tuple[str, str, object]] = [
        ("GET", path, None),
        ("GET", f"{path}/errors", None),
        ("POST", f"{path}/application", {}),
        ("DELETE", path, None),
    ]
    for method, each, body in asked:
        stranger = await desk.gateway.call(method, each, body, **bearer(uuid4(), ALL_ROLES))
        assert stranger.status_code == 404
        narrowed = bearer(desk.partner.tenant_id, ALL_ROLES, str(new_id()))
        refused = await desk.gateway.call(method, each, body, **narrowed)
        assert refused.json()["type"] == "urn:collection:problem:all-studios-needed"
        clerk = bearer(desk.partner.tenant_id, "collection:manage partner:admin")
        assert (await desk.gateway.call(method, each, body, **clerk)).status_code == 403
    listed = (await desk.ask("GET", "/v1/report-files?status=CHECKED&limit=1")).json()
    assert listed == {"items": [file], "next": None}
    strangers = await desk.gateway.call("GET", "/v1/report-files", **bearer(uuid4(), ALL_ROLES))
    assert strangers.json() == {"items": [], "next": None}


async def test_a_partner_with_an_api_speaks_in_files_of_what_was_sent_to_it(
    gateway: Gateway,
) -> None:
    desk = Desk(gateway, await gateway.set_up(NOWHERE))
    desk.cases = handed_over(desk.partner, 1)
    await gateway.receive(desk.cases)
    content = as_csv(desk.payment())
    unsent = await desk.check(content)
    assert await desk.errors(unsent) == [(2, "case_id", UNKNOWN_ID)]
    path = f"/v1/report-files/{unsent['report_file_id']}"
    assert (await desk.ask("DELETE", path)).status_code == 204
    await send(gateway, desk.partner)
    sent = await desk.read_in(content)
    assert (sent["bad"], sent["applied"]) == (0, 1)
    (report,) = await gateway.published("report.payment-received.v1")
    assert report.model_dump()["case_id"] == desk.cases[0].case_id


async def test_a_payment_of_a_partner_with_an_api_has_the_reference_of_its_callback(
    gateway: Gateway,
) -> None:
    """Under a reference that we made up it would count a second time."""
    desk = Desk(gateway, await gateway.set_up(NOWHERE))
    desk.cases = await hold(gateway, desk.partner)
    payment = said(
        "payment.received",
        case_id=str(desk.cases[0].case_id),
        partner_reference="Z-1",
        amount=euros("12.30"),
        own_fees=euros("0.00"),
        paid_on="2026-03-01",
    )
    await gateway.call_back(desk.partner, payment)
    await translate(gateway)
    file = await desk.read_in(as_csv(desk.payment(), desk.payment(partner_reference=None)))
    assert await desk.errors(file) == [(3, "partner_reference", REFERENCE_NEEDED)]
    reports = await gateway.published("report.payment-received.v1")
    assert {report.model_dump()["partner_reference"] for report in reports} == {"Z-1"}


async def test_a_partner_that_is_asked_for_balances_tells_no_payments_in_files(
    gateway: Gateway,
) -> None:
    """They follow from the balances, under references that the partner does not know."""
    desk = Desk(gateway, await gateway.set_up(NOWHERE, api="BALANCES"))
    desk.cases = await hold(gateway, desk.partner)
    closed = {
        "case_id": str(desk.cases[0].case_id),
        "kind": "case.closed",
        "day": "2026-03-05",
    }
    file = await desk.read_in(
        as_csv(
            desk.payment(),
            desk.payment(kind="payment.corrected"),
            desk.payment(partner_reference=None),
            closed,
        )
    )
    assert await desk.errors(file) == [(row, "kind", FROM_BALANCES) for row in (2, 3, 4)]
    assert (file["bad"], file["applied"]) == (3, 1)
    assert (
        await gateway.published("report.payment-received.v1", "report.payment-corrected.v1") == []
    )


async def test_a_payment_in_another_currency_than_its_case_is_a_bad_row(gateway: Gateway) -> None:
    """case-service could not book it, and the file would count it as applied."""
    desk = await Desk.open(gateway)
    await desk.number("AZ-1")
    file = await desk.check(
        as_csv(
            desk.payment(currency="CHF"),
            desk.payment(case_id="", file_number="AZ-1", currency="CHF", partner_reference="Z-2"),
            desk.payment(currency="EUR"),
        )
    )
    assert (file["good"], file["bad"]) == (1, 2)
    assert await desk.errors(file) == [
        (2, "currency", OTHER_CURRENCY),
        (3, "currency", OTHER_CURRENCY),
    ]


async def test_what_a_partner_called_back_is_known_in_its_file(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    (case,) = await hold(gateway, partner)
    called_back = {
        "case_id": str(case.case_id),
        "partner_reference": "Z-1",
        "amount": euros("12.30"),
        "own_fees": euros("0.00"),
        "paid_on": "2026-03-01",
    }
    body = said("payment.received", **called_back)
    assert (await gateway.call_back(partner, body)).status_code == 202
    await translate(gateway)
    desk = Desk(gateway, partner, [case])
    again = desk.payment(own_fees="0.00")
    other = desk.payment(own_fees="0.00", amount="13.30")
    file = await desk.check(as_csv(again, other))
    assert (file["good"], file["known"], file["bad"]) == (0, 1, 1)
    await desk.read_in(as_csv(desk.payment(partner_reference="Z-2", own_fees="0.00")))
    body = said("payment.received", **called_back | {"partner_reference": "Z-2"})
    assert (await gateway.call_back(partner, body)).status_code == 202
    await translate(gateway)
    assert len(await gateway.published("report.payment-received.v1")) == 2
