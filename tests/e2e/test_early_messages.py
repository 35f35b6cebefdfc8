"""What arrives before the thing it speaks of waits for it, and then acts as if it had come in time.

No order holds between topics, so each order here can happen; here it is made, by hand.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import permutations
from random import Random
from typing import Any
from uuid import UUID, uuid4

from aiokafka import AIOKafkaProducer

from contracts import (
    TOPICS,
    Dunning,
    Envelope,
    Event,
    MemberHandedOverV1,
    Money,
    ReportAcceptedV1,
    ReportFileNumberAssignedV1,
    ReportPaymentReceivedV1,
    ReportRejectedV1,
    RunReversalRequestedV1,
)
from contracts.examples import load_examples
from contracts.parts import Channel
from local_stack.figures import Figures, figures_of
from local_stack.http_client import Answer
from tests.e2e.story import Partner, Tenant, rows

PAID = Money(amount=Decimal("10.00"), currency="EUR")
NOTHING = Money(amount=Decimal("0.00"), currency="EUR")


def send(tenant: Tenant, events: Iterable[Event]) -> Sequence[str]:
    """Publish events in the name of the systems that own them; return their ids."""

    async def publish() -> Sequence[str]:
        kafka = tenant.stack.kafka.bootstrap_servers
        async with AIOKafkaProducer(bootstrap_servers=kafka, acks="all") as producer:
            envelopes, sent = [], []
            for event in events:
                envelopes.append(envelope := envelope_of(tenant, event))
                key, value = event.key().encode(), event.model_dump_json().encode()
                headers = envelope.to_headers()
                sent.append(await producer.send(event.TOPIC, value, key=key, headers=headers))
            await asyncio.gather(*sent)
            return [envelope.id for envelope in envelopes]

    return asyncio.run(publish())


def envelope_of(tenant: Tenant, event: Event) -> Envelope:
    """Return the envelope of an event that happened now."""
    return Envelope(
        id=str(uuid4()),
        source=f"/{TOPICS[event.TOPIC].writers[0]}",
        type=event.TYPE,
        time=datetime.now(UTC),
        subject=event.key(),
        tenant_id=tenant.tenant_id,
        correlation_id=str(uuid4()),
        traceparent=None,
    )


def await_seen(tenant: Tenant, service: str, ids: Sequence[str]) -> None:
    """Wait until a service has taken in messages, whether they had their effect or are parked."""
    query = "SELECT count(*) FROM inbox WHERE id = ANY ($1)"
    tenant.wait_for(
        lambda: {"seen": rows(tenant.stack, service, query, ids)[0][0]},
        lambda answer: answer["seen"] == len(ids),
        f"{service} has seen {len(ids)} messages",
    )


def handover(
    partner: Partner, channel: Channel = "API", run_id: UUID | None = None
) -> MemberHandedOverV1:
    """Return the handover of a member of its own."""
    (example, *_) = load_examples(MemberHandedOverV1.TYPE)
    event = MemberHandedOverV1.model_validate_json(example.value)
    member_id = uuid4()
    return event.model_copy(
        update={
            "run_id": run_id or uuid4(),
            "case_id": uuid4(),
            "member_id": member_id,
            "partner_id": UUID(partner.partner_id),
            "partner_channel": channel,
            "debtor": event.debtor.model_copy(update={"debtor_id": member_id}),
            "claims": tuple(
                claim.model_copy(update={"claim_id": uuid4(), "voucher_id": uuid4()})
                for claim in event.claims
            ),
        }
    )


def report_on(handed_over: MemberHandedOverV1) -> dict[str, Any]:
    """Return what each report on a case says."""
    return about_run(handed_over) | {
        "case_id": handed_over.case_id,
        "member_id": handed_over.member_id,
    }


def about_run(handed_over: MemberHandedOverV1) -> dict[str, Any]:
    """Return what each report on a run says."""
    return {
        "report_id": uuid4(),
        "partner_id": handed_over.partner_id,
        "run_id": handed_over.run_id,
        "reported_at": datetime.now(UTC),
    }


def reports(handed_over: MemberHandedOverV1) -> list[Event]:
    """Return the partner's yes, its file number, and a payment."""
    return [
        ReportAcceptedV1(**report_on(handed_over)),
        ReportFileNumberAssignedV1(**report_on(handed_over), file_number="AZ-1"),
        ReportPaymentReceivedV1(
            **report_on(handed_over),
            partner_reference="P-1",
            amount=PAID,
            own_fees=NOTHING,
            paid_on=date(2026, 11, 2),
        ),
    ]


def await_cases(
    tenant: Tenant, handovers: Sequence[MemberHandedOverV1], is_right: Callable[[Answer], bool]
) -> None:
    """Wait until each handover has become a case that is right."""

    def await_case(path: str) -> None:
        tenant.wait_for(lambda: tenant.cases.get(path), is_right, "a case")

    for handed_over in handovers:
        await_case(f"/v1/cases/{handed_over.case_id}")


def parked(tenant: Tenant, handovers: Sequence[MemberHandedOverV1]) -> list[str]:
    """Return what messages at case-service wait for, as far as it is about these cases."""
    query = "SELECT waits_for FROM parked WHERE waits_for ~ ANY ($1) ORDER BY 1"
    patterns = [f":{handed_over.case_id}" for handed_over in handovers]
    return [row["waits_for"] for row in rows(tenant.stack, "case-service", query, patterns)]


