"""The 61 columns are what collection agencies expect (R40)."""

from export_service.rendering.columns import Kind
from export_service.runs.columns import COLUMNS

NAMES = [
    "TransferId",
    "CollectionDate",
    "Version",
    "TriggerType",
    "ClientId",
    "MatchCode",
    "PersonType",
    "Name1",
    "Name2",
    "Name3",
    "MagiclineTenantName",
    "LegalForm",
    "PreTaxAttribute",
    "VATSerialNo",
    "Street",
    "PostalCode",
    "City",
    "CountryCode",
    "Country",
    "IBAN",
    "BIC",
    "Bank",
    "BankCountryCode",
    "Email",
    "ContactNumbers",
    "DebtorId",
    "MembershipNr",
    "DebtorCountryCode",
    "DebtorCountry",
    "DebtorBankCountryCode",
    "DebtorAccountHolder",
    "DebtorIdentificationNumber",
    "DebtorIBAN",
    "DebtorBIC",
    "MandateReference",
    "MandateSignedOn",
    "MandateOwner",
    "MandateCreditorId",
    "MandateCreditorName",
    "Birthdate",
    "MaidenName",
    "FirstName",
    "DebtorName1",
    "DebtorName2",
    "Sex",
    "DebtorStreet",
    "DebtorPostalCode",
    "DebtorCity",
    "DebtorEmail",
    "DebtorContactNumbers",
    "CaseId",
    "VoucherId",
    "VoucherDate",
    "ContractStartDate",
    "Amount",
    "Currency",
    "Type",
    "Designation",
    "ServicePeriodStartDate",
    "ServicePeriodEndDate",
    "LatestRejectionReason",
]


def test_the_columns_are_these_61_in_this_order() -> None:
    """R40."""
    assert [column.name for column in COLUMNS] == NAMES
    assert len(NAMES) == len(set(NAMES)) == 61


def test_what_is_no_text_is_known_by_name() -> None:
    """R41: a date or an amount that became a text would no longer sort or add up."""
    of_kind = {kind: {column.name for column in COLUMNS if column.kind is kind} for kind in Kind}
    assert of_kind[Kind.DECIMAL] == {"Amount"}
    assert of_kind[Kind.PHONES] == {"ContactNumbers", "DebtorContactNumbers"}
    assert of_kind[Kind.BOOL] == {"PreTaxAttribute"}
    assert of_kind[Kind.ENUM] == {"TriggerType", "PersonType", "Sex", "Type"}
    assert of_kind[Kind.DATE] == {
        "CollectionDate",
        "MandateSignedOn",
        "Birthdate",
        "VoucherDate",
        "ContractStartDate",
        "ServicePeriodStartDate",
        "ServicePeriodEndDate",
    }
    assert all(column.meaning for column in COLUMNS)
