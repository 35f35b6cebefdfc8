"""What the tests do to case-service, in the words of those around it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import httpx
from sqlalchemy import text

from case_service.audit.audit import differences
from case_service.runs.answer_runs import answer_runs
from case_service.runs.reverse_runs import reverse_runs
from case_service.settings import Settings
from case_service.subscribers import subscriptions
from contracts import (
    Address,
    Envelope,
    Event,
    HandoverClaim,
    HandoverDebtor,
    HandoverStudio,
    MemberHandedOverV1,
    Money,
    ReportAcceptedV1,
    ReportCaseClosedV1,
    ReportFileNumberAssignedV1,
    ReportPaymentCorrectedV1,
    ReportPaymentReceivedV1,
    ReportRejectedV1,
    RunReversalRequestedV1,
    parse,
)
from kit.context import Context
from kit.ids import new_id
from kit.inbox import Inbox
from kit.messages import Record
from local_stack.issuer import ROLES, Issuer

E = TypeVar("E", bound=Event)

HANDED_OVER_ON = date(2026, 3, 2)
PAID_ON = date(2026, 3, 20)
MOMENT = datetime(2026, 3, 20, 9, 30, tzinfo=UTC)
ADDRESS = Address(
    street="Weg 1", postal_code="01067", city="Dresden", country_code="DE", country=""
)


def euros(amount: str) -> Money:
    """Return an amount in euros."""
    return Money(amount=Decimal(amount), currency="EUR")


def money(amount: str, currency: str = "EUR") -> dict[str, str]:
    """Return an amount as the HTTP interface takes it."""
    return {"amount": amount, "currency": currency}


def share(
    claim: HandoverClaim, amount: str, case: MemberHandedOverV1 | None = None
) -> dict[str, Any]:
    """Return a claim's part as the HTTP interface takes it; of another case if one is given."""
    part = {"claim_id": str(claim.claim_id), "amount": money(amount)}
    return part | ({} if case is None else {"case_id": str(case.case_id)})


def claim(amount: str = "30.00", due: date = date(2026, 1, 15), **changes: Any) -> HandoverClaim:
    """Return a claim of which all is to be collected."""
    known: dict[str, Any] = {
        "claim_id": new_id(),
        "snapshot_sequence": 1,
        "voucher_id": new_id(),
        "voucher_date": date(2026, 1, 1),
        "due_date": due,
        "kind": "CLAIM",
        "designation": "Beitrag",
        "amount": euros(amount),
        "paid_directly": euros("0.00"),
        "to_collect": euros(amount),
    }
    return HandoverClaim(**(known | changes))


def handover(*claims: HandoverClaim, **changes: Any) -> MemberHandedOverV1:
    """Return a member handed over to a partner by hand, with one claim unless others are given."""
    member_id = changes.pop("member_id", None) or new_id()
    known: dict[str, Any] = {
        "run_id": new_id(),
        "case_id": new_id(),
        "transfer_id": new_id(),
        "run_booking_number": "2026-000001",
        "booking_number": 1,
        "partner_id": new_id(),
        "partner_channel": "BY_HAND",
        "trigger": "RUN",
        "collection_date": HANDED_OVER_ON,
        "member_id": member_id,
        "studio": studio(),
        "debtor": debtor(member_id),
        "claims": claims or (claim(),),
    }
    return MemberHandedOverV1(**(known | changes))


def studio(**changes: Any) -> HandoverStudio:
    """Return a creditor."""
    known: dict[str, Any] = {
        "studio_id": new_id(),
        "person_type": "COMPANY",
        "name1": "Studio Nord",
        "tenant_name": "Studios",
        "deducts_input_vat": True,
        "address": ADDRESS,
        "time_zone": "Europe/Berlin",
    }
    return HandoverStudio(**(known | changes))


def debtor(member_id: UUID, **changes: Any) -> HandoverDebtor:
    """Return a member that is liable for itself."""
    known: dict[str, Any] = {
        "debtor_id": member_id,
        "membership_number": "000123",
        "first_name": "Zoë",
        "name1": "Müller",
        "sex": "FEMALE",
        "liable_person": "MEMBER",
    }
    return HandoverDebtor(**(known | changes))


def _reported(case: MemberHandedOverV1) -> dict[str, Any]:
    return {
        "report_id": new_id(),
        "partner_id": case.partner_id,
        "run_id": case.run_id,
        "reported_at": MOMENT,
    }


