"""Believable studios, members and claims, as snapshots of the systems that own them.

The same seed and day give the same data; a member does not depend on how many there are.
Everything is made while it is read, so a hundred thousand members need no more memory than one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from uuid import UUID

from contracts import (
    Address,
    BankAccount,
    ClaimSnapshotV1,
    CollectionBlock,
    Dunning,
    LegalGuardian,
    Mandate,
    MembershipContract,
    MemberSnapshotV1,
    Money,
    ServicePeriod,
    StudioSnapshotV1,
)
from contracts.parts import Sex
from local_stack import vocabulary
from local_stack.vocabulary import AUSTRIA, GERMANY, SWITZERLAND, UNITED_KINGDOM, Country

TENANT_NAME = "Demo Fitness Gruppe"
MEMBERS_PER_STUDIO = 100
_FEWEST_STUDIOS, _MOST_STUDIOS = 4, 200
_COUNTRIES = (GERMANY, SWITZERLAND, GERMANY, UNITED_KINGDOM, GERMANY, AUSTRIA, GERMANY, GERMANY)
_LAST_DUNNING_LEVEL = 3
_SEXES: tuple[Sex, ...] = ("MALE", "FEMALE", "DIVERSE", "UNKNOWN")

# Shares of the members, and of the claims.
_NOT_THROUGH_DUNNING = 0.05
_BLOCKED = 0.03
_MINORS = 0.04
_MINORS_WITH_GUARDIAN = 0.5
_COMPANIES = 0.02
_WITHOUT_ACCOUNT = 0.1
_DISPUTED = 0.03
_CANCELLED = 0.03
_PARTLY_PAID = 0.06


@dataclass(frozen=True)
class SeededMember:
    """A member with all its claims."""

    member: MemberSnapshotV1
    claims: tuple[ClaimSnapshotV1, ...]


class Population:
    """`members` members of some studios, as they are on the day `today`."""

    def __init__(self, *, members: int, today: date, seed: int = 1) -> None:
        self.member_count = members
        self._today = today
        self._seed = seed
        studios = min(_MOST_STUDIOS, max(_FEWEST_STUDIOS, members // MEMBERS_PER_STUDIO))
        self.studios = tuple(self._studio(number) for number in range(studios))

    def members(self) -> Iterator[SeededMember]:
        """Each member with its claims."""
        for number in range(self.member_count):
            yield self._member(number)

    def _chance(self, kind: str, number: int) -> Random:
        return Random(f"{self._seed}/{kind}/{number}")

    def _studio(self, number: int) -> StudioSnapshotV1:
        chance = self._chance("studio", number)
        country = _COUNTRIES[number % len(_COUNTRIES)]
        address = _address(chance, country)
        club = chance.choice(vocabulary.CLUBS)
        legal_form = chance.choice(vocabulary.LEGAL_FORMS)
        return StudioSnapshotV1(
            studio_id=_id(chance),
            sequence=1,
            match_code=f"{country.code}-{number + 1:03}",
            person_type="COMPANY",
            name1=f"{club} {address.city} {legal_form}",
            name2=f"Standort {number + 1}",
            tenant_name=TENANT_NAME,
            legal_form=legal_form,
            deducts_input_vat=chance.random() < 0.9,
            vat_number="DE136695976" if country is GERMANY else None,
            address=address,
            bank_account=_bank_account(chance, country, f"{club} {legal_form}"),
            email=f"studio{number + 1}@example.org",
            phone_numbers=(_phone_number(chance, country),),
            time_zone=country.time_zone,
        )

    def _member(self, number: int) -> SeededMember:
        chance = self._chance("member", number)
        place = chance.randrange(len(self.studios))
        studio, country = self.studios[place], _COUNTRIES[place % len(_COUNTRIES)]
        person = _person(chance, self._today)
        holder = f"{person.first_name or ''} {person.name1}".strip()
        started_on = self._today - timedelta(days=chance.randrange(430, 1500))
        has_account = chance.random() >= _WITHOUT_ACCOUNT
        member = MemberSnapshotV1(
            member_id=_id(chance),
            sequence=1,
            studio_id=studio.studio_id,
            membership_number=f"{number + 1:07}",
            first_name=person.first_name,
            name1=person.name1,
            maiden_name=person.maiden_name,
            sex=person.sex,
            birth_date=person.birth_date,
            address=_address(chance, country),
            email=f"mitglied{number + 1}@example.org" if chance.random() < 0.9 else None,
            phone_numbers=tuple(_phone_number(chance, country) for _ in range(chance.randrange(3))),
            bank_account=_bank_account(chance, country, holder) if has_account else None,
            mandate=_mandate(studio, number, started_on, holder) if has_account else None,
            legal_guardian=_guardian(chance, person, country, self._today),
            contract=MembershipContract(started_on=started_on),
            dunning=_dunning(chance, self._today),
            collection_block=_block(chance),
        )
        count = chance.choices((1, 2, 3, 4, 5), weights=(1, 2, 4, 2, 1))[0]
        months = range(1, count + 1)
        claims = (_claim(chance, member, country.currency, self._today, month) for month in months)
        return SeededMember(member, tuple(claims))


@dataclass(frozen=True)
class _Person:
    first_name: str | None
    name1: str
    maiden_name: str | None
    sex: Sex
    birth_date: date | None
    is_minor: bool


def _person(chance: Random, today: date) -> _Person:
    if chance.random() < _COMPANIES:
        name = f"{chance.choice(vocabulary.COMPANIES)} {chance.choice(vocabulary.LEGAL_FORMS)}"
        return _Person(None, name, None, "UNKNOWN", None, is_minor=False)
    is_minor = chance.random() < _MINORS / (1 - _COMPANIES)
    # Nobody turns eighteen soon, so that who is a minor does not hang on the day of a claim.
    years = chance.randrange(14, 17) if is_minor else chance.randrange(21, 75)
    birth_date = today - timedelta(days=round(365.25 * years) + chance.randrange(300))
    sex = chance.choices(_SEXES, weights=(48, 48, 2, 2))[0]
    names = vocabulary.MALE_NAMES if sex == "MALE" else vocabulary.FEMALE_NAMES
    is_renamed = sex == "FEMALE" and not is_minor and chance.random() < 0.2
    return _Person(
        first_name=chance.choice(names),
        name1=chance.choice(vocabulary.SURNAMES),
        maiden_name=chance.choice(vocabulary.SURNAMES) if is_renamed else None,
        sex=sex,
        birth_date=birth_date,
        is_minor=is_minor,
    )


def _guardian(
    chance: Random, person: _Person, country: Country, today: date
) -> LegalGuardian | None:
    if not person.is_minor or chance.random() >= _MINORS_WITH_GUARDIAN:
        return None
    return LegalGuardian(
        first_name=chance.choice(vocabulary.FEMALE_NAMES),
        name1=person.name1,
        birth_date=today - timedelta(days=365 * chance.randrange(35, 60)),
        address=_address(chance, country),
        phone_numbers=(_phone_number(chance, country),),
    )


def _dunning(chance: Random, today: date) -> Dunning:
    if chance.random() < _NOT_THROUGH_DUNNING:
        return Dunning(level=chance.randrange(_LAST_DUNNING_LEVEL))
    passed_on = today - timedelta(days=chance.randrange(1, 30))
    return Dunning(level=_LAST_DUNNING_LEVEL, last_level_passed_on=passed_on)


def _block(chance: Random) -> CollectionBlock | None:
    if chance.random() >= _BLOCKED:
        return None
    return CollectionBlock(reason=chance.choice(vocabulary.BLOCKS))


def _claim(
    chance: Random, member: MemberSnapshotV1, currency: str, today: date, month: int
) -> ClaimSnapshotV1:
    """One claim; the higher `month`, the longer ago it was due."""
    due_date = today - timedelta(days=30 * month + chance.randrange(20, 40))
    kind, designation, cents = _subject(chance)
    is_fee = kind == "CLAIM"
    paid = chance.randrange(1, cents) if chance.random() < _PARTLY_PAID else 0
    return ClaimSnapshotV1(
        claim_id=_id(chance),
        sequence=1,
        member_id=member.member_id,
        studio_id=member.studio_id,
        voucher_date=due_date - timedelta(days=chance.randrange(15)),
        due_date=due_date,
        contract_started_on=member.contract.started_on if member.contract and is_fee else None,
        kind=kind,
        designation=designation,
        service_period=(
            ServicePeriod(starts_on=due_date, ends_on=due_date + timedelta(days=29))
            if is_fee
            else None
        ),
        amount=_money(cents, currency),
        paid_directly=_money(paid, currency),
        cancelled=chance.random() < _CANCELLED,
        disputed=chance.random() < _DISPUTED,
        latest_rejection_reason=(
            chance.choice(vocabulary.REJECTIONS) if member.bank_account else None
        ),
    )


def _subject(chance: Random) -> tuple[str, str, int]:
    """What a claim is for: its kind, its designation, its amount in cents."""
    kind = chance.choices(
        ("CLAIM", "DUNNING_FEE", "BANK_FEE", "FLAT_FEE", "SALE"), weights=(70, 10, 8, 6, 6)
    )[0]
    match kind:
        case "CLAIM":
            return kind, "Mitgliedsbeitrag", chance.choice((1990, 2495, 2999, 4990, 7933))
        case "DUNNING_FEE":
            return kind, "Mahngebühr", chance.choice((250, 500))
        case "BANK_FEE":
            return kind, "Rücklastschriftgebühr", chance.randrange(300, 900)
        case "FLAT_FEE":
            return kind, "Servicepauschale", 2990
        case _:
            return kind, "Verkauf: Eiweißpulver", chance.randrange(99, 6000)


def _money(cents: int, currency: str) -> Money:
    return Money(amount=Decimal(cents).scaleb(-2), currency=currency)


def _address(chance: Random, country: Country) -> Address:
    city, postal_code = chance.choice(country.cities)
    return Address(
        street=f"{chance.choice(vocabulary.STREETS)} {chance.randrange(1, 180)}",
        postal_code=postal_code,
        city=city,
        country_code=country.code,
        country=country.name,
    )


def _phone_number(chance: Random, country: Country) -> str:
    return f"{country.dialling_code} 30 23125 {chance.randrange(1000):03}"


def _bank_account(chance: Random, country: Country, holder: str) -> BankAccount:
    bank = chance.choice(country.banks)
    account = f"{chance.randrange(10**country.account_digits):0{country.account_digits}}"
    return BankAccount(
        iban=_iban(country.code, bank.code + account),
        bic=bank.bic,
        bank_name=bank.name,
        country_code=country.code,
        account_holder=holder,
    )


def _iban(country_code: str, national_part: str) -> str:
    """The IBAN with its check digits (ISO 7064, mod 97-10)."""
    digits = "".join(str(int(character, 36)) for character in f"{national_part}{country_code}00")
    return f"{country_code}{98 - int(digits) % 97:02}{national_part}"


def _mandate(studio: StudioSnapshotV1, number: int, signed_on: date, owner: str) -> Mandate:
    return Mandate(
        reference=f"M-{number + 1:07}",
        signed_on=signed_on,
        owner=owner,
        creditor_id="DE98ZZZ09999999999",
        creditor_name=studio.name1,
    )


def _id(chance: Random) -> UUID:
    return UUID(int=chance.getrandbits(128), version=4)
