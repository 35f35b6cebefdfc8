"""One story in which everything happens, and all messages about it."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID, uuid4

import httpx

from local_stack.http_client import Answer
from local_stack.stack import SERVICES
from tests.e2e.kafka_reader import Received, read_everything
from tests.e2e.story import Partner, Tenant, rows

STUDIO_PAYMENT = Decimal("1.00")
CENT = Decimal("0.01")


@dataclass(frozen=True)
class Story:
    """What a tenant did, and all messages about it."""

    tenant: Tenant
    run_id: str
    request_id: str
    """Id of the request that made this run."""
    ids: frozenset[str]
    """Ids of the things that are this tenant's."""
    messages: list[Received]


def tell_whole_story(tenant: Tenant) -> Story:
    """Let everything happen to the members of a tenant, and read all topics from the start."""
    tenant.publish_members()
    agency = tenant.partner_by_api(answer="CALLBACK", reject_every=6)
    request_id = f"request-{uuid4()}"
    run_id = make_run(tenant, agency, request_id)
    tenant.await_run(run_id, "HANDED_OVER")
    work_on_cases(tenant, agency, run_id)
    tenant.export(run_id=run_id)
    tenant.export(kind="MEMBERS")
    reversal = {"confirmed": True, "reason": "falsche Auswahl"}
    tenant.runs.post(f"/v1/runs/{run_id}/reversal", reversal)
    tenant.await_run(run_id, "CANCELLED")
    tenant.simulator.post("/behaviour", {"reject_every": 1})
    refused_id = tenant.start_run(agency)
    tenant.await_run(refused_id, "REJECTED")
    by_hand_id = change_claim_of_a_partner_by_hand(tenant)
    await_quiet(tenant)
    ids = ids_of(tenant, run_id, refused_id, by_hand_id)
    ours = [each for each in read_everything(tenant.stack) if is_about(each, tenant, ids)]
    return Story(tenant, run_id, request_id, ids, ours)


def make_run(tenant: Tenant, agency: Partner, request_id: str) -> str:
    """Hand everybody over in a request whose id is known; return the id of the run."""
    response = httpx.post(
        f"{tenant.stack.service('run-service').url}/v1/runs",
        json={"preview_id": tenant.preview(agency)["preview_id"]},
        headers={
            "Authorization": f"Bearer {tenant.token}",
            "Idempotency-Key": request_id,
            "X-Request-Id": request_id,
        },
        trust_env=False,
    )
    return str(response.raise_for_status().json()["run_id"])


def work_on_cases(tenant: Tenant, agency: Partner, run_id: str) -> None:
    """Let agency and staff do all that can be done with a case."""
    paid, cancelled, refused, changed, *_ = tenant.all_cases(run_id, status="OPEN")
    day = paid["collection_date"]
    about = {"case_id": paid["case_id"], "run_id": run_id}
    currency = paid["open"]["currency"]
    half = f"{Decimal(paid['open']['amount']) / 2:.2f}"
    payment = {"case_id": paid["case_id"], "amount": half, "partner_reference": "P-1"}
    tenant.simulator.post("/payments", payment | {"paid_on": day})
    correction = {
        "partner_reference": "P-1",
        "amount": {"amount": "0.01", "currency": currency},
        "own_fees": {"amount": "0.00", "currency": currency},
        "corrected_on": day,
    }
    for type_, data in (
        ("payment.corrected", correction),
        ("file-number.assigned", {"file_number": "AZ-77"}),
        ("case.closed", {"result_code": "INSOLVENT", "closed_on": day}),
    ):
        tenant.simulator.post("/callbacks", {"type": type_, "data": about | data})
    tenant.wait_for(
        lambda: tenant.cases.get(f"/v1/cases/{paid['case_id']}"),
        lambda case: case["status"] == "CLOSED",
        "the closed case",
    )
    open_again(tenant, paid["case_id"])
    cancel(tenant, cancelled, "ACKNOWLEDGED")
    # The agency does not know the secret for a while, and so refuses what it is told.
    tenant.simulator.post("/behaviour", {"secret": "whsec_bm90IG91cnM="})
    cancel(tenant, refused, "FAILED")
    tenant.simulator.post("/behaviour", {"secret": agency.secret})
    change_claim(tenant, changed["case_id"])


def open_again(tenant: Tenant, case_id: str) -> None:
    """Take back what was paid on a closed case: it goes into the member's next case (R23)."""
    case = tenant.cases.get(f"/v1/cases/{case_id}")
    (payment,) = case["payments"]
    nothing = {"amount": "0.00", "currency": case["open"]["currency"]}
    reduction = {"amount": nothing, "booking_date": payment["booking_date"], "comment": "geplatzt"}
    path = f"/v1/cases/{case_id}/payments/{payment['payment_id']}/reduction"
    tenant.cases.post(path, reduction)


