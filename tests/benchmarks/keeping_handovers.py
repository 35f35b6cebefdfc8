"""How fast export-service keeps 20,000 handovers with 3 claims each, and their opened cases.

Not part of the tests: `make bench` runs it, against a real PostgreSQL. Records are handled as they
come from Kafka, in batches of 500: parsed, entered in the inbox, kept, committed.
"""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Final
from uuid import uuid4

from sqlalchemy import text
from tests.benchmarks.handovers import handovers
from tests.benchmarks.measuring import Figure

from contracts import CaseOpenedV1, Envelope, Event, MemberHandedOverV1, Money, OpenClaim
from export_service.settings import Settings
from export_service.subscribers import subscriptions
from kit.context import Context
from kit.database import Database
from kit.ids import new_id
from kit.inbox import Inbox
from kit.messages import Record
from local_stack.data import Population

MEMBERS: Final = int(os.environ.get("MEMBERS", "20000"))
AT_A_TIME: Final = 500
TENANT: Final = new_id()


async def test_handovers_and_cases_are_kept(
    migrated: Callable[[str], AbstractAsyncContextManager[str]],
    pool_of: Callable[[str], Database],
) -> None:
    today = datetime.now(UTC).date()
    population = Population(members=MEMBERS, today=today)
    events = list(handovers(population, uuid4(), today))
    handed_over = [record(event) for event in events]
    opened = [record(case_opened(event)) for event in events]
    async with migrated("export_service.migrations") as url:
        database = pool_of(url)
        settings = Settings.model_construct(database_url=url)
        inbox = Inbox("export-service", subscriptions, Context(settings, database))
        for what, records in (("handovers are kept", handed_over), ("cases are opened", opened)):
            started, cpu = time.perf_counter(), time.process_time()
            await keep(inbox, records)
            seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
            show(Figure(what, seconds, "s", compared=f"{MEMBERS / seconds:,.0f} members/s"))
            show(Figure("  processor time of the process", cpu, "s"))
        async with database.connect() as connection:
            claims = await connection.scalar(
                text("SELECT sum(json_array_length(claims)) FROM handover_rows")
            )
            open_ = await connection.scalar(
                text("SELECT count(*) FROM cases WHERE status = 'OPEN' AND run_id IS NOT NULL")
            )
        await database.close()
    assert open_ == MEMBERS
    assert claims == sum(len(event.claims) for event in events)
    show(Figure("claims of these", claims, ""))


async def keep(inbox: Inbox, records: Sequence[Record]) -> None:
    """Let records be handled, batch by batch."""
    batches = iter(records)
    while batch := list(islice(batches, AT_A_TIME)):
        await inbox.handle(batch)


def record(event: Event) -> Record:
    """Return an event as it comes from Kafka."""
    envelope = Envelope(
        id=str(new_id()),
        source="/benchmark",
        type=event.TYPE,
        time=datetime.now(UTC),
        subject=event.key(),
        tenant_id=TENANT,
        correlation_id="benchmark",
        traceparent=None,
    )
    value = event.model_dump_json().encode()
    return Record(event.TOPIC, 0, 0, event.key().encode(), value, tuple(envelope.to_headers()))


def case_opened(handover: MemberHandedOverV1) -> CaseOpenedV1:
    """Return what case-service says of a handover to a partner by hand."""
    at = datetime.now(UTC)
    return CaseOpenedV1(
        case_id=handover.case_id,
        run_id=handover.run_id,
        member_id=handover.member_id,
        studio_id=handover.studio.studio_id,
        partner_id=handover.partner_id,
        occurred_at=at,
        opened_at=at,
        claims=tuple(
            OpenClaim(claim_id=claim.claim_id, open=claim.to_collect) for claim in handover.claims
        ),
        open=Money(
            amount=sum((claim.to_collect.amount for claim in handover.claims), Decimal("0.00")),
            currency=handover.claims[0].to_collect.currency,
        ),
    )


def show(figure: Figure) -> None:
    """Print a figure."""
    print(figure, flush=True)  # noqa: T201  what a benchmark is for
