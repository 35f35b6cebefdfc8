"""Report files of partners: a dry run first, errors by row, and twice does no harm (R53)."""

import asyncio
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from contracts.report import (
    ReportAcceptedV1,
    ReportCaseClosedV1,
    ReportFileNumberAssignedV1,
    ReportPaymentCorrectedV1,
    ReportPaymentReceivedV1,
    ReportRejectedV1,
)
from kit.ids import new_id
from partner_gateway.report_files import uploads
from partner_gateway.report_files.add_rows import (
    SEVERAL_CASES,
    UNKNOWN_ID,
    UNKNOWN_NUMBER,
)
from partner_gateway.report_files.discard_report_files import discard_report_files
from partner_gateway.report_files.judge_rows import OTHER_PAYMENT
from tests.partner_gateway.report_desk import Desk, as_csv, as_xlsx
from tests.partner_gateway.world import Gateway

GERMAN = {
    "columns": {
        "file_number": "Aktenzeichen",
        "kind": "Vorgang",
        "amount": "Betrag (EUR)",
        "own_fees": "Gebühren",
        "day": "Datum",
        "partner_reference": "Beleg",
    },
    "kinds": {"Zahlung": "payment.received", "Korrektur": "payment.corrected"},
    "numbers": "GERMAN",
    "days": "GERMAN",
}

REPORTS = tuple(
    event.TYPE
    for event in (
        ReportAcceptedV1,
        ReportRejectedV1,
        ReportFileNumberAssignedV1,
        ReportPaymentReceivedV1,
        ReportPaymentCorrectedV1,
        ReportCaseClosedV1,
    )
)


@pytest.fixture
async def desk(gateway: Gateway) -> Desk:
    """A partner by hand with three cases."""
    return await Desk.open(gateway)


async def test_rows_become_the_reports_that_callbacks_become(desk: Desk) -> None:
    first, second, third = (str(case.case_id) for case in desk.cases)
    file = await desk.read_in(
        as_csv(
            {"case_id": first, "kind": "case.accepted", "file_number": "AZ-1"},
            {"case_id": second, "kind": "case.rejected", "reason_code": "DEBTOR_UNKNOWN"},
            {"case_id": third, "kind": "file-number.assigned", "file_number": "00123"},
            desk.payment(0, own_fees="1,50"),
            desk.payment(0, kind="payment.corrected", amount="5", day="2026-03-02"),
            {"case_id": first, "kind": "case.closed", "day": "2026-03-03", "result_code": "PAID"},
        )
    )
    assert (file["status"], file["good"], file["bad"], file["applied"]) == ("APPLIED", 6, 0, 6)
    reports = await desk.gateway.published(*REPORTS)
    accepted, rejected, number, payment, corrected, closed = reports
    assert isinstance(accepted, ReportAcceptedV1)
    assert (accepted.case_id, accepted.file_number) == (desk.cases[0].case_id, "AZ-1")
    assert isinstance(rejected, ReportRejectedV1)
    assert rejected.reason_code == "DEBTOR_UNKNOWN"
    assert isinstance(number, ReportFileNumberAssignedV1)
    assert number.file_number == "00123"
    assert isinstance(payment, ReportPaymentReceivedV1)
    assert payment.member_id == desk.cases[0].member_id
    assert payment.run_id == desk.cases[0].run_id
    assert payment.partner_id == desk.partner.partner_id
    assert (payment.amount.amount, payment.own_fees.amount) == (Decimal("12.30"), Decimal("1.50"))
    assert (payment.partner_reference, payment.paid_on) == ("Z-1", date(2026, 3, 1))
    assert isinstance(corrected, ReportPaymentCorrectedV1)
    assert (corrected.amount.amount, corrected.corrected_on) == (Decimal(5), date(2026, 3, 2))
    assert isinstance(closed, ReportCaseClosedV1)
    assert (closed.result_code, closed.closed_on) == ("PAID", date(2026, 3, 3))


