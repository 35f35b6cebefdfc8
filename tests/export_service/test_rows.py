"""A handover becomes one row for each claim, and loses nothing (R40)."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import BankAccount, MemberHandedOverV1
from contracts.examples import Example, load_examples
from export_service.rendering.columns import Kind
from export_service.runs.columns import COLUMNS, FORMAT_VERSION
from export_service.runs.rows import checked_texts, rows_of, texts_of, wrong_columns
from tests.export_service.handed_over import claim, debtor, handover, studio

READ_AND_WRITTEN: dict[Kind, Callable[[str], str]] = {
    Kind.TEXT: str,
    Kind.PHONES: str,
    Kind.ENUM: str,
    Kind.DATE: lambda text: date.fromisoformat(text).isoformat(),
    Kind.DECIMAL: lambda text: format(Decimal(text), ".2f"),
    Kind.BOOL: {"true": "true", "false": "false"}.__getitem__,
}
"""Reads a text of each kind, or raises, and writes it again as it is to be."""


def cells(handed_over: MemberHandedOverV1, claim_index: int = 0) -> dict[str, str]:
    """A row's texts by the names of their columns."""
    rows = [row for _, *stored in rows_of(handed_over) for row in texts_of(*stored)]
    return {column.name: text for column, text in zip(COLUMNS, rows[claim_index], strict=True)}


@pytest.mark.parametrize("example", load_examples("member.handed-over.v1"), ids=lambda e: e.name)
def test_each_golden_example_gives_values_of_their_columns_kinds(example: Example) -> None:
    """R40: whatever the contract allows comes out."""
    event = MemberHandedOverV1.model_validate_json(example.value)
    for index in range(len(event.claims)):
        row = cells(event, index)
        for column in COLUMNS:
            text = row[column.name]
            assert text == "" or READ_AND_WRITTEN[column.kind](text) == text, column.name


def test_member_data_is_repeated_for_each_claim() -> None:
    """R40."""
    handed_over = handover(claims=(claim("1.00"), claim("2.50"), claim("999999999999.99")))
    rows = [cells(handed_over, index) for index in range(3)]
    member = [list(row.values())[:51] for row in rows]
    assert member == [member[0]] * 3
    assert [row["Amount"] for row in rows] == ["1.00", "2.50", "999999999999.99"]


def test_many_claims_of_a_member_are_stored_a_few_at_a_time() -> None:
    """So that no batch of an export is ever large; none is lost, and each is in its place."""
    amounts = [f"{number}.00" for number in range(1, 24)]
    stored = rows_of(handover(claims=tuple(map(claim, amounts))))
    assert [row.claim_index for row in stored] == [0, 10, 20]
    rows = [row for _, cells, claims in stored for row in texts_of(cells, claims)]
    amount = [column.name for column in COLUMNS].index("Amount")
    assert [row[amount] for row in rows] == amounts


def test_each_fact_stands_in_its_column() -> None:
    """R40."""
    handed_over = handover()
    row = cells(handed_over)
    one = handed_over.claims[0]
    assert row == {
        "TransferId": str(handed_over.transfer_id),
        "CollectionDate": "2026-03-02",
        "Version": FORMAT_VERSION,
        "TriggerType": "RUN",
        "ClientId": str(handed_over.studio.studio_id),
        "MatchCode": "FF-01",
        "PersonType": "COMPANY",
        "Name1": "Fit & Froh",
        "Name2": "",
        "Name3": "",
        "MagiclineTenantName": "Fit & Froh Gruppe",
        "LegalForm": "GmbH",
        "PreTaxAttribute": "true",
        "VATSerialNo": "DE136695976",
        "Street": "Hauptstraße 1",
        "PostalCode": "01067",
        "City": "Dresden",
        "CountryCode": "DE",
        "Country": "Deutschland",
        "IBAN": "DE89370400440532013000",
        "BIC": "COBADEFFXXX",
        "Bank": "Bank",
        "BankCountryCode": "DE",
        "Email": "studio@example.org",
        "ContactNumbers": "+49 351 1234,+49 351 5678",
        "DebtorId": str(handed_over.debtor.debtor_id),
        "MembershipNr": "000123",
        "DebtorCountryCode": "DE",
        "DebtorCountry": "Deutschland",
        "DebtorBankCountryCode": "",
        "DebtorAccountHolder": "Zoë Müller",
        "DebtorIdentificationNumber": "",
        "DebtorIBAN": "DE02120300000000202051",
        "DebtorBIC": "BYLADEM1001",
        "MandateReference": "M-000123",
        "MandateSignedOn": "2024-01-02",
        "MandateOwner": "Zoë Müller",
        "MandateCreditorId": "DE98ZZZ09999999999",
        "MandateCreditorName": "Fit & Froh GmbH",
        "Birthdate": "1990-02-28",
        "MaidenName": "",
        "FirstName": "Zoë",
        "DebtorName1": "Müller",
        "DebtorName2": "",
        "Sex": "FEMALE",
        "DebtorStreet": "Nebenweg 2",
        "DebtorPostalCode": "01069",
        "DebtorCity": "Dresden",
        "DebtorEmail": "zoe@example.org",
        "DebtorContactNumbers": "+491701234567",
        "CaseId": str(handed_over.case_id),
        "VoucherId": str(one.voucher_id),
        "VoucherDate": "2025-12-01",
        "ContractStartDate": "2024-01-01",
        "Amount": "19.90",
        "Currency": "EUR",
        "Type": "FLAT_FEE",
        "Designation": "Beitrag Dezember",
        "ServicePeriodStartDate": "2025-12-01",
        "ServicePeriodEndDate": "2025-12-31",
        "LatestRejectionReason": "AM04",
    }


