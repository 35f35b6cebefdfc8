"""Values that several events share."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from contracts.event import Contract, ListOf
from contracts.money import Money

MAX_CLAIMS = 500
"""Claims of one member in one event: more would not fit a Kafka message of 1 MiB."""

_NO_NUL = r"^[^\x00]*$"  # PostgreSQL stores no NUL characters

Reference = Annotated[str, Field(min_length=1, max_length=35, pattern=_NO_NUL)]
"""A reference as SEPA knows it: at most 35 characters."""
ShortText = Annotated[str, Field(min_length=1, max_length=60, pattern=_NO_NUL)]
Identifier = Annotated[str, Field(min_length=1, max_length=100, pattern=_NO_NUL)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=_NO_NUL)]
Subject = Annotated[str, Field(min_length=1, max_length=255, pattern=_NO_NUL)]
"""Subject of a token: an id, never a person's name."""
LongText = Annotated[str, Field(min_length=1, max_length=500, pattern=_NO_NUL)]
MaybeEmpty = Annotated[str, Field(max_length=200, pattern=_NO_NUL)]
Email = Annotated[str, Field(min_length=1, max_length=254, pattern=_NO_NUL)]
PhoneNumber = Annotated[str, Field(min_length=1, max_length=40, pattern=_NO_NUL)]
PhoneNumbers = Annotated[ListOf[PhoneNumber], Field(max_length=20)]
CountryCode = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
"""ISO 3166-1 alpha-2."""
Code = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,59}$")]
"""A word of an open list, such as DEBTOR_UNKNOWN. Readers must expect new ones."""
BookingNumber = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{6,10}$")]
"""Readable number of a run: the year and a gapless count of the tenant, such as 2026-000001."""

Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Sequence = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""Grows with each snapshot of one thing; stays exact in readers whose numbers are doubles."""


@dataclass(frozen=True)
class _FromText:
    """In JSON only text of this pattern: 20260301 would else be read as seconds since 1970."""

    format: str
    pattern: str
    check: Callable[[Any], Any] | None = None
    """What is asked of a value from Python, where the pattern sees to it in a text."""

    def __get_pydantic_core_schema__(
        self, source: type[date], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        value = handler(source)
        text = core_schema.str_schema(pattern=self.pattern, strict=True)
        lax = cast(CoreSchema, {**value, "strict": False})  # takes the text in
        if self.check is not None:
            value = core_schema.no_info_after_validator_function(self.check, value)
        return core_schema.json_or_python_schema(
            json_schema=core_schema.chain_schema([text, lax]), python_schema=value
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "format": self.format, "pattern": self.pattern}


def _utc(value: datetime) -> datetime:
    if value.utcoffset() != timedelta(0):
        raise ValueError("must be in UTC")
    return value


Day = Annotated[date, _FromText("date", r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
"""A day, as in 2026-03-01."""
Instant = Annotated[
    datetime,
    _FromText(
        "date-time",
        r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|\+00:00)$",
        _utc,
    ),
]
"""A point in time in UTC, as in 2026-03-01T08:15:00Z."""

PersonType = Literal["COMPANY", "PERSON"]
Sex = Literal["MALE", "FEMALE", "DIVERSE", "UNKNOWN"]
Channel = Literal["BY_HAND", "API"]
Trigger = Literal["RUN", "SINGLE_MEMBER"]
Actor = Literal["STAFF", "PARTNER", "SYSTEM"]


class Address(Contract):
    """A postal address."""

    street: MaybeEmpty
    """Street and house number; empty when not known."""
    postal_code: MaybeEmpty
    """Postal code, leading zeros kept; empty when there is none."""
    city: MaybeEmpty
    """Town; empty when not known."""
    country_code: CountryCode
    """ISO 3166-1 alpha-2 code of the country."""
    country: MaybeEmpty
    """Name of the country in the tenant's language; empty when not known."""


