"""What the API shows of deliveries."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from partner_gateway.deliveries import circuits
from partner_gateway.deliveries.pages import IS_WAITING

Kind = Literal["HANDOVER", "NOTICE"]
Status = Literal["OPEN", "DONE", "STOPPED"]


class _View(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True, from_attributes=True)


class DeliveryView(_View):
    """A request to a partner."""

    request_id: UUID
    """The same at every try: the partner knows a repetition by it."""
    kind: Kind
    status: Status
    """OPEN: tried until answered. DONE: answered. STOPPED: the partner refused it for good."""
    run_id: UUID | None
    """The run of its cases."""
    cases: int
    """Cases that it is about."""
    tries: int
    created_at: datetime
    last_tried_at: datetime | None
    next_try_at: datetime | None
    """When it is tried again; null when it is not. A partner that does not answer is only probed
    meanwhile: see the summary."""
    last_error: str | None
    """Why the last try failed, or why it was stopped."""
    finished_at: datetime | None
    retried_at: datetime | None
    """When somebody of staff wanted another try last."""
    retried_by: str | None


class TryView(_View):
    """One try."""

    number: int
    """Counts from 1."""
    tried_at: datetime
    status: int | None
    """The HTTP status of the answer; null when none came."""
    error: str | None
    """What was wrong; null when nothing was."""
    duration_ms: int | None
    """How long it took; null while it is under way, and for ever if its process died meanwhile:
    what came of it is then unknown."""


class DeliveryDetails(DeliveryView):
    """A request to a partner with its tries."""

    last_tries: list[TryView]
    """Newest first; the last 50."""


class CircuitView(BaseModel):
    """Whether a partner answers at all."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    state: Literal["CLOSED", "OPEN"]
    """OPEN: it did not answer lately; it gets one request at a time, to find out whether it does
    again, and then all the others at once."""
    failures: int
    """Tries in a row that failed; while it is open, those that were to find out."""
    opened_at: datetime | None
    next_probe_at: datetime | None


class DeliveriesSummary(_View):
    """How the requests to a partner fare."""

    open: int
    """Requests that are tried until they are answered."""
    stopped: int
    """Requests that the partner refused for good."""
    waiting_cases: int
    """Cases that are to be handed over and in no request yet."""
    oldest_open_at: datetime | None
    """Since when the oldest of the open requests is there."""
    last_error: str | None
    """Of the open and stopped requests: why the try that was made last failed."""
    last_error_at: datetime | None
    circuit: CircuitView


