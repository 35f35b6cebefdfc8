"""The migrations make the tables that the code knows, and keep what the first release booked."""

import asyncio
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from case_service.tables import metadata
from kit.database import _configuration
from kit.ids import new_id
from kit.plumbing import plumbing
from tests.case_service.receivables import snapshot
from tests.case_service.world import World, claim, handover, money

TENANT, MEMBER, RUN = new_id(), new_id(), new_id()


@dataclass(frozen=True)
class Old:
    """Cases as the first release left them."""

    connection: AsyncConnection

    async def run(self, statement: str, **values: Any) -> None:
        await self.connection.execute(text(statement), {"tenant": TENANT, **values})

    async def case(
        self,
        case: UUID,
        status: str,
        *claims: tuple[UUID, str, str, str],
        unallocated: str = "0",
        day: str = "2026-03-02",
    ) -> None:
        """Enter a case with its claims (id, handed over, collected, open)."""
        ended = status not in ("OPEN", "PENDING")
        open_ = sum((Decimal(claim_[3]) for claim_ in claims), Decimal(0))
        await self.run(
            """
            INSERT INTO cases (tenant_id, case_id, run_id, run_booking_number, booking_number,
                member_id, studio_id, partner_id, partner_channel, collection_date, currency,
                status, handed_over, open, unallocated, reason_code, close_reason, result,
                created_at, opened_at, ended_at, version)
            VALUES (:tenant, :case, :run, '2026-000001', 1, :member, uuidv7(), uuidv7(), 'API',
                '2026-03-02', 'EUR', :status, :handed_over, :open, :unallocated, :reason_code,
                :close_reason, :result, CAST(CAST(:day AS text) AS timestamptz),
                CASE WHEN :was_open THEN timestamptz '2026-03-02T10:00Z' END,
                CASE WHEN :ended THEN timestamptz '2026-03-21T10:00Z' END, 3)
            """,
            case=case,
            run=RUN,
            member=MEMBER,
            status=status,
            handed_over=sum((Decimal(claim_[1]) for claim_ in claims), Decimal(0)),
            open=open_,
            unallocated=Decimal(unallocated),
            reason_code="DEBTOR_UNKNOWN" if status == "REJECTED" else None,
            close_reason="COMPLETED" if status == "CLOSED" else None,
            result=("PARTLY_PAID" if open_ else "PAID") if status == "CLOSED" else None,
            was_open=status in ("OPEN", "CLOSED"),
            ended=ended,
            day=day,
        )
        for claim_ in claims:
            await self._claim_of(case, *claim_)
        await self.told(case, "HANDED_OVER", "2026-03-02T09:00Z")
        if status in ("OPEN", "CLOSED"):
            await self.told(case, "OPENED", "2026-03-02T10:00Z")
        if ended:
            at_end = '{"reason": "COMPLETED", "result": "%s", "reason_code": "DEBTOR_UNKNOWN"}'
            result = "PARTLY_PAID" if open_ else "PAID"
            await self.told(case, status, "2026-03-21T10:00Z", at_end % result)

    async def _claim_of(
        self, case: UUID, claim_id: UUID, handed_over: str, collected: str, left: str
    ) -> None:
        await self.run(
            """
            INSERT INTO case_claims (tenant_id, case_id, claim_id, voucher_id,
                snapshot_sequence, kind, designation, voucher_date, due_date, amount,
                paid_directly, handed_over, collected, open)
            VALUES (:tenant, :case, :claim, uuidv7(), 1, 'CLAIM', 'Beitrag', '2026-01-01',
                '2026-01-15', 30.00, 0.00, :handed_over,
                :collected, :open)
            """,
            case=case,
            claim=claim_id,
            handed_over=Decimal(handed_over),
            collected=Decimal(collected),
            open=Decimal(left),
        )
        await self.entry(case, "HANDED_OVER", handed_over, "2026-03-02T09:00Z", claim_id)

    async def entry(
        self,
        case: UUID,
        kind: str,
        amount: str,
        recorded_at: str,
        claim_id: UUID | None,
        payment_id: UUID | None = None,
    ) -> None:
        """Enter an amount; without a claim it is a surplus, above zero when there is more of it."""
        await self.run(
            """
            INSERT INTO entries (tenant_id, case_id, claim_id, payment_id, kind, amount, currency,
                booking_date, recorded_at, actor_kind, actor, correlation_id)
            VALUES (:tenant, :case, :claim, :payment, :kind, :amount, 'EUR', '2026-03-20',
                CAST(CAST(:recorded_at AS text) AS timestamptz), 'PARTNER', 'p', 'request-1')
            """,
            case=case,
            claim=claim_id,
            payment=payment_id,
            kind=kind,
            amount=Decimal(amount),
            recorded_at=recorded_at,
        )

    async def told(self, case: UUID, kind: str, recorded_at: str, details: str = "{}") -> None:
        """Enter what happened into the history."""
        await self.run(
            """
            INSERT INTO history (tenant_id, case_id, kind, details, recorded_at, actor_kind, actor,
                correlation_id)
            VALUES (:tenant, :case, :kind, CAST(:details AS jsonb),
                CAST(CAST(:recorded_at AS text) AS timestamptz), 'PARTNER', 'p', 'request-1')
            """,
            case=case,
            kind=kind,
            details=details,
            recorded_at=recorded_at,
        )

    async def payment(
        self,
        case: UUID,
        reference: str,
        amount: str,
        share: str,
        claim_id: UUID,
        *,
        taken: str = "0.00",
        recorded_at: str = "2026-03-20T09:00Z",
    ) -> None:
        """Enter a payment with its share on one claim; the rest is a surplus.

        `taken` is what a correction took off the share the day after the case ended.
        """
        payment_id, surplus = new_id(), Decimal(amount) - Decimal(share)
        await self.run(
            """
            INSERT INTO payments (tenant_id, payment_id, case_id, amount, unallocated, own_fees,
                booked_amount, booked_own_fees, currency, booking_date, allocation, booked_by,
                partner_reference, recorded_at)
            VALUES (:tenant, :payment, :case, :amount, :unallocated, 0, :booked, 0, 'EUR',
                '2026-03-20', 'AUTOMATIC', 'PARTNER', :reference,
                CAST(CAST(:recorded_at AS text) AS timestamptz))
            """,
            payment=payment_id,
            case=case,
            amount=Decimal(amount) - Decimal(taken),
            booked=Decimal(amount),
            unallocated=surplus,
            reference=reference,
            recorded_at=recorded_at,
        )
        if Decimal(share):
            await self.entry(case, "PAYMENT_SHARE", f"-{share}", recorded_at, claim_id, payment_id)
        if surplus:
            await self.entry(case, "PAYMENT_SHARE", str(surplus), recorded_at, None, payment_id)
        named = f'{{"payment_id": "{payment_id}"}}'
        booked = {
            "payment_id": str(payment_id),
            "partner_reference": reference,
            "booking_date": "2026-03-20",
        }
        await self.told(case, "PAYMENT_BOOKED", recorded_at, json.dumps(booked))
        if Decimal(taken):
            await self.told(case, "PAYMENT_REDUCED", "2026-03-22T09:00Z", named)
            await self.entry(
                case, "PAYMENT_REDUCTION", taken, "2026-03-22T09:00Z", claim_id, payment_id
            )


