"""Kill partner-gateway while callbacks come in: each acts once, none that was answered is lost."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, cycle, islice
from uuid import uuid4

import asyncpg
import httpx
import pytest
from standardwebhooks import Webhook

from local_stack.http_client import Answer
from local_stack.stack import Stack
from tests.e2e.story import Partner, Tenant, rows

AT_ONCE = 20
CALLBACKS = 120
TRIES = 10


@dataclass(frozen=True)
class Callback:
    """A payment of a cent, reported under the same id as often as need be."""

    webhook_id: str
    body: str


class Agency:
    """An agency that has taken the cases of a run."""

    def __init__(self, tenant: Tenant, partner: Partner, cases: Sequence[Answer]) -> None:
        self.tenant = tenant
        self.partner = partner
        self.cases = cases
        assert partner.secret is not None
        self._webhook = Webhook(partner.secret)
        self._path = f"/v1/partners/{partner.partner_id}/callbacks"

    def payments(self, number: int) -> list[Callback]:
        """Return so many new callbacks."""
        return [self._payment(case) for case in islice(cycle(self.cases), number)]

    def _payment(self, case: Answer) -> Callback:
        webhook_id = f"msg_{uuid4()}"
        currency = case["open"]["currency"]
        data = {
            "case_id": case["case_id"],
            "partner_reference": webhook_id,
            "amount": {"amount": "0.01", "currency": currency},
            "own_fees": {"amount": "0.00", "currency": currency},
            "paid_on": case["collection_date"],
        }
        return Callback(webhook_id, json.dumps({"type": "payment.received", "data": data}))

    def send(
        self, callbacks: Sequence[Callback], after: Callable[[int], None] = lambda _: None
    ) -> set[str]:
        """Send callbacks, many at once; return the ids of those that were answered.

        `after` is called after each answer with the number of answers so far.
        """
        answered: set[str] = set()
        numbers = count(1)  # each once, where the size of a set may jump: others answer meanwhile
        url = self.tenant.stack.service("partner-gateway").url

        def send_one(callback: Callback) -> None:
            now = datetime.now(UTC)
            headers = {
                "webhook-id": callback.webhook_id,
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": self._webhook.sign(callback.webhook_id, now, callback.body),
            }
            with suppress(httpx.TransportError):
                answer = http.post(self._path, content=callback.body, headers=headers)
                assert answer.status_code == 202, answer.text
                answered.add(callback.webhook_id)
                after(next(numbers))

        limits = httpx.Limits(max_connections=AT_ONCE)
        with (
            httpx.Client(base_url=url, timeout=30, trust_env=False, limits=limits) as http,
            ThreadPoolExecutor(AT_ONCE) as threads,
        ):
            list(threads.map(send_one, callbacks))
        return answered

    def stored(self, callbacks: Sequence[Callback]) -> Counter[str]:
        """Return how many of the callbacks the gateway has, by status."""
        query = "SELECT status FROM callbacks WHERE webhook_id = ANY ($1)"
        ids = [callback.webhook_id for callback in callbacks]
        found = rows(self.tenant.stack, "partner-gateway", query, ids)
        return Counter(row["status"] for row in found)

    def await_payments(self, sent: Sequence[Callback]) -> None:
        """Wait until each callback stands on a case as a payment, once."""
        expected = Counter(callback.webhook_id for callback in sent)
        self.tenant.wait_for(
            lambda: {"booked": self._booked()},
            lambda found: found["booked"].total() >= expected.total(),
            "all payments",
        )
        assert self._booked() == expected

    def _booked(self) -> Counter[str]:
        return Counter(
            payment["partner_reference"]
            for case in self.cases
            for payment in self.tenant.cases.get(f"/v1/cases/{case['case_id']}")["payments"]
        )


@pytest.fixture
def agency(stack: Stack, tenants: list[Tenant]) -> Iterator[Agency]:
    """Hand over a few members to an agency that accepts them all."""
    with closing(Tenant(stack, members=12)) as tenant:
        tenants.append(tenant)
        tenant.publish_members()
        partner = tenant.partner_by_api(answer="ACCEPT_NOW")
        run_id = tenant.start_run(partner)
        tenant.await_run(run_id, "HANDED_OVER")
        yield Agency(tenant, partner, tenant.all_cases(run_id, status="OPEN"))


def test_a_death_between_storing_and_answering_loses_and_doubles_nothing(
    stack: Stack, agency: Agency
) -> None:
    """Killed in the middle of a stream, again and again until one was stored and not answered."""
    gateway = stack.service("partner-gateway")
    sent: list[Callback] = []
    for _ in range(TRIES):
        callbacks = agency.payments(CALLBACKS)
        sent += callbacks

        def kill(answers: int) -> None:
            if answers == CALLBACKS // 4:
                gateway.kill()

        answered = agency.send(callbacks, after=kill)
        stored = agency.stored(callbacks)
        assert len(answered) <= stored.total() < CALLBACKS, "what was answered is there"
        gateway.start()
        assert len(agency.send(callbacks)) == CALLBACKS  # the agency repeats all of them
        if stored.total() > len(answered):
            break
    else:
        pytest.fail("never killed between storing and answering")
    agency.await_payments(sent)


def test_a_death_between_answering_and_publishing_loses_and_doubles_nothing(
    stack: Stack, agency: Agency
) -> None:
    gateway = stack.service("partner-gateway")
    callbacks = agency.payments(CALLBACKS)
    with untranslated(stack, agency.partner):
        assert len(agency.send(callbacks)) == CALLBACKS
        assert agency.stored(callbacks) == {"RECEIVED": CALLBACKS}
        gateway.kill()
    gateway.start()
    agency.await_payments(callbacks)
    # And in the middle of it, wherever that is.
    more = agency.payments(CALLBACKS)
    assert len(agency.send(more)) == CALLBACKS
    gateway.kill()
    gateway.start()
    agency.await_payments([*callbacks, *more])


@contextmanager
def untranslated(stack: Stack, partner: Partner) -> Iterator[None]:
    """Hold a partner's row, as another instance does that translates: nobody else does meanwhile.

    On a thread of its own, whose event loop runs for as long as the row is held.
    """
    loop = asyncio.new_event_loop()
    with ThreadPoolExecutor(1) as thread:
        connection = thread.submit(
            loop.run_until_complete, asyncpg.connect(stack.database_url("partner-gateway"))
        ).result()
        lock = f"SELECT FROM partners WHERE partner_id = '{partner.partner_id}' FOR NO KEY UPDATE"
        try:
            for statement in ("BEGIN", lock):
                thread.submit(loop.run_until_complete, connection.execute(statement)).result()
            yield
        finally:
            thread.submit(loop.run_until_complete, connection.close()).result()
            loop.close()
