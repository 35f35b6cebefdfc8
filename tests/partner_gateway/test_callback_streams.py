"""Many callbacks while something changes: none is lost, none acts twice (R51).

CALLBACKS: how many; `make misbehave` sends 2,000.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from kit.clock import now
from kit.ids import new_id
from partner_gateway.callbacks import waiting
from partner_gateway.callbacks.release_callbacks import release_callbacks
from partner_gateway.callbacks.translate_callbacks import translate_callbacks
from partner_gateway.standard_webhooks import sign
from tests.partner_gateway.saying import NOWHERE, euros, hold, said, send, statuses, translate
from tests.partner_gateway.waiting import until
from tests.partner_gateway.world import Gateway, Partner, handed_over, plain_http

CALLBACKS = int(os.environ.get("CALLBACKS", "200"))
AT_ONCE = 10


def payment(case: Any, number: int) -> bytes:
    """Return the body that reports a payment."""
    return said(
        "payment.received",
        case_id=str(case.case_id),
        partner_reference=f"P-{number}",
        amount=euros("1.00"),
        own_fees=euros("0.00"),
        paid_on="2026-03-05",
    )


@dataclass
class Agency:
    """A partner that repeats what was refused until it is taken, under the same id."""

    gateway: Gateway
    partner: Partner
    secret: str
    """What it signs with from now on."""
    taken: int = 0
    refused: Counter[int] = field(default_factory=Counter)

    async def send(self, bodies: Sequence[bytes]) -> None:
        """Send all, some at once, and each until it is taken."""
        left = list(enumerate(bodies))[::-1]

        async def send_some(http: httpx.AsyncClient) -> None:
            while left:
                number, body = left.pop()
                while not await self._is_taken(http, f"msg_{number}", body):
                    await asyncio.sleep(0.02)

        async with plain_http(self.gateway.url) as http:
            await asyncio.gather(*[send_some(http) for _ in range(AT_ONCE)])

    async def _is_taken(self, http: httpx.AsyncClient, webhook_id: str, body: bytes) -> bool:
        headers = sign([self.secret], webhook_id, now(), body)
        path = f"/v1/partners/{self.partner.partner_id}/callbacks"
        answer = await http.post(path, content=body, headers=headers)
        if answer.status_code == 202:
            self.taken += 1
            return True
        self.refused[answer.status_code] += 1
        return False


async def test_no_callback_is_lost_while_secrets_are_replaced(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    cases = await hold(gateway, partner, 10)
    path = f"/v1/partners/{partner.partner_id}"
    (old,) = (await gateway.call("GET", path)).json()["secrets"]
    agency = Agency(gateway, partner, partner.secret)
    bodies = [payment(cases[number % 10], number) for number in range(CALLBACKS)]

    async def replace_secret() -> None:
        """Make the new one, end the old one while it is in use, then tell the agency."""
        await until(lambda: agency.taken >= CALLBACKS // 4)
        made = await gateway.call("POST", f"{path}/secrets")
        assert made.status_code == 201
        await until(lambda: agency.taken >= CALLBACKS // 2)
        ended = await gateway.call("DELETE", f"{path}/secrets/{old['secret_id']}")
        assert ended.status_code == 204
        await until(lambda: agency.refused[401] >= AT_ONCE)
        agency.secret = made.json()["secret"]

    async with gateway.working():
        await asyncio.gather(agency.send(bodies), replace_secret())
        await until(lambda: _all_have_acted(gateway))
    assert agency.taken == CALLBACKS
    assert agency.refused.keys() == {401}
    assert await reported(gateway) == {f"P-{number}": 1 for number in range(CALLBACKS)}


async def reported(gateway: Gateway) -> Counter[str]:
    """Return how often each payment was reported."""
    reports = await gateway.published("report.payment-received.v1")
    return Counter(report.model_dump()["partner_reference"] for report in reports)


async def _all_have_acted(gateway: Gateway) -> bool:
    return await statuses(gateway) == ["TRANSLATED"] * CALLBACKS


async def test_all_that_was_said_before_the_handover_acts_after_it(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    cases = handed_over(partner, CALLBACKS)
    agency = Agency(gateway, partner, partner.secret)
    await agency.send([payment(case, number) for number, case in enumerate(cases)])
    await translate(gateway)
    assert await statuses(gateway) == ["WAITING"] * CALLBACKS
    assert await gateway.published("report.payment-received.v1") == []
    await gateway.receive(cases)
    await send(gateway, partner)
    await translate(gateway)
    assert await statuses(gateway) == ["TRANSLATED"] * CALLBACKS
    assert await reported(gateway) == {f"P-{number}": 1 for number in range(CALLBACKS)}


async def test_what_is_said_later_does_not_overtake_what_waits(gateway: Gateway) -> None:
    """Not while it waits, and not between its release and its turn."""
    partner = await gateway.set_up(NOWHERE)
    (case,) = handed_over(partner, 1)

    async def number(file_number: int) -> None:
        body = said(
            "file-number.assigned", case_id=str(case.case_id), file_number=f"AZ-{file_number}"
        )
        assert (await gateway.call_back(partner, body)).status_code == 202

    await number(0)
    await translate(gateway)
    await gateway.receive([case])
    await send(gateway, partner)
    await number(1)
    assert await translate_callbacks(gateway.context)
    assert await statuses(gateway) == ["WAITING", "WAITING"]
    await release_callbacks(gateway.context)
    await number(2)
    await translate(gateway)
    reports = await gateway.published("report.file-number-assigned.v1")
    assert [report.model_dump()["file_number"] for report in reports] == ["AZ-0", "AZ-1", "AZ-2"]


async def test_what_is_said_of_a_case_waits_behind_what_is_said_of_its_run(
    gateway: Gateway,
) -> None:
    partner = await gateway.set_up(NOWHERE)
    (case,) = handed_over(partner, 1)
    await gateway.call_back(partner, said("run.accepted", run_id=str(case.run_id)))
    await translate(gateway)
    await gateway.receive([case])
    await send(gateway, partner)
    rejected = said("case.rejected", case_id=str(case.case_id), reason_code="ABROAD")
    await gateway.call_back(partner, rejected)
    assert await translate_callbacks(gateway.context)
    assert await statuses(gateway) == ["WAITING", "WAITING"]
    await translate(gateway)
    reports = await gateway.published("report.accepted.v1", "report.rejected.v1")
    assert [report.TYPE for report in reports] == ["report.accepted.v1", "report.rejected.v1"]


async def test_only_what_was_sent_since_is_looked_at(gateway: Gateway) -> None:
    """Each page once, a few in a round, whoever waits for what is on it."""
    partner = await gateway.set_up(NOWHERE)
    liar = await gateway.set_up(NOWHERE)
    cases = handed_over(partner, 2)
    for speaker in (partner, liar):
        for case in cases:
            await gateway.call_back(speaker, said("case.accepted", case_id=str(case.case_id)))
    await translate(gateway)
    assert await statuses(gateway) == ["WAITING"] * 4
    await gateway.receive(cases[:1])
    await send(gateway, partner)
    async with gateway.database.begin() as connection:
        assert await waiting.release_callbacks(connection, 1) == (1, 2)
        assert await waiting.release_callbacks(connection, 1) == (0, 0)
    await translate(gateway)
    assert await statuses(gateway) == ["TRANSLATED", "WAITING", "PARKED", "WAITING"]


async def test_a_partner_that_says_much_does_not_hold_up_another(gateway: Gateway) -> None:
    """Whoever has waited longest is next, whatever came since from others."""
    busy, quiet = [await gateway.set_up(NOWHERE) for _ in range(2)]
    unknown = said("case.accepted", case_id=str(new_id()))
    await gateway.call_back(quiet, unknown)
    await gateway.call_back(busy, unknown)
    assert await translate_callbacks(gateway.context)
    rows = await gateway.rows("SELECT partner_id FROM callbacks WHERE status = 'WAITING'")
    assert [row.partner_id for row in rows] == [quiet.partner_id]