def test_what_is_not_known_is_empty() -> None:
    handed_over = handover(
        studio=studio(bank_account=None, vat_number=None, phone_numbers=()),
        debtor=debtor(address=None, bank_account=None, mandate=None, birth_date=None),
        claims=(claim(service_period=None, contract_started_on=None),),
    )
    row = cells(handed_over)
    unknown = ("IBAN", "ContactNumbers", "DebtorCity", "MandateSignedOn", "ServicePeriodStartDate")
    assert [row[name] for name in unknown] == [""] * 5
    assert not wrong_columns([checked_texts(handed_over)])


@given(st.text(), st.dates())
def test_any_text_and_any_day_come_out(name: str, day: date) -> None:
    person = debtor().model_copy(update={"name1": name, "birth_date": day})
    row = cells(handover().model_copy(update={"debtor": person}))
    assert (row["DebtorName1"], row["Birthdate"]) == (name, day.isoformat())


def test_the_amount_is_what_is_to_be_collected_not_the_claims_own() -> None:
    one = claim("19.90")
    partly_paid = one.model_copy(
        update={"to_collect": one.to_collect.model_copy(update={"amount": Decimal("7.05")})}
    )
    assert cells(handover(claims=(partly_paid,)))["Amount"] == "7.05"


@pytest.mark.parametrize(
    ("handed_over", "column", "text"),
    [
        (handover(debtor=debtor(maiden_name=None)), "MaidenName", ""),
        (handover(debtor=debtor(birth_date=None)), "Birthdate", ""),
        (handover(debtor=debtor(membership_number="007")), "MembershipNr", "007"),
        (handover(studio=studio(deducts_input_vat=True)), "PreTaxAttribute", "true"),
        (handover(studio=studio(deducts_input_vat=False)), "PreTaxAttribute", "false"),
        (handover(debtor=debtor(birth_date=date(987, 1, 2))), "Birthdate", "0987-01-02"),
        (handover(claims=(claim(voucher_date=date(987, 1, 2)),)), "VoucherDate", "0987-01-02"),
        (handover(claims=(claim("12.3"),)), "Amount", "12.30"),
        (handover(claims=(claim("0"),)), "Amount", "0.00"),
        (handover(claims=(claim("1E+3"),)), "Amount", "1000.00"),
    ],
)
def test_each_type_has_one_text(handed_over: MemberHandedOverV1, column: str, text: str) -> None:
    """Whether the contract has read it from JSON or not."""
    assert cells(handed_over)[column] == text
    as_read = MemberHandedOverV1.model_validate_json(handed_over.model_dump_json())
    assert cells(as_read)[column] == text


def test_wrong_bank_details_and_vat_numbers_are_found_and_kept() -> None:
    """R40: they warn; the row is as it was handed over."""
    handed_over = handover(
        studio=studio(
            vat_number="DE12", bank_account=BankAccount(iban="DE88370400440532013000", bic="COBA")
        ),
        debtor=debtor(bank_account=BankAccount(iban="=cmd", bic="BYLADEM100")),
    )
    wrong = dict.fromkeys(["VATSerialNo", "IBAN", "BIC", "DebtorIBAN", "DebtorBIC"], 1)
    assert wrong_columns([checked_texts(handed_over)]) == wrong
    checked = map(checked_texts, (handed_over, handover(), handed_over))
    assert wrong_columns(checked) == dict.fromkeys(wrong, 2)
    row = cells(handed_over)
    assert row["IBAN"] == "DE88370400440532013000"
    assert row["DebtorIBAN"] == "=cmd"
    assert row["VATSerialNo"] == "DE12"
