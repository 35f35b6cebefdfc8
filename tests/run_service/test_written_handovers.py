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
from kit.trace import Cause
from run_service.candidates import versions
from run_service.candidates.member import display_name, is_minor
from run_service.runs.handover import FrozenMember, members_handed_over
from run_service.runs.run import RunStatus
from run_service.runs.store import LockedRun
from tests.run_service.world import euros, member, studio

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
GOING = st.lists(st.tuples(CLAIMS, AMOUNTS, st.uuids()), min_size=1, max_size=4)


def a_run(
    collection_date: date = date(2026, 3, 1), booking_number: str = "2026-000001"
) -> LockedRun:
    """Return a run of which nothing is published yet."""
    run_id, preview_id, partner_id, tenant_id = (UUID(int=number) for number in range(4))
    return LockedRun(
        tenant_id=tenant_id,
        run_id=run_id,
        booking_number=booking_number,
        preview_id=preview_id,
        partner_id=partner_id,
        partner_channel="API",
        trigger="RUN",
        status=RunStatus.IN_PROGRESS,
        collection_date=collection_date,
        member_count=1,
        published=0,
        last_place=0,
        reversal_requested_at=None,
        creation=Cause(tenant_id, "tests", None),
        reversal=None,
    )


def kept(
    snapshot: MemberSnapshotV1,
    case_id: UUID,
    going: Sequence[tuple[ClaimSnapshotV1, Decimal, UUID]],
) -> FrozenMember:
    """Return a member with its claims as the database keeps them."""
    return FrozenMember(
        member_id=str(snapshot.member_id),
        case_id=str(case_id),
        booking_number=7,
        place=9,
        studio_id=str(snapshot.studio_id),
        transfer_id=str(case_id),
        person=versions.person(snapshot),
        legal_guardian=versions.legal_guardian(snapshot),
        currency="CHF",
        claims=[versions.claim_details(claim) for claim, _, _ in going],
        claim_sequences=[claim.sequence for claim, _, _ in going],
        claim_amounts=[str(amount) for _, amount, _ in going],
        voucher_ids=[str(voucher_id) for _, _, voucher_id in going],
    )


def by_the_model(
    run: LockedRun,
    snapshot: MemberSnapshotV1,
    owner: StudioSnapshotV1,
    case_id: UUID,
    going: Sequence[tuple[ClaimSnapshotV1, Decimal, UUID]],
) -> MemberHandedOverV1:
    """Return the event that the contract's models make of the snapshots."""
    arose_on = min(claim.voucher_date for claim, _, _ in going)
    person = values_of(snapshot, PersonDetails)
    guardian = snapshot.legal_guardian
    is_liable = guardian is not None and is_minor(
        snapshot.birth_date, arose_on, run.collection_date
    )
    if guardian is not None and is_liable:
        name = display_name(snapshot.first_name, snapshot.name1)
        person |= {
            **guardian.__dict__,
            "address": guardian.address or snapshot.address,
            "represented_member_name": name[:200],
            "sex": "UNKNOWN",
            **dict.fromkeys(("name2", "maiden_name", "identification_number")),
        }
    return MemberHandedOverV1(
        run_id=run.run_id,
        case_id=case_id,
        transfer_id=case_id,
        run_booking_number=run.booking_number,
        booking_number=7,
        partner_id=run.partner_id,
        partner_channel=run.partner_channel,
        trigger=run.trigger,
        collection_date=run.collection_date,
        member_id=snapshot.member_id,
        studio=HandoverStudio(**values_of(owner, StudioDetails)),
        debtor=HandoverDebtor(
            **person,
            debtor_id=snapshot.member_id,
            liable_person="LEGAL_GUARDIAN" if is_liable else "MEMBER",
        ),
        claims=tuple(
            HandoverClaim(
                **values_of(claim, ClaimDetails),
                snapshot_sequence=claim.sequence,
                voucher_id=voucher_id,
                to_collect=Money(amount=amount, currency="CHF"),
            )
            for claim, amount, voucher_id in going
        ),
    )


def values_of(source: BaseModel, part: type[BaseModel]) -> dict[str, Any]:
    """Return the values of those fields that belong to a part."""
    return {name: getattr(source, name) for name in part.model_fields}


def frozen_studio(owner: StudioSnapshotV1) -> str:
    """Return a studio as handovers repeat it."""
    return HandoverStudio.model_validate_json(owner.model_dump_json()).model_dump_json()


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # of a busy machine
@given(MEMBERS, st.uuids(), GOING, DAYS)
def test_a_written_handover_is_what_the_model_writes_r3_r4(
    snapshot: MemberSnapshotV1,
    case_id: UUID,
    going: list[tuple[ClaimSnapshotV1, Decimal, UUID]],
    today: date,
) -> None:
    run, owner = a_run(today), studio(snapshot.studio_id)
    studios = {str(owner.studio_id): frozen_studio(owner)}
    (payload,) = members_handed_over(run, [kept(snapshot, case_id, going)], studios)
    expected = by_the_model(run, snapshot, owner, case_id, going)
    assert payload.decode() == expected.model_dump_json()
    assert MemberHandedOverV1.model_validate_json(payload) == expected


def test_what_a_contract_refuses_in_all_events_of_a_run_stops_them() -> None:
    owner = studio(UUID(int=5))
    snapshot = member(UUID(int=6), owner.studio_id)
    claim = ClaimSnapshotV1(
        claim_id=UUID(int=7),
        sequence=1,
        member_id=snapshot.member_id,
        studio_id=owner.studio_id,
        voucher_date=date(2026, 1, 1),
        due_date=date(2026, 1, 1),
        kind="CLAIM",
        designation="Fee",
        amount=euros("1.00"),
        paid_directly=euros("0.00"),
        cancelled=False,
        disputed=False,
    )
    going = [(claim, Decimal("1.00"), UUID(int=8))]
    frozen = kept(snapshot, UUID(int=9), going)._replace(currency="EUR")
    studios = {str(owner.studio_id): frozen_studio(owner)}
    assert members_handed_over(a_run(), [frozen], studios)
    with pytest.raises(ValidationError):
        members_handed_over(a_run(booking_number="x"), [frozen], studios)
