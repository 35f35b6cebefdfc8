"""Every route of every service needs a valid token and its role (R63)."""

import importlib
from typing import Any

import httpx
import pytest

from local_stack.issuer import ROLES
from local_stack.stack import SERVICES, Stack
from tests.e2e.routes import CALLBACKS, ROUTES, Route, answer_of, ask
from tests.e2e.tokens import NOT_VALID, signed


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
