"""What the tests of the gateway are written in."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
from cryptography.fernet import Fernet
from fastapi import FastAPI
from sqlalchemy import text

from contracts import EVENTS, CaseCancelledV1, CaseClosedV1, Envelope, Event, MemberHandedOverV1
from kit.auth import InvalidToken, Principal
from kit.clock import now
from kit.context import Context
from kit.http import build_app
from kit.ids import new_id
from kit.inbox import Inbox
from kit.messages import Record
from partner_gateway.callbacks.release_callbacks import release_callbacks
from partner_gateway.callbacks.translate_callbacks import translate_callbacks
from partner_gateway.deliveries.deliver import Deliverer
from partner_gateway.main import service
from partner_gateway.settings import Settings
from partner_gateway.standard_webhooks import sign
from partner_simulator.app import create_app
from partner_simulator.behaviour import Behaviour
from tests.partner_gateway.serving import serving

TENANT = new_id()
ROLES = "collection:read collection:manage partner:admin"
KEY = Fernet.generate_key().decode()
_TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def make_settings(database_url: str, **changed: Any) -> Settings:
    """Return settings under which failed tries are repeated at once."""
    return Settings(
        database_url=database_url,
        kafka_bootstrap_servers="127.0.0.1:1",
        auth_issuer="issuer",
        auth_audience="audience",
        auth_jwks_url="http://127.0.0.1:1/jwks.json",
        **{
            "encryption_keys": KEY,
            "trusted_partner_hosts": "127.0.0.1",
            "partner_timeout_seconds": 2,
            "retry_delays_seconds": "0.05",
            **changed,
        },
    )


class KilledError(BaseException):
    """Stands for the end of a process: nothing catches it, and nothing is done about it."""


async def killed(*_: object, **__: object) -> None:
    """Take the place of a step that a process does not live to make."""
    raise KilledError


def plain_http(url: str) -> httpx.AsyncClient:
    """Return a client without TLS: to read the machine's certificates would take it 30 ms."""
    return httpx.AsyncClient(base_url=url, trust_env=False, verify=_TRUSTS_NOBODY)


class PlainTokens:
    """Takes `tenant/roles/studios` for a token: what a token proves is the kit's business."""

    async def verify(self, token: str) -> Principal:
        """Return whose token it is."""
        try:
            tenant, roles, studios = token.split("/")
        except ValueError:
            raise InvalidToken from None
        seen = frozenset(UUID(studio) for studio in studios.split(",")) if studios else None
        return Principal("staff-1", UUID(tenant), frozenset(roles.split()), seen)


def bearer(tenant: UUID = TENANT, roles: str = ROLES, studios: str = "") -> dict[str, str]:
    """Return the header of somebody of a tenant."""
    return {"Authorization": f"Bearer {tenant}/{roles}/{studios}"}


@dataclass
class Partner:
    """A partner that was set up over HTTP."""

    partner_id: UUID
    secret: str
    tenant_id: UUID = TENANT