OPEN, CLOSED, PAID, REJECTED, PENDING, AGAIN, CORRECTED, LATER = (new_id() for _ in range(8))
FIRST, SECOND, THIRD, FOURTH, FIFTH, SIXTH, SEVENTH = (new_id() for _ in range(7))


async def _fill(old: Old) -> None:
    await old.run("INSERT INTO runs (tenant_id, run_id) VALUES (:tenant, :run)", run=RUN)
    await old.run(
        "INSERT INTO members VALUES (:tenant, :member, uuidv7(), 'Zoë Müller', '1', '2026-03-02')",
        member=MEMBER,
    )
    await old.case(
        OPEN, "OPEN", (FIRST, "30.00", "15.00", "15.00"), (SECOND, "30.00", "0.00", "30.00")
    )
    await old.payment(OPEN, "P-1", "20.00", "20.00", FIRST, taken="5.00")
    await old.case(CLOSED, "CLOSED", (THIRD, "30.00", "4.00", "26.00"))
    await old.payment(CLOSED, "P-2", "10.00", "10.00", THIRD, taken="6.00")
    await old.case(PAID, "CLOSED", (FOURTH, "30.00", "30.00", "0.00"), unallocated="15.00")
    await old.payment(PAID, "P-3", "40.00", "30.00", FOURTH)
    await old.payment(PAID, "P-4", "5.00", "0.00", FOURTH, recorded_at="2026-03-23T09:00Z")
    await old.case(REJECTED, "REJECTED", (FIFTH, "30.00", "0.00", "30.00"))
    await old.case(PENDING, "PENDING", (SIXTH, "30.00", "0.00", "30.00"))
    await old.case(AGAIN, "OPEN", (THIRD, "20.00", "0.00", "20.00"), day="2026-03-21T12:00Z")
    await old.case(CORRECTED, "CLOSED", (SEVENTH, "30.00", "4.00", "26.00"))
    await old.payment(CORRECTED, "P-5", "10.00", "10.00", SEVENTH, taken="6.00")
    await old.case(LATER, "OPEN", (SEVENTH, "26.00", "0.00", "26.00"), day="2026-03-24")


@pytest.fixture
async def database_url(bare_database_url: str) -> str:
    """A database that the first release filled, and that was upgraded then."""
    engine = create_async_engine(bare_database_url)
    async with engine.begin() as connection:
        await connection.run_sync(_migrate, "0001")
    async with engine.begin() as connection:
        await _fill(Old(connection))
    async with engine.begin() as connection:
        await connection.run_sync(_migrate, "head")
    await engine.dispose()
    return bare_database_url


def _migrate(connection: Connection, revision: str) -> None:
    configuration = _configuration("case_service.migrations")
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, revision)


