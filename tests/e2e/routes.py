"""Every route of every service, and how to ask it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from local_stack.issuer import ROLES
from local_stack.stack import Stack

READ, MANAGE, FINANCE, ADMIN = ROLES
CALLBACKS = ("partner-gateway", "POST", "/v1/partners/{partner_id}/callbacks")
"""Has a signature instead of a token: test_callbacks.py."""


@dataclass(frozen=True)
class Route:
    """A route, the role it needs, and a body that its owner is not refused with."""

    service: str
    method: str
    path: str
    role: str
    body: Mapping[str, Any] | None = None
    ids: Mapping[str, str] = field(default_factory=dict)
    """Which of the ids is meant by a name in the path, if it is called otherwise."""
    query: Mapping[str, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    """Other roles each of which is enough."""

    @property
    def enough(self) -> tuple[str, ...]:
        """The roles each of which is enough."""
        return (self.role, *self.also)

    def __str__(self) -> str:
        return f"{self.service} {self.method} {self.path}"


ONE_CENT = {"amount": "0.01", "currency": "{currency}"}
NOTHING = {"amount": "0.00", "currency": "{currency}"}

# In an order in which each can be done: the reversal, which ends the cases, is the last.
ROUTES = [
    Route("run-service", "GET", "/v1/candidates/summary", READ),
    Route("run-service", "GET", "/v1/settings", READ),
    Route("run-service", "PUT", "/v1/settings", MANAGE, {}),
    Route("run-service", "POST", "/v1/previews", MANAGE, {"partner_id": "{partner_id}"}),
    Route("run-service", "GET", "/v1/previews", READ),
    Route("run-service", "GET", "/v1/previews/{preview_id}", READ),
    Route("run-service", "GET", "/v1/previews/{preview_id}/members", READ),
    Route(
        "run-service",
        "PATCH",
        "/v1/previews/{preview_id}/members",
        MANAGE,
        {"left_out": True, "member_ids": ["{member_id}"]},
    ),
    Route("run-service", "GET", "/v1/previews/{preview_id}/members/{member_id}", READ),
    Route(
        "run-service",
        "PUT",
        "/v1/previews/{preview_id}/members/{member_id}",
        MANAGE,
        {"left_out": True},
    ),
    Route(
        "run-service",
        "POST",
        "/v1/handovers",
        MANAGE,
        {"member_id": "{member_id}", "partner_id": "{partner_id}"},
    ),
    Route("run-service", "POST", "/v1/runs", MANAGE, {"preview_id": "{preview_id}"}),
    Route("run-service", "GET", "/v1/runs", READ),
    Route("run-service", "GET", "/v1/runs/{run_id}", READ),
    Route("run-service", "GET", "/v1/runs/{run_id}/members", READ),
    Route(
        "run-service",
        "GET",
        "/v1/runs/{run_id}/members/{member_id}",
        READ,
        ids={"member_id": "handed_over_id"},
    ),
    Route("run-service", "GET", "/v1/runs/{run_id}/studios", READ),
    Route("run-service", "GET", "/v1/runs/{run_id}/reversal", READ),
    Route("run-service", "POST", "/v1/imports", MANAGE),
    Route("run-service", "GET", "/v1/imports/{import_id}", MANAGE),
    Route("run-service", "GET", "/v1/imports/{import_id}/errors", MANAGE),
    Route("run-service", "POST", "/v1/imports/{import_id}/publication", MANAGE, {}),
    Route("run-service", "DELETE", "/v1/imports/{import_id}", MANAGE),
    Route("case-service", "GET", "/v1/cases", READ),
    Route("case-service", "GET", "/v1/cases/{case_id}", READ),
    Route("case-service", "GET", "/v1/cases/{case_id}/history", READ),
    Route("case-service", "GET", "/v1/cases/{case_id}/comments", READ),
    Route("case-service", "POST", "/v1/cases/{case_id}/comments", MANAGE, {"comment": "verzogen"}),
    Route(
        "case-service", "PUT", "/v1/cases/{case_id}/file-number", MANAGE, {"file_number": "AZ-9"}
    ),
    Route(
        "case-service",
        "POST",
        "/v1/cases/{case_id}/payments",
        FINANCE,
        {"amount": ONE_CENT, "booking_date": "{collection_date}"},
    ),
    Route(
        "case-service",
        "POST",
        "/v1/cases/{case_id}/payments/{payment_id}/reduction",
        FINANCE,
        {"amount": NOTHING, "booking_date": "{collection_date}", "comment": "geplatzt"},
    ),
    Route(
        "case-service",
        "POST",
        "/v1/cases/{case_id}/payments/{payment_id}/settlement",
        FINANCE,
        {"outcome": "PAID_BACK", "amount": ONE_CENT, "comment": "zu viel"},
        ids={"case_id": "cancelled_id", "payment_id": "late_payment_id"},
    ),
    Route("case-service", "POST", "/v1/cases/{case_id}/closure", FINANCE, {"comment": "Ende"}),
    Route(
        "case-service", "POST", "/v1/cases/{case_id}/cancellation", MANAGE, {"comment": "zurück"}
    ),
    Route("case-service", "GET", "/v1/settings", READ),
    Route("case-service", "PUT", "/v1/settings", MANAGE, {}),
    Route("case-service", "GET", "/v1/members", READ),
    Route("case-service", "GET", "/v1/audit", READ),
    Route("case-service", "GET", "/v1/files", READ),
    Route("case-service", "GET", "/v1/files/{partner_id}/{file_number}", READ),
    Route("case-service", "GET", "/v1/unallocated", READ),
    Route("export-service", "GET", "/v1/exports", READ),
    Route("export-service", "GET", "/v1/exports/{export_id}", READ),
    Route("export-service", "GET", "/v1/exports/{export_id}/file", READ),
    Route("export-service", "POST", "/v1/exports", READ, {"run_id": "{run_id}", "format": "csv"}),
    Route("export-service", "POST", "/v1/exports/{export_id}/cancellation", READ),
    Route(
        "partner-gateway",
        "POST",
        "/v1/partners",
        ADMIN,
        {"name": "Inkasso West", "channel": "BY_HAND"},
    ),
    Route("partner-gateway", "GET", "/v1/partners", ADMIN, also=(READ, FINANCE)),
    Route("partner-gateway", "GET", "/v1/partners/{partner_id}", ADMIN, also=(READ, FINANCE)),
    Route("partner-gateway", "PATCH", "/v1/partners/{partner_id}", ADMIN, {"name": "Inkasso Ost"}),
    Route("partner-gateway", "POST", "/v1/partners/{partner_id}/secrets", ADMIN, {}),
    Route(
        "partner-gateway",
        "DELETE",
        "/v1/partners/{partner_id}/secrets/{secret_id}",
        ADMIN,
        ids={"partner_id": "agency_id"},
    ),
    Route(
        "partner-gateway",
        "GET",
        "/v1/partners/{partner_id}/deliveries",
        ADMIN,
        ids={"partner_id": "agency_id"},
        also=(READ,),
    ),
    Route(
        "partner-gateway",
        "GET",
        "/v1/partners/{partner_id}/deliveries/summary",
        ADMIN,
        ids={"partner_id": "agency_id"},
        also=(READ,),
    ),
    Route(
        "partner-gateway",
        "GET",
        "/v1/partners/{partner_id}/deliveries/{request_id}",
        ADMIN,
        ids={"partner_id": "agency_id"},
        also=(READ,),
    ),
    Route(
        "partner-gateway",
        "POST",
        "/v1/partners/{partner_id}/deliveries/{request_id}/retry",
        ADMIN,
        ids={"partner_id": "agency_id"},
    ),
    Route(
        "partner-gateway",
        "GET",
        "/v1/partners/{partner_id}/callbacks",
        ADMIN,
        ids={"partner_id": "agency_id"},
    ),
    Route(
        "partner-gateway",
        "GET",
        "/v1/partners/{partner_id}/callbacks/{callback_id}",
        ADMIN,
        ids={"partner_id": "agency_id"},
    ),
    Route(
        "partner-gateway",
        "POST",
        "/v1/partners/{partner_id}/callbacks/{callback_id}/retry",
        ADMIN,
        ids={"partner_id": "agency_id"},
    ),
    Route(
        "partner-gateway",
        "POST",
        "/v1/partners/{partner_id}/callbacks/{callback_id}/dismissal",
        ADMIN,
        {"comment": "erledigt"},
        ids={"partner_id": "agency_id"},
    ),
    Route("partner-gateway", "GET", "/v1/partners/{partner_id}/poll", ADMIN),
    Route("partner-gateway", "POST", "/v1/partners/{partner_id}/poll", ADMIN),
    Route("partner-gateway", "GET", "/v1/partners/{partner_id}/report-format", ADMIN),
    Route(
        "partner-gateway",
        "PUT",
        "/v1/partners/{partner_id}/report-format",
        ADMIN,
        {"columns": {"case_id": "Fall", "day": "Datum"}, "fixed_kind": "case.closed"},
    ),
    Route("partner-gateway", "POST", "/v1/report-files", FINANCE),
    Route("partner-gateway", "GET", "/v1/report-files", FINANCE),
    Route("partner-gateway", "GET", "/v1/report-files/{report_file_id}", FINANCE),
    Route("partner-gateway", "GET", "/v1/report-files/{report_file_id}/errors", FINANCE),
    Route(
        "partner-gateway",
        "POST",
        "/v1/report-files/{report_file_id}/application",
        FINANCE,
        {"leave_out_bad_rows": True},
    ),
    Route("partner-gateway", "DELETE", "/v1/report-files/{report_file_id}", FINANCE),
    Route("partner-gateway", "GET", "/v1/notices", READ),
    Route(
        "partner-gateway",
        "GET",
        "/v1/notices/text",
        READ,
        query={"partner_id": "{partner_id}"},
    ),
    Route("partner-gateway", "GET", "/v1/notices/{notice_id}", READ),
    Route("partner-gateway", "GET", "/v1/notices/{notice_id}/text", READ),
    Route("partner-gateway", "POST", "/v1/notices/{notice_id}/done", MANAGE, {}),
    Route(
        "partner-gateway",
        "POST",
        "/v1/notices/done",
        MANAGE,
        {"notice_ids": ["{notice_id}"]},
    ),
    Route(
        "run-service",
        "POST",
        "/v1/runs/{run_id}/reversal",
        MANAGE,
        {"confirmed": True, "reason": "falsche Auswahl"},
    ),
]
OF_NOBODY = [
    route
    for route in ROUTES
    if (
        route.method == "POST" and route.path in ("/v1/partners", "/v1/imports", "/v1/report-files")
    )
    or route.path in ("/v1/settings", "/v1/audit")
]
"""The routes that name nothing that exists."""

SOME_IDS: Mapping[str, str] = {
    **{
        name: str(uuid4())
        for name in (
            "preview_id",
            "member_id",
            "handed_over_id",
            "run_id",
            "case_id",
            "cancelled_id",
            "payment_id",
            "late_payment_id",
            "partner_id",
            "agency_id",
            "request_id",
            "callback_id",
            "secret_id",
            "export_id",
            "import_id",
            "report_file_id",
            "notice_id",
        )
    },
    "file_number": "AZ-0",
    "currency": "EUR",
    "collection_date": "2026-11-02",
}
"""Ids of nothing at all."""


def ask(
    http: httpx.Client,
    stack: Stack,
    route: Route,
    authorization: str | None,
    ids: Mapping[str, str] = SOME_IDS,
    key: str | None = None,
) -> httpx.Response:
    """Send a request that is right but for who sends it."""
    headers = {"Idempotency-Key": key or str(uuid4())}
    named = {**ids, **{name: ids[meant] for name, meant in route.ids.items()}}
    if authorization is not None:
        headers["Authorization"] = authorization
    return http.request(
        route.method,
        stack.service(route.service).url + route.path.format_map(named),
        params=filled(route.query, ids) or None,
        headers=headers,
        json=filled(route.body, ids),
    )


def filled(value: Any, ids: Mapping[str, str]) -> Any:
    """Put ids into a body."""
    if isinstance(value, Mapping):
        return {name: filled(each, ids) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, ids) for each in value]
    return value.format_map(ids) if isinstance(value, str) else value


def answer_of(response: httpx.Response) -> tuple[int, dict[str, Any]]:
    """Return status and body, without the id that each request has for itself."""
    body = response.json()
    assert body.pop("request_id") == response.headers["X-Request-Id"]
    return response.status_code, body
