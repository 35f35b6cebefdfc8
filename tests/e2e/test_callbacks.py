"""Callbacks act once or not at all; signed by the Standard Webhooks library, not by us (R51)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from standardwebhooks import Webhook

from local_stack.http_client import Answer
from local_stack.stack import Stack
from tests.e2e.story import Partner, Tenant, rows

LIMIT_BYTES = 256 * 1024
NOBODYS_SECRET = "whsec_bm9ib2R5IGhhcyB0aGlzIHNlY3JldA=="
OWN = {"x-request-id", "traceparent", "date"}
"""Headers of an answer that are about one request."""


@dataclass(frozen=True)
class Callback:
    """A callback as it goes over the wire."""

    partner_id: str
    headers: Mapping[str, str]
    body: str

    @property
    def path(self) -> str:
        """Where it goes."""
        return f"/v1/partners/{self.partner_id}/callbacks"

    @property
    def webhook_id(self) -> str:
        """The id under which it is sent."""
        return self.headers["webhook-id"]

    @property
    def reference(self) -> str:
        """The agency's own id of the payment in it."""
        return str(json.loads(self.body)["data"]["partner_reference"])

    def send(self, http: httpx.Client) -> httpx.Response:
        """Send it as it is."""
        return http.post(self.path, content=self.body.encode(), headers=dict(self.headers))

    def having(self, name: str, value: str | None = None) -> "Callback":
        """Exchange a header after it was signed, or (None) leave it out."""
        others = {each: old for each, old in self.headers.items() if each != name}
        return replace(self, headers=others if value is None else others | {name: value})

    def with_body(self, body: str) -> "Callback":
        """Exchange the body after it was signed."""
        return replace(self, body=body)


@dataclass(frozen=True)
class Agency:
    """An agency that has taken the cases of a run."""

    tenant: Tenant
    partner: Partner
    other: Partner
    """Another partner of the same tenant, which holds nothing."""
    cases: Sequence[Answer]

    def signed(
        self, webhook_id: str, now: datetime, body: str, secret: str | None = None
    ) -> Callback:
        """Sign a body, with the agency's secret unless another is given."""
        secret = secret or self.partner.secret
        assert secret is not None
        signature = Webhook(secret).sign(webhook_id, now, body)
        headers = {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature,
        }
        return Callback(self.partner.partner_id, headers, body)

    def payment(
        self,
        case: Answer,
        *,
        reference: str | None = None,
        webhook_id: str | None = None,
        now: datetime | None = None,
        secret: str | None = None,
        padded_to: int = 0,
    ) -> Callback:
        """Report that one cent was paid on a case; all is right and new unless it is given."""
        now = now or datetime.now(UTC)
        currency = case["open"]["currency"]
        data = {
            "case_id": case["case_id"],
            "partner_reference": reference or str(uuid4()),
            "amount": {"amount": "0.01", "currency": currency},
            "own_fees": {"amount": "2.50", "currency": currency},
            "paid_on": case["collection_date"],
        }
        said = {"type": "payment.received", "timestamp": now.isoformat(), "data": data}
        body = json.dumps(said).ljust(padded_to)
        return self.signed(webhook_id or f"msg_{uuid4()}", now, body, secret)

    def await_payments(self, case: Answer, count: int) -> Sequence[Answer]:
        """Wait until so many payments stand on a case; more would be wrong."""
        details = self.tenant.wait_for(
            lambda: self.tenant.cases.get(f"/v1/cases/{case['case_id']}"),
            lambda found: len(found["payments"]) >= count,
            f"{count} payments",
        )
        payments: Sequence[Answer] = details["payments"]
        assert len(payments) == count
        return payments

    def stored(self, webhook_id: str) -> Sequence[str]:
        """Return the bodies that the gateway keeps under an id, of whatever partner."""
        query = "SELECT body FROM callbacks WHERE webhook_id = $1"
        found = rows(self.tenant.stack, "partner-gateway", query, webhook_id)
        return [row["body"].decode() for row in found]


@pytest.fixture(scope="module")
def agency(stack: Stack, tenants: list[Tenant]) -> Iterator[Agency]:
    """Hand over a few members to an agency that accepts them all."""
    with closing(Tenant(stack, members=12)) as tenant:
        tenants.append(tenant)
        tenant.publish_members()
        other = tenant.partner_by_api()
        partner = tenant.partner_by_api(answer="ACCEPT_NOW")
        run_id = tenant.start_run(partner)
        tenant.await_run(run_id, "HANDED_OVER")
        yield Agency(tenant, partner, other, tenant.all_cases(run_id, status="OPEN"))


@pytest.fixture(scope="module")
def http(stack: Stack) -> Iterator[httpx.Client]:
    """The way from an agency to the gateway."""
    url = stack.service("partner-gateway").url
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        yield client


def test_a_payment_is_booked_once_however_often_it_is_reported(
    agency: Agency, http: httpx.Client
) -> None:
    case = agency.cases[0]
    first = agency.payment(case, reference="P-1")
    again = agency.payment(case, reference="P-1", now=later(1))
    sent_again = agency.signed(first.webhook_id, later(2), first.body)
    answers = [each.send(http) for each in (first, first, sent_again, again, first)]
    assert {(answer.status_code, answer.content) for answer in answers} == {
        (202, b'{"status":"RECEIVED"}')
    }
    # Callbacks of one partner act in order: once this one has, those before it had their effect.
    assert agency.payment(case, reference="P-2").send(http).status_code == 202
    payments = agency.await_payments(case, 2)
    assert {payment["partner_reference"] for payment in payments} == {"P-1", "P-2"}
    assert [payment["amount"]["amount"] for payment in payments] == ["0.01", "0.01"]
    assert [payment["own_fees"]["amount"] for payment in payments] == ["2.50", "2.50"]
    assert agency.stored(first.webhook_id) == [first.body]


