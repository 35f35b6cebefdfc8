"""What a tutorial would lead to: a handler for each message, an ORM, a publish after the commit.

It opens cases as case-service does, with rows of the same content, but has no inbox, no outbox and
no batches; a crash between the commit and the publish loses the event. What export-service keeps it
does not write at all: so it is measured too fast rather than too slow.

    python -m tests.benchmarks.whole_run.tutorial <bootstrap servers> <database URL> <messages>

The tables are made anew in the schema `tutorial`. It prints how many seconds that many messages
took, from the first one on.
"""

import asyncio
import sys
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from faststream import StreamMessage
from faststream.kafka import KafkaBroker
from sqlalchemy import ForeignKey, MetaData, Numeric, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import JSON, DateTime

from contracts import CaseOpenedV1, HandoverClaim, MemberHandedOverV1, Money, OpenClaim
from kit.ids import new_id

SCHEMA: Final = "tutorial"
OPENED: Final = "tutorial.case.v1"
"""A topic that no service reads."""


class Base(DeclarativeBase):
    """The tables of the tutorial."""

    metadata = MetaData(schema=SCHEMA)
    type_annotation_map = {  # noqa: RUF012  as SQLAlchemy documents it
        Decimal: Numeric(14, 2),
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSON,
    }


class Member(Base):
    """A member that was ever handed over."""

    __tablename__ = "members"

    member_id: Mapped[UUID] = mapped_column(primary_key=True)
    studio_id: Mapped[UUID]
    name: Mapped[str]
    membership_number: Mapped[str]
    last_handed_over_on: Mapped[date]


class Claim(Base):
    """A claim of a case."""

    __tablename__ = "case_claims"

    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.case_id"), primary_key=True)
    claim_id: Mapped[UUID] = mapped_column(primary_key=True)
    voucher_id: Mapped[UUID]
    snapshot_sequence: Mapped[int]
    kind: Mapped[str]
    designation: Mapped[str]
    voucher_date: Mapped[date]
    due_date: Mapped[date]
    amount: Mapped[Decimal]
    paid_directly: Mapped[Decimal]
    open: Mapped[Decimal]


class Entry(Base):
    """An entry of the ledger."""

    __tablename__ = "entries"

    entry_id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.case_id"))
    account: Mapped[str]
    claim_id: Mapped[UUID | None]
    amount: Mapped[Decimal]
    booking_date: Mapped[date]
    recorded_at: Mapped[datetime]


class History(Base):
    """What happened to a case."""

    __tablename__ = "history"

    history_id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.case_id"))
    kind: Mapped[str]
    details: Mapped[dict[str, Any]]
    recorded_at: Mapped[datetime]


class Case(Base):
    """A member of a run at the partner."""

    __tablename__ = "cases"

    case_id: Mapped[UUID] = mapped_column(primary_key=True)
    run_id: Mapped[UUID]
    booking_number: Mapped[int]
    member_id: Mapped[UUID] = mapped_column(ForeignKey("members.member_id"))
    studio_id: Mapped[UUID]
    partner_id: Mapped[UUID]
    collection_date: Mapped[date]
    currency: Mapped[str]
    status: Mapped[str]
    handed_over: Mapped[Decimal]
    open: Mapped[Decimal]
    opened_at: Mapped[datetime]
    member: Mapped[Member] = relationship()
    claims: Mapped[list[Claim]] = relationship()
    entries: Mapped[list[Entry]] = relationship()
    history: Mapped[list[History]] = relationship()


def case_of(event: MemberHandedOverV1, member: Member) -> Case:
    """Make the case of a handover, with all that hangs on it."""
    total, now, day = _sum(event.claims), datetime.now(UTC), event.collection_date
    entries = [
        Entry(account="CLAIM", claim_id=claim.claim_id, amount=_open(claim))
        for claim in event.claims
    ]
    entries.append(Entry(account="RECEIVABLES", claim_id=None, amount=-total))
    for entry in entries:
        entry.booking_date, entry.recorded_at = day, now
    return Case(
        case_id=event.case_id,
        run_id=event.run_id,
        booking_number=event.booking_number,
        member=member,
        studio_id=event.studio.studio_id,
        partner_id=event.partner_id,
        collection_date=day,
        currency=event.claims[0].amount.currency,
        status="OPEN",
        handed_over=total,
        open=total,
        opened_at=now,
        claims=[_claim(claim) for claim in event.claims],
        entries=entries,
        history=[
            History(kind="HANDED_OVER", details={"open": str(total)}, recorded_at=now),
            History(kind="OPENED", details={}, recorded_at=now),
        ],
    )


