"""Looks for personal data in logs: names, streets, IBANs and e-mails of members (R63)."""

import re
from collections.abc import Iterable, Iterator, Set
from pathlib import Path

from local_stack.data import Population

_WORD = re.compile(r"""[^\s"'\\,:;(){}\[\]=<>/]+""")
_MOST_WORDS = 5


def leaks(logs: Iterable[Path], populations: Iterable[Population]) -> list[str]:
    """Return the personal data of `populations` that stands in logs.

    The words of the logs are looked up, not each secret searched for: there are many secrets.
    """
    secrets = {_words(secret) for population in populations for secret in _secrets(population)}
    return [f"{log.name}: {' '.join(secret)}" for log in logs for secret in _found(log, secrets)]


def _found(log: Path, secrets: Set[tuple[str, ...]]) -> Set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    with log.open(errors="replace") as lines:
        for line in lines:
            words = tuple(_WORD.findall(line))
            for length in range(1, _MOST_WORDS + 1):
                places = range(len(words) - length + 1)
                found |= secrets & {words[place : place + length] for place in places}
    return found


def _words(secret: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(secret))


def _secrets(population: Population) -> Iterator[str]:
    for seeded in population.members():
        member = seeded.member
        if member.first_name:
            yield f"{member.first_name} {member.name1}"
        if member.address:
            yield member.address.street
        if member.email:
            yield member.email
        if member.bank_account and member.bank_account.iban:
            yield member.bank_account.iban