_SELECT = """
    SELECT request_id, kind, status, tries, created_at, last_tried_at, last_error, finished_at,
           retried_at, retried_by,
           CASE WHEN status = 'OPEN' THEN next_try_at END AS next_try_at,
           CASE WHEN kind = 'NOTICE' THEN 1
                ELSE (SELECT count(*) FROM cases
                      WHERE cases.tenant_id = deliveries.tenant_id
                        AND cases.request_id = deliveries.request_id) END AS cases,
           CASE WHEN kind = 'NOTICE'
                THEN (SELECT run_id FROM notices
                      WHERE notices.tenant_id = deliveries.tenant_id
                        AND notices.request_id = deliveries.request_id)
                ELSE (SELECT run_id FROM cases
                      WHERE cases.tenant_id = deliveries.tenant_id
                        AND cases.request_id = deliveries.request_id LIMIT 1) END AS run_id
    FROM deliveries
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id
"""
_ONE = text(f"{_SELECT} AND request_id = :request_id")
_TRIES = text(
    """
    SELECT number, tried_at, status, error, duration_ms FROM tries
    WHERE tenant_id = :tenant_id AND request_id = :request_id
    ORDER BY number DESC
    """
)
# Only what is asked for stands in the query: so each list finds its index.
_CONDITIONS: Final = {
    "status": "status = :status",
    "kind": "kind = :kind",
    "run_id": """request_id IN (
        SELECT request_id FROM cases
        WHERE tenant_id = :tenant_id AND run_id = :run_id AND request_id IS NOT NULL
        UNION ALL
        SELECT request_id FROM notices
        WHERE tenant_id = :tenant_id AND run_id = :run_id AND request_id IS NOT NULL)""",
    "before": "request_id < :before",
}
_FAILING: Final = {
    None: "true",
    True: "last_error IS NOT NULL",
    False: "last_error IS NULL",
}
# Of what is done there is too much to look at it each time.
_SUMMARY = text(
    f"""
    SELECT open, stopped, oldest_open_at, last_error, last_error_at,
           (SELECT count(*) FROM cases
            WHERE tenant_id = :tenant_id AND partner_id = :partner_id
              AND {IS_WAITING}) AS waiting_cases
    FROM (SELECT count(*) FILTER (WHERE status = 'OPEN') AS open,
                 count(*) FILTER (WHERE status = 'STOPPED') AS stopped
          FROM deliveries
          WHERE tenant_id = :tenant_id AND partner_id = :partner_id
            AND status IN ('OPEN', 'STOPPED')) AS counts
    LEFT JOIN (SELECT created_at AS oldest_open_at FROM deliveries
               WHERE tenant_id = :tenant_id AND partner_id = :partner_id AND status = 'OPEN'
               ORDER BY request_id LIMIT 1) AS oldest ON true
    LEFT JOIN (SELECT last_error, last_tried_at AS last_error_at FROM deliveries
               WHERE tenant_id = :tenant_id AND partner_id = :partner_id
                 AND last_error IS NOT NULL
               ORDER BY last_tried_at DESC LIMIT 1) AS failing ON true
    """  # noqa: S608 - constants
)


async def list_deliveries(
    connection: AsyncConnection,
    tenant_id: UUID,
    partner_id: UUID,
    *,
    status: Status | None,
    kind: Kind | None,
    run_id: UUID | None,
    failing: bool | None,
    before: UUID | None,
    limit: int,
) -> Sequence[DeliveryView]:
    """Return a partner's deliveries made before `before`, newest first."""
    wanted = {"status": status, "kind": kind, "run_id": run_id, "before": before}
    given = {name: value for name, value in wanted.items() if value is not None}
    conditions = " AND ".join((_FAILING[failing], *(_CONDITIONS[name] for name in given)))
    query = text(f"{_SELECT} AND {conditions} ORDER BY request_id DESC LIMIT :limit")
    owner = {"tenant_id": tenant_id, "partner_id": partner_id}
    rows = await connection.execute(query, {**owner, **given, "limit": limit})
    return [DeliveryView.model_validate(row) for row in rows]


async def find_delivery(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID, request_id: UUID
) -> DeliveryDetails | None:
    """Return a partner's delivery with its tries."""
    parameters: dict[str, Any] = {"tenant_id": tenant_id, "request_id": request_id}
    found = await connection.execute(_ONE, {**parameters, "partner_id": partner_id})
    row = found.one_or_none()
    if row is None:
        return None
    tries = await connection.execute(_TRIES, parameters)
    return DeliveryDetails(
        **row._asdict(), last_tries=[TryView.model_validate(each) for each in tries]
    )


async def summarize_deliveries(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID
) -> DeliveriesSummary:
    """Return how the requests to a partner fare, and whether it answers."""
    parameters = {"tenant_id": tenant_id, "partner_id": partner_id}
    row = (await connection.execute(_SUMMARY, parameters)).one()
    circuit = await circuits.find(connection, tenant_id, partner_id)
    return DeliveriesSummary(
        **row._asdict(),
        circuit=CircuitView(
            state="OPEN" if circuit.is_open else "CLOSED",
            failures=circuit.failures,
            opened_at=circuit.opened_at,
            next_probe_at=circuit.next_probe_at,
        ),
    )
