"""Problems name the field and never its value."""

import json
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from fastapi import APIRouter, FastAPI, Header, Query
from pydantic import BaseModel, Field, TypeAdapter, ValidationError, field_validator
from pydantic.networks import AnyUrl

from kit import problems
from kit.http import Body, build_app
from kit.problems import (
    MAX_ERRORS,
    MAX_FIELD_CHARACTERS,
    FieldError,
    Problem,
    conflict,
    define,
    from_status,
    from_validation,
    not_found,
)
from tests.kit.conftest import client_of, is_uuid, no_lifespan


class Claim(Body):
    amount: Decimal
    designation: str = ""


class Order(Body):
    claims: list[Claim]
    note: str = ""
    urgent: bool = False
    late: bool | None = None


router = APIRouter()


@router.post("/v1/orders/{order_id}")
async def make_order(
    order_id: UUID,
    order: Order,
    limit: Annotated[int, Query(ge=1)] = 1,
    if_match: Annotated[date | None, Header()] = None,
) -> dict[str, int]:
    return {"claims": len(order.claims)}


@router.get("/v1/missing")
async def missing() -> None:
    raise not_found()


@router.get("/v1/changed")
async def changed() -> None:
    raise conflict(
        "things-changed",
        "Two things changed.",
        [FieldError("preview_id", "Is out of date")],
        {"members": [{"member_id": UUID(int=1)}], "status": 200},
    )


@pytest.fixture
def app() -> FastAPI:
    return build_app("problems", [router], no_lifespan)


ORDER = f"/v1/orders/{UUID(int=1)}"


async def test_each_wrong_field_is_named_by_its_path_and_no_value_is_repeated(
    app: FastAPI,
) -> None:
    """R63: error texts hold no personal data."""
    async with client_of(app) as client:
        answer = await client.post(
            "/v1/orders/Mustermann?limit=Erika",
            headers={"If-Match": "Musterweg"},
            json={
                "claims": [{"amount": "DE02120300000000202051", "iban": "x"}, {"amount": "1"}, 7],
                "note": {"name": "Erika"},
            },
        )
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == "urn:collection:problem:invalid-request"
    assert {error["field"] for error in body["errors"]} == {
        "order_id",
        "limit",
        "if-match",
        "claims.0.amount",
        "claims.0.iban",
        "claims.2",
        "note",
    }
    for value in ("Muster", "Erika", "DE02"):
        assert value not in answer.text


async def test_a_problem_stays_small_whatever_is_wrong_and_however_it_is_called(
    app: FastAPI,
) -> None:
    unknown = {f"{number}{'x' * 1000}": 1 for number in range(900)}
    async with client_of(app) as client:
        answer = await client.post(ORDER, json={"claims": [], **unknown})
    body = answer.json()
    assert answer.status_code == 422
    assert len(body["errors"]) == MAX_ERRORS
    assert body["detail"] == f"900 fields are wrong; the first {MAX_ERRORS} are named."
    assert max(len(error["field"]) for error in body["errors"]) <= MAX_FIELD_CHARACTERS
    assert body["errors"][0]["field"].startswith("0xxx")


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000, b'{"claims": [}'])
async def test_what_is_no_json_is_400(app: FastAPI, body: bytes) -> None:
    async with client_of(app) as client:
        answer = await client.post(
            ORDER, content=body, headers={"Content-Type": "application/json"}
        )
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:collection:problem:malformed-request"


@pytest.mark.parametrize("note", ["\x00", "a\x00b"])
async def test_a_nul_character_is_refused_where_it_stands(app: FastAPI, note: str) -> None:
    async with client_of(app) as client:
        answer = await client.post(ORDER, json={"claims": [], "note": note})
    assert answer.json()["errors"] == [
        {"field": "note", "message": "Text must be valid Unicode without NUL characters"}
    ]


@pytest.mark.parametrize("field", ["urgent", "late"])
@pytest.mark.parametrize("value", ["true", "no", "0", 0, 1, 1.0])
async def test_a_truth_value_is_true_or_false_and_nothing_like_it(
    app: FastAPI, field: str, value: object
) -> None:
    async with client_of(app) as client:
        answer = await client.post(ORDER, json={"claims": [], field: value})
        taken = await client.post(ORDER, json={"claims": [], field: True})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": field, "message": "Must be a boolean"}]
    assert taken.status_code == 200