@pytest.fixture
def world(world: World) -> World:
    """The service on that database, as the tenant who has the cases."""
    world.tenant_id = TENANT
    return world


async def test_references_are_looked_up_by_statement_while_cases_are_opened(
    bare_database_url: str,
) -> None:
    """The migration waits for who reads cases, and holds nothing that its insert needs."""
    engine = create_async_engine(bare_database_url)
    async with engine.begin() as connection:
        await connection.run_sync(_migrate, "0009")
    async with (
        engine.connect() as opening,
        engine.connect() as connection,
        asyncio.timeout(60),
        asyncio.TaskGroup() as tasks,
    ):
        await opening.execute(text("SET LOCAL lock_timeout = '300ms'"))
        await opening.execute(text("SELECT FROM cases"))
        tasks.create_task(connection.run_sync(_migrate, "0010"))
        waits = text("SELECT 1 FROM pg_locks WHERE relation = to_regclass('cases') AND NOT granted")
        while (await opening.execute(waits)).first() is None:
            await asyncio.sleep(0.01)
        new_run = "INSERT INTO runs (tenant_id, run_id) VALUES (uuidv7(), uuidv7())"
        await opening.execute(text(new_run))
        await opening.rollback()
    await engine.dispose()


async def test_every_balance_follows_from_the_entries_after_the_upgrade(world: World) -> None:
    assert "\n".join(await world.differences()) == ""
    unbalanced = await world.rows(
        "SELECT posting_id FROM entries GROUP BY tenant_id, posting_id HAVING sum(amount) <> 0"
    )
    assert unbalanced == []


async def test_cases_that_had_ended_let_go_of_what_was_open_at_their_end(world: World) -> None:
    """What a payment that shrank afterwards opened again stays open, or is in a later case."""
    rows = await world.rows("SELECT case_id, open, collected, residual, unallocated FROM cases")
    found = {row.case_id: tuple(map(str, row[1:])) for row in rows}
    assert found == {
        OPEN: ("45.00", "15.00", "None", "0.00"),
        CLOSED: ("6.00", "4.00", "20.00", "0.00"),
        PAID: ("0.00", "30.00", "0.00", "15.00"),
        REJECTED: ("0.00", "0.00", "30.00", "0.00"),
        PENDING: ("30.00", "0.00", "None", "0.00"),
        AGAIN: ("20.00", "0.00", "None", "0.00"),
        CORRECTED: ("0.00", "4.00", "26.00", "0.00"),
        LATER: ("26.00", "0.00", "None", "0.00"),
    }


async def test_money_moves_on_cases_of_the_first_release(world: World) -> None:
    body = {"amount": money("5.00"), "booking_date": "2026-03-20"}
    booked = await world.ask("POST", f"/cases/{OPEN}/payments", body)
    assert booked.status_code == 201, booked.text
    old = handover(claim("30.00", claim_id=THIRD), case_id=AGAIN, member_id=MEMBER)

    await world.deliver(snapshot(old))
    rows = await world.rows("SELECT open FROM cases WHERE case_id = :id", id=AGAIN)
    assert str(rows[0].open) == "20.00", "an echo"
    await world.deliver(snapshot(old, sequence=3, paid="3.00"))

    rows = await world.rows("SELECT open FROM cases WHERE case_id = :id", id=AGAIN)
    assert str(rows[0].open) == "17.00"
    assert await world.differences() == []


async def test_members_and_cases_of_the_first_release_are_found_and_shown(world: World) -> None:
    """R20: with all that happened to them, though less of it was written down then."""
    (member,) = (await world.ask("GET", "/members?search=mull")).json()["items"]
    found = (await world.ask("GET", "/cases?search=zoe")).json()["items"]

    cases = {OPEN, CLOSED, PAID, REJECTED, PENDING, AGAIN, CORRECTED, LATER}
    assert {each["case_id"] for each in member["cases"]} == {str(case) for case in cases}
    assert {each["case_id"] for each in found} == {str(case) for case in cases}
    for case_id in cases:
        for language in ("de", "en"):
            shown = await world.ask("GET", f"/cases/{case_id}", Accept_Language=language)
            assert shown.status_code == 200, shown.text
            assert all(each["text"].endswith(".") for each in shown.json()["history"])


async def test_migrated_database_has_the_tables_of_the_code(world: World) -> None:
    def differences(connection: Connection) -> list[object]:
        known = MetaData()
        for table in [*metadata.sorted_tables, *plumbing.sorted_tables]:
            table.to_metadata(known)
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_object": _is_no_index}
        )
        return list(compare_metadata(context, known))

    async with world.context.database.begin() as connection:
        found = await connection.run_sync(differences)
    own = [each for each in found if "inbox" not in str(each) and "idempotency" not in str(each)]
    assert own == []


def _is_no_index(_: object, _name: str | None, kind: str, *_more: object) -> bool:
    """Leave out what only migrations say."""
    return kind not in ("index", "unique_constraint", "foreign_key_constraint")
