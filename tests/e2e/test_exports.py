"""What is exported is what the other services say, to the cent, after everything has happened."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from contracts import MemberHandedOverV1
from local_stack.http_client import Answer
from tests.e2e.story import Tenant
from tests.e2e.whole_story import Story

WHERE = {
    "TransferId": "transfer_id",
    "CollectionDate": "collection_date",
    "TriggerType": "trigger",
    "ClientId": "studio.studio_id",
    "MatchCode": "studio.match_code",
    "PersonType": "studio.person_type",
    "Name1": "studio.name1",
    "Name2": "studio.name2",
    "Name3": "studio.name3",
    "MagiclineTenantName": "studio.tenant_name",
    "LegalForm": "studio.legal_form",
    "PreTaxAttribute": "studio.deducts_input_vat",
    "VATSerialNo": "studio.vat_number",
    "Street": "studio.address.street",
    "PostalCode": "studio.address.postal_code",
    "City": "studio.address.city",
    "CountryCode": "studio.address.country_code",
    "Country": "studio.address.country",
    "IBAN": "studio.bank_account.iban",
    "BIC": "studio.bank_account.bic",
    "Bank": "studio.bank_account.bank_name",
    "BankCountryCode": "studio.bank_account.country_code",
    "Email": "studio.email",
    "ContactNumbers": "studio.phone_numbers",
    "DebtorId": "debtor.debtor_id",
    "MembershipNr": "debtor.membership_number",
    "DebtorCountryCode": "debtor.address.country_code",
    "DebtorCountry": "debtor.address.country",
    "DebtorBankCountryCode": "debtor.bank_account.country_code",
    "DebtorAccountHolder": "debtor.bank_account.account_holder",
    "DebtorIdentificationNumber": "debtor.identification_number",
    "DebtorIBAN": "debtor.bank_account.iban",
    "DebtorBIC": "debtor.bank_account.bic",
    "MandateReference": "debtor.mandate.reference",
    "MandateSignedOn": "debtor.mandate.signed_on",
    "MandateOwner": "debtor.mandate.owner",
    "MandateCreditorId": "debtor.mandate.creditor_id",
    "MandateCreditorName": "debtor.mandate.creditor_name",
    "Birthdate": "debtor.birth_date",
    "MaidenName": "debtor.maiden_name",
    "FirstName": "debtor.first_name",
    "DebtorName1": "debtor.name1",
    "DebtorName2": "debtor.name2",
    "Sex": "debtor.sex",
    "DebtorStreet": "debtor.address.street",
    "DebtorPostalCode": "debtor.address.postal_code",
    "DebtorCity": "debtor.address.city",
    "DebtorEmail": "debtor.email",
    "DebtorContactNumbers": "debtor.phone_numbers",
    "CaseId": "case_id",
    "VoucherId": "claim.voucher_id",
    "VoucherDate": "claim.voucher_date",
    "ContractStartDate": "claim.contract_started_on",
    "Amount": "claim.to_collect.amount",
    "Currency": "claim.to_collect.currency",
    "Type": "claim.kind",
    "Designation": "claim.designation",
    "ServicePeriodStartDate": "claim.service_period.starts_on",
    "ServicePeriodEndDate": "claim.service_period.ends_on",
    "LatestRejectionReason": "claim.latest_rejection_reason",
}
"""Where each of the 61 columns stands in the event of a handover; but for `Version`."""


def test_a_run_is_exported_as_it_was_handed_over_whatever_came_later(story: Story) -> None:
    """R40: each value of each column, in the order of the booking numbers of each studio."""
    handovers = [
        json.loads(message.value)
        for message in story.messages
        if message.type == MemberHandedOverV1.TYPE
    ]
    of_run = [each for each in handovers if each["run_id"] == story.run_id]
    of_run.sort(key=lambda each: (each["studio"]["studio_id"], each["booking_number"]))
    expected = [
        {name: value_at(each | {"claim": claim}, path) for name, path in WHERE.items()}
        for each in of_run
        for claim in each["claims"]
    ]
    rows = story.tenant.export(run_id=story.run_id)
    assert [row.pop("Version") for row in rows] == ["1.0"] * len(expected)
    assert rows == expected
    assert len(WHERE) + 1 == 61


def test_the_amounts_of_a_run_are_those_that_run_service_shows(story: Story) -> None:
    """R7, R40: studio by studio."""
    exported: dict[str, dict[str, Decimal]] = {}
    for row in story.tenant.export(run_id=story.run_id):
        totals = exported.setdefault(row["ClientId"], {})
        totals[row["Currency"]] = totals.get(row["Currency"], Decimal(0)) + Decimal(row["Amount"])
    studios = story.tenant.runs.get(f"/v1/runs/{story.run_id}/studios")["items"]
    assert exported == {
        studio["studio_id"]: {
            total["currency"]: Decimal(total["amount"]) for total in studio["totals"]
        }
        for studio in studios
    }


def test_the_members_overview_is_that_of_case_service(story: Story) -> None:
    """R20, R42: everyone ever handed over, after payments, corrections, closures, a reversal."""
    tenant = story.tenant
    expected = cases_of(tenant)
    assert {case["Case status"] for case in expected.values()} == {
        "OPEN",
        "CLOSED",
        "CANCELLED",
        "REJECTED",
    }

    def exported() -> dict[str, Answer]:
        overview = overview_of(tenant)
        (shown,) = {frozenset(case) for case in expected.values()}
        return {case_id: {name: row[name] for name in shown} for case_id, row in overview.items()}

    tenant.wait_for(exported, lambda overview: overview == expected, "the overview of case-service")


@pytest.mark.parametrize("name", ["status", "studio_id", "partner_id", "run_id", "search"])
def test_filters_of_the_members_overview_mean_what_they_mean_in_case_service(
    story: Story, name: str
) -> None:
    """R42."""
    tenant = story.tenant
    case = next(tenant.cases.all("/v1/cases", status="CLOSED"))
    wanted = case["name"].split()[-1] if name == "search" else case[name]
    expected = {each["case_id"] for each in tenant.cases.all("/v1/cases", **{name: wanted})}
    filters = {name: [wanted] if name == "status" else wanted}
    tenant.wait_for(
        lambda: overview_of(tenant, **filters),
        lambda overview: overview.keys() == expected,
        f"the overview by {name}",
    )


def overview_of(tenant: Tenant, **filters: Any) -> dict[str, Answer]:
    """Return the members overview as it is exported, by the id of the case."""
    rows = tenant.export(kind="MEMBERS", filters=filters, language="en")
    return {row["Case id"]: row for row in rows}


def cases_of(tenant: Tenant) -> dict[str, Answer]:
    """Return the members overview as case-service shows it, with the headings of an export."""
    return {
        case["case_id"]: {
            "Name": member["name"],
            "Membership number": member["membership_number"],
            "Handed over on": case["collection_date"],
            "Handed over": case["handed_over"]["amount"],
            "Currency": case["handed_over"]["currency"],
            "Case status": case["status"],
            "File number": case["file_number"] or "",
            "Collected": case["collected"]["amount"],
            "Open": case["open"]["amount"],
            "Member id": member["member_id"],
            "Case id": case["case_id"],
            "Partner id": case["partner_id"],
        }
        for member in tenant.cases.all("/v1/members")
        for case in member["cases"]
    }


def value_at(data: Mapping[str, Any], path: str) -> str:
    """Return a value as a cell shows it; nothing where there is none."""
    value: Any = data
    for name in path.split("."):
        value = None if value is None else value[name]
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case list():
            return ",".join(value)
        case _:
            return str(value)