@pytest.mark.parametrize("body", [rb'{"claims": [], "note": "\ud800"}', rb'{"\ud800": 1}'])
async def test_what_is_no_unicode_is_refused(app: FastAPI, body: bytes) -> None:
    async with client_of(app) as client:
        answer = await client.post(
            ORDER, content=body, headers={"Content-Type": "application/json"}
        )
    assert answer.status_code == 422
    assert answer.json()["errors"]


async def test_a_missing_body_is_named_body(app: FastAPI) -> None:
    async with client_of(app) as client:
        answer = await client.post(ORDER)
    assert answer.json()["errors"] == [{"field": "body", "message": "Field required"}]


async def test_problems_carry_the_id_of_the_request(app: FastAPI) -> None:
    async with client_of(app) as client:
        answer = await client.get("/v1/missing", headers={"X-Request-Id": "request-7"})
        other = await client.get("/v1/missing")
    assert answer.status_code == 404
    assert answer.json() == {
        "type": "urn:collection:problem:not-found",
        "title": "Not found",
        "status": 404,
        "request_id": "request-7",
    }
    assert is_uuid(other.json()["request_id"])


async def test_a_problem_can_say_more_but_not_otherwise(app: FastAPI) -> None:
    async with client_of(app) as client:
        body = (await client.get("/v1/changed")).json()
    assert body["status"] == 409
    assert body["title"] == "Things changed"
    assert body["detail"] == "Two things changed."
    assert body["errors"] == [{"field": "preview_id", "message": "Is out of date"}]
    assert body["members"] == [{"member_id": str(UUID(int=1))}]


async def test_unknown_paths_and_methods_are_problems(app: FastAPI) -> None:
    async with client_of(app) as client:
        unknown = await client.get("/nowhere")
        method = await client.get(ORDER)
    assert unknown.json()["type"] == "urn:collection:problem:not-found"
    assert method.json()["type"] == "urn:collection:problem:method-not-allowed"
    assert method.headers["allow"] == "POST"


def test_a_status_without_a_kind_of_its_own_is_rendered_too() -> None:
    problem = from_status(418)
    assert (problem.type, problem.title) == ("about:blank", "I'm a Teapot")


def test_a_name_in_the_catalogue_has_one_meaning() -> None:
    known = problems.NOT_FOUND
    assert define(known.name, known.status, known.title, known.advice) == known
    with pytest.raises(ValueError, match="not-found"):
        define("not-found", 404, "Gone fishing", "Wait.")


def test_every_kind_in_the_catalogue_says_what_to_do() -> None:
    for problem_type in problems.CATALOGUE.values():
        assert 400 <= problem_type.status < 600
        assert problem_type.title
        assert problem_type.advice.endswith(".")


def test_a_problem_that_reaches_a_log_says_its_type_only() -> None:
    problem = conflict("changed", "Erika", [FieldError("name", "Erika")], {"name": "Erika"})
    assert str(problem) == "urn:collection:problem:changed"
    assert "Erika" not in repr(problem)


class Sex(Enum):
    FEMALE = "FEMALE"


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Strict(BaseModel):
    name: str

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        raise ValueError(f"{name} is unknown")


SECRET = "Zyxwvut-Quppelhof"  # stands for a name


@pytest.mark.parametrize(
    "kind",
    [
        int, float, bool, date, datetime, UUID, Decimal, Sex, AnyUrl, bytes | int, list[int],
        Literal["a", "b"], dict[str, int], Annotated[str, Field(max_length=3)],
        Annotated[str, Field(pattern="^a$")], Annotated[Cat | Dog, Field(discriminator="kind")],
        Strict,
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "value", [SECRET, [SECRET], {"kind": SECRET}, {"name": SECRET}, f"https://{SECRET} x"]
)
def test_no_kind_of_validation_repeats_the_value(kind: Any, value: Any) -> None:
    """R63: whatever the type of the field."""
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        errors = [{**each, "loc": ("body", "field")} for each in error.errors()]
        body = json.loads(bytes(from_validation(errors).response().body))
        assert body["errors"]
        assert SECRET not in json.dumps(body)
        assert "found `" not in json.dumps(body)


def test_problems_are_told_apart_by_who_they_are_not_by_what_they_say() -> None:
    assert Problem(409, "a", "b") != Problem(409, "a", "b")


def test_the_fields_of_a_part_of_the_body_are_named_within_it() -> None:
    with (
        pytest.raises(Problem) as raised,
        problems.within("payment"),
        problems.within("shares.0"),
    ):
        raise problems.unprocessable("amount", "Must be above zero")
    assert raised.value.status == 422
    assert raised.value.errors == [FieldError("payment.shares.0.amount", "Must be above zero")]
