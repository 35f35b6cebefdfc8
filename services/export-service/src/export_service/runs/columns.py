"""The columns of a run's export: what they are called, what they hold and in which order (R40).

Collection agencies import these files by column name and position, so neither ever changes within
one `FORMAT_VERSION`.
"""

from typing import Final

from export_service.rendering.columns import Column, Kind

FORMAT_VERSION: Final = "1.0"
"""What the column `Version` says."""

COLUMNS: Final[tuple[Column, ...]] = (
    Column("TransferId", Kind.TEXT, "Id of the handover of one studio in one run"),
    Column("CollectionDate", Kind.DATE, "Day the run was created"),
    Column("Version", Kind.TEXT, "Version of this format"),
    Column("TriggerType", Kind.ENUM, "What started the handover: run or single member"),
    Column("ClientId", Kind.TEXT, "Id of the studio (the creditor)"),
    Column("MatchCode", Kind.TEXT, "Code that links the studio across systems"),
    Column("PersonType", Kind.ENUM, "COMPANY or PERSON"),
    Column("Name1", Kind.TEXT, "First name line of the creditor"),
    Column("Name2", Kind.TEXT, "Second name line of the creditor"),
    Column("Name3", Kind.TEXT, "Third name line of the creditor"),
    Column("MagiclineTenantName", Kind.TEXT, "Name of the tenant"),
    Column("LegalForm", Kind.TEXT, "Legal form of the company"),
    Column("PreTaxAttribute", Kind.BOOL, "Whether the creditor deducts input VAT"),
    Column(
        "VATSerialNo",
        Kind.TEXT,
        "VAT number (checked; a wrong one warns and is kept)",
    ),
    Column("Street", Kind.TEXT, "Street and house number of the studio"),
    Column("PostalCode", Kind.TEXT, "Postal code of the studio"),
    Column("City", Kind.TEXT, "City of the studio"),
    Column("CountryCode", Kind.TEXT, "Country of the studio, ISO 3166-1 alpha-2"),
    Column("Country", Kind.TEXT, "Country of the studio, as a name"),
    Column(
        "IBAN",
        Kind.TEXT,
        "The studio's IBAN, checked by mod-97 (a wrong one warns and is kept)",
    ),
    Column(
        "BIC",
        Kind.TEXT,
        "The studio's BIC, 8 or 11 characters (a wrong one warns and is kept)",
    ),
    Column("Bank", Kind.TEXT, "Name of the studio's bank"),
    Column(
        "BankCountryCode",
        Kind.TEXT,
        "Country of the studio's bank, ISO 3166-1 alpha-2",
    ),
    Column("Email", Kind.TEXT, "E-mail address of the studio"),
    Column(
        "ContactNumbers",
        Kind.PHONES,
        "Phone numbers of the studio, separated by a comma",
    ),
    Column("DebtorId", Kind.TEXT, "Id of the debtor"),
    Column("MembershipNr", Kind.TEXT, "Membership number, leading zeros kept"),
    Column("DebtorCountryCode", Kind.TEXT, "Country of the debtor, ISO 3166-1 alpha-2"),
    Column("DebtorCountry", Kind.TEXT, "Country of the debtor, as a name"),
    Column(
        "DebtorBankCountryCode",
        Kind.TEXT,
        "Country of the debtor's bank, ISO 3166-1 alpha-2",
    ),
    Column("DebtorAccountHolder", Kind.TEXT, "Holder of the debtor's account"),
    Column("DebtorIdentificationNumber", Kind.TEXT, "National or tax number"),
    Column(
        "DebtorIBAN",
        Kind.TEXT,
        "The debtor's IBAN, checked by mod-97 (a wrong one warns and is kept)",
    ),
    Column(
        "DebtorBIC",
        Kind.TEXT,
        "The debtor's BIC, 8 or 11 characters (a wrong one warns and is kept)",
    ),
    Column(
        "MandateReference",
        Kind.TEXT,
        "SEPA mandate reference, at most 35 characters",
    ),
    Column("MandateSignedOn", Kind.DATE, "Day the SEPA mandate was signed"),
    Column("MandateOwner", Kind.TEXT, "Who signed the SEPA mandate"),
    Column("MandateCreditorId", Kind.TEXT, "SEPA creditor identifier"),
    Column("MandateCreditorName", Kind.TEXT, "Name of the SEPA creditor"),
    Column("Birthdate", Kind.DATE, "Day of birth"),
    Column("MaidenName", Kind.TEXT, "Maiden name"),
    Column("FirstName", Kind.TEXT, "First name"),
    Column("DebtorName1", Kind.TEXT, "Surname or company"),
    Column("DebtorName2", Kind.TEXT, "Second name line of the debtor"),
    Column("Sex", Kind.ENUM, "MALE, FEMALE, DIVERSE or UNKNOWN"),
    Column("DebtorStreet", Kind.TEXT, "Street and house number of the debtor"),
    Column("DebtorPostalCode", Kind.TEXT, "Postal code of the debtor"),
    Column("DebtorCity", Kind.TEXT, "City of the debtor"),
    Column("DebtorEmail", Kind.TEXT, "E-mail address of the debtor"),
    Column(
        "DebtorContactNumbers",
        Kind.PHONES,
        "Phone numbers of the debtor, separated by a comma",
    ),
    Column("CaseId", Kind.TEXT, "Id of the case"),
    Column("VoucherId", Kind.TEXT, "Id of the claim within the run"),
    Column("VoucherDate", Kind.DATE, "Day of the voucher"),
    Column(
        "ContractStartDate",
        Kind.DATE,
        "Start of the contract that the claim comes from",
    ),
    Column("Amount", Kind.DECIMAL, "Amount to collect"),
    Column("Currency", Kind.TEXT, "Currency of the amount, ISO 4217"),
    Column(
        "Type",
        Kind.ENUM,
        "For example CLAIM, FLAT_FEE, BANK_FEE, DUNNING_FEE or SALE (open list)",
    ),
    Column("Designation", Kind.TEXT, "Short text of the claim"),
    Column("ServicePeriodStartDate", Kind.DATE, "First day of the service period"),
    Column("ServicePeriodEndDate", Kind.DATE, "Last day of the service period"),
    Column(
        "LatestRejectionReason",
        Kind.TEXT,
        "Latest reason why a SEPA debit or the like was refused (open list)",
    ),
)
