"""The search for personal data in logs finds what is there; else its silence means nothing."""

import json
from pathlib import Path

import pytest

from local_stack.data import Population
from tests.e2e.leaks import leaks
from tests.e2e.story import TODAY

POPULATION = Population(members=30, today=TODAY)
MEMBER = next(
    seeded.member
    for seeded in POPULATION.members()
    if seeded.member.first_name and seeded.member.email and seeded.member.bank_account
)


@pytest.mark.parametrize(
    "secret",
    [
        f"{MEMBER.first_name} {MEMBER.name1}",
        MEMBER.email,
        MEMBER.address and MEMBER.address.street,
        MEMBER.bank_account and MEMBER.bank_account.iban,
    ],
)
def test_each_kind_of_personal_data_is_found(tmp_path: Path, secret: str) -> None:
    log = tmp_path / "service.log"
    lines = [{"event": "request"}, {"event": f"row ({secret}) refused", "status": 1}]
    log.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    assert len(leaks([log], [POPULATION])) == 1


def test_a_log_without_personal_data_is_clean(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    log.write_text(json.dumps({"event": "request", "route": "/v1/runs", "status": 200}))
    assert leaks([log], [POPULATION]) == []