def _on(case: MemberHandedOverV1) -> dict[str, Any]:
    return {**_reported(case), "case_id": case.case_id, "member_id": case.member_id}


def accepted(case: MemberHandedOverV1, file_number: str | None = None) -> ReportAcceptedV1:
    """Return the partner's yes to a case."""
    return ReportAcceptedV1(**_on(case), file_number=file_number)


def rejected(case: MemberHandedOverV1) -> ReportRejectedV1:
    """Return the partner's no to a case."""
    return ReportRejectedV1(**_on(case), reason_code="DEBTOR_UNKNOWN", reason_text="unbekannt")


def run_accepted(case: MemberHandedOverV1, file_number: str | None = None) -> ReportAcceptedV1:
    """Return the partner's yes to the whole run of a case."""
    return ReportAcceptedV1(**_reported(case), file_number=file_number)


def run_rejected(case: MemberHandedOverV1) -> ReportRejectedV1:
    """Return the partner's no to the whole run of a case."""
    return ReportRejectedV1(**_reported(case), reason_code="NO_CAPACITY")


def paid(
    case: MemberHandedOverV1, amount: str, reference: str = "P-1", **changes: Any
) -> ReportPaymentReceivedV1:
    """Return a payment as the partner reports it."""
    known: dict[str, Any] = {
        "partner_reference": reference,
        "amount": euros(amount),
        "own_fees": euros("0.00"),
        "paid_on": PAID_ON,
    }
    return ReportPaymentReceivedV1(**(_on(case) | known | changes))


def corrected(
    case: MemberHandedOverV1, amount: str, reference: str = "P-1", fees: str = "0.00"
) -> ReportPaymentCorrectedV1:
    """Return the true amount of a payment as the partner reports it."""
    return ReportPaymentCorrectedV1(
        **_on(case),
        partner_reference=reference,
        amount=euros(amount),
        own_fees=euros(fees),
        corrected_on=PAID_ON,
    )


def file_number_assigned(case: MemberHandedOverV1, number: str) -> ReportFileNumberAssignedV1:
    """Return the partner's number for a case."""
    return ReportFileNumberAssignedV1(**_on(case), file_number=number)


def closed(case: MemberHandedOverV1, result_code: str | None = None) -> ReportCaseClosedV1:
    """Return the partner's word that it closed a case."""
    return ReportCaseClosedV1(**_on(case), closed_on=PAID_ON, result_code=result_code)


def reversal(case: MemberHandedOverV1) -> RunReversalRequestedV1:
    """Return the order to reverse the run of a case."""
    return RunReversalRequestedV1(
        run_id=case.run_id,
        booking_number=case.run_booking_number,
        partner_id=case.partner_id,
        reason="falscher Partner",
        requested_by="staff-7",
        requested_at=MOMENT,
    )


