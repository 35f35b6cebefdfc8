"""The columns of a run's export: what they are called, what they hold and in which order (R40).

Collection agencies import these files by column name and position, so neither ever changes within
one `FORMAT_VERSION`.
"""

from dataclasses import dataclass
from enum import StrEnum

FORMAT_VERSION = "1.0"
"""What the column `Version` says."""


class Section(StrEnum):
    """Whose facts a column holds."""

    RUN = "run"
    STUDIO = "studio"
    DEBTOR = "debtor"
    CLAIM = "claim"


class Kind(StrEnum):
    """What a column's values are; each writer has a way of its own for each kind."""

    TEXT = "text"
    DATE = "date"
    DECIMAL = "decimal"
    BOOL = "bool"
    ENUM = "enum"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the export."""

    name: str
    section: Section
    kind: Kind
    meaning: str


COLUMNS: tuple[Column, ...] = (
    Column("TransferId", Section.RUN, Kind.TEXT, "Id of the handover of one studio in one run"),
    Column("CollectionDate", Section.RUN, Kind.DATE, "Day the run was created"),
    Column("Version", Section.RUN, Kind.TEXT, "Version of this format"),
    Column(
        "TriggerType", Section.RUN, Kind.ENUM, "What started the handover: run or single member"
    ),
    Column("ClientId", Section.STUDIO, Kind.TEXT, "Id of the studio (the creditor)"),
    Column("MatchCode", Section.STUDIO, Kind.TEXT, "Code that links the studio across systems"),
    Column("PersonType", Section.STUDIO, Kind.ENUM, "COMPANY or PERSON"),
    Column("Name1", Section.STUDIO, Kind.TEXT, "First name line of the creditor"),
    Column("Name2", Section.STUDIO, Kind.TEXT, "Second name line of the creditor"),
    Column("Name3", Section.STUDIO, Kind.TEXT, "Third name line of the creditor"),
    Column("MagiclineTenantName", Section.STUDIO, Kind.TEXT, "Name of the tenant"),
    Column("LegalForm", Section.STUDIO, Kind.TEXT, "Legal form of the company"),
    Column("PreTaxAttribute", Section.STUDIO, Kind.BOOL, "Whether the creditor deducts input VAT"),
    Column(
        "VATSerialNo",
        Section.STUDIO,
        Kind.TEXT,
        "VAT number (checked; a wrong one warns and is kept)",
    ),
    Column("Street", Section.STUDIO, Kind.TEXT, "Street and house number of the studio"),
    Column("PostalCode", Section.STUDIO, Kind.TEXT, "Postal code of the studio"),
    Column("City", Section.STUDIO, Kind.TEXT, "City of the studio"),
    Column("CountryCode", Section.STUDIO, Kind.TEXT, "Country of the studio, ISO 3166-1 alpha-2"),
    Column("Country", Section.STUDIO, Kind.TEXT, "Country of the studio, as a name"),
    Column(
        "IBAN",
        Section.STUDIO,
        Kind.TEXT,
        "The studio's IBAN, checked by mod-97 (a wrong one warns and is kept)",
    ),
    Column(
        "BIC",
        Section.STUDIO,
        Kind.TEXT,
        "The studio's BIC, 8 or 11 characters (a wrong one warns and is kept)",
    ),
    Column("Bank", Section.STUDIO, Kind.TEXT, "Name of the studio's bank"),
    Column(
        "BankCountryCode",
        Section.STUDIO,
        Kind.TEXT,
        "Country of the studio's bank, ISO 3166-1 alpha-2",
    ),
    Column("Email", Section.STUDIO, Kind.TEXT, "E-mail address of the studio"),
    Column(
        "ContactNumbers",
        Section.STUDIO,
        Kind.TEXT,
        "Phone numbers of the studio, separated by a comma",
    ),
    Column("DebtorId", Section.DEBTOR, Kind.TEXT, "Id of the debtor"),
    Column("MembershipNr", Section.DEBTOR, Kind.TEXT, "Membership number, leading zeros kept"),
    Column(
        "DebtorCountryCode", Section.DEBTOR, Kind.TEXT, "Country of the debtor, ISO 3166-1 alpha-2"
    ),
    Column("DebtorCountry", Section.DEBTOR, Kind.TEXT, "Country of the debtor, as a name"),
    Column(
        "DebtorBankCountryCode",
        Section.DEBTOR,
        Kind.TEXT,
        "Country of the debtor's bank, ISO 3166-1 alpha-2",
    ),
    Column("DebtorAccountHolder", Section.DEBTOR, Kind.TEXT, "Holder of the debtor's account"),
    Column("DebtorIdentificationNumber", Section.DEBTOR, Kind.TEXT, "National or tax number"),
    Column(
        "DebtorIBAN",
        Section.DEBTOR,
        Kind.TEXT,
        "The debtor's IBAN, checked by mod-97 (a wrong one warns and is kept)",
    ),
    Column(
        "DebtorBIC",
        Section.DEBTOR,
        Kind.TEXT,
        "The debtor's BIC, 8 or 11 characters (a wrong one warns and is kept)",
    ),
    Column(
        "MandateReference",
        Section.DEBTOR,
        Kind.TEXT,
        "SEPA mandate reference, at most 35 characters",
    ),
    Column("MandateSignedOn", Section.DEBTOR, Kind.DATE, "Day the SEPA mandate was signed"),
    Column("MandateOwner", Section.DEBTOR, Kind.TEXT, "Who signed the SEPA mandate"),
    Column("MandateCreditorId", Section.DEBTOR, Kind.TEXT, "SEPA creditor identifier"),
    Column("MandateCreditorName", Section.DEBTOR, Kind.TEXT, "Name of the SEPA creditor"),
    Column("Birthdate", Section.DEBTOR, Kind.DATE, "Day of birth"),
    Column("MaidenName", Section.DEBTOR, Kind.TEXT, "Maiden name"),
    Column("FirstName", Section.DEBTOR, Kind.TEXT, "First name"),
    Column("DebtorName1", Section.DEBTOR, Kind.TEXT, "Surname or company"),
    Column("DebtorName2", Section.DEBTOR, Kind.TEXT, "Second name line of the debtor"),
    Column("Sex", Section.DEBTOR, Kind.ENUM, "MALE, FEMALE, DIVERSE or UNKNOWN"),
    Column("DebtorStreet", Section.DEBTOR, Kind.TEXT, "Street and house number of the debtor"),
    Column("DebtorPostalCode", Section.DEBTOR, Kind.TEXT, "Postal code of the debtor"),
    Column("DebtorCity", Section.DEBTOR, Kind.TEXT, "City of the debtor"),
    Column("DebtorEmail", Section.DEBTOR, Kind.TEXT, "E-mail address of the debtor"),
    Column(
        "DebtorContactNumbers",
        Section.DEBTOR,
        Kind.TEXT,
        "Phone numbers of the debtor, separated by a comma",
    ),
    Column("CaseId", Section.CLAIM, Kind.TEXT, "Id of the case"),
    Column("VoucherId", Section.CLAIM, Kind.TEXT, "Id of the claim within the run"),
    Column("VoucherDate", Section.CLAIM, Kind.DATE, "Day of the voucher"),
    Column(
        "ContractStartDate",
        Section.CLAIM,
        Kind.DATE,
        "Start of the contract that the claim comes from",
    ),
    Column("Amount", Section.CLAIM, Kind.DECIMAL, "Amount to collect"),
    Column("Currency", Section.CLAIM, Kind.TEXT, "Currency of the amount, ISO 4217"),
    Column(
        "Type",
        Section.CLAIM,
        Kind.ENUM,
        "For example CLAIM, FLAT_FEE, BANK_FEE, DUNNING_FEE or SALE (open list)",
    ),
    Column("Designation", Section.CLAIM, Kind.TEXT, "Short text of the claim"),
    Column("ServicePeriodStartDate", Section.CLAIM, Kind.DATE, "First day of the service period"),
    Column("ServicePeriodEndDate", Section.CLAIM, Kind.DATE, "Last day of the service period"),
    Column(
        "LatestRejectionReason",
        Section.CLAIM,
        Kind.TEXT,
        "Latest reason why a SEPA debit or the like was refused (open list)",
    ),
)
