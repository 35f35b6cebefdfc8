"""The audit finds all that is kept or published otherwise than the ledger says (R31)."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import date
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import NotLeaderForPartitionError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from case_service.audit import audit as audit_module
from case_service.audit import rebuild_balances as rebuild_module
from case_service.audit import store
from case_service.audit.audit import audit
from case_service.audit.difference import Difference
from case_service.audit.published import TOPICS as AUDITED
from case_service.audit.published import gather_events
from case_service.audit.rebuild_balances import rebuild_balances
from contracts import TOPICS, CaseOpenedV1, Envelope, MemberHandedOverV1
from kit.context import Context
from kit.database import Database
from kit.ids import new_id
from kit.relay import Relay
from local_stack.postgres import PostgresServer
from tests.case_service.audit_faults import FAULTS
from tests.case_service.receivables import snapshot
from tests.case_service.world import (
    MOMENT,
    World,
    accepted,
    claim,
    closed,
    corrected,
    file_number_assigned,
    handover,
    money,
    paid,
    rejected,
    reversal,
    share,
)
from tests.kit.deliveries import until

Plant = Callable[[str], Awaitable[None]]

FOREIGN = ("01a205cc-0000-7000-8000-000000000001", "01a205cc-0000-7000-8000-000000000002")


@pytest.fixture
async def world(world: World, kafka: str) -> World:
    """The service with a Kafka that holds no event of any other test."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    everything = {
        TopicPartition(name, partition): RecordsToDelete(before_offset=-1)
        for name in AUDITED
        for partition in range(TOPICS[name].partitions)
    }
    async with asyncio.timeout(30):
        while True:
            try:
                await admin.delete_records(everything)
                break
            except NotLeaderForPartitionError:  # topics that were just made have none for a moment
                await asyncio.sleep(0.2)
    await admin.close()
    world.context.settings = world.context.settings.model_copy(
        update={"kafka_bootstrap_servers": kafka}
    )
    return world


@pytest.fixture
async def plant(world: World, postgres: PostgresServer) -> Plant:
    """Change tables as nobody may: without triggers and without foreign keys."""
    database = urlsplit(world.context.settings.database_url).path.lstrip("/")

    async def change(statement: str) -> None:
        connection = await asyncpg.connect(postgres.superuser_url, database=database)
        await connection.execute("SET session_replication_role = replica")
        assert await connection.execute(statement) not in ("UPDATE 0", "DELETE 0", "INSERT 0 0")
        await connection.close()

    return change


async def a_ledger(world: World) -> MemberHandedOverV1:
    """Let everything happen to cases that can; return the last one, of which 11.00 is open."""
    first, second = claim("30.00"), claim("12.00")
    case = await world.open(first, second)
    await world.deliver(
        paid(case, "5.00"),
        paid(case, "10.00", "P-2"),
        corrected(case, "7.00", "P-2"),
        corrected(case, "9.00", "P-2", fees="1.50"),
        file_number_assigned(case, "AZ-1"),
        snapshot(case, second, amount="10.00", paid="1.00"),
    )
    payment_id = await world.receive(case, "105.00", "P-3")
    await world.settle(case, payment_id, "PAID_BACK", amount=money("1.00"))
    await world.deliver(snapshot(case, first, amount="28.00"))
    await world.deliver(snapshot(case, first, sequence=3, amount="30.00"))
    following = claim("11.00")
    other = await world.open(following, member_id=case.member_id)
    await world.settle(case, payment_id, "ALLOCATED", shares=[share(following, "2.00", other)])
    await _endings(world)
    return await world.open(claim("11.00"))


async def _endings(world: World) -> None:
    again = claim("10.00")
    ended = await world.open(again)
    payment_id = await world.receive(ended, "7.00")
    await world.deliver(closed(ended))
    await world.reduce(ended, payment_id, "4.00")
    await world.open(again, member_id=ended.member_id)
    refused, taken, waiting, given_back = (
        handover(partner_channel="API"),
        handover(partner_channel="API"),
        handover(partner_channel="API"),
        handover(),
    )
    await world.deliver(refused, taken, waiting, given_back, rejected(refused), accepted(taken))
    await world.ask("PUT", "/settings", {"residual_on_closing": "WRITTEN_OFF"})
    await world.close(taken)
    await world.deliver(reversal(given_back))
    await world.work()
    cancelled = await world.open()
    await world.ask("POST", f"/cases/{cancelled.case_id}/cancellation", {"comment": "zurück"})


async def publish(world: World) -> None:
    """Let the relay publish all that waits."""
    settings = world.context.settings
    relay = Relay("case-service", settings.database_url, settings.kafka_bootstrap_servers)
    task = asyncio.create_task(relay.run())

    async def nothing_waits() -> bool:
        return not await world.rows("SELECT seq FROM outbox")

    await until(nothing_waits)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def event_headers(world: World, id_: str) -> dict[str, bytes]:
    """Return the headers of an event of the world's tenant."""
    envelope = Envelope(
        id=id_,
        source="/case-service",
        type=CaseOpenedV1.TYPE,
        time=MOMENT,
        subject="x",
        tenant_id=world.tenant_id,
        correlation_id="x",
        traceparent=None,
    )
    return dict(envelope.to_headers())


