"""The columns of the three files. docs/import.md shows them; a test holds the two together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from run_service.imports import cells
from run_service.imports.cells import Reader
from run_service.imports.kinds import Kind

_SEX: Final = {
    "male": "MALE",
    "female": "FEMALE",
    "diverse": "DIVERSE",
    "unknown": "UNKNOWN",
    "m": "MALE",
    "w": "FEMALE",
    "d": "DIVERSE",
    "männlich": "MALE",
    "weiblich": "FEMALE",
    "divers": "DIVERSE",
    "unbekannt": "UNKNOWN",
}
_PERSON_TYPE: Final = {
    "company": "COMPANY",
    "person": "PERSON",
    "firma": "COMPANY",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file."""

    name: str
    """The heading; capitals and blanks around it do not matter."""
    german: str
    """The German heading, which does as well."""
    meaning: str
    read: Reader = cells.text
    path: str | None = None
    """The field of the snapshot, such as `address.street`; the name itself unless told otherwise,
    and none where the cell names a thing. Several are separated by a blank."""
    required: bool = False
    default: Any = None
    """What an empty cell means, where the part of the snapshot that it belongs to is there."""
    names: Kind | None = None
    """The things that the cell names one of, by its number."""
    alone: bool = True
    """Whether the cell by itself makes the part of the snapshot that it belongs to."""

    @property
    def fields(self) -> tuple[tuple[str, ...], ...]:
        """The fields of the snapshot, each as the way to it."""
        path = self.path or ("" if self.names else self.name)
        return tuple(tuple(each.split(".")) for each in path.split())


def _address(prefix: str = "", german: str = "", at: str = "address") -> tuple[Column, ...]:
    def column(name: str, name_german: str, meaning: str, **more: Any) -> Column:
        return Column(
            f"{prefix}{name}", f"{name_german}{german}", meaning, path=f"{at}.{name}", **more
        )

    return (
        column("street", "Straße", "Street and house number", default=""),
        column("postal_code", "PLZ", "Postal code, with its leading zeros", default=""),
        column("city", "Ort", "Town", default=""),
        column(
            "country_code",
            "Länderkürzel",
            "Country: ISO 3166-1, two letters",
            read=cells.country,
            default="DE",
            alone=False,
        ),
        column("country", "Land", "Name of the country", default="", alone=False),
    )


def _reachable(prefix: str = "", german: str = "", at: str = "") -> tuple[Column, ...]:
    return (
        Column(f"{prefix}email", f"E-Mail{german}", "E-mail address", path=f"{at}email"),
        Column(
            f"{prefix}phone_numbers",
            f"Telefon{german}",
            "Phone numbers, with a vertical bar between them",
            cells.phone_numbers,
            path=f"{at}phone_numbers",
        ),
    )


_BANK_ACCOUNT: Final = (
    Column("iban", "IBAN", "IBAN; taken as it is", path="bank_account.iban"),
    Column("bic", "BIC", "BIC; taken as it is", path="bank_account.bic"),
    Column("bank_name", "Bank", "Name of the bank", path="bank_account.bank_name"),
    Column(
        "bank_country_code",
        "Länderkürzel der Bank",
        "Country of the bank: two letters",
        cells.country,
        path="bank_account.country_code",
        alone=False,
    ),
    Column(
        "account_holder",
        "Kontoinhaber",
        "Holder of the account",
        path="bank_account.account_holder",
    ),
)

_STUDIOS: Final = (
    Column(
        "studio_number",
        "Studionummer",
        "Your number of the studio, or its id",
        cells.number,
        required=True,
        names=Kind.STUDIOS,
    ),
    Column("name1", "Name", "First name line of the creditor", required=True),
    Column("name2", "Name 2", "Second name line"),
    Column("name3", "Name 3", "Third name line"),
    Column("match_code", "Matchcode", "Code that links the studio across systems"),
    Column(
        "person_type",
        "Personenart",
        "`COMPANY` or `PERSON`; also Firma",
        cells.one_of(_PERSON_TYPE),
        default="COMPANY",
    ),
    Column("tenant_name", "Mandant", "Name of your company; empty: `name1`"),
    Column("legal_form", "Rechtsform", "Legal form, such as GmbH"),
    Column(
        "deducts_input_vat",
        "Vorsteuerabzug",
        "Whether the creditor may deduct input VAT",
        cells.boolean,
        required=True,
    ),
    Column("vat_number", "USt-IdNr.", "VAT number"),
    *_address(),
    *_BANK_ACCOUNT,
    *_reachable(),
    Column(
        "time_zone",
        "Zeitzone",
        "IANA time zone; empty: the setting `TIME_ZONE`",
        cells.time_zone,
    ),
)