def change_claim(tenant: Tenant, case_id: str) -> None:
    """Let a claim be paid at the studio, and corrected below what the agency collected on it.

    The agency is told each time; the surplus is paid back, the correction is taken back (R27, R28).
    """
    path = f"/v1/cases/{case_id}"
    case = tenant.cases.get(path)
    claim_id = case["claims"][0]["claim_id"]
    claim = tenant.claim(claim_id)
    open_ = Decimal(case["open"]["amount"]) - STUDIO_PAYMENT
    paid_directly = claim.paid_directly.amount + STUDIO_PAYMENT

    tenant.say_of_claim(claim_id, paid_directly=paid_directly)
    tenant.await_case(case_id, "what was paid at the studio", open=open_)
    told = [("STUDIO_PAYMENT", "ACKNOWLEDGED")]
    tenant.await_notices(case_id, *told)

    payment = ((claim.amount.amount - paid_directly) / 2).quantize(CENT)
    report = {"case_id": case_id, "amount": f"{payment:.2f}", "paid_on": case["collection_date"]}
    tenant.simulator.post("/payments", report)
    tenant.await_case(case_id, "the agency's payment", open=open_ - payment)

    tenant.say_of_claim(claim_id, amount=paid_directly + CENT)
    surplus = payment - CENT
    tenant.await_case(case_id, "the surplus", unallocated=surplus)
    told.append(("CLAIM_CHANGED", "ACKNOWLEDGED"))
    corrected = tenant.await_notices(case_id, *told)
    settlement = {
        "outcome": "PAID_BACK",
        "amount": {"amount": f"{surplus:.2f}", "currency": claim.amount.currency},
        "comment": "an die Agentur zurück",
    }
    payment_id = corrected["payments"][0]["payment_id"]
    tenant.cases.post(f"{path}/payments/{payment_id}/settlement", settlement)

    tenant.say_of_claim(claim_id, amount=claim.amount.amount)
    tenant.await_case(case_id, "the claim", open=open_ - CENT, unallocated=Decimal(0))
    tenant.await_notices(case_id, *told, ("CLAIM_CHANGED", "ACKNOWLEDGED"))


def change_claim_of_a_partner_by_hand(tenant: Tenant) -> str:
    """Let a claim be paid at the studio: telling the partner is a duty of staff (R27, R52).

    Returns the id of the run.
    """
    partner = tenant.partner_by_hand()
    order = {
        "member_id": str(tenant.candidates[0].member_id),
        "partner_id": partner.partner_id,
    }
    # Refused as long as run-service does not know the partner.
    run = tenant.wait_for(lambda: tenant.runs.post("/v1/handovers", order), bool, "a handover")
    found = tenant.wait_for(
        lambda: {"cases": tenant.all_cases(run["run_id"], status="OPEN")},
        lambda answer: answer["cases"],
        "the case",
    )
    case_id = found["cases"][0]["case_id"]
    claim_id = tenant.cases.get(f"/v1/cases/{case_id}")["claims"][0]["claim_id"]
    paid_directly = tenant.claim(claim_id).paid_directly.amount + STUDIO_PAYMENT
    tenant.say_of_claim(claim_id, paid_directly=paid_directly)
    tenant.await_notices(case_id, ("STUDIO_PAYMENT", "DUE"))
    (duty,) = tenant.gateway.all("/v1/notices", partner_id=partner.partner_id, status="DUE")
    let_be_overdue(tenant, duty)
    tenant.gateway.post(f"/v1/notices/{duty['notice_id']}/done", {"comment": "am Telefon"})
    tenant.await_notices(case_id, ("STUDIO_PAYMENT", "ACKNOWLEDGED"))
    return str(run["run_id"])


def let_be_overdue(tenant: Tenant, notice: Answer) -> None:
    """Let the day of a notice be long over, and wait until its case shows that (R52)."""
    earlier = "UPDATE notices SET due_on = due_on - 30 WHERE notice_id = $1"
    rows(tenant.stack, "partner-gateway", earlier, UUID(notice["notice_id"]))
    tenant.wait_for(
        lambda: tenant.cases.get(f"/v1/cases/{notice['case_id']}"),
        lambda case: case["notices"][0]["overdue_since"] is not None,
        "the overdue notice",
    )


def cancel(tenant: Tenant, case: Answer, status: str) -> None:
    """Cancel a case, and wait until its notice has a status."""
    tenant.cases.post(f"/v1/cases/{case['case_id']}/cancellation", {"comment": "zurück"})
    tenant.wait_for(
        lambda: tenant.gateway.get("/v1/notices", case_id=case["case_id"]),
        lambda page: [notice["status"] for notice in page["items"]] == [status],
        f"the notice is {status}",
    )


def await_quiet(tenant: Tenant) -> None:
    """Wait until each notice has its answer, and everything is published."""
    tenant.wait_for(
        lambda: {"notices": list(tenant.gateway.all("/v1/notices"))},
        lambda answer: all(
            notice["status"] in ("ACKNOWLEDGED", "FAILED") for notice in answer["notices"]
        ),
        "answers to the notices",
    )
    tenant.wait_for(
        lambda: {service: unpublished(tenant, service) for service in SERVICES},
        lambda counts: not any(counts.values()),
        "everything is published",
    )


def unpublished(tenant: Tenant, service: str) -> int:
    """Return how many messages of a tenant a service has still to publish."""
    query = "SELECT count(*) FROM outbox WHERE tenantid = $1"
    return int(rows(tenant.stack, service, query, tenant.tenant_id)[0][0])


def ids_of(tenant: Tenant, *run_ids: str) -> frozenset[str]:
    """Return the ids of all that a message of a tenant can be about."""
    return frozenset(
        (
            *run_ids,
            *(str(studio.studio_id) for studio in tenant.population.studios),
            *(str(seeded.member.member_id) for seeded in tenant.population.members()),
            *(
                str(claim.claim_id)
                for seeded in tenant.population.members()
                for claim in seeded.claims
            ),
            *(partner["partner_id"] for partner in tenant.gateway.all("/v1/partners")),
            *(case["case_id"] for case in tenant.cases.all("/v1/cases")),
            *(export["export_id"] for export in tenant.exports.all("/v1/exports")),
        )
    )


def is_about(message: Received, tenant: Tenant, ids: frozenset[str]) -> bool:
    """Tell whether a message names a tenant, or has the id of one of its things for a key."""
    names_it = message.headers.get("ce_tenantid") == str(tenant.tenant_id).encode()
    return names_it or message.key.decode(errors="replace") in ids