async def test_a_file_in_the_partners_own_words_is_read_from_csv_and_from_excel(desk: Desk) -> None:
    await desk.set_format(**GERMAN)
    await desk.number("AZ-1", "0042")
    written = as_csv(
        {"Aktenzeichen": "AZ-1", "Vorgang": "ZAHLUNG", "Betrag (EUR)": "1.234,56", "Name": "Müßig",
         "Datum": "1.3.2026", "Beleg": "B1", "Gebühren": ""},
        {"Aktenzeichen": "0042", "Vorgang": "Korrektur", "Betrag (EUR)": "7", "Name": "",
         "Datum": "02.03.2026", "Beleg": "B0", "Gebühren": "0,5"},
        encoding="cp1252",
    )  # fmt: skip
    checked = await desk.check(written)
    assert checked["status"] == "CHECKED"
    assert checked["to_apply"] == [
        {
            "kind": "payment.corrected",
            "rows": 1,
            "amount": {"amount": "7.00", "currency": "EUR"},
            "own_fees": {"amount": "0.50", "currency": "EUR"},
        },
        {
            "kind": "payment.received",
            "rows": 1,
            "amount": {"amount": "1234.56", "currency": "EUR"},
            "own_fees": {"amount": "0.00", "currency": "EUR"},
        },
    ]
    assert not await desk.gateway.published(*REPORTS)
    assert (await desk.apply(checked))["applied"] == 2
    same = as_xlsx(
        {"Aktenzeichen": "AZ-1", "Vorgang": "Zahlung", "Betrag (EUR)": 1234.56,
         "Datum": date(2026, 3, 1), "Beleg": "B1", "Gebühren": None},
        {"Aktenzeichen": "0042", "Vorgang": "Korrektur", "Betrag (EUR)": 7,
         "Datum": "2.3.2026", "Beleg": "B0", "Gebühren": 0.5},
    )  # fmt: skip
    again = await desk.read_in(same)
    assert (again["good"], again["known"], again["applied"]) == (0, 2, 0)
    assert len(await desk.gateway.published(*REPORTS)) == 2


async def test_errors_name_row_and_column_and_never_what_stands_there(desk: Desk) -> None:
    await desk.number("AZ-1", "AZ-2", "AZ-2")
    other = await Desk.open(desk.gateway)
    unnamed: dict[str, Any] = {"case_id": ""}
    file = await desk.check(
        as_csv(
            desk.payment(file_number="", own_fees="-5"),
            desk.payment(case_id=str(new_id())),
            desk.payment(case_id=str(other.cases[0].case_id)),
            desk.payment(**unnamed, file_number="AZ-2"),
            desk.payment(**unnamed, file_number="GEHEIM-9"),
            desk.payment(**unnamed),
            desk.payment(amount="1.234", day="GEHEIM-9"),
            desk.payment(kind="GEHEIM-9"),
            desk.payment(day=(date.today() + timedelta(days=3)).isoformat()),  # noqa: DTZ011
            desk.payment(kind="payment.corrected", partner_reference=""),
            desk.payment(kind="file-number.assigned", case_id="", file_number="AZ-7"),
        )
    )
    assert (file["status"], file["good"], file["bad"]) == ("CHECKED", 0, 11)
    errors = await desk.errors(file)
    assert [(row, heading) for row, heading, _ in errors] == [
        (2, "own_fees"),
        (3, "case_id"),
        (4, "case_id"),
        (5, "file_number"),
        (6, "file_number"),
        (7, None),
        (8, "amount"),
        (8, "day"),
        (9, "kind"),
        (10, "day"),
        (11, "partner_reference"),
        (12, "case_id"),
    ]
    assert [message for _, _, message in errors[1:5]] == [
        UNKNOWN_ID,
        UNKNOWN_ID,
        SEVERAL_CASES,
        UNKNOWN_NUMBER,
    ]
    assert "GEHEIM" not in str(errors)


async def test_bad_rows_are_left_out_only_if_that_is_said(desk: Desk) -> None:
    file = await desk.check(as_csv(desk.payment(), desk.payment(amount="?")))
    path = f"/v1/report-files/{file['report_file_id']}/application"
    refused = await desk.ask("POST", path, {})
    assert (refused.status_code, refused.json()["bad_rows"]) == (409, 1)
    assert (await desk.apply(file))["applied"] == 1
    assert (await desk.ask("POST", path, {})).status_code == 409


