"""What the figures of the system must be, worked out from the seeded data and nothing else."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from local_stack.data import Population, SeededMember

_YEARS_OF_MINORS = 18

Totals = Mapping[str, Decimal]
"""A sum for each currency."""


@dataclass(frozen=True)
class Figures:
    """Counts and sums that several services must agree on."""

    members: int
    claims: int
    totals: Totals

    @classmethod
    def of_answer(cls, answer: Mapping[str, Any]) -> Self:
        """Those in an answer of run-service."""
        return cls(answer["members"], answer["claims"], sum_of(answer["totals"]))

    def __str__(self) -> str:
        return f"{self.members} members, {self.claims} claims, {as_text(self.totals)}"


@dataclass(frozen=True)
class Candidate:
    """A member that can be handed over, as the rules say."""

    member_id: UUID
    studio_id: UUID
    currency: str
    open: Mapping[UUID, Decimal]
    """What is open on each of its claims."""


def candidates(population: Population) -> Iterator[Candidate]:
    """The members that are handed over unless staff decide otherwise (R1, R3)."""
    for seeded in population.members():
        open_claims = {
            claim.claim_id: claim.amount.amount - claim.paid_directly.amount
            for claim in seeded.claims
            if not (claim.cancelled or claim.disputed)
        }
        if (
            open_claims
            and seeded.member.dunning.last_level_passed_on is not None
            and seeded.member.collection_block is None
            and not _is_minor_without_guardian(seeded)
        ):
            yield Candidate(
                seeded.member.member_id,
                seeded.member.studio_id,
                seeded.claims[0].amount.currency,
                open_claims,
            )


def figures_of(members: Iterable[Candidate]) -> Figures:
    """The figures of a run that hands these members over."""
    count = claims = 0
    sums: dict[str, Decimal] = {}
    for member in members:
        count += 1
        claims += len(member.open)
        sums[member.currency] = sums.get(member.currency, Decimal(0)) + sum(member.open.values())
    return Figures(count, claims, sums)


def sum_of(amounts: Iterable[Mapping[str, str]]) -> Totals:
    """The sum in each currency of amounts as HTTP answers have them."""
    sums: dict[str, Decimal] = {}
    for money in amounts:
        sums[money["currency"]] = sums.get(money["currency"], Decimal(0)) + Decimal(money["amount"])
    return sums


def as_text(totals: Totals) -> str:
    """Such as `1,234.50 EUR + 70.00 CHF`."""
    return " + ".join(f"{amount:,} {currency}" for currency, amount in sorted(totals.items()))


def _is_minor_without_guardian(seeded: SeededMember) -> bool:
    born = seeded.member.birth_date
    if born is None or seeded.member.legal_guardian is not None:
        return False
    return any(_age(born, claim.voucher_date) < _YEARS_OF_MINORS for claim in seeded.claims)


def _age(born: date, day: date) -> int:
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
