"""The event that is written from kept parts is the one that the contract's model makes (R3, R4)."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from sqlalchemy import Row, insert, text

from contracts import (
    Address,
    BankAccount,
    ClaimSnapshotV1,
    CollectionBlock,
    Dunning,
    HandoverClaim,
    HandoverDebtor,
    HandoverStudio,
    LegalGuardian,
    Mandate,
    MemberHandedOverV1,
    MembershipContract,
    MemberSnapshotV1,
    Money,
    ServicePeriod,
    StudioSnapshotV1,
)
from contracts.parts import ClaimDetails, PersonDetails, StudioDetails
from kit import outbox
from kit.clock import now
from kit.ids import new_id
from kit.logs import describe
from run_service import tables
from run_service.candidates.member import display_name, is_minor
from run_service.runs.publish_handovers import HandoverNotWrittenError, publish_handovers
from tests.run_service.world import World, member, studio

TRACE = "0af7651916cd43dd8448eb211c80319c"
# Also what JSON has to escape, and what ends a line for some readers.
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\x00") | st.sampled_from(
    '"\\/\n\t\u2028<&'
)
DAYS = st.dates(date(1900, 1, 1), date(2100, 12, 31))


def texts(most: int, least: int = 1) -> st.SearchStrategy[str]:
    """Draw texts of so many characters."""
    return st.text(CHARACTERS, min_size=least, max_size=most)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw something, or nothing."""
    return st.none() | strategy


PHONES = st.lists(texts(40), max_size=3)
ADDRESSES = st.builds(
    Address,
    street=texts(20, 0),
    postal_code=texts(10, 0),
    city=texts(20, 0),
    country_code=st.just("DE"),
    country=texts(20, 0),
)
ACCOUNTS = st.builds(
    BankAccount, iban=maybe(texts(42)), bic=maybe(texts(11)), bank_name=maybe(texts(200))
)
MANDATES = st.builds(Mandate, reference=texts(35), signed_on=maybe(DAYS), owner=maybe(texts(200)))
GUARDIANS = st.builds(
    LegalGuardian,
    first_name=maybe(texts(200)),
    name1=texts(200),
    birth_date=maybe(DAYS),
    address=maybe(ADDRESSES),
    email=maybe(texts(40)),
    phone_numbers=PHONES,
)
MEMBERS = st.builds(
    MemberSnapshotV1,
    member_id=st.uuids(),
    sequence=st.integers(0, 2**53 - 1),
    studio_id=st.uuids(),
    membership_number=texts(60),
    first_name=maybe(texts(200)),
    name1=texts(200),
    name2=maybe(texts(200)),
    maiden_name=maybe(texts(200)),
    sex=st.sampled_from(["MALE", "FEMALE", "DIVERSE", "UNKNOWN"]),
    birth_date=maybe(DAYS),
    identification_number=maybe(texts(100)),
    address=maybe(ADDRESSES),
    email=maybe(texts(40)),
    phone_numbers=PHONES,
    bank_account=maybe(ACCOUNTS),
    mandate=maybe(MANDATES),
    legal_guardian=maybe(GUARDIANS),
    contract=maybe(st.builds(MembershipContract, started_on=DAYS)),
    dunning=st.builds(Dunning, level=st.integers(0, 99), last_level_passed_on=maybe(DAYS)),
    collection_block=maybe(st.builds(CollectionBlock, reason=texts(100))),
)
AMOUNTS = st.decimals("0.00", "999999999.99", places=2)
MONEY = st.builds(Money, amount=AMOUNTS, currency=st.just("CHF"))
CLAIMS = st.builds(
    ClaimSnapshotV1,
    claim_id=st.uuids(),
    sequence=st.integers(0, 2**53 - 1),
    member_id=st.uuids(),
    studio_id=st.uuids(),
    voucher_date=DAYS,
    due_date=DAYS,
    contract_started_on=maybe(DAYS),
    kind=st.sampled_from(["CLAIM", "FLAT_FEE", "SALE"]),
    designation=texts(200),
    service_period=maybe(st.builds(ServicePeriod, starts_on=DAYS, ends_on=DAYS)),
    amount=MONEY,
    paid_directly=MONEY,
    cancelled=st.booleans(),
    disputed=st.booleans(),
    latest_rejection_reason=maybe(texts(200)),
)
GOING = st.lists(
    st.tuples(CLAIMS, AMOUNTS), min_size=1, max_size=4, unique_by=lambda one: one[0].claim_id
)
Going = Sequence[tuple[ClaimSnapshotV1, Decimal]]