class Gateway:
    """The gateway under test."""

    def __init__(self, context: Context[Settings]) -> None:
        self.context = context
        self.database = context.database
        self.inbox = Inbox("partner-gateway", service.subscriptions, context)
        self.url = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Answer HTTP; the workers do not run by themselves."""

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            app.state.context = self.context
            app.state.token_verifier = PlainTokens()
            yield

        self.app = build_app(service.name, service.routers, lifespan)
        async with serving(self.app) as self.url:
            yield

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Let the workers run."""
        deliverer = Deliverer()

        async def forever(work: Callable[[], Awaitable[bool]]) -> None:
            while True:
                if not await work():
                    await asyncio.sleep(0.02)

        tasks = [
            asyncio.create_task(forever(lambda: deliverer.work(self.context))),
            asyncio.create_task(forever(lambda: translate_callbacks(self.context))),
            asyncio.create_task(forever(lambda: release_callbacks(self.context))),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                assert isinstance(ended, asyncio.CancelledError), ended

    async def call(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> httpx.Response:
        """Send a request as staff with all roles, unless `headers` say otherwise."""
        given = {**bearer(), "Idempotency-Key": str(new_id()), **headers}
        async with plain_http(self.url) as http:
            return await http.request(method, path, json=body, headers=given)

    async def set_up(self, base_url: str, tenant: UUID = TENANT, **fields: Any) -> Partner:
        """Set up a partner with an API and a secret."""
        body = {"name": "Beispiel Inkasso", "channel": "API", "base_url": base_url, **fields}
        made = await self.call("POST", "/v1/partners", body, **bearer(tenant))
        assert made.status_code == 201, made.text
        partner_id = made.json()["partner_id"]
        path = f"/v1/partners/{partner_id}/secrets"
        secret = await self.call("POST", path, **bearer(tenant))
        assert secret.status_code == 201, secret.text
        return Partner(UUID(partner_id), secret.json()["secret"], tenant)

    async def call_back(
        self,
        partner: Partner,
        body: bytes,
        *,
        webhook_id: str = "",
        at: datetime | None = None,
        signed: bytes | None = None,
    ) -> httpx.Response:
        """Send a callback, signed by the partner's secret over `signed` (default: the body)."""
        signed = body if signed is None else signed
        headers = sign([partner.secret], webhook_id or str(new_id()), at or now(), signed)
        path = f"/v1/partners/{partner.partner_id}/callbacks"
        async with plain_http(self.url) as http:
            return await http.post(path, content=body, headers=headers)

    async def receive(self, events: Sequence[Event], tenant: UUID = TENANT) -> None:
        """Bring events in as if they came from Kafka."""
        await self.inbox.handle([record_of(event, tenant) for event in events])

    async def published(self, *types: str) -> list[Event]:
        """Return what is in the outbox, in order; of all types or of some."""
        rows = await self.rows("SELECT type, payload FROM outbox ORDER BY seq")
        return [
            EVENTS[row.type].model_validate_json(row.payload)
            for row in rows
            if row.type in EVENTS and (not types or row.type in types)
        ]

    async def rows(self, query: str, **parameters: object) -> Sequence[Any]:
        """Return rows of the database."""
        async with self.database.connect() as connection:
            return (await connection.execute(text(query), parameters)).all()

    async def execute(self, statement: str, **parameters: object) -> None:
        """Change the database."""
        async with self.database.begin() as connection:
            await connection.execute(text(statement), parameters)

    async def let_time_pass(self) -> None:
        """Let every next try be due: the process that had begun it died long ago."""
        await self.execute(
            """
            UPDATE deliveries SET next_try_at = now(), under_way_until = NULL, asked_until = NULL
            WHERE status = 'OPEN'
            """
        )
        await self.execute(
            """
            UPDATE circuits SET next_probe_at = now(), probing_until = NULL
            WHERE opened_at IS NOT NULL
            """
        )


class Simulator:
    """The simulated partner."""

    def __init__(self) -> None:
        self.url = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Answer HTTP and send callbacks."""
        async with serving(create_app(Behaviour(), seed=7)) as self.url:
            yield

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """Steer it."""
        async with plain_http(self.url) as http:
            answer = await http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def connect(self, gateway: Gateway, partner: Partner, **behaviour: object) -> None:
        """Tell it its secret and where to call back."""
        url = f"{gateway.url}/v1/partners/{partner.partner_id}/callbacks"
        body = {"callback_url": url, "secret": partner.secret, **behaviour}
        await self.call("POST", "/behaviour", body)

    async def state(self) -> Any:
        """Return its counts."""
        return await self.call("GET", "/state")


async def is_waiting(gateway: Gateway) -> bool:
    """Say whether somebody in the database waits for what somebody else has locked."""
    waiting = await gateway.rows(
        """
        SELECT 1 FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'
        """
    )
    return bool(waiting)


def record_of(event: Event, tenant: UUID = TENANT) -> Record:
    """Return an event as it lies in Kafka."""
    envelope = Envelope(
        id=str(new_id()),
        source="/tests",
        type=event.TYPE,
        time=now(),
        subject=event.key(),
        tenant_id=tenant,
        correlation_id="correlation-1",
        traceparent=None,
    )
    value = event.model_dump_json().encode()
    return Record(event.TOPIC, 0, 0, event.key().encode(), value, tuple(envelope.to_headers()))


def handed_over(
    partner: Partner, count: int, run_id: UUID | None = None
) -> list[MemberHandedOverV1]:
    """Return a run of so many members."""
    run_id = run_id or new_id()
    return [_handed_over(partner, run_id, number) for number in range(1, count + 1)]


def _handed_over(partner: Partner, run_id: UUID, number: int) -> MemberHandedOverV1:
    member_id = str(new_id())
    address = {
        "street": "Musterweg 1",
        "postal_code": "12345",
        "city": "Musterstadt",
        "country_code": "DE",
        "country": "Deutschland",
    }
    event = {
        "run_id": str(run_id),
        "case_id": str(new_id()),
        "transfer_id": str(new_id()),
        "run_booking_number": "2026-000001",
        "booking_number": number,
        "partner_id": str(partner.partner_id),
        "partner_channel": "API",
        "trigger": "RUN",
        "collection_date": "2026-03-01",
        "member_id": member_id,
        "studio": {
            "studio_id": str(new_id()),
            "person_type": "COMPANY",
            "name1": "Studio Süd",
            "tenant_name": "Studio Süd GmbH",
            "deducts_input_vat": True,
            "address": address,
            "phone_numbers": [],
            "time_zone": "Europe/Berlin",
        },
        "debtor": {
            "debtor_id": member_id,
            "liable_person": "MEMBER",
            "membership_number": f"M-{number}",
            "first_name": "Erika",
            "name1": "Mustermann",
            "sex": "FEMALE",
            "address": address,
            "phone_numbers": [],
        },
        "claims": [_claim()],
    }
    return MemberHandedOverV1.model_validate_json(json.dumps(event))


def _claim() -> dict[str, object]:
    amount = {"amount": "50.00", "currency": "EUR"}
    return {
        "claim_id": str(new_id()),
        "snapshot_sequence": 1,
        "voucher_id": str(new_id()),
        "voucher_date": "2026-01-01",
        "due_date": "2026-01-15",
        "kind": "CLAIM",
        "designation": "Beitrag Januar",
        "amount": amount,
        "paid_directly": {"amount": "0.00", "currency": "EUR"},
        "to_collect": amount,
    }


def closed(case: MemberHandedOverV1, reason: str = "RUN_REVERSED") -> CaseClosedV1:
    """Return the end of a case."""
    money = {"amount": "0.00", "currency": "EUR"}
    return CaseClosedV1.model_validate_json(
        json.dumps(
            {
                **_end(case),
                "reason": reason,
                "result": "UNPAID",
                "closed_by": "SYSTEM",
                "collected": money,
                "residual": money,
            }
        )
    )


def cancelled(case: MemberHandedOverV1) -> CaseCancelledV1:
    """Return the cancellation of a case."""
    return CaseCancelledV1.model_validate_json(json.dumps({**_end(case), "cancelled_by": "STAFF"}))


def _end(case: MemberHandedOverV1) -> dict[str, object]:
    money = {"amount": "0.00", "currency": "EUR"}
    return {
        "case_id": str(case.case_id),
        "run_id": str(case.run_id),
        "member_id": str(case.member_id),
        "studio_id": str(case.studio.studio_id),
        "partner_id": str(case.partner_id),
        "occurred_at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "claims": [
            {
                "claim_id": str(claim.claim_id),
                "collected": money,
                "residual": money,
                "written_off": money,
            }
            for claim in case.claims
        ],
    }