@dataclass
class World:
    """A case-service without Kafka, as seen by one tenant."""

    context: Context[Settings]
    client: httpx.AsyncClient
    issuer: Issuer
    tenant_id: UUID = field(default_factory=new_id)

    async def deliver(self, *events: Event, tenant_id: UUID | None = None) -> None:
        """Let events arrive in this order as one batch, and what waited for them follow."""
        inbox = Inbox("case-service", subscriptions, self.context)
        await inbox.handle([self.record(event, tenant_id) for event in events])
        await self._retry(inbox)

    async def work(self) -> None:
        """Let the workers work until nothing is left to do."""
        for work in (reverse_runs, answer_runs):
            while await work(self.context):
                pass
        await self._retry(Inbox("case-service", subscriptions, self.context))

    async def open(self, *claims: HandoverClaim, **changes: Any) -> MemberHandedOverV1:
        """Hand a member over to a partner by hand."""
        case = handover(*claims, **changes)
        await self.deliver(case)
        return case

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        roles: Sequence[str] = ROLES,
        tenant_id: UUID | None = None,
        studio_ids: Sequence[UUID] | None = None,
        key: str | None = None,
        **headers: str,
    ) -> httpx.Response:
        """Ask the HTTP interface; each POST has a new Idempotency-Key unless given, "" for none."""
        token = self.issuer.token(tenant_id or self.tenant_id, roles, studio_ids=studio_ids)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if method == "POST" and key != "":
            headers["Idempotency-Key"] = key or str(new_id())
        headers["Authorization"] = f"Bearer {token}"
        return await self.client.request(method, f"/v1{path}", json=body, headers=headers)

    async def case(self, case: MemberHandedOverV1) -> dict[str, Any]:
        """Return a case as the HTTP interface shows it."""
        answer = await self.ask("GET", f"/cases/{case.case_id}")
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    async def pay(self, case: MemberHandedOverV1, paid: str, /, **changes: Any) -> httpx.Response:
        """Book a payment as staff."""
        body = {"amount": money(paid), "booking_date": str(PAID_ON)}
        return await self.ask("POST", f"/cases/{case.case_id}/payments", body | changes)

    async def receive(self, case: MemberHandedOverV1, amount: str, reference: str = "P-1") -> str:
        """Let the partner report a payment; return the payment's id."""
        await self.deliver(paid(case, amount, reference))
        (row,) = await self.rows(
            "SELECT payment_id FROM payments"
            " WHERE case_id = :case_id AND partner_reference = :reference AND corrects IS NULL",
            case_id=case.case_id,
            reference=reference,
        )
        return str(row.payment_id)

    async def reduce(
        self, case: MemberHandedOverV1, payment_id: str, amount: str, /, **changes: Any
    ) -> httpx.Response:
        """Bring a payment down to an amount as staff."""
        body = {"amount": money(amount), "booking_date": str(PAID_ON), "comment": "geplatzt"}
        path = f"/cases/{case.case_id}/payments/{payment_id}/reduction"
        return await self.ask("POST", path, body | changes)

    async def settle(
        self, case: MemberHandedOverV1, payment_id: str, outcome: str, /, **changes: Any
    ) -> httpx.Response:
        """Say as staff where unallocated money of a payment belongs."""
        body = {"outcome": outcome, "comment": "geklärt"}
        path = f"/cases/{case.case_id}/payments/{payment_id}/settlement"
        return await self.ask("POST", path, body | changes)

    async def close(self, case: MemberHandedOverV1, /, **changes: Any) -> httpx.Response:
        """Close a case as staff."""
        body = {"comment": "fertig"}
        return await self.ask("POST", f"/cases/{case.case_id}/closure", body | changes)

    async def published(self, event_class: type[E]) -> list[E]:
        """Return the events of a type in the outbox, in their order."""
        rows = await self.rows(
            "SELECT type, payload FROM outbox WHERE type = :type ORDER BY seq",
            type=event_class.TYPE,
        )
        events = [parse(row.type, row.payload) for row in rows]
        return [event for event in events if isinstance(event, event_class)]

    async def booked(self) -> list[str]:
        """Return all that the service keeps of cases and money, to compare before and after."""
        tables = ("cases", "case_claims", "payments", "entries", "history", "outbox")
        kept = " UNION ALL ".join(f"SELECT CAST(t AS text) AS row FROM {t} AS t" for t in tables)
        return [row.row for row in await self.rows(f"SELECT row FROM ({kept}) ORDER BY row")]

    async def dead_letters(self) -> int:
        """Return how many messages could not work."""
        found = await self.rows("SELECT count(*) AS count FROM outbox WHERE type = 'dead-letter'")
        return int(found[0].count)

    async def parked(self) -> list[str]:
        """Return what messages wait for."""
        rows = await self.rows("SELECT waits_for FROM parked ORDER BY seq")
        return [row.waits_for for row in rows]

    async def rows(self, statement: str, **values: Any) -> Sequence[Any]:
        """Return what the database says."""
        async with self.context.database.connect() as connection:
            return (await connection.execute(text(statement), values)).all()

    async def differences(self) -> list[str]:
        """Return what the audit finds; all events wait in the outbox."""
        found = differences(self.context.database, kafka=None)
        return [str(difference) async for difference in found]

    async def _retry(self, inbox: Inbox) -> None:
        while await inbox.retry_parked():
            pass

    def record(self, event: Event, tenant_id: UUID | None = None) -> Record:
        """Return an event as it comes from Kafka, under an id of its own."""
        envelope = Envelope(
            id=str(new_id()),
            source="/elsewhere",
            type=event.TYPE,
            time=MOMENT,
            subject=event.key(),
            tenant_id=tenant_id or self.tenant_id,
            correlation_id="request-1",
            traceparent=None,
        )
        value = event.model_dump_json().encode()
        return Record(event.TOPIC, 0, 0, event.key().encode(), value, tuple(envelope.to_headers()))


def open_amounts(shown: dict[str, Any]) -> list[str]:
    """Return what is open on each claim of a case that was shown, oldest first."""
    return [each["open"]["amount"] for each in shown["claims"]]
