"""Events that are written without their models are the same to the last byte as with them."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from case_service import store
from case_service.cases.case import Case, Claim, CloseReason, Result, Status
from case_service.ledger import events
from case_service.ledger.journal import Journal
from case_service.ledger.occasion import ActorKind, Occasion
from contracts import (
    CaseClosedV1,
    CaseOpenedV1,
    ClaimResult,
    Event,
    MemberReleasedV1,
    Money,
    OpenClaim,
)
from kit import outbox
from kit.outbox import WrittenEvent
from kit.trace import Cause
from tests.case_service.world import MOMENT, World

DAY = date(2026, 3, 1)

ids = st.uuids()
amounts = st.decimals("0.00", "9999999.99", places=2)
moments = st.datetimes(timezones=st.just(UTC))
instants = moments | moments.map(lambda at: at.replace(microsecond=0))


@st.composite
def claims(draw: st.DrawFn) -> Claim:
    collected, written_off, released = draw(amounts), draw(amounts), draw(amounts)
    return Claim(
        case_id=UUID(int=0),
        claim_id=draw(ids),
        kind="FEE",
        due_date=DAY,
        voucher_date=DAY,
        open=draw(amounts),
        handed_over=collected + written_off + released,
        collected=collected,
        written_off=written_off,
        released=released,
    )


@st.composite
def ended_cases(draw: st.DrawFn) -> Case:
    parts = draw(st.lists(claims(), min_size=1, max_size=4))
    return Case(
        tenant_id=draw(ids),
        case_id=draw(ids),
        run_id=draw(ids),
        member_id=draw(ids),
        studio_id=draw(ids),
        partner_id=draw(ids),
        collection_date=DAY,
        currency=draw(st.sampled_from(["EUR", "CHF"])),
        time_zone="Europe/Berlin",
        status=Status.CLOSED,
        claims=parts,
        close_reason=draw(st.sampled_from(CloseReason)),
        result=draw(st.sampled_from(Result)),
        residual=sum((each.written_off + each.released for each in parts), Decimal("0.00")),
    )


def money(case: Case, amount: Decimal) -> Money:
    return Money(amount=amount, currency=case.currency)


@given(ended_cases(), instants, st.sampled_from(ActorKind))
def test_a_closed_case(case: Case, at: datetime, actor_kind: ActorKind) -> None:
    occasion = Occasion(actor_kind, "someone", at, Cause(case.tenant_id, "c", None))
    assert case.close_reason is not None
    assert case.result is not None
    assert case.residual is not None

    event = CaseClosedV1(
        case_id=case.case_id,
        run_id=case.run_id,
        member_id=case.member_id,
        studio_id=case.studio_id,
        partner_id=case.partner_id,
        occurred_at=at,
        reason=case.close_reason.value,
        result=case.result.value,
        closed_by=actor_kind.value,
        claims=tuple(
            ClaimResult(
                claim_id=claim.claim_id,
                collected=money(case, claim.collected),
                residual=money(case, claim.written_off + claim.released),
                written_off=money(case, claim.written_off),
            )
            for claim in case.claims
        ),
        collected=money(case, case.collected),
        residual=money(case, case.residual),
    )
    assert events.closed(case, occasion) == outbox.written(event)


@given(
    ended_cases(),
    st.sampled_from(["CASE_CLOSED", "CASE_CANCELLED", "CASE_REJECTED", "RUN_REVERSED"]),
)
def test_a_released_member(case: Case, reason: events.ReleaseReason) -> None:
    event = MemberReleasedV1(
        member_id=case.member_id,
        studio_id=case.studio_id,
        case_id=case.case_id,
        run_id=case.run_id,
        reason=reason,
        claims=tuple(claim.claim_id for claim in case.claims),
    )
    assert events.released(case, reason) == outbox.written(event)


@given(ended_cases())
def test_a_case_that_does_not_say_what_was_left_is_not_told_as_closed(case: Case) -> None:
    occasion = Occasion(ActorKind.SYSTEM, "someone", MOMENT, Cause(case.tenant_id, "c", None))
    case.residual = None
    with pytest.raises(AssertionError):
        events.closed(case, occasion)


@pytest.mark.parametrize("event_class", [CaseOpenedV1, CaseClosedV1, MemberReleasedV1])
async def test_the_first_of_its_kind_is_read_before_any_goes_out(
    world: World, event_class: type[Event]
) -> None:
    cause = Cause(world.tenant_id, "c", None)
    journal = Journal(outgoing=[(WrittenEvent(event_class, "key", b"{}"), cause)])
    async with world.context.database.begin() as connection:
        with pytest.raises(ValidationError):
            await store.record(connection, journal)
    assert await world.published(event_class) == []


@given(ended_cases(), instants)
def test_an_opened_case(case: Case, at: datetime) -> None:
    occasion = Occasion(ActorKind.SYSTEM, "run-service", at, Cause(case.tenant_id, "c", None))

    event = CaseOpenedV1(
        case_id=case.case_id,
        run_id=case.run_id,
        member_id=case.member_id,
        studio_id=case.studio_id,
        partner_id=case.partner_id,
        occurred_at=at,
        opened_at=at,
        claims=tuple(
            OpenClaim(claim_id=claim.claim_id, open=money(case, claim.open))
            for claim in case.claims
        ),
        open=money(case, case.open),
    )
    assert events.opened(case, occasion, case.open) == outbox.written(event)
