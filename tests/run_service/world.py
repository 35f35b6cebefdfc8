"""What the tests do to run-service, in the words of those around it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ed25519
from fastapi import FastAPI
from sqlalchemy import text

from contracts import (
    Address,
    ClaimSnapshotV1,
    CollectionBlock,
    Dunning,
    Envelope,
    Event,
    LegalGuardian,
    MemberHandedOverV1,
    MemberSnapshotV1,
    Money,
    PartnerSnapshotV1,
    StudioSnapshotV1,
    parse,
)
from kit import clock
from kit.context import Context
from kit.ids import new_id
from kit.messages import Message, Record, read_message
from kit.subscriptions import Batch, in_order
from run_service.main import service
from run_service.runs.publish_handovers import publish_handovers
from run_service.runs.settle_runs import settle_runs
from run_service.settings import Settings

ISSUER = "https://issuer.example"
AUDIENCE = "collection"
TODAY = clock.today("Europe/Berlin")
"""The day on which the tests began. It stays that day, also when they end after midnight."""
LONG_AGO = date(2025, 1, 15)
ADULT = date(1980, 6, 1)
ADDRESS = Address(
    street="Weg 1", postal_code="01067", city="Dresden", country_code="DE", country=""
)


def euros(amount: str) -> Money:
    """Return an amount in euros."""
    return Money(amount=Decimal(amount), currency="EUR")


def years_ago(years: int) -> date:
    """Return a day about so many years before today."""
    return TODAY - timedelta(days=round(years * 365.25))


def studio(studio_id: UUID, sequence: int = 1, name: str = "Studio") -> StudioSnapshotV1:
    """Return a studio's snapshot."""
    return StudioSnapshotV1(
        studio_id=studio_id,
        sequence=sequence,
        person_type="COMPANY",
        name1=name,
        tenant_name="FitWerk",
        deducts_input_vat=True,
        address=ADDRESS,
        time_zone="Europe/Berlin",
    )


def member(
    member_id: UUID,
    studio_id: UUID,
    sequence: int = 1,
    *,
    first_name: str | None = "Eva",
    name1: str = "Muster",
    birth_date: date | None = ADULT,
    guardian: LegalGuardian | None = None,
    passed_on: date | None = LONG_AGO,
    block: CollectionBlock | None = None,
    address: Address | None = ADDRESS,
) -> MemberSnapshotV1:
    """Return a member's snapshot: one that can be handed over unless told otherwise."""
    return MemberSnapshotV1(
        member_id=member_id,
        sequence=sequence,
        studio_id=studio_id,
        membership_number="0042",
        first_name=first_name,
        name1=name1,
        sex="UNKNOWN",
        birth_date=birth_date,
        address=address,
        legal_guardian=guardian,
        dunning=Dunning(level=3 if passed_on else 1, last_level_passed_on=passed_on),
        collection_block=block,
    )


def claim(
    claim_id: UUID,
    member_id: UUID,
    studio_id: UUID,
    sequence: int = 1,
    *,
    amount: Money | None = None,
    paid_directly: str = "0.00",
    voucher_date: date = LONG_AGO,
    cancelled: bool = False,
    disputed: bool = False,
    kind: str = "CLAIM",
) -> ClaimSnapshotV1:
    """Return a claim's snapshot: 30.00 EUR, open, unless told otherwise."""
    amount = amount or euros("30.00")
    return ClaimSnapshotV1(
        claim_id=claim_id,
        sequence=sequence,
        member_id=member_id,
        studio_id=studio_id,
        voucher_date=voucher_date,
        due_date=voucher_date + timedelta(days=14),
        kind=kind,
        designation="Fee",
        amount=amount,
        paid_directly=Money(amount=Decimal(paid_directly), currency=amount.currency),
        cancelled=cancelled,
        disputed=disputed,
    )


@dataclass
class Debtor:
    """A member with its claims, as the tests know it."""

    member_id: UUID
    studio_id: UUID
    claim_ids: list[UUID]


