"""A tenant in whose run something of everything exists, for whoever asks each route."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import httpx
from standardwebhooks import Webhook

from contracts import Money, ReportPaymentReceivedV1
from local_stack.http_client import Answer
from local_stack.publish import publish
from tests.e2e.story import Partner, Tenant, examples


@dataclass
class World:
    """A tenant in whose run something of everything exists, in two studios."""

    tenant: Tenant
    ids: Mapping[str, str]
    """Something to put into each route, all of it in the studio `other`."""
    seen: UUID
    """A studio of the run, with a closed case and a notice of its own."""
    other: UUID
    """Another studio of the run."""
    waiting: tuple[UUID, ...]
    """Studios of the preview that was made, but not used."""


def make_world(tenant: Tenant) -> World:
    """Hand over two of four studios, and let all that there is happen to what is handed over."""
    tenant.publish_members()
    sizes = Counter(candidate.studio_id for candidate in tenant.candidates)
    (seen, _), (other, _), *rest = sizes.most_common()
    partner = tenant.partner_by_hand()
    first = tenant.preview(partner, [seen, other])
    run_id = tenant.runs.post("/v1/runs", {"preview_id": first["preview_id"]})["run_id"]
    tenant.await_run(run_id, "HANDED_OVER")
    work_on_cases(tenant, run_id, seen)
    case = work_on_cases(tenant, run_id, other)
    late = pay_late(tenant, case)
    tenant.wait_for(lambda: tenant.run(run_id), lambda run: run["ended"] == 2, "two ended cases")
    notices = await_notices(tenant)
    tenant.export(run_id=run_id)
    waiting = tuple(studio_id for studio_id, _ in rest)
    agency = tenant.partner_by_api(answer="ACCEPT_NOW")
    request_id = hand_one_over(tenant, agency.partner_id, waiting[-1])
    preview_id = tenant.preview(partner, waiting)["preview_id"]
    ids = {
        "preview_id": preview_id,
        "member_id": next(tenant.runs.all(f"/v1/previews/{preview_id}/members"))["member_id"],
        "run_id": run_id,
        "handed_over_id": case["member_id"],
        "case_id": case["case_id"],
        "payment_id": tenant.cases.get(f"/v1/cases/{case['case_id']}")["payments"][0]["payment_id"],
        "cancelled_id": late["case_id"],
        "late_payment_id": late["payments"][0]["payment_id"],
        "partner_id": partner.partner_id,
        "agency_id": agency.partner_id,
        "request_id": request_id,
        "callback_id": call_back_nonsense(tenant, agency),
        "secret_id": tenant.gateway.get(f"/v1/partners/{agency.partner_id}")["secrets"][0][
            "secret_id"
        ],
        "import_id": tenant.check_files(studios=examples()["studios"])["import_id"],
        "report_file_id": tenant.check_report(partner, b"case_id;kind\r\n0;case.accepted\r\n")[
            "report_file_id"
        ],
        "export_id": next(tenant.exports.all("/v1/exports"))["export_id"],
        "notice_id": notices[str(other)]["notice_id"],
        "file_number": "AZ-1",
        "currency": case["open"]["currency"],
        "collection_date": case["collection_date"],
    }
    return World(tenant, ids, seen, other, waiting)


def await_notices(tenant: Tenant) -> Answer:
    """Wait until each of the two studios has a notice; return them by studio."""
    return tenant.wait_for(
        lambda: {str(each["studio_id"]): each for each in tenant.gateway.all("/v1/notices")},
        lambda by_studio: len(by_studio) == 2,
        "the notices",
    )


def hand_one_over(tenant: Tenant, partner_id: str, studio_id: UUID) -> str:
    """Let one member of a studio go to a partner with an API; return the id of the request."""
    candidate = next(each for each in tenant.candidates if each.studio_id == studio_id)
    order = {"member_id": str(candidate.member_id), "partner_id": partner_id}
    # Refused as long as run-service does not know the partner.
    tenant.wait_for(lambda: tenant.runs.post("/v1/handovers", order), bool, "a handover")
    sent = tenant.wait_for(
        lambda: tenant.gateway.get(f"/v1/partners/{partner_id}/deliveries?status=DONE"),
        lambda page: page["items"],
        "its delivery",
    )
    return str(sent["items"][0]["request_id"])


def call_back_nonsense(tenant: Tenant, agency: Partner) -> str:
    """Let an agency call back what cannot be read; return the id under which it is parked."""
    assert agency.secret is not None
    at = datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(agency.secret).sign("msg_1", at, "{}"),
    }
    path = f"/v1/partners/{agency.partner_id}/callbacks"
    url = f"{tenant.stack.service('partner-gateway').url}{path}"
    sent = httpx.post(url, content=b"{}", headers=headers, trust_env=False)
    assert (sent.status_code, sent.json()["status"]) == (202, "PARKED")
    (parked,) = tenant.gateway.all(path)
    return str(parked["callback_id"])


def work_on_cases(tenant: Tenant, run_id: str, studio_id: UUID) -> Answer:
    """Number and pay one open case of a studio, cancel another; return the first."""
    first, second, *_ = tenant.all_cases(run_id, studio_id=str(studio_id))
    path = f"/v1/cases/{first['case_id']}"
    tenant.cases.put(f"{path}/file-number", {"file_number": "AZ-1"})
    money = {"amount": "0.01", "currency": first["open"]["currency"]}
    payment = {"amount": money, "booking_date": first["collection_date"]}
    tenant.cases.post(f"{path}/payments", payment)
    tenant.cases.post(f"/v1/cases/{second['case_id']}/cancellation", {"comment": "zurück"})
    members = f"/v1/runs/{run_id}/members"
    tenant.wait_for(
        lambda: next(
            each for each in tenant.runs.all(members) if each["case_id"] == first["case_id"]
        ),
        lambda member: member["open"] != first["open"],
        "the payment at run-service",
    )
    return first


def pay_late(tenant: Tenant, paid: Answer) -> Answer:
    """Let the partner report a payment on the cancelled case of a studio; return that case."""
    (case,) = tenant.all_cases(paid["run_id"], studio_id=paid["studio_id"], status="CANCELLED")
    cent = Money(amount=Decimal("0.01"), currency=case["open"]["currency"])
    report = ReportPaymentReceivedV1(
        report_id=uuid4(),
        partner_id=UUID(case["partner_id"]),
        run_id=UUID(case["run_id"]),
        case_id=UUID(case["case_id"]),
        member_id=UUID(case["member_id"]),
        reported_at=datetime.now(UTC),
        partner_reference="P-1",
        amount=cent,
        own_fees=cent,
        paid_on=date.fromisoformat(case["collection_date"]),
    )
    kafka = tenant.stack.kafka.bootstrap_servers
    asyncio.run(publish(kafka, tenant.tenant_id, [report]))
    return tenant.wait_for(
        lambda: tenant.cases.get(f"/v1/cases/{case['case_id']}"),
        lambda shown: bool(shown["payments"]),
        "the late payment",
    )
