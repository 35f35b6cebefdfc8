"""Errors as RFC 9457 problems: what went wrong, where, and what to do, without personal data."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from kit.trace import current_correlation_id

MEDIA_TYPE: Final = "application/problem+json"
MAX_ERRORS: Final = 500
"""How many fields of a request are named at most: a body of a megabyte can have more wrong ones."""
MAX_FIELD_CHARACTERS: Final = 500
"""How much of a field's name is repeated: of a field that we do not know the caller chose it."""
_URN: Final = "urn:collection:problem:"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """A kind of problem as the documentation lists it."""

    name: str
    status: int
    title: str
    advice: str
    """What the caller can do about it."""

    @property
    def urn(self) -> str:
        """The stable `type` that programs recognise it by."""
        return _URN + self.name


CATALOGUE: Final[dict[str, ProblemType]] = {}
"""Every kind of problem that this program can answer with, by name."""


def define(name: str, status: int, title: str, advice: str) -> ProblemType:
    """Add a kind of problem to the catalogue; a name has one meaning."""
    problem_type = ProblemType(name, status, title, advice)
    if CATALOGUE.setdefault(name, problem_type) != problem_type:
        raise ValueError(f"the problem {name} is defined already")
    return problem_type


UNAUTHORIZED: Final = define(
    "unauthorized",
    401,
    "Not signed in",
    "Send a valid token as `Authorization: Bearer …`; get a new one when it has expired.",
)
FORBIDDEN: Final = define(
    "forbidden", 403, "Not allowed", "Ask for the role that the operation needs."
)
NOT_FOUND: Final = define(
    "not-found",
    404,
    "Not found",
    "Check the address; what belongs to another tenant or studio is not found either.",
)
METHOD_NOT_ALLOWED: Final = define(
    "method-not-allowed", 405, "Method not allowed", "Use one of the methods in `Allow`."
)
MALFORMED: Final = define(
    "malformed-request", 400, "Malformed request", "Send a body that is valid JSON in UTF-8."
)
INVALID: Final = define(
    "invalid-request", 422, "Invalid request", "Correct the fields that `errors` names."
)
TOO_LARGE: Final = define(
    "body-too-large", 413, "Request body too large", "Send less in one request."
)
STALE: Final = define(
    "stale-version",
    412,
    "Changed in the meantime",
    "Read it again and repeat the change with the new `ETag` in `If-Match`.",
)
KEY_MISSING: Final = define(
    "idempotency-key-missing",
    400,
    "Idempotency-Key missing",
    "Send a header `Idempotency-Key` of 1 to 255 printable ASCII characters, new for each thing "
    "to be made and the same when a request is repeated.",
)
KEY_REUSED: Final = define(
    "idempotency-key-reused",
    422,
    "Idempotency-Key used for another request",
    "Use a new key for a new request.",
)
IN_FLIGHT: Final = define(
    "request-in-flight",
    409,
    "The same request is still being worked on",
    "Repeat the request a moment later; its answer comes then.",
)
INTERNAL: Final = define(
    "internal-error",
    500,
    "Internal error",
    "Repeat the request later; if it fails again, report the `request_id`.",
)
UNAVAILABLE: Final = define(
    "unavailable",
    503,
    "Temporarily unavailable",
    "Repeat the request after the seconds in `Retry-After`.",
)
_BY_STATUS: Final = {
    problem_type.status: problem_type
    for problem_type in (
        UNAUTHORIZED,
        FORBIDDEN,
        NOT_FOUND,
        METHOD_NOT_ALLOWED,
        MALFORMED,
        INVALID,
        TOO_LARGE,
        INTERNAL,
        UNAVAILABLE,
    )
}


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field; never repeats its value."""

    field: str
    """Path in the body such as `claims.0.amount`, or the name of the parameter."""
    message: str


@dataclass(eq=False)
class Problem(Exception):  # noqa: N818
    """An answer other than what was asked for; raised anywhere, rendered at the edge.

    `detail`, `errors` and `extensions` (further members of the answer) are for the caller's eyes;
    logs have only `safe_message`.
    """

    status: int
    type: str
    title: str
    detail: str | None = field(default=None, repr=False)
    errors: Sequence[FieldError] = field(default=(), repr=False)
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    extensions: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def safe_message(self) -> str:
        """The type, which holds no data of anybody."""
        return self.type

    def __str__(self) -> str:
        return self.safe_message

    def response(self) -> Response:
        """Render it as `application/problem+json`."""
        members: dict[str, Any] = {
            **self.extensions,
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "request_id": current_correlation_id(),
        }
        if self.detail is not None:
            members["detail"] = self.detail
        if self.errors:
            members["errors"] = [
                {"field": error.field, "message": error.message} for error in self.errors
            ]
        # ASCII only: names of unknown fields are repeated, and may be no valid Unicode.
        return Response(
            json.dumps(members, default=str), self.status, self.headers, media_type=MEDIA_TYPE
        )


def problem(
    problem_type: ProblemType,
    detail: str | None = None,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
    extensions: Mapping[str, Any] | None = None,
) -> Problem:
    """Return a problem of a kind from the catalogue."""
    return Problem(
        problem_type.status,
        problem_type.urn,
        problem_type.title,
        detail,
        errors,
        headers,
        extensions or {},
    )


def not_found() -> Problem:
    """Return the 404 for what is not there, or not there for this caller."""
    return problem(NOT_FOUND)


def conflict(
    name: str,
    detail: str | None = None,
    errors: Sequence[FieldError] = (),
    extensions: Mapping[str, Any] | None = None,
) -> Problem:
    """Return a 409 of the kind `name`, with the title that the catalogue has for it."""
    known = CATALOGUE.get(name)
    title = known.title if known else name.replace("-", " ").capitalize()
    return Problem(409, _URN + name, title, detail, errors, extensions=extensions or {})


def unprocessable(field: str, message: str) -> Problem:
    """Return the 422 for one field whose value breaks a rule."""
    return problem(INVALID, errors=[FieldError(field, message)])


@contextmanager
def within(field: str) -> Iterator[None]:
    """Let problems with fields of a part of the body name them as such: `payment.amount`."""
    try:
        yield
    except Problem as error:
        errors = [FieldError(f"{field}.{each.field}", each.message) for each in error.errors]
        raise replace(error, errors=errors) from None


def unavailable() -> Problem:
    """Return the 503 for what will work again, perhaps in a few seconds."""
    return problem(UNAVAILABLE, headers={"Retry-After": "5"})


def install(app: FastAPI) -> None:
    """Let `app` answer with problems, whatever is raised."""

    @app.exception_handler(Problem)
    async def render(_request: Request, error: Problem) -> Response:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def invalid_request(_request: Request, error: RequestValidationError) -> Response:
        return from_validation(error.errors()).response()

    @app.exception_handler(ClientDisconnect)
    async def gone(_request: Request, _error: ClientDisconnect) -> Response:
        # Nobody hears it: it is what is logged and counted, and no fault of ours.
        return problem(MALFORMED, "The request ended before its body did.").response()

    @app.exception_handler(HTTPException)
    async def http_error(_request: Request, error: HTTPException) -> Response:
        return from_status(error.status_code, error.headers).response()


def from_status(status: int, headers: Mapping[str, str] | None = None) -> Problem:
    """Return the problem for an HTTP status that the framework answers with by itself."""
    known = _BY_STATUS.get(status)
    if known is not None:
        return problem(known, headers=headers)
    return Problem(status, "about:blank", HTTPStatus(status).phrase, headers=headers)


def from_validation(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """Return the problem for what pydantic found wrong with a request."""
    if any(error["type"] == "json_invalid" for error in errors):
        return problem(MALFORMED)
    named = [FieldError(_path(error["loc"]), _message(error)) for error in errors[:MAX_ERRORS]]
    more = f"{len(errors)} fields are wrong; the first {MAX_ERRORS} are named."
    return problem(INVALID, more if len(errors) > MAX_ERRORS else None, named)


def _path(location: Sequence[str | int]) -> str:
    """Return `claims.0.amount` for ("body", "claims", 0, "amount"), `limit` for ("query", "limit").

    The body as a whole is called `body`.
    """
    path = ".".join(str(part) for part in location[1:]) or str(location[0])
    return path[:MAX_FIELD_CHARACTERS]


def _message(error: Mapping[str, Any]) -> str:
    """Return pydantic's message unless, or up to where, it repeats the value."""
    message = str(error["msg"])
    kind = str(error["type"])
    if kind == "union_tag_invalid":
        return "Input should be of one of the expected kinds"
    if kind == "value_error":
        message = message.removeprefix("Value error, ")
    elif kind.endswith("parsing") or kind in {"datetime_object_invalid", "url_syntax_violation"}:
        message = message.partition(",")[0]  # what follows quotes parts of the input
    value = error.get("input")
    repeats = isinstance(value, str) and len(value) >= 3 and value.lower() in message.lower()
    return "Value is not valid" if repeats else message
