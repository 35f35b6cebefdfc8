"""The HTTP edge: what every request and answer of every service has in common."""

import re
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl

import structlog
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kit import metrics, problems
from kit.auth import Principal
from kit.context import Context
from kit.database import is_temporary
from kit.ids import new_id
from kit.problems import INTERNAL, INVALID, STALE, Problem, problem, unavailable, unprocessable
from kit.trace import (
    Cause,
    carried,
    current_correlation_id,
    current_traceparent,
    new_traceparent,
)

MAX_BODY_BYTES: Final = 1_000_000
"""The most that a request may hold; a route that takes files sets its own `max_body_size`."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_TRUTH_VALUES: Final = (bool, bool | None)
_QUIET_ROUTES: Final = frozenset({"/health/live", "/health/ready", "/metrics"})

log = structlog.stdlib.get_logger(__name__)

_AS_WRITTEN: Final = TypeAdapter(Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")])
Day = Annotated[date, BeforeValidator(_AS_WRITTEN.validate_python)]
"""A day, as in 2026-03-01; a number would else be read as seconds since 1970."""


class Body(BaseModel):
    """The base of request bodies: unknown fields are refused, and texts that cannot be stored.

    A truth value is what the OpenAPI document says, not a text or number that may mean one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @field_validator("*", mode="before")
    @classmethod
    def _storable(cls, value: object) -> object:
        """Refuse what JSON can write and PostgreSQL cannot store: NUL and half characters."""
        texts = value if isinstance(value, list) else [value]
        if not all(_is_storable(text) for text in texts if isinstance(text, str)):
            raise PydanticCustomError("text", "Text must be valid Unicode without NUL characters")
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _truth_values(cls, value: object, info: ValidationInfo) -> object:
        wanted = info.field_name and cls.model_fields[info.field_name].annotation
        if wanted in _TRUTH_VALUES and not isinstance(value, bool | None):
            raise PydanticCustomError("truth_value", "Must be a boolean")
        return value


async def _context_of(request: Request) -> Context[Any]:
    context: Context[Any] = request.app.state.context
    return context


CurrentContext = Annotated[Context[Any], Depends(_context_of)]
"""The service's context, as a parameter of a route's function."""


def cause_of(request: Request, principal: Principal) -> Cause:
    """Return what the events that this request leads to name as their cause."""
    return Cause(principal.tenant_id, current_correlation_id(), current_traceparent())


def etag(version: int) -> str:
    """Return the `ETag` of a thing's version."""
    return f'"{version}"'


def check_if_match(request: Request, version: int) -> None:
    """Raise the 412 when the request's `If-Match` names other versions; without one all is well."""
    wanted = request.headers.get("if-match")
    if wanted is None or wanted.strip() == "*":
        return
    if etag(version) not in (tag.strip() for tag in wanted.split(",")):
        raise problem(STALE, headers={"ETag": etag(version)})


Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def build_app(title: str, routers: Sequence[APIRouter], lifespan: Lifespan) -> FastAPI:
    """Return the program that answers HTTP.

    `lifespan` sets `app.state.context` (`Context`) and `app.state.token_verifier`
    (`TokenVerifier`), which the routes' dependencies use.
    """
    app = FastAPI(
        title=title,
        version="1",
        lifespan=lifespan,
        docs_url=None,  # the pages would load scripts from elsewhere
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        responses={"default": _PROBLEM_RESPONSE},
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    problems.install(app)
    app.add_middleware(Edge)
    for router in routers:
        app.include_router(router, max_body_size=MAX_BODY_BYTES)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


class Edge:
    """Wraps every request: its id and trace, the last resort for errors, headers, measures, log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        with carried(_request_id(headers), new_traceparent(headers.get("traceparent"))):
            exchange = _Exchange(scope, send)
            try:
                await self._answer(scope, receive, exchange)
            finally:
                exchange.note()

    async def _answer(self, scope: Scope, receive: Receive, exchange: "_Exchange") -> None:
        if (invalid := _with_nul(scope)) is not None:
            await invalid.response()(scope, receive, exchange.send)
            return
        try:
            await self._app(scope, receive, exchange.send)
        except Exception as error:
            if exchange.status is not None:
                raise  # too late for another answer: the connection is cut, the caller notices
            await _last_resort(error).response()(scope, receive, exchange.send)


class _Exchange:
    """One request and its answer on the way out."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._started_at = time.perf_counter()
        self._is_replaced = False
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        """Pass the answer on, with the headers that every answer has."""
        if self._is_replaced:
            return
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if message["status"] >= 400 and headers.get("content-type", "").startswith("text/"):
                # The framework refuses a declared length or a `Range` by itself, in plain text.
                refused = problems.from_status(message["status"], _kept(headers))
                await refused.response()(self._scope, _nothing, self.send)
                self._is_replaced = True
                return
            self.status = message["status"]
            headers["X-Request-Id"] = current_correlation_id()
            headers["X-Content-Type-Options"] = "nosniff"
            if traceparent := current_traceparent():
                headers["traceparent"] = traceparent
            if "json" in headers.get("content-type", ""):
                headers.setdefault("Cache-Control", "no-store")
        await self._send(message)

    def note(self) -> None:
        """Measure and log it: by the template of the path, for a path may hold anything."""
        seconds = time.perf_counter() - self._started_at
        route = getattr(self._scope.get("route"), "path", "unknown")
        method = self._scope["method"] if self._scope["method"] in _METHODS else "OTHER"
        status = self.status or 500
        metrics.http_requests_total.labels(route, method, status).inc()
        metrics.http_request_seconds.labels(route, method).observe(seconds)
        write = log.debug if route in _QUIET_ROUTES else log.info
        write(
            "request",
            method=method,
            route=route,
            status=status,
            milliseconds=round(seconds * 1000, 1),
        )


def _kept(headers: MutableHeaders) -> dict[str, str]:
    """Return what is worth keeping of an answer in plain text: how long the file is."""
    return {name: headers[name] for name in ("Content-Range",) if name in headers}


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


def _is_storable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in value


def _with_nul(scope: Scope) -> Problem | None:
    """Return the problem for an address with a NUL: PostgreSQL cannot store or look for it."""
    for name, value in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
        if "\x00" in name + value:
            return unprocessable(name.replace("\x00", ""), "Must not hold a NUL character")
    if b"%00" in scope.get("raw_path", b""):
        return problem(INVALID, "The address must not hold a NUL character.")
    return None


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else str(new_id())


def _last_resort(error: Exception) -> Problem:
    """Return the problem for an exception that nobody caught, and log it."""
    if is_temporary(error):
        log.warning("temporarily-unavailable", exc_info=error)
        return unavailable()
    log.error("request-failed", exc_info=error)
    return problem(INTERNAL)


_PROBLEM_RESPONSE: Final = {
    "description": "A problem (RFC 9457)",
    "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_PROBLEM_SCHEMA: Final = {
    "title": "Problem",
    "type": "object",
    "required": ["type", "title", "status", "request_id"],
    "properties": {
        "type": {"type": "string", "description": "Stable URN of the kind of problem"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string", "description": "Names the request when asking for help"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {
                    "field": {"type": "string", "description": "e.g. claims.0.amount, or limit"},
                    "message": {"type": "string"},
                },
            },
        },
    },
}


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI 3.1 description, made when first asked for."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
        schema.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _PROBLEM_SCHEMA
        app.openapi_schema = schema
    return app.openapi_schema


def _operation_id(route: APIRoute) -> str:
    return route.name
