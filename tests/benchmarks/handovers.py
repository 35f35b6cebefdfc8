"""Handovers of believable members, as run-service publishes them; published as fast as can be."""

import asyncio
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaProducer
from pydantic import BaseModel

from contracts import (
    ClaimSnapshotV1,
    Envelope,
    Event,
    HandoverClaim,
    HandoverDebtor,
    HandoverStudio,
    MemberHandedOverV1,
    MemberSnapshotV1,
    Money,
)
from contracts.parts import ClaimDetails, PersonDetails, StudioDetails
from kit.ids import new_id
from local_stack.data import Population

_AT_A_TIME = 2_000


def handovers(
    population: Population, partner_id: UUID, today: date
) -> Iterator[MemberHandedOverV1]:
    """Hand over every member with all its claims: one run, to a partner that works by hand."""
    run_id = new_id()
    studios = {each.studio_id: each for each in population.studios}
    transfers = {studio_id: new_id() for studio_id in studios}
    for number, seeded in enumerate(population.members(), start=1):
        studio = studios[seeded.member.studio_id]
        yield MemberHandedOverV1(
            run_id=run_id,
            case_id=new_id(),
            transfer_id=transfers[studio.studio_id],
            run_booking_number=f"{today.year}-000001",
            booking_number=number,
            partner_id=partner_id,
            partner_channel="BY_HAND",
            trigger="RUN",
            collection_date=today,
            member_id=seeded.member.member_id,
            studio=HandoverStudio(**_values_of(studio, StudioDetails)),
            debtor=_debtor(seeded.member),
            claims=tuple(_claim(claim) for claim in seeded.claims),
        )


async def publish(
    bootstrap_servers: str, tenant_id: UUID, source: str, events: Iterator[Event]
) -> tuple[int, int]:
    """Publish events of one tenant; return how many they are and how many bytes."""
    messages = size = 0
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers, acks="all", enable_idempotence=True, linger_ms=5
    ) as producer:
        while batch := list(islice(events, _AT_A_TIME)):
            values = [event.model_dump_json().encode() for event in batch]
            await asyncio.gather(
                *[
                    await producer.send(
                        event.TOPIC,
                        key=event.key().encode(),
                        value=value,
                        headers=_envelope(event, tenant_id, source).to_headers(),
                    )
                    for event, value in zip(batch, values, strict=True)
                ]
            )
            messages += len(values)
            size += sum(len(value) for value in values)
    return messages, size


def _envelope(event: Event, tenant_id: UUID, source: str) -> Envelope:
    return Envelope(
        id=str(new_id()),
        source=source,
        type=event.TYPE,
        time=datetime.now(UTC),
        subject=event.key(),
        tenant_id=tenant_id,
        correlation_id=str(uuid.uuid4()),
        traceparent=f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01",
    )


def _debtor(member: MemberSnapshotV1) -> HandoverDebtor:
    return HandoverDebtor(
        debtor_id=member.member_id, liable_person="MEMBER", **_values_of(member, PersonDetails)
    )


def _claim(claim: ClaimSnapshotV1) -> HandoverClaim:
    left = claim.amount.amount - claim.paid_directly.amount
    return HandoverClaim(
        snapshot_sequence=claim.sequence,
        voucher_id=new_id(),
        to_collect=Money(amount=left, currency=claim.amount.currency),
        **_values_of(claim, ClaimDetails),
    )


def _values_of(source: BaseModel, details: type[BaseModel]) -> dict[str, Any]:
    return {name: getattr(source, name) for name in details.model_fields}