async def write(world: World, value: bytes | None, headers: dict[str, bytes]) -> None:
    """Write a message to the topic of cases as nobody may."""
    producer = AIOKafkaProducer(bootstrap_servers=world.context.settings.kafka_bootstrap_servers)
    await producer.start()
    await producer.send_and_wait(
        CaseOpenedV1.TOPIC, value, key=b"x", partition=0, headers=list(headers.items())
    )
    await producer.stop()


async def run(world: World, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """Run the command; return its exit code and what it printed."""
    capsys.readouterr()
    code = await audit(world.context, [])
    return code, capsys.readouterr().out.splitlines()


async def test_without_a_fault_there_is_no_difference(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether events wait in the outbox, lie in Kafka, or both; however few cases at a time."""
    await a_ledger(world)
    assert await run(world, capsys) == (0, ["audit: 0 differences"])
    await publish(world)
    await world.open()
    assert await run(world, capsys) == (0, ["audit: 0 differences"])
    monkeypatch.setattr(audit_module, "CASES_AT_A_TIME", 1)
    monkeypatch.setattr(audit_module, "CLAIMS_AT_A_TIME", 1)
    assert await run(world, capsys) == (0, ["audit: 0 differences"])


@pytest.mark.parametrize("day", [date.min, date.max])
async def test_the_ends_of_time_are_days_like_others(
    world: World, capsys: pytest.CaptureFixture[str], day: date
) -> None:
    """A partner may date a payment as it likes, and PostgreSQL has infinities for these two."""
    case = await world.open()
    await world.deliver(paid(case, "1.00", paid_on=day))
    assert (await world.case(case))["payments"][0]["booking_date"] == str(day)
    assert await run(world, capsys) == (0, ["audit: 0 differences"])


@pytest.mark.parametrize(("statements", "said"), FAULTS.values(), ids=FAULTS)
async def test_a_fault_is_found_and_named(
    world: World,
    plant: Plant,
    capsys: pytest.CaptureFixture[str],
    statements: list[str],
    said: list[str],
) -> None:
    await a_ledger(world)
    for statement in statements:
        await plant(statement)

    code, lines = await run(world, capsys)

    assert code == 1
    assert lines[-1] == f"audit: {len(lines) - 1} differences"
    for words in said:
        assert any(words in line for line in lines[:-1]), (words, lines)


async def test_what_lies_in_kafka_is_compared(
    world: World, plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    """A lost event, changed ones, events and other things that nobody wrote; twice is no fault."""
    case = await world.open(claim("30.00"))
    await world.open()
    (row, lost) = await world.rows("SELECT * FROM outbox ORDER BY seq")
    await plant(f"DELETE FROM outbox WHERE seq = {lost.seq}")
    await publish(world)
    known = event_headers(world, str(row.id))
    await write(world, row.payload, known)
    assert len((await run(world, capsys))[1]) == 2

    await write(world, row.payload.replace(b"30.00", b"31.00"), known)
    await write(world, row.payload, event_headers(world, FOREIGN[0]))
    unknown = row.payload.replace(str(case.case_id).encode(), str(new_id()).encode())
    await write(world, unknown, event_headers(world, FOREIGN[1]))
    for rubbish in (b"no JSON", b"{}", b"\xff", b'{"case_id": "x"}', b"[]", b'"\\u0000"', None):
        await write(world, rubbish, known)
    await write(world, row.payload, {})

    code, lines = await run(world, capsys)

    assert code == 1
    found = Counter(re.sub(r"tenant .* event|message .* 0 [0-9]+", "", each) for each in lines)
    assert found == {
        ": is unreadable, should be an event": 8,
        f" case.opened.v1 {lost.id}: is not published, should be published": 1,
        f" case.opened.v1 {row.id} claims: is {_opened(case, '31.00')},"
        f" should be {_opened(case, '30.00')}": 1,
        f" case.opened.v1 {row.id} open: is 31.00, should be 30.00": 1,
        f" case.opened.v1 {FOREIGN[0]}: is published, should be in the history": 1,
        f" case.opened.v1 {FOREIGN[1]}: is published, should be in the history": 1,
        "audit: 13 differences": 1,
    }


def _opened(case: MemberHandedOverV1, amount: str) -> str:
    return json.dumps([[str(case.claims[0].claim_id), amount]])


async def test_what_is_published_meanwhile_is_left_to_the_next_audit(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.open()

    async def late(*arguments: Any) -> AsyncIterator[Difference]:
        await world.open()
        await publish(world)
        async for difference in gather_events(*arguments):
            yield difference

    monkeypatch.setattr(audit_module, "gather_events", late)
    assert await run(world, capsys) == (0, ["audit: 0 differences"])


async def test_what_cannot_be_checked_is_no_result(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, and one line that says why; the last result stays."""
    await world.open()
    await run(world, capsys)
    result = (await world.ask("GET", "/audit")).json()
    settings = world.context.settings
    nowhere = settings.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:1"})
    without_kafka = Context(nowhere, world.context.database)
    assert await audit(without_kafka, []) == 2
    assert capsys.readouterr().out == "audit: could not be done: Kafka: KafkaConnectionError\n"

    away = Database("postgresql+asyncpg://nobody:secret@127.0.0.1:1/nothing")
    assert await audit(Context(settings, away), []) == 2
    assert await rebuild_balances(Context(settings, away), []) == 2
    assert capsys.readouterr().out == (
        "audit: could not be done: database: ConnectionRefusedError\n"
        "rebuild-balances: could not be done: database: ConnectionRefusedError\n"
    )
    await away.close()

    async def too_slow(connection: AsyncConnection, _: Any) -> None:
        await connection.execute(text("SET LOCAL statement_timeout = 1"))
        await connection.execute(text("SELECT pg_sleep(10)"))

    monkeypatch.setattr(audit_module, "follow_lines", too_slow)
    assert await run(world, capsys) == (2, ["audit: could not be done: database: 57014"])
    assert (await world.ask("GET", "/audit")).json() == result


async def test_each_tenant_sees_its_own_part_of_the_last_result(
    world: World, plant: Plant, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """R63: nothing of other tenants, and nothing of studios that the caller may not see."""
    assert (await world.ask("GET", "/audit")).status_code == 404
    one, two = await world.open(), await world.open()
    elsewhere = handover()
    await world.deliver(elsewhere, tenant_id=new_id())
    await run(world, capsys)
    clean = (await world.ask("GET", "/audit")).json()
    assert (clean["outcome"], clean["differences"]) == ("CLEAN", [])
    assert clean["started_at"] <= clean["finished_at"]

    await plant(f"UPDATE cases SET collected = 1 WHERE case_id <> '{two.case_id}'")
    await run(world, capsys)
    found = {"case_id": str(one.case_id), "what": "collected", "kept": "1.00", "recomputed": "0.00"}
    for studio_ids in (None, [one.studio.studio_id]):
        shown = (await world.ask("GET", "/audit", studio_ids=studio_ids)).json()
        assert (shown["outcome"], shown["differences"]) == ("DIFFERENCES", [found])
    unseen = (await world.ask("GET", "/audit", studio_ids=[two.studio.studio_id])).json()
    assert (unseen["outcome"], unseen["differences"]) == ("CLEAN", [])
    assert (await world.ask("GET", "/audit", roles=["partner:admin"])).status_code == 403

    monkeypatch.setattr(store, "KEPT", 1)
    await plant("UPDATE cases SET collected = 2")
    assert len((await run(world, capsys))[1]) == 4
    assert len((await world.ask("GET", "/audit")).json()["differences"]) == 1
    assert len(await world.rows("SELECT audit_id FROM audits")) == 1


async def test_what_is_kept_is_rebuilt_from_entries_and_history(
    world: World, plant: Plant, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_ledger(world)
    before = [await _rows(world, table) for table in ("case_claims", "cases", "payments")]
    assert await rebuild_balances(world.context, []) == 0
    assert capsys.readouterr().out == "rebuild-balances: 0 claims, 0 cases, 0 payments changed\n"
    for change in (
        (
            "case_claims SET handed_over = handed_over + 9, changed = changed + 1, open = open + 1,"
            " collected = collected + 7, written_off = written_off + 1, released = released + 1"
        ),
        (
            "cases SET handed_over = 1, collected = 2, open = 3, unallocated = 4, written_off = 5,"
            " file_number = 'X', status = 'PENDING', result = NULL, close_reason = NULL,"
            " residual = NULL, ended_at = NULL, reason_code = NULL, opened_at = NULL"
        ),
        "payments SET unallocated = 0, paid_out = 2, shortfall = 1, amount = 1, booked_amount = 1",
    ):
        await plant(f"UPDATE {change}")
    assert (await run(world, capsys))[0] == 1

    monkeypatch.setattr(rebuild_module, "CASES_AT_A_TIME", 2)
    assert await rebuild_balances(world.context, []) == 0

    claims, cases, payments = map(len, before)
    assert capsys.readouterr().out == (
        f"rebuild-balances: {claims} claims, {cases} cases, {payments} payments changed\n"
    )
    after = [await _rows(world, table) for table in ("case_claims", "cases", "payments")]
    assert after == before
    assert await run(world, capsys) == (0, ["audit: 0 differences"])


async def _rows(world: World, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table, without how often they changed."""
    rows = await world.rows(
        f"SELECT to_jsonb(kept) - 'version' AS kept FROM {table} AS kept ORDER BY 1"
    )
    return [row.kept for row in rows]
