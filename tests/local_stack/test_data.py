"""The seeded data: believable, valid, and the same each time."""

import tracemalloc
from collections import Counter
from datetime import date
from decimal import Decimal
from itertools import islice

import pytest

from contracts import BankAccount
from local_stack.data import Population, SeededMember
from local_stack.publish import snapshots

TODAY = date(2026, 11, 22)


@pytest.fixture(scope="module")
def population() -> Population:
    return Population(members=2_000, today=TODAY)


@pytest.fixture(scope="module")
def members(population: Population) -> list[SeededMember]:
    return list(population.members())


def test_the_same_seed_gives_the_same_data() -> None:
    first, again = (list(snapshots(Population(members=30, today=TODAY, seed=7))) for _ in range(2))
    assert first == again
    assert first != list(snapshots(Population(members=30, today=TODAY, seed=8)))


def test_every_iban_is_valid_and_has_the_country_of_its_bank(
    population: Population, members: list[SeededMember]
) -> None:
    accounts = [studio.bank_account for studio in population.studios]
    accounts += [seeded.member.bank_account for seeded in members]
    lengths = {"DE": 22, "AT": 20, "CH": 21, "GB": 22}
    checked = 0
    for account in accounts:
        if account is None:
            continue
        assert account.iban is not None
        assert account.bic is not None
        assert len(account.iban) == lengths[account.iban[:2]]
        assert remainder(account) == 1
        assert len(account.bic) in (8, 11)
        assert account.bic[4:6] == account.iban[:2] == account.country_code
        checked += 1
    assert checked > 1_500


def remainder(account: BankAccount) -> int:
    """What ISO 13616 says: the first four characters last, letters as numbers, modulo 97."""
    iban = account.iban or ""
    return int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97


def test_a_member_owes_in_the_one_currency_of_its_studio(members: list[SeededMember]) -> None:
    currencies = Counter[str]()
    for seeded in members:
        (currency,) = {claim.amount.currency for claim in seeded.claims}
        currencies[currency] += 1
    assert currencies.keys() == {"EUR", "CHF", "GBP"}


def test_claims_belong_to_their_member_and_were_due(members: list[SeededMember]) -> None:
    for seeded in members:
        for claim in seeded.claims:
            assert claim.member_id == seeded.member.member_id
            assert claim.studio_id == seeded.member.studio_id
            assert claim.voucher_date <= claim.due_date < TODAY
            assert Decimal(0) <= claim.paid_directly.amount < claim.amount.amount
    assert len({claim.claim_id for seeded in members for claim in seeded.claims}) == sum(
        len(seeded.claims) for seeded in members
    )


def test_the_shares_are_as_in_life(members: list[SeededMember]) -> None:
    def share(count: int) -> float:
        return count / len(members)

    minors = [
        seeded.member
        for seeded in members
        if seeded.member.birth_date and (TODAY - seeded.member.birth_date).days < 18 * 365.25
    ]
    claims = [claim for seeded in members for claim in seeded.claims]
    assert 0.02 < share(len(minors)) < 0.06
    assert {member.legal_guardian is None for member in minors} == {True, False}
    assert 0.03 < share(sum(m.member.dunning.last_level_passed_on is None for m in members)) < 0.07
    assert 0.015 < share(sum(m.member.collection_block is not None for m in members)) < 0.045
    assert 2.8 < share(len(claims)) < 3.2
    assert any(claim.disputed for claim in claims)
    assert any(claim.cancelled for claim in claims)
    assert any(set("äöüß") & set(seeded.member.name1) for seeded in members)


def test_a_hundred_thousand_members_are_never_in_memory_at_once() -> None:
    tracemalloc.start()
    population = Population(members=100_000, today=TODAY)
    for _ in islice(population.members(), 3_000):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8_000_000