def _claim(claim: HandoverClaim) -> Claim:
    return Claim(
        claim_id=claim.claim_id,
        voucher_id=claim.voucher_id,
        snapshot_sequence=claim.snapshot_sequence,
        kind=claim.kind,
        designation=claim.designation,
        voucher_date=claim.voucher_date,
        due_date=claim.due_date,
        amount=claim.amount.amount,
        paid_directly=claim.paid_directly.amount,
        open=_open(claim),
    )


def opened_of(event: MemberHandedOverV1, case: Case) -> CaseOpenedV1:
    """Say that a case is open."""
    currency = case.currency
    return CaseOpenedV1(
        case_id=event.case_id,
        run_id=event.run_id,
        member_id=event.member_id,
        studio_id=event.studio.studio_id,
        partner_id=event.partner_id,
        occurred_at=case.opened_at,
        opened_at=case.opened_at,
        claims=tuple(
            OpenClaim(claim_id=claim.claim_id, open=Money(amount=_open(claim), currency=currency))
            for claim in event.claims
        ),
        open=Money(amount=_sum(event.claims), currency=currency),
    )


def _open(claim: HandoverClaim) -> Decimal:
    return claim.amount.amount - claim.paid_directly.amount


def _sum(claims: tuple[HandoverClaim, ...]) -> Decimal:
    return sum((_open(claim) for claim in claims), Decimal(0))


async def open_cases(bootstrap_servers: str, database_url: str, messages: int) -> float:
    """Open the cases of the first messages of the topic; return how many seconds that took."""
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.execute(text(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"))
        await connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
        await connection.run_sync(Base.metadata.create_all)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    broker = KafkaBroker(bootstrap_servers, acks="all", enable_idempotence=True, logger=None)
    times: list[float] = []
    done = asyncio.Event()

    @broker.subscriber(
        MemberHandedOverV1.TOPIC,
        group_id=str(new_id()),
        auto_offset_reset="earliest",
        decoder=_decode,
    )
    async def open_case(event: MemberHandedOverV1) -> None:
        if done.is_set():
            return
        times.append(time.perf_counter())
        async with sessions() as session:
            if await session.get(Case, event.case_id) is not None:
                return
            member = await session.get(Member, event.member_id) or _member(event)
            case = case_of(event, member)
            session.add(case)
            await session.commit()
        await broker.publish(opened_of(event, case), OPENED, key=str(event.member_id).encode())
        if len(times) == messages:
            times.append(time.perf_counter())
            done.set()

    async with broker:
        await broker.start()
        await done.wait()
    await engine.dispose()
    return times[-1] - times[0]


async def _decode(message: StreamMessage[Any]) -> MemberHandedOverV1:
    return MemberHandedOverV1.model_validate_json(message.body)


def _member(event: MemberHandedOverV1) -> Member:
    debtor = event.debtor
    return Member(
        member_id=event.member_id,
        studio_id=event.studio.studio_id,
        name=f"{debtor.first_name or ''} {debtor.name1}".strip(),
        membership_number=debtor.membership_number,
        last_handed_over_on=event.collection_date,
    )


async def make_topic(bootstrap_servers: str) -> None:
    """Make the topic that the tutorial publishes to."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(OPENED, num_partitions=6, replication_factor=1)])
    finally:
        await admin.close()


async def main() -> None:
    """Open the cases that the command line says."""
    servers, url, messages = sys.argv[1:]
    await make_topic(servers)
    print(await open_cases(servers, url, int(messages)))  # noqa: T201  what it is for


if __name__ == "__main__":
    asyncio.run(main())
