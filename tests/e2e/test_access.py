"""Who may do what, on every route of every service (R63)."""

import asyncio
import importlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from standardwebhooks import Webhook

from contracts import Money, ReportPaymentReceivedV1
from local_stack.http_client import Answer
from local_stack.issuer import ROLES
from local_stack.publish import publish
from local_stack.stack import SERVICES, Stack
from tests.e2e.routes import CALLBACKS, MANAGE, OF_NOBODY, READ, ROUTES, SOME_IDS, Route, ask
from tests.e2e.story import Partner, Tenant, examples, rows
from tests.e2e.tokens import NOT_VALID, signed


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


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    """A client that knows nothing."""
    with httpx.Client(timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def world(stack: Stack, tenants: list[Tenant]) -> Iterator[World]:
    """One for all tests here."""
    with closing(Tenant(stack, members=40)) as tenant:
        tenants.append(tenant)
        yield make_world(tenant)


def make_world(tenant: Tenant) -> World:
    """Hand over two of four studios; wait until nothing changes by itself any more."""
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
    notices = tenant.wait_for(
        lambda: {str(each["studio_id"]): each for each in tenant.gateway.all("/v1/notices")},
        lambda by_studio: len(by_studio) == 2,
        "the notices",
    )
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


def answer_of(response: httpx.Response) -> tuple[int, dict[str, Any]]:
    """Return status and body, without the id that each request has for itself."""
    body = response.json()
    assert body.pop("request_id") == response.headers["X-Request-Id"]
    return response.status_code, body


def test_the_routes_here_are_those_of_the_services() -> None:
    listed = {(route.service, route.method, route.path) for route in ROUTES}
    assert len(listed) == len(ROUTES)
    described = {
        (service, method.upper(), path)
        for service in SERVICES
        for path, methods in openapi(service)["paths"].items()
        for method in methods
    }
    assert described - {CALLBACKS} == listed


def openapi(service: str) -> dict[str, Any]:
    """Return the OpenAPI document of a service."""
    document: dict[str, Any] = importlib.import_module(
        f"{service.replace('-', '_')}.main"
    ).service.openapi()
    return document


@pytest.mark.parametrize("kind", NOT_VALID)
def test_a_token_that_is_not_valid_is_refused_in_one_way(
    stack: Stack, http: httpx.Client, kind: str
) -> None:
    authorization = NOT_VALID[kind](stack)
    for route in ROUTES:
        response = ask(http, stack, route, authorization)
        assert answer_of(response) == (
            401,
            {
                "type": "urn:collection:problem:unauthorized",
                "title": "Not signed in",
                "status": 401,
                "detail": "The token is missing, invalid or expired.",
            },
        ), route
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_each_route_needs_its_role_and_no_other(
    stack: Stack, http: httpx.Client, route: Route
) -> None:
    def bearing(*roles: str) -> httpx.Response:
        return ask(http, stack, route, signed(stack, roles=roles))

    others = [role for role in ROLES if role not in route.enough]
    for roles in (others, [], ["*", "collection:*", route.role.upper(), f" {route.role}"]):
        status, body = answer_of(refused := bearing(*roles))
        assert (status, body["type"]) == (403, "urn:collection:problem:forbidden")
        named = "the role" if len(route.enough) == 1 else "one of the roles"
        assert body["detail"] == f"This needs {named} {', '.join(route.enough)}."
        assert refused.headers["Content-Type"] == "application/problem+json"
    for role in route.enough:
        assert bearing(role).status_code not in (401, 403)


def test_a_token_for_one_studio_shows_what_is_of_it(world: World) -> None:
    tenant, run_id = world.tenant, world.ids["run_id"]
    runs, cases, exports, gateway = (
        tenant.client(service, studio_ids=[world.seen]) for service in SERVICES
    )
    own = {
        case["case_id"]: case
        for case in tenant.all_cases(run_id)
        if case["studio_id"] == str(world.seen)
    }
    (run,) = runs.all("/v1/runs")
    assert (run["run_id"], run["members"], run["ended"]) == (run_id, len(own), 1)
    assert {each["case_id"] for each in runs.all(f"/v1/runs/{run_id}/members")} == own.keys()
    (studio,) = runs.all(f"/v1/runs/{run_id}/studios")
    assert (studio["studio_id"], studio["members"]) == (str(world.seen), len(own))
    outlook = runs.get(f"/v1/runs/{run_id}/reversal")
    assert outlook["cases_not_ended"] == len(own) - 1
    assert {case["case_id"] for case in cases.all("/v1/cases")} == own.keys()
    members = list(cases.all("/v1/members"))
    assert {each["member_id"] for each in members} == {case["member_id"] for case in own.values()}
    assert {case["case_id"] for each in members for case in each["cases"]} == own.keys()
    file = cases.get(f"/v1/files/{world.ids['partner_id']}/{world.ids['file_number']}")
    (numbered,) = (case["case_id"] for case in own.values() if case["file_number"])
    assert [case["case_id"] for case in file["cases"]] == [numbered]
    assert [each["totals"] for each in cases.all("/v1/files")] == [file["totals"]]
    (notice,) = gateway.all("/v1/notices")
    assert notice["studio_id"] == str(world.seen)
    assert not list(exports.all("/v1/exports"))


def test_a_token_for_one_studio_exports_its_rows(world: World) -> None:
    tenant = world.tenant
    exports = tenant.client("export-service", studio_ids=[world.seen])
    order = {"run_id": world.ids["run_id"], "format": "csv"}
    path = f"/v1/exports/{exports.post('/v1/exports', order)['export_id']}"
    done = tenant.wait_for(
        lambda: exports.get(path), lambda export: export["status"] == "COMPLETED", "the export"
    )
    own = [each for each in tenant.candidates if each.studio_id == world.seen]
    assert done["rows_done"] == sum(len(candidate.open) for candidate in own)


def test_a_token_for_some_studios_previews_their_members(world: World) -> None:
    tenant, waiting = world.tenant, world.waiting[0]
    runs = tenant.client("run-service", studio_ids=[world.seen, waiting])
    expected = {
        str(waiting): sum(each.studio_id == waiting for each in tenant.candidates),
        str(world.seen): 1,  # whose case was cancelled
    }
    summary = runs.get("/v1/candidates/summary")
    assert {each["studio_id"]: each["members"] for each in summary["studios"]} == expected
    preview = runs.post("/v1/previews", {"partner_id": world.ids["partner_id"]})
    members = runs.all(f"/v1/previews/{preview['preview_id']}/members")
    included = (member["studio_id"] for member in members if not member["left_out"])
    assert Counter(included) == expected


def test_a_token_for_one_studio_changes_nothing_of_another(
    stack: Stack, http: httpx.Client, world: World
) -> None:
    narrowed = f"Bearer {stack.token(tenant_id=world.tenant.tenant_id, studio_ids=[world.seen])}"
    before = everything_of(stack, world.tenant)
    of_another = ("preview_id", "member_id", "case_id", "export_id", "notice_id")
    for route in ROUTES:
        response = None
        if any(f"{{{name}}}" in f"{route.path} {route.body}" for name in of_another):
            response = ask(http, stack, route, narrowed, world.ids)
            assert response.status_code == 404, str(route)
        elif route.path == "/v1/runs/{run_id}/reversal" and route.method == "POST":
            response = ask(http, stack, route, narrowed, world.ids)
            assert answer_of(response)[1]["type"] == "urn:collection:problem:other-studios"
        elif (
            route.path.startswith("/v1/report-files")
            or "/callbacks" in route.path
            or (route.path.startswith(("/v1/imports", "/v1/settings")) and route.role == MANAGE)
        ):
            response = ask(http, stack, route, narrowed, world.ids)
            assert answer_of(response)[1]["type"] == "urn:collection:problem:all-studios-needed"
    assert everything_of(stack, world.tenant) == before


def test_a_token_for_no_studio_shows_nothing(
    stack: Stack, http: httpx.Client, world: World
) -> None:
    narrowed = f"Bearer {stack.token(tenant_id=world.tenant.tenant_id, studio_ids=[])}"
    for route in ROUTES:
        if route.role == READ and route.method == "GET" and route not in OF_NOBODY:
            assert is_not_there(route, ask(http, stack, route, narrowed, world.ids)), str(route)


def test_lists_of_a_stranger_are_empty_whatever_they_ask_for(
    make_tenant: Callable[[int], Tenant], world: World
) -> None:
    stranger, ids = make_tenant(0), world.ids
    assert not [
        *stranger.runs.all("/v1/runs", partner_id=ids["partner_id"]),
        *stranger.runs.all("/v1/runs", **{"from": "2020-01-01"}),
        *stranger.cases.all("/v1/cases", run_id=ids["run_id"]),
        *stranger.cases.all("/v1/cases", studio_id=str(world.other)),
        *stranger.cases.all("/v1/cases", partner_id=ids["partner_id"], status="OPEN"),
        *stranger.exports.all("/v1/exports", run_id=ids["run_id"]),
        *stranger.gateway.all("/v1/notices", partner_id=ids["partner_id"]),
        *stranger.gateway.all("/v1/notices", case_id=ids["case_id"]),
    ]


# The last one: it ends with everything done that can be done.
def test_another_tenants_things_are_not_there(
    stack: Stack, http: httpx.Client, world: World
) -> None:
    owner = f"Bearer {stack.token(tenant_id=world.tenant.tenant_id)}"
    stranger = f"Bearer {stack.token(tenant_id=uuid4())}"
    keys = {str(route): str(uuid4()) for route in ROUTES}

    def asked_by(who: str, route: Route) -> httpx.Response:
        return ask(http, stack, route, who, world.ids, keys[str(route)])

    of_somebody = [route for route in ROUTES if route not in OF_NOBODY]
    before = everything_of(stack, world.tenant)
    for route in of_somebody:
        response = asked_by(stranger, route)
        assert is_not_there(route, response), (str(route), response.text)
        of_nothing = ask(http, stack, route, stranger, SOME_IDS)
        assert said(response) == said(of_nothing), str(route)
    assert everything_of(stack, world.tenant) == before
    # The same requests of the owner are not refused, and their answers are the owner's alone.
    for route in of_somebody:
        response = asked_by(owner, route)
        is_too_late = response.status_code == 409  # to cancel what was just closed
        assert response.is_success or is_too_late, (str(route), response.text)
        assert is_not_there(route, asked_by(stranger, route)), str(route)


def is_not_there(route: Route, response: httpx.Response) -> bool:
    """Tell whether an answer says that there is nothing, in the way of its route."""
    if "{" in route.path or route.query or route.method == "POST":
        # What only a body names is a wrong value of its field.
        needs_partner = route.path in ("/v1/previews", "/v1/handovers")
        return response.status_code == (422 if needs_partner else 404)
    body = response.json()
    if "items" in body:
        return response.is_success and said(response) == {"items": [], "next": None}
    return response.is_success and (body["members"], body["studios"]) == (0, [])


def said(response: httpx.Response) -> dict[str, Any]:
    """Return what an answer says, whatever the request was called."""
    return {name: value for name, value in response.json().items() if name != "request_id"}


def everything_of(stack: Stack, tenant: Tenant) -> dict[str, str]:
    """Return a hash of all rows that a tenant has in any table of any service."""
    tables = "SELECT table_name FROM information_schema.columns WHERE column_name = 'tenant_id'"
    return {
        f"{service} {table}": rows(
            stack,
            service,
            "SELECT coalesce(md5(string_agg(line, '\n')), '') AS hash FROM "
            f'(SELECT t::text AS line FROM "{table}" AS t WHERE tenant_id = $1 ORDER BY 1) AS own',
            tenant.tenant_id,
        )[0]["hash"]
        for service in SERVICES
        for (table,) in rows(stack, service, tables)
    }