def test_reports_before_the_handover_act_after_it_in_whatever_order(
    make_tenant: Callable[[int], Tenant],
) -> None:
    tenant = make_tenant(0)
    partner = tenant.partner_by_api(answer="SILENT")
    orders = list(permutations(range(3)))
    handovers = [handover(partner) for _ in orders]
    early = [
        reports(handed_over)[place]
        for handed_over, order in zip(handovers, orders, strict=True)
        for place in order
    ]
    await_seen(tenant, "case-service", send(tenant, early))
    assert parked(tenant, handovers) == sorted(
        f"case:{handed_over.case_id}" for handed_over in handovers for _ in range(3)
    )
    send(tenant, handovers)
    await_cases(tenant, handovers, lambda case: case["payments"] and case["file_number"] == "AZ-1")
    for handed_over in handovers:
        case = tenant.cases.get(f"/v1/cases/{handed_over.case_id}")
        assert case["status"] == "OPEN"
        (payment,) = case["payments"]
        assert (payment["partner_reference"], payment["amount"]["amount"]) == ("P-1", "10.00")
        handed = Decimal(case["handed_over"]["amount"])
        assert Decimal(case["open"]["amount"]) == handed - PAID.amount
    assert parked(tenant, handovers) == []


def test_an_answer_to_a_whole_run_before_its_handovers_is_theirs(
    make_tenant: Callable[[int], Tenant],
) -> None:
    tenant = make_tenant(0)
    partner = tenant.partner_by_api(answer="SILENT")
    accepted, refused = uuid4(), uuid4()
    taken = [handover(partner, run_id=accepted) for _ in range(3)]
    not_taken = [handover(partner, run_id=refused) for _ in range(3)]
    answers = [
        ReportAcceptedV1(**about_run(taken[0])),
        ReportRejectedV1(**about_run(not_taken[0]), reason_code="NO_CONTRACT"),
    ]
    await_seen(tenant, "case-service", send(tenant, answers))
    send(tenant, [*taken, *not_taken])
    await_cases(tenant, taken, lambda case: case["status"] == "OPEN")
    await_cases(
        tenant,
        not_taken,
        lambda case: (case["status"], case["reason_code"]) == ("REJECTED", "NO_CONTRACT"),
    )


def test_cases_of_a_run_that_was_reversed_before_they_came_end_at_once(
    make_tenant: Callable[[int], Tenant],
) -> None:
    tenant = make_tenant(0)
    run_id = uuid4()
    agency, by_hand = tenant.partner_by_api(answer="SILENT"), tenant.partner_by_hand()
    handovers = [handover(agency, run_id=run_id) for _ in range(2)]
    handovers += [handover(by_hand, "BY_HAND", run_id) for _ in range(2)]
    reversal = RunReversalRequestedV1(
        run_id=run_id,
        booking_number=handovers[0].run_booking_number,
        partner_id=handovers[0].partner_id,
        reason="falsche Auswahl",
        requested_by="staff",
        requested_at=datetime.now(UTC),
    )
    await_seen(tenant, "case-service", send(tenant, [reversal]))
    send(tenant, handovers)
    await_cases(
        tenant,
        handovers,
        lambda case: (case["status"], case["close_reason"]) == ("CLOSED", "RUN_REVERSED"),
    )
    notices = tenant.wait_for(
        lambda: tenant.gateway.get("/v1/notices", partner_id=by_hand.partner_id),
        lambda page: len(page["items"]) >= 2,
        "the partner by hand must be told",
    )
    assert {notice["case_id"] for notice in notices["items"]} == {
        str(handed_over.case_id) for handed_over in handovers[2:]
    }


def test_snapshots_count_in_whatever_order_and_the_newest_wins(
    make_tenant: Callable[[int], Tenant],
) -> None:
    """R12: claims come before their members, these before their studios, and old ones late."""
    tenant = make_tenant(60)
    seeded = list(tenant.population.members())
    claims = [claim for each in seeded for claim in each.claims]
    old: list[list[Event]] = [
        [claim.model_copy(update={"cancelled": not claim.cancelled}) for claim in claims],
        [each.member.model_copy(update={"dunning": Dunning(level=0)}) for each in seeded],
        [studio.model_copy(update={"name1": "Früher"}) for studio in tenant.population.studios],
    ]
    right: list[list[Event]] = [
        [*claims],
        [each.member for each in seeded],
        [*tenant.population.studios],
    ]
    expected = figures_of(tenant.candidates)
    for stale, newest in zip(old, right, strict=True):
        assert summary(tenant)["members"] == 0
        both = [*stale, *(event.model_copy(update={"sequence": 9}) for event in newest)]
        Random(7).shuffle(both)
        await_seen(tenant, "run-service", send(tenant, both))
    in_time = summary(tenant)
    assert Figures.of_answer(in_time) == expected
    late = [event.model_copy(update={"sequence": 8}) for stale in old for event in stale]
    await_seen(tenant, "run-service", send(tenant, late))
    assert summary(tenant) == in_time
    assert "Früher" not in {studio["name"] for studio in in_time["studios"]}


def summary(tenant: Tenant) -> Answer:
    """Return who can be handed over, as staff see it."""
    return tenant.runs.get("/v1/candidates/summary")