@dataclass
class World:
    """A tenant's run-service."""

    context: Context[Settings]
    app: FastAPI
    key: ed25519.Ed25519PrivateKey
    tenant_id: UUID = field(default_factory=new_id)

    # Events in

    async def feed(self, *events: Event, tenant_id: UUID | None = None) -> list[str]:
        """Handle events as one batch, in one transaction; return what the parked ones wait for."""
        messages = [self.message(event, tenant_id) for event in events]
        parked = []
        async with self.context.database.begin() as connection:
            for group in in_order(messages):
                batch = Batch(connection, group, self.context)
                await service.subscriptions.handlers[group[0].type](batch)
                assert not batch.rejected
                parked += [waits_for for _, waits_for in batch.parked]
        return parked

    def message(self, event: Event, tenant_id: UUID | None = None) -> Message[Any]:
        """Return an event, or what its handler keeps of it, as it comes from Kafka."""
        return read_message(self.record(event, tenant_id), service.subscriptions.keeps)

    def record(self, event: Event, tenant_id: UUID | None = None) -> Record:
        """Return an event as it lies in Kafka."""
        envelope = Envelope(
            id=str(new_id()),
            source="/tests",
            type=event.TYPE,
            time=clock.now(),
            subject=event.key(),
            tenant_id=tenant_id or self.tenant_id,
            correlation_id="tests",
            traceparent=None,
        )
        value = event.model_dump_json().encode()
        headers = tuple(envelope.to_headers())
        return Record(event.TOPIC, 0, 0, event.key().encode(), value, headers)

    async def partner(self, channel: Any = "BY_HAND", status: Any = "ACTIVE") -> UUID:
        """Set up a partner."""
        partner_id = new_id()
        await self.feed(
            PartnerSnapshotV1(
                partner_id=partner_id, sequence=1, name="Agency", channel=channel, status=status
            )
        )
        return partner_id

    async def studio(self, name: str = "Studio", tenant_id: UUID | None = None) -> UUID:
        """Set up a studio."""
        studio_id = new_id()
        await self.feed(studio(studio_id, name=name), tenant_id=tenant_id)
        return studio_id

    async def debtors(
        self,
        count: int,
        studio_id: UUID,
        *amounts: str,
        tenant_id: UUID | None = None,
        **values: Any,
    ) -> list[Debtor]:
        """Set up members that can be handed over, with a claim of each amount (else 30.00)."""
        wanted = amounts or ("30.00",)
        debtors = [Debtor(new_id(), studio_id, [new_id() for _ in wanted]) for _ in range(count)]
        await self.feed(
            *(
                member(each.member_id, studio_id, **{"name1": f"Muster {number:05}", **values})
                for number, each in enumerate(debtors)
            ),
            *(
                claim(claim_id, each.member_id, studio_id, amount=euros(amount))
                for each in debtors
                for claim_id, amount in zip(each.claim_ids, wanted, strict=True)
            ),
            tenant_id=tenant_id,
        )
        return debtors

    # HTTP

    def client(
        self,
        *roles: str,
        tenant_id: UUID | None = None,
        studio_ids: Sequence[UUID] | None = None,
        subject: str = "staff-1",
    ) -> httpx.AsyncClient:
        """Return a client with a token: of reading and managing staff, unless told otherwise."""
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "exp": int(time.time()) + 600,
            "tenant_id": str(tenant_id or self.tenant_id),
            "roles": list(roles or ("collection:read", "collection:manage")),
        }
        if studio_ids is not None:
            claims["studio_ids"] = [str(studio_id) for studio_id in studio_ids]
        token = jwt.encode(claims, self.key, "EdDSA", headers={"kid": "tests"})
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app),
            base_url="http://run-service/v1",
            headers={"Authorization": f"Bearer {token}"},
        )

    async def get(self, path: str, **token: Any) -> Any:
        """Read a resource that is there."""
        async with self.client(**token) as client:
            response = await client.get(path)
        assert response.status_code == 200, response.text
        return response.json()

    async def post(
        self, path: str, body: dict[str, Any], *, key: str | None = None, **token: Any
    ) -> httpx.Response:
        """Post with an `Idempotency-Key`, a new one unless told otherwise."""
        async with self.client(**token) as client:
            return await client.post(
                path, json=body, headers={"Idempotency-Key": key or str(new_id())}
            )

    async def preview(self, partner_id: UUID, **token: Any) -> Any:
        """Make a preview of all candidates."""
        response = await self.post("/previews", {"partner_id": str(partner_id)}, **token)
        assert response.status_code == 201, response.text
        return response.json()

    async def run(self, partner_id: UUID) -> Any:
        """Make a run of all candidates."""
        preview = await self.preview(partner_id)
        response = await self.post("/runs", {"preview_id": preview["preview_id"]})
        assert response.status_code == 201, response.text
        return response.json()

    # Workers, and what goes out

    async def publish_all(self) -> None:
        """Let the worker publish what is to be handed over."""
        while await publish_handovers(self.context):
            pass

    async def settle_all(self) -> None:
        """Let the worker settle the runs that have answers."""
        while await settle_runs(self.context):
            pass

    async def published(self, kind: type[Event]) -> list[Any]:
        """Return the events of a kind in the outbox, in order."""
        async with self.context.database.connect() as connection:
            rows = await connection.execute(
                text("SELECT type, payload FROM outbox WHERE type = :type ORDER BY seq"),
                {"type": kind.TYPE},
            )
            return [parse(row.type, row.payload) for row in rows]

    async def handed_over(self) -> list[MemberHandedOverV1]:
        """Publish what is to be handed over, and return all that was."""
        await self.publish_all()
        return await self.published(MemberHandedOverV1)
