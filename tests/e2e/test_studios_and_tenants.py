"""Nobody sees or changes what is of other studios or tenants, on every route (R63)."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from uuid import uuid4

import httpx
import pytest

from local_stack.stack import SERVICES, Stack
from tests.e2e.quiet import wait_until_all_is_quiet
from tests.e2e.routes import MANAGE, OF_NOBODY, READ, ROUTES, SOME_IDS, Route, answer_of, ask
from tests.e2e.something_of_everything import World, make_world
from tests.e2e.story import Tenant, rows


@pytest.fixture(scope="module")
def world(stack: Stack, tenants: list[Tenant]) -> Iterator[World]:
    """One for all tests here."""
    with closing(Tenant(stack, members=40)) as tenant:
        tenants.append(tenant)
        made = make_world(tenant)
        wait_until_all_is_quiet(stack)
        yield made


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