async def test_the_same_file_again_is_the_earlier_one(desk: Desk) -> None:
    content = as_csv(desk.payment())
    first, second = await asyncio.gather(desk.send(content), desk.send(content))
    assert first.json()["report_file_id"] == second.json()["report_file_id"]
    assert {first.json()["received_before"], second.json()["received_before"]} == {True, False}
    applied = await desk.read_in(content)
    again = (await desk.send(content)).json()
    assert (again["report_file_id"], again["received_before"]) == (applied["report_file_id"], True)
    assert len(await desk.gateway.published(*REPORTS)) == 1
    other = await Desk.open(desk.gateway)
    assert (await other.send(content)).json()["received_before"] is False


async def test_a_file_with_bad_rows_is_worth_another_try(desk: Desk) -> None:
    rows = [
        desk.payment(),
        desk.payment(1, case_id="", file_number="AZ-1", partner_reference="Z-2"),
    ]
    assert (await desk.read_in(as_csv(*rows)))["applied"] == 1
    await desk.number("AZ-1")
    again = await desk.read_in(as_csv(*rows))
    assert (again["known"], again["applied"], again["bad"]) == (1, 1, 0)
    assert len(await desk.gateway.published(*REPORTS)) == 2


async def test_a_row_in_another_file_is_reported_once(desk: Desk) -> None:
    closed = {"case_id": str(desk.cases[1].case_id), "kind": "case.closed", "day": "2026-03-05"}
    await desk.read_in(as_csv(desk.payment(), closed, closed))
    file = await desk.read_in(
        as_csv(desk.payment(amount="12,3"), closed, desk.payment(partner_reference="Z-2"))
    )
    assert (file["known"], file["applied"]) == (2, 1)
    reports = await desk.gateway.published(*REPORTS)
    assert [report.TYPE for report in reports] == [
        "report.payment-received.v1",
        "report.case-closed.v1",
        "report.payment-received.v1",
    ]


async def test_another_amount_under_one_reference_is_a_correction_only_if_it_says_so(
    desk: Desk,
) -> None:
    twice = await desk.check(as_csv(desk.payment(), desk.payment(amount="9.99")))
    assert await desk.errors(twice) == [(3, "partner_reference", OTHER_PAYMENT)]
    await desk.apply(twice)
    changed = desk.payment(amount="10.00")
    refused = await desk.check(as_csv(changed))
    assert await desk.errors(refused) == [(2, "partner_reference", OTHER_PAYMENT)]
    corrected = await desk.read_in(as_csv({**changed, "kind": "payment.corrected"}))
    assert corrected["applied"] == 1
    of_another_case = await desk.read_in(as_csv(desk.payment(1, amount="8.00")))
    assert of_another_case["applied"] == 1


async def test_equal_payments_without_reference_are_as_many_as_the_file_has(desk: Desk) -> None:
    unnamed = desk.payment(partner_reference=None)
    await desk.read_in(as_csv(unnamed, unnamed))
    third = await desk.read_in(as_csv(unnamed, unnamed, unnamed))
    assert (third["known"], third["applied"]) == (2, 1)
    reports = await desk.gateway.published(ReportPaymentReceivedV1.TYPE)
    references = {getattr(report, "partner_reference", "") for report in reports}
    assert len(references) == len(reports) == 3


async def test_what_another_file_said_since_the_check_is_not_said_again(desk: Desk) -> None:
    one = await desk.check(as_csv(desk.payment(), desk.payment(1)))
    other = await desk.check(
        as_csv(desk.payment(), desk.payment(1, amount="1.00"), desk.payment(2))
    )
    await desk.apply(one)
    applied = await desk.apply(other)
    assert (applied["applied"], applied["known"], applied["bad"]) == (1, 1, 1)
    assert await desk.errors(applied) == [(3, "partner_reference", OTHER_PAYMENT)]
    assert len(await desk.gateway.published(*REPORTS)) == 3