class BankAccount(Contract):
    """A bank account. Taken as the owning system has it: an IBAN may be wrong."""

    iban: Annotated[str, Field(min_length=1, max_length=42, pattern=_NO_NUL)] | None = None
    """IBAN, with or without blanks; not checked here."""
    bic: Annotated[str, Field(min_length=1, max_length=11, pattern=_NO_NUL)] | None = None
    """BIC, 8 or 11 characters; not checked here."""
    bank_name: Name | None = None
    """Name of the bank."""
    country_code: CountryCode | None = None
    """ISO 3166-1 alpha-2 code of the bank's country."""
    account_holder: Name | None = None
    """Holder of the account."""


class Mandate(Contract):
    """A SEPA direct debit mandate."""

    reference: Reference
    """Mandate reference, at most 35 characters."""
    signed_on: Day | None = None
    """Day on which the mandate was signed."""
    owner: Name | None = None
    """Who gave the mandate."""
    creditor_id: Reference | None = None
    """SEPA creditor identifier."""
    creditor_name: Name | None = None
    """Name of the creditor in the mandate."""


class ServicePeriod(Contract):
    """The days for which a claim was made."""

    starts_on: Day
    """First day."""
    ends_on: Day
    """Last day, included."""


class StudioDetails(Contract):
    """What is known of a studio, the creditor."""

    studio_id: UUID
    """Id of the studio."""
    match_code: Name | None = None
    """Code that links the studio across systems."""
    person_type: PersonType
    """Whether the creditor is a company or a natural person."""
    name1: Name
    """First name line of the creditor."""
    name2: Name | None = None
    """Second name line."""
    name3: Name | None = None
    """Third name line."""
    tenant_name: Name
    """Name of the tenant that the studio belongs to."""
    legal_form: Identifier | None = None
    """Legal form of the company, such as GmbH."""
    deducts_input_vat: bool
    """Whether the creditor may deduct input VAT."""
    vat_number: Identifier | None = None
    """VAT number; taken as it is, not checked here."""
    address: Address
    """Postal address of the studio."""
    bank_account: BankAccount | None = None
    """Account on which the creditor takes payments."""
    email: Email | None = None
    """E-mail address of the studio."""
    phone_numbers: PhoneNumbers = ()
    """Phone numbers of the studio."""
    time_zone: Annotated[str, Field(pattern=r"^[A-Za-z0-9_+/-]{1,64}$")]
    """IANA time zone in which the studio's days count, such as Europe/Berlin."""


class PersonDetails(Contract):
    """What is known of a member, or of the person who is liable for it."""

    membership_number: ShortText
    """Membership number, leading zeros kept."""
    first_name: Name | None = None
    """First name; none for a company."""
    name1: Name
    """Surname, or name of the company."""
    name2: Name | None = None
    """Second name line."""
    maiden_name: Name | None = None
    """Surname at birth."""
    sex: Sex
    """Sex as registered; UNKNOWN also for companies."""
    birth_date: Day | None = None
    """Day of birth."""
    identification_number: Identifier | None = None
    """National identity or tax number."""
    address: Address | None = None
    """Postal address."""
    email: Email | None = None
    """E-mail address."""
    phone_numbers: PhoneNumbers = ()
    """Phone numbers."""
    bank_account: BankAccount | None = None
    """Account from which is paid."""
    mandate: Mandate | None = None
    """Mandate for that account."""


class ClaimDetails(Contract):
    """What is known of a claim: one amount that a member owes."""

    claim_id: UUID
    """Id of the claim."""
    voucher_date: Day
    """Day on which the claim arose."""
    due_date: Day
    """Day on which the claim was to be paid."""
    contract_started_on: Day | None = None
    """Start of the contract that the claim comes from."""
    kind: Annotated[str, Field(pattern=r"^[A-Z][A-Z_]{0,39}$")]
    """What the claim is for: CLAIM, FLAT_FEE, BANK_FEE, DUNNING_FEE, SALE. An open list."""
    designation: Name
    """Short text of the claim."""
    service_period: ServicePeriod | None = None
    """Days for which the claim was made."""
    amount: Money
    """Amount of the claim after all corrections."""
    paid_directly: Money
    """What was paid on the claim at the studio, in sum since it arose. Not through collection."""
    latest_rejection_reason: Name | None = None
    """Latest reason why a direct debit or the like was refused. An open list."""
