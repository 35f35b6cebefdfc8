"""Partners that are asked, how the gateway is let ask them, and what it hears."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI, Response

from contracts import MemberHandedOverV1, ReportPaymentCorrectedV1, ReportPaymentReceivedV1
from kit.clock import now
from partner_gateway.polls import store
from partner_gateway.polls.ask_partners import Asker
from partner_simulator.balances import create_balances_app
from tests.partner_gateway.saying import translate
from tests.partner_gateway.sending import serve
from tests.partner_gateway.serving import serving
from tests.partner_gateway.world import Gateway, Partner, handed_over

PAYMENTS = ("report.payment-received.v1", "report.payment-corrected.v1")
NOTHING = Decimal("0.00")


class Agency:
    """The simulated agency that is asked."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.url = str(http.base_url).rstrip("/")

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """Steer it."""
        answer = await self._http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def behave(self, **behaviour: object) -> None:
        """Set how it behaves; what is left out is as by default."""
        await self.call("POST", "/behaviour", behaviour)

    async def change(self, case: MemberHandedOverV1, **changed: object) -> None:
        """Let a case stand otherwise."""
        await self.call("POST", f"/dossiers/{case.case_id}", changed)


@asynccontextmanager
async def agency_serving() -> AsyncIterator[Agency]:
    """Let an agency answer."""
    async with (
        serving(create_balances_app(seed=7)) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as http,
    ):
        yield Agency(http)


@asynccontextmanager
async def answering(
    *answers: bytes, status: int = 200, seconds: float = 0, retry_after: str = "0"
) -> AsyncIterator[str]:
    """Be a partner that answers every poll, one after the other, with these; then with the last."""
    app, left = FastAPI(), list(answers)

    @app.get("/balances")
    async def get_balances() -> Response:
        await asyncio.sleep(seconds)
        return Response(
            left.pop(0) if len(left) > 1 else left[0], status, {"Retry-After": retry_after}
        )

    async with serving(app) as url:
        yield url


async def let_time_pass(gateway: Gateway) -> None:
    """Let the time come to ask everybody."""
    await gateway.execute("UPDATE polls SET next_ask_at = now()")


async def ask(gateway: Gateway) -> None:
    """Ask everybody until nobody has more to say, and translate what was said."""
    await let_time_pass(gateway)
    asker = Asker()
    while await asker.work(gateway.context):
        pass
    await translate(gateway)


async def claim(gateway: Gateway) -> store.Poll:
    """Take the only partner to ask it, though its time has not come; another may take it, too."""
    await let_time_pass(gateway)
    time = now()
    async with gateway.database.begin() as connection:
        (poll,) = await store.claim(connection, 1, time, time)
    return poll


async def hold(gateway: Gateway, agency: Agency, count: int) -> tuple[Partner, list[Any]]:
    """Let the agency hold so many cases."""
    partner = await gateway.set_up(agency.url, api="BALANCES")
    cases = handed_over(partner, count)
    await gateway.receive(cases)
    await serve(gateway, partner)
    return partner, cases


async def books(gateway: Gateway) -> dict[UUID, tuple[Decimal, Decimal]]:
    """Return what the reports add up to for each case: for the creditor, and own fees."""
    payments: dict[tuple[UUID, str], tuple[Decimal, Decimal]] = {}
    for report in await gateway.published(*PAYMENTS):
        assert isinstance(report, ReportPaymentReceivedV1 | ReportPaymentCorrectedV1)
        key = report.case_id, report.partner_reference
        assert (key in payments) is isinstance(report, ReportPaymentCorrectedV1)
        payments[key] = report.amount.amount, report.own_fees.amount
    sums: dict[UUID, tuple[Decimal, Decimal]] = {}
    for (case_id, _), (amount, own_fees) in payments.items():
        before = sums.get(case_id, (Decimal(0), Decimal(0)))
        sums[case_id] = before[0] + amount, before[1] + own_fees
    return sums


async def poll_of(gateway: Gateway, partner: Partner) -> Any:
    """Return how a partner is asked, as staff see it."""
    answer = await gateway.call("GET", f"/v1/partners/{partner.partner_id}/poll")
    assert answer.status_code == 200, answer.text
    return answer.json()