async def test_what_a_file_held_goes_when_it_is_applied_withdrawn_or_too_old(desk: Desk) -> None:
    await desk.read_in(as_csv(desk.payment()))
    withdrawn = await desk.check(as_csv(desk.payment(1)))
    path = f"/v1/report-files/{withdrawn['report_file_id']}"
    assert (await desk.ask("DELETE", path)).status_code == 204
    assert (await desk.ask("DELETE", path)).status_code == 204
    expired = await desk.check(as_csv(desk.payment(2), desk.payment(2, amount="?")))
    await desk.gateway.execute(
        "UPDATE report_files SET expires_at = now() WHERE status = 'CHECKED'"
    )
    while await discard_report_files(desk.gateway.context):
        pass
    assert (await desk.get(withdrawn["report_file_id"]))["status"] == "WITHDRAWN"
    assert (await desk.get(expired["report_file_id"]))["status"] == "EXPIRED"
    for table in ("report_rows", "report_file_pieces", "report_file_errors"):
        assert not await desk.gateway.rows(f"SELECT 1 FROM {table}"), table
    assert (await desk.send(as_csv(desk.payment(1)))).json()["received_before"] is False


async def test_what_is_no_file_of_a_partner_is_refused_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await desk.send(b"")).json()["errors"][0]["field"] == "file"
    unknown = Desk(desk.gateway, desk.partner)
    unknown.partner.partner_id = new_id()
    sent = await unknown.send(b"x")
    assert (sent.status_code, sent.json()["errors"][0]["field"]) == (422, "partner_id")
    monkeypatch.setattr(uploads, "MAX_FILE_BYTES", 3)
    assert (await desk.send(b"four")).status_code == 413
    no_form = await desk.ask("POST", "/v1/report-files", {"partner_id": "x"})
    assert no_form.status_code in (400, 422)


@pytest.mark.parametrize(
    ("format_", "field"),
    [
        ({"columns": {"kind": "Art"}}, "columns"),
        ({"columns": {"case_id": "Fall"}}, "columns"),
        (
            {"columns": {"case_id": "Fall", "kind": "Art"}, "fixed_kind": "case.closed"},
            "fixed_kind",
        ),
        ({"columns": {"case_id": "Fall", "kind": " fall "}}, "columns"),
        ({"columns": {"case_id": " ", "kind": "Art"}}, "columns.case_id"),
        (
            {
                "columns": {"case_id": "Fall", "kind": "Art"},
                "kinds": {"Storno": "case.closed", "STORNO": "case.rejected"},
            },
            "kinds",
        ),
        (
            {
                "columns": {"case_id": "Fall", "kind": "Art"},
                "kinds": {"Z": "case.closed", "z ": "payment.received"},
            },
            "kinds",
        ),
        (
            {
                "columns": {"case_id": "Fall", "kind": "Art"},
                "kinds": {"Case.accepted": "payment.received"},
            },
            "kinds",
        ),
        (
            {
                "columns": {"case_id": "Fall", "kind": "Art", "reason_code": "Grund"},
                "codes": {"weg": "UNKNOWN", "Weg": "MOVED"},
            },
            "codes",
        ),
        (
            {"columns": {"case_id": "F", "day": "Tag"}, "fixed_kind": "payment.received"},
            "columns",
        ),
        (
            {"columns": {"case_id": "F", "amount": "B"}, "fixed_kind": "payment.received"},
            "columns",
        ),
        ({"columns": {"file_number": "Nr."}, "fixed_kind": "case.accepted"}, "columns"),
        ({"columns": {"case_id": "Fall", "kind": "Art"}, "currency": "JPY"}, "currency"),
        ({"columns": {"case_id": "Fall", "kind": "Art"}, "kinds": {"x": "y"}}, "kinds.x"),
    ],
)
async def test_a_format_that_cannot_work_is_refused(
    gateway: Gateway, format_: dict[str, Any], field: str
) -> None:
    desk = await Desk.open(gateway, cases=0)
    path = f"/v1/partners/{desk.partner.partner_id}/report-format"
    refused = await desk.ask("PUT", path, format_)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
    shown = (await desk.ask("GET", path)).json()
    assert shown["is_own"] is True
    assert (await desk.ask("GET", f"/v1/partners/{new_id()}/report-format")).status_code == 404