def test_an_id_that_was_used_is_refused_with_another_body(
    agency: Agency, http: httpx.Client
) -> None:
    case = agency.cases[1]
    first = agency.payment(case)
    assert first.send(http).status_code == 202
    other = agency.payment(case, webhook_id=first.webhook_id)
    answer = other.send(http)
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:collection:problem:webhook-id-reused"
    assert first.send(http).status_code == 202
    assert agency.payment(case).send(http).status_code == 202
    references = [payment["partner_reference"] for payment in agency.await_payments(case, 2)]
    assert other.reference not in references
    assert agency.stored(first.webhook_id) == [first.body]


def test_each_secret_of_a_partner_is_good_and_each_signature_is_tried(
    agency: Agency, http: httpx.Client
) -> None:
    case = agency.cases[2]
    agency.tenant.gateway.post(f"/v1/partners/{agency.partner.partner_id}/secrets")
    callback = agency.payment(case)
    unknown_first = "v1a,bm90IG91cnM= v1,AAAA"
    signature = f"{unknown_first} {callback.headers['webhook-signature']}"
    assert callback.having("webhook-signature", signature).send(http).status_code == 202
    agency.await_payments(case, 1)


def wrong(agency: Agency, case: Answer) -> dict[str, Callback]:
    """Return callbacks that are not signed right, by what is wrong."""
    right = agency.payment(case)
    nine_seconds_ago = agency.payment(case, now=later(-9))
    of_another_version = right.headers["webhook-signature"].replace("v1,", "v2,")
    return {
        "another secret": agency.payment(case, secret=agency.other.secret),
        "a secret of nobody": agency.payment(case, secret=NOBODYS_SECRET),
        "six minutes old": agency.payment(case, now=later(-360)),
        "six minutes early": agency.payment(case, now=later(360)),
        "a year old": agency.payment(case, now=later(-365 * 86_400)),
        "changed body": right.with_body(agency.payment(case).body),
        "a blank more": right.with_body(f"{right.body} "),
        "no body": right.with_body(""),
        "another id": right.having("webhook-id", f"msg_{uuid4()}"),
        "another timestamp": nine_seconds_ago.having(
            "webhook-timestamp", right.headers["webhook-timestamp"]
        ),
        "a timestamp that is none": right.having("webhook-timestamp", "yesterday"),
        "another version": right.having("webhook-signature", of_another_version),
        "garbage": right.having("webhook-signature", "v1,!"),
        "an empty signature": right.having("webhook-signature", ""),
        "no signature": right.having("webhook-signature"),
        "no id": right.having("webhook-id"),
        "no timestamp": right.having("webhook-timestamp"),
        "unknown partner": replace(right, partner_id=str(uuid4())),
        "another partner": replace(right, partner_id=agency.other.partner_id),
    }


def test_what_is_not_signed_right_is_refused_in_one_way_and_not_kept(
    agency: Agency, http: httpx.Client
) -> None:
    case = agency.cases[3]
    refused = wrong(agency, case)
    answers = {kind: visible(callback.send(http)) for kind, callback in refused.items()}
    status, _, body = answers["another secret"]
    assert (status, json.loads(body)["type"]) == (401, "urn:collection:problem:wrong-signature")
    for kind, answer in answers.items():
        assert answer == answers["another secret"], kind
    ids = {callback.headers.get("webhook-id", "") for callback in refused.values()}
    assert not [body for each in ids for body in agency.stored(each)]
    # What comes after them acts, and they did not.
    assert agency.payment(case).send(http).status_code == 202
    agency.await_payments(case, 1)


def test_a_partner_cannot_speak_of_what_another_holds(agency: Agency, http: httpx.Client) -> None:
    case = agency.cases[4]
    stolen = replace(
        agency.payment(case, secret=agency.other.secret), partner_id=agency.other.partner_id
    )
    assert stolen.send(http).status_code == 202  # signed right: stored, and judged later
    query = "SELECT status, reason FROM callbacks WHERE webhook_id = $1"
    agency.tenant.wait_for(
        lambda: dict(rows(agency.tenant.stack, "partner-gateway", query, stolen.webhook_id)[0]),
        lambda row: row == {"status": "PARKED", "reason": "not held by this partner"},
        "the callback is set aside",
    )
    assert agency.payment(case).send(http).status_code == 202
    (payment,) = agency.await_payments(case, 1)
    assert payment["partner_reference"] != stolen.reference


def test_a_body_may_have_256_kilobytes_and_no_more(agency: Agency, http: httpx.Client) -> None:
    case = agency.cases[5]
    too_large = agency.payment(case, padded_to=LIMIT_BYTES + 1)
    answer = too_large.send(http)
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert http.post(too_large.path, content=iter([b"x" * LIMIT_BYTES] * 3)).status_code == 413
    assert agency.stored(too_large.webhook_id) == []
    just_right = agency.payment(case, padded_to=LIMIT_BYTES)
    assert just_right.send(http).status_code == 202
    (payment,) = agency.await_payments(case, 1)
    assert payment["partner_reference"] == just_right.reference


def later(seconds: int) -> datetime:
    """Return a time before or after now."""
    return datetime.now(UTC) + timedelta(seconds=seconds)


def visible(answer: httpx.Response) -> tuple[int, tuple[tuple[str, str], ...], str]:
    """Return all that an answer tells, but for what names the one request."""
    body = answer.json()
    assert body.pop("request_id") == answer.headers["x-request-id"]
    headers = tuple((name, value) for name, value in answer.headers.items() if name not in OWN)
    return answer.status_code, headers, json.dumps(body)