_MEMBERS: Final = (
    Column(
        "membership_number",
        "Mitgliedsnummer",
        "Membership number, with its leading zeros, or the member's id",
        cells.number,
        path="membership_number",
        required=True,
        names=Kind.MEMBERS,
    ),
    Column(
        "studio_number",
        "Studionummer",
        "The member's studio: a number of the studios file, of an earlier import, or an id",
        cells.number,
        required=True,
        names=Kind.STUDIOS,
    ),
    Column("first_name", "Vorname", "First name; none for a company"),
    Column("name1", "Nachname", "Surname, or name of the company", required=True),
    Column("name2", "Name 2", "Second name line"),
    Column("maiden_name", "Geburtsname", "Surname at birth"),
    Column(
        "sex",
        "Geschlecht",
        "`MALE`, `FEMALE`, `DIVERSE`, `UNKNOWN`; also m, w, d, männlich, weiblich, divers",
        cells.one_of(_SEX),
        default="UNKNOWN",
    ),
    Column("birth_date", "Geburtsdatum", "Day of birth", cells.day),
    Column("identification_number", "Ausweisnummer", "National identity or tax number"),
    *_address(),
    *_reachable(),
    *_BANK_ACCOUNT,
    Column("mandate_reference", "Mandatsreferenz", "SEPA mandate", path="mandate.reference"),
    Column(
        "mandate_signed_on",
        "Mandat vom",
        "Day on which it was signed",
        cells.day,
        path="mandate.signed_on",
    ),
    Column("mandate_owner", "Mandatsgeber", "Who gave the mandate", path="mandate.owner"),
    Column("creditor_id", "Gläubiger-ID", "SEPA creditor identifier", path="mandate.creditor_id"),
    Column(
        "creditor_name",
        "Gläubiger",
        "Name of the creditor in the mandate",
        path="mandate.creditor_name",
    ),
    Column(
        "guardian_first_name",
        "Vorname Vertreter",
        "First name of the legal guardian of a minor",
        path="legal_guardian.first_name",
    ),
    Column(
        "guardian_name1",
        "Nachname Vertreter",
        "Surname of the legal guardian; needed with any other of its columns",
        path="legal_guardian.name1",
    ),
    Column(
        "guardian_birth_date",
        "Geburtsdatum Vertreter",
        "Day of birth",
        cells.day,
        path="legal_guardian.birth_date",
    ),
    *_address("guardian_", " Vertreter", "legal_guardian.address"),
    *_reachable("guardian_", " Vertreter", "legal_guardian."),
    Column(
        "contract_started_on",
        "Vertragsbeginn",
        "First day of the membership",
        cells.day,
        path="contract.started_on",
    ),
    Column(
        "contract_ended_on",
        "Vertragsende",
        "Last day of the membership; none while it runs",
        cells.day,
        path="contract.ended_on",
    ),
    Column(
        "dunning_level",
        "Mahnstufe",
        "Dunning level, 0 to 99",
        cells.level,
        path="dunning.level",
        default=0,
    ),
    Column(
        "last_level_passed_on",
        "Letzte Mahnstufe am",
        "Day on which the last dunning level was passed: collection may begin",
        cells.day,
        path="dunning.last_level_passed_on",
    ),
    Column(
        "blocked_reason",
        "Sperrgrund",
        "Why the member must not be handed over; empty: it may be",
        path="collection_block.reason",
    ),
    Column(
        "blocked_until",
        "Gesperrt bis",
        "Last day of the block; empty: it has no end",
        cells.day,
        path="collection_block.until",
    ),
)

_CLAIMS: Final = (
    Column(
        "claim_number",
        "Forderungsnummer",
        "Your number of the claim, or its id",
        cells.number,
        required=True,
        names=Kind.CLAIMS,
    ),
    Column(
        "membership_number",
        "Mitgliedsnummer",
        "Who owes it: a number of the members file, of an earlier import, or an id",
        cells.number,
        required=True,
        names=Kind.MEMBERS,
    ),
    Column(
        "studio_number",
        "Studionummer",
        "To whom it is owed; empty: the member's studio",
        cells.number,
        names=Kind.STUDIOS,
    ),
    Column(
        "kind",
        "Art",
        "`CLAIM`, `FLAT_FEE`, `BANK_FEE`, `DUNNING_FEE`, `SALE` or another such word",
        cells.code,
        default="CLAIM",
    ),
    Column("designation", "Bezeichnung", "Short text of the claim", required=True),
    Column("voucher_date", "Belegdatum", "Day on which it arose", cells.day, required=True),
    Column("due_date", "Fälligkeit", "Day on which it was to be paid", cells.day, required=True),
    Column(
        "amount",
        "Betrag",
        "Amount after all corrections",
        cells.amount,
        path="amount.amount",
        required=True,
    ),
    Column(
        "currency",
        "Währung",
        "ISO 4217, three letters",
        cells.currency,
        path="amount.currency paid_directly.currency",
        default="EUR",
    ),
    Column(
        "paid_directly",
        "Direkt bezahlt",
        "What was paid on it at the studio, in sum; not through collection",
        cells.amount,
        path="paid_directly.amount",
        default=cells.amount("0"),
    ),
    Column(
        "cancelled",
        "Storniert",
        "Whether nothing of it is owed any more",
        cells.boolean,
        default=False,
    ),
    Column("disputed", "Strittig", "Whether the member disputes it", cells.boolean, default=False),
    Column(
        "contract_started_on",
        "Vertragsbeginn",
        "Start of the contract that it comes from",
        cells.day,
    ),
    Column(
        "service_period_starts_on",
        "Leistung von",
        "First day for which it was made",
        cells.day,
        path="service_period.starts_on",
    ),
    Column(
        "service_period_ends_on",
        "Leistung bis",
        "Last day for which it was made",
        cells.day,
        path="service_period.ends_on",
    ),
    Column(
        "latest_rejection_reason",
        "Rückgabegrund",
        "Latest reason why a direct debit was refused",
    ),
)

COLUMNS: Final[Mapping[Kind, tuple[Column, ...]]] = {
    Kind.STUDIOS: _STUDIOS,
    Kind.MEMBERS: _MEMBERS,
    Kind.CLAIMS: _CLAIMS,
}
"""The columns of each file, in the order in which people read them."""
