"""Runs and handovers as their events tell of them, made up to the size that a test needs."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from contracts import (
    Address,
    BankAccount,
    Envelope,
    Event,
    HandoverClaim,
    HandoverDebtor,
    HandoverStudio,
    Mandate,
    MemberHandedOverV1,
    Money,
    RunCreatedV1,
    RunStudio,
    ServicePeriod,
)
from export_service.subscribers import subscriptions
from kit.context import Context
from kit.ids import new_id
from kit.messages import Record, read_message
from kit.subscriptions import Batch, Handler

COLLECTION_DATE = date(2026, 3, 2)


def studio(name: str = "Fit & Froh", **changes: Any) -> HandoverStudio:
    """A studio in Berlin."""
    known: dict[str, Any] = {
        "studio_id": new_id(),
        "match_code": "FF-01",
        "person_type": "COMPANY",
        "name1": name,
        "tenant_name": "Fit & Froh Gruppe",
        "legal_form": "GmbH",
        "deducts_input_vat": True,
        "vat_number": "DE136695976",
        "address": Address(
            street="Hauptstraße 1",
            postal_code="01067",
            city="Dresden",
            country_code="DE",
            country="Deutschland",
        ),
        "bank_account": BankAccount(
            iban="DE89370400440532013000", bic="COBADEFFXXX", bank_name="Bank", country_code="DE"
        ),
        "email": "studio@example.org",
        "phone_numbers": ("+49 351 1234", "+49 351 5678"),
        "time_zone": "Europe/Berlin",
    }
    return HandoverStudio(**(known | changes))


def debtor(**changes: Any) -> HandoverDebtor:
    """A member who is liable for itself."""
    known: dict[str, Any] = {
        "debtor_id": new_id(),
        "membership_number": "000123",
        "first_name": "Zoë",
        "name1": "Müller",
        "sex": "FEMALE",
        "birth_date": date(1990, 2, 28),
        "address": Address(
            street="Nebenweg 2",
            postal_code="01069",
            city="Dresden",
            country_code="DE",
            country="Deutschland",
        ),
        "email": "zoe@example.org",
        "phone_numbers": ("+491701234567",),
        "bank_account": BankAccount(
            iban="DE02120300000000202051", bic="BYLADEM1001", account_holder="Zoë Müller"
        ),
        "mandate": Mandate(
            reference="M-000123",
            signed_on=date(2024, 1, 2),
            owner="Zoë Müller",
            creditor_id="DE98ZZZ09999999999",
            creditor_name="Fit & Froh GmbH",
        ),
        "liable_person": "MEMBER",
    }
    return HandoverDebtor(**(known | changes))


def claim(to_collect: str = "19.90", **changes: Any) -> HandoverClaim:
    """A month's fee."""
    money = Money(amount=Decimal(to_collect), currency="EUR")
    known: dict[str, Any] = {
        "claim_id": new_id(),
        "snapshot_sequence": 3,
        "voucher_id": new_id(),
        "voucher_date": date(2025, 12, 1),
        "due_date": date(2025, 12, 15),
        "contract_started_on": date(2024, 1, 1),
        "kind": "FLAT_FEE",
        "designation": "Beitrag Dezember",
        "service_period": ServicePeriod(starts_on=date(2025, 12, 1), ends_on=date(2025, 12, 31)),
        "amount": money,
        "paid_directly": Money(amount=Decimal("0.00"), currency="EUR"),
        "to_collect": money,
        "latest_rejection_reason": "AM04",
    }
    return HandoverClaim(**(known | changes))


def handover(**changes: Any) -> MemberHandedOverV1:
    """A member with one claim."""
    known: dict[str, Any] = {
        "run_id": new_id(),
        "case_id": new_id(),
        "transfer_id": new_id(),
        "run_booking_number": "2026-000001",
        "booking_number": 1,
        "partner_id": new_id(),
        "partner_channel": "BY_HAND",
        "trigger": "RUN",
        "collection_date": COLLECTION_DATE,
        "member_id": new_id(),
        "studio": studio(),
        "debtor": debtor(),
        "claims": (claim(),),
    }
    return MemberHandedOverV1(**(known | changes))


def run_of(
    members: int, claims: int = 1, studios: Sequence[HandoverStudio] | None = None
) -> tuple[RunCreatedV1, list[MemberHandedOverV1]]:
    """A run of members with so many claims each, spread over the studios in turn."""
    run_id, partner_id = new_id(), new_id()
    creditors = studios or [studio()]
    debtor_ = debtor()
    handovers = [
        handover(
            run_id=run_id,
            partner_id=partner_id,
            booking_number=number,
            studio=creditors[number % len(creditors)],
            debtor=debtor_,
            claims=tuple(claim(f"{index + 1}.10") for index in range(claims)),
        )
        for number in range(1, members + 1)
    ]
    return announcement(handovers), handovers


def announcement(handovers: Sequence[MemberHandedOverV1]) -> RunCreatedV1:
    """The event that announces these handovers as a whole run."""
    first = handovers[0]
    members: Counter[UUID] = Counter()
    claims: Counter[UUID] = Counter()
    sums: defaultdict[UUID, Decimal] = defaultdict(Decimal)
    for each in handovers:
        members[each.studio.studio_id] += 1
        claims[each.studio.studio_id] += len(each.claims)
        sums[each.studio.studio_id] += sum(
            (one.to_collect.amount for one in each.claims), Decimal()
        )
    return RunCreatedV1(
        run_id=first.run_id,
        booking_number=first.run_booking_number,
        partner_id=first.partner_id,
        partner_channel="BY_HAND",
        trigger="RUN",
        collection_date=first.collection_date,
        created_at=datetime(2026, 3, 2, 8, 15, tzinfo=UTC),
        created_by="staff-1",
        member_count=members.total(),
        claim_count=claims.total(),
        totals=(Money(amount=sum(sums.values(), Decimal()), currency="EUR"),),
        studios=tuple(
            RunStudio(
                studio_id=studio_id,
                transfer_id=new_id(),
                member_count=members[studio_id],
                claim_count=claims[studio_id],
                totals=(Money(amount=sums[studio_id], currency="EUR"),),
            )
            for studio_id in members
        ),
    )


async def receive(
    context: Context[Any], handler: Handler[Any], tenant_id: UUID, events: Sequence[Event]
) -> None:
    """Lets a subscriber handle events of a tenant as one batch, in a transaction of its own."""
    async with context.database.begin() as connection:
        messages = [read_message(record(tenant_id, event), subscriptions.keeps) for event in events]
        await handler(Batch(connection, messages, context))


def record(tenant_id: UUID, event: Event) -> Record:
    """An event as it comes from Kafka, under an id of its own."""
    envelope = Envelope(
        id=str(new_id()),
        source="/elsewhere",
        type=event.TYPE,
        time=datetime(2026, 3, 2, 8, 15, tzinfo=UTC),
        subject=event.key(),
        tenant_id=tenant_id,
        correlation_id="correlation-1",
        traceparent=None,
    )
    value = event.model_dump_json().encode()
    return Record(event.TOPIC, 0, 0, event.key().encode(), value, tuple(envelope.to_headers()))