async def order_run(
    world: World, snapshot: MemberSnapshotV1, owner: StudioSnapshotV1, going: Going, today: date
) -> UUID:
    """Let a run of one member wait to be published, whether it is a candidate or not."""
    run_id, preview_id = new_id(), new_id()
    claims = [claim.model_copy(update={"member_id": snapshot.member_id}) for claim, _ in going]
    await world.feed(owner, snapshot, *claims)
    of_run = {"tenant_id": world.tenant_id, "run_id": run_id}
    of_preview = {"tenant_id": world.tenant_id, "preview_id": preview_id}
    of_studio = {"studio_id": owner.studio_id, "name": owner.name1}
    whose = {"created_at": now(), "created_by": "tests"}
    rows = (
        (
            tables.runs,
            {**of_run, **whose, "preview_id": preview_id, "booking_number": "2026-000001"}
            | {"partner_id": new_id(), "partner_channel": "API", "trigger": "RUN"}
            | {"status": "IN_PROGRESS", "collection_date": today, "correlation_id": "tests"}
            | {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
            | {"member_count": 1, "published": 0, "last_place": 0},
        ),
        (
            tables.run_studios,
            {**of_run, **of_studio, "transfer_id": new_id(), "first_booking_number": 1}
            | {"member_count": 1, "claim_count": len(going)},
        ),
        (
            tables.preview_studios,
            {**of_preview, **of_studio, "snapshot": owner.model_dump(mode="json")},
        ),
        (
            tables.preview_members,
            {**of_preview, **of_studio, "member_id": snapshot.member_id, "place": 9}
            | {"sequence": snapshot.sequence, "surname": "", "membership_number": ""}
            | {"search_text": "", "minor": False, "left_out": False, "currency": "CHF"}
            | {"claim_ids": [claim.claim_id for claim in claims]}
            | {"claim_sequences": [claim.sequence for claim in claims]}
            | {"claim_amounts": [amount for _, amount in going]}
            | {"total": sum(amount for _, amount in going)},
        ),
    )
    async with world.context.database.begin() as connection:
        for table, values in rows:
            await connection.execute(insert(table).values(**values))
    return run_id


async def row_of_run(world: World, run_id: UUID, what: str) -> Row[Any]:
    """Return what there is of a run of one member."""
    async with world.context.database.connect() as connection:
        found = await connection.execute(text(what), {"run_id": run_id})
        return found.one()


def by_the_model(
    run: Row[Any],
    snapshot: MemberSnapshotV1,
    owner: StudioSnapshotV1,
    going: Going,
    voucher_ids: dict[str, str],
) -> MemberHandedOverV1:
    """Return the event that the contract's models make of the snapshots."""
    arose_on = min(claim.voucher_date for claim, _ in going)
    return MemberHandedOverV1(
        run_id=run.run_id,
        case_id=run.case_id,
        transfer_id=run.transfer_id,
        run_booking_number=run.booking_number,
        booking_number=1,
        partner_id=run.partner_id,
        partner_channel=run.partner_channel,
        trigger=run.trigger,
        collection_date=run.collection_date,
        member_id=snapshot.member_id,
        studio=HandoverStudio(**values_of(owner, StudioDetails)),
        debtor=debtor_by_the_model(
            snapshot, is_minor(snapshot.birth_date, arose_on, run.collection_date)
        ),
        claims=tuple(
            HandoverClaim(
                **values_of(claim, ClaimDetails),
                snapshot_sequence=claim.sequence,
                voucher_id=UUID(voucher_ids[str(claim.claim_id)]),
                to_collect=Money(amount=amount, currency="CHF"),
            )
            for claim, amount in going
        ),
    )


def debtor_by_the_model(snapshot: MemberSnapshotV1, minor: bool) -> HandoverDebtor:
    """Return who owes: of a minor the legal guardian, if there is one."""
    values = values_of(snapshot, PersonDetails) | {"debtor_id": snapshot.member_id}
    guardian = snapshot.legal_guardian
    if guardian is None or not minor:
        return HandoverDebtor(**values, liable_person="MEMBER")
    return HandoverDebtor(
        **{
            **values,
            **guardian.__dict__,
            "address": guardian.address or snapshot.address,
            "represented_member_name": display_name(snapshot.first_name, snapshot.name1)[:200],
            "sex": "UNKNOWN",
            **dict.fromkeys(("name2", "maiden_name", "identification_number")),
        },
        liable_person="LEGAL_GUARDIAN",
    )


def values_of(source: BaseModel, part: type[BaseModel]) -> dict[str, Any]:
    """Return the values of those fields that belong to a part."""
    return {name: getattr(source, name) for name in part.model_fields}


@settings(
    deadline=None,  # of a busy machine
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(MEMBERS, GOING, DAYS)
async def test_a_written_handover_is_what_the_model_writes_r3_r4(
    world: World, snapshot: MemberSnapshotV1, going: Going, today: date
) -> None:
    world.tenant_id = new_id()  # each example stands for itself
    owner = studio(snapshot.studio_id)
    run_id = await order_run(world, snapshot, owner, going, today)
    assert await publish_handovers(world.context)
    run = await row_of_run(
        world,
        run_id,
        """
        SELECT runs.*, case_id, transfer_id, payload,
               (SELECT json_object_agg(claim_id, voucher_id) FROM reservations
                WHERE run_id = runs.run_id) AS vouchers
        FROM runs JOIN run_members USING (tenant_id, run_id)
        JOIN run_studios USING (tenant_id, run_id)
        JOIN (SELECT tenantid, payload FROM outbox) AS event ON tenantid = runs.tenant_id
        WHERE run_id = :run_id
        """,
    )
    expected = by_the_model(run, snapshot, owner, going, run.vouchers)
    assert run.payload.decode() == expected.model_dump_json()
    assert MemberHandedOverV1.model_validate_json(run.payload) == expected


A_CLAIM = ClaimSnapshotV1(
    claim_id=UUID(int=7),
    sequence=1,
    member_id=UUID(int=6),
    studio_id=UUID(int=5),
    voucher_date=date(2026, 1, 1),
    due_date=date(2026, 1, 1),
    kind="CLAIM",
    designation="Fee",
    amount=Money(amount=Decimal("1.00"), currency="CHF"),
    paid_directly=Money(amount=Decimal("0.00"), currency="CHF"),
    cancelled=False,
    disputed=False,
)


async def order_plain_run(world: World, guardian: LegalGuardian | None = None) -> UUID:
    """Let a run of a plain member wait to be published."""
    snapshot = member(UUID(int=6), UUID(int=5), guardian=guardian)
    owner = studio(UUID(int=5))
    return await order_run(world, snapshot, owner, [(A_CLAIM, Decimal("1.00"))], date(2026, 3, 1))


async def test_a_written_event_goes_out_as_any_other(world: World) -> None:
    run_id = await order_plain_run(world)
    assert await publish_handovers(world.context)
    row = await row_of_run(
        world,
        run_id,
        "SELECT outbox.*, run_id FROM outbox JOIN runs ON tenantid = tenant_id"
        " WHERE run_id = :run_id",
    )
    assert (row.aggregatetype, row.type) == ("collection.handover.v1", "member.handed-over.v1")
    assert (row.aggregateid, row.tenantid) == (str(UUID(int=6)), world.tenant_id)
    assert (row.correlationid, row.headers) == ("tests", None)
    version, trace_id, span_id, flags = row.traceparent.split("-")
    assert (version, trace_id, flags) == ("00", TRACE, "01")
    assert len(span_id) == 16
    assert int(span_id, 16) not in (0, 0xB7AD6B7169203331)
    assert row.id.version == 7
    assert abs((now() - row.time).total_seconds()) < 60


async def test_what_a_contract_refuses_in_all_events_of_a_run_stops_them(world: World) -> None:
    run_id = await order_plain_run(world)
    async with world.context.database.begin() as connection:
        await connection.execute(text("UPDATE runs SET booking_number = 'x'"))
    with pytest.raises(ValidationError):
        await publish_handovers(world.context)
    await nothing_went_out(world, run_id)


NOT_WRITTEN = "a handover of run {} lacks a part, or is larger than its topic takes"


@pytest.mark.parametrize("guardian", [None, LegalGuardian(name1="Vormund")])
@pytest.mark.parametrize("part", ["member_snapshots", "claim_snapshots", "preview_studios"])
async def test_no_handover_goes_out_without_a_part_of_it(
    world: World, part: str, guardian: LegalGuardian | None
) -> None:
    run_id = await order_plain_run(world, guardian)
    async with world.context.database.begin() as connection:
        await connection.execute(text(f"DELETE FROM {part}"))
    with pytest.raises(HandoverNotWrittenError) as raised:
        await publish_handovers(world.context)
    assert describe(raised.value)["message"] == NOT_WRITTEN.format(run_id)
    await nothing_went_out(world, run_id)


async def test_no_event_goes_out_that_is_larger_than_its_topic_takes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "largest_value", lambda _topic: 1_000)
    run_id = await order_plain_run(world)
    with pytest.raises(HandoverNotWrittenError) as raised:
        await publish_handovers(world.context)
    assert describe(raised.value)["message"] == NOT_WRITTEN.format(run_id)
    await nothing_went_out(world, run_id)


async def nothing_went_out(world: World, run_id: UUID) -> None:
    """Check that a run is as it was, but for its next try."""
    row = await row_of_run(
        world,
        run_id,
        "SELECT published, (SELECT count(*) FROM outbox) AS events,"
        " (SELECT count(*) FROM reservations) AS reserved FROM runs WHERE run_id = :run_id",
    )
    assert tuple(row) == (0, 0, 0)
