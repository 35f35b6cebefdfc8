"""The edge: ids, headers, limits, measures and the last resort for errors."""

import json
from collections.abc import AsyncIterator
from typing import Annotated

import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from starlette.types import Message

from kit import metrics
from kit.auth import Principal, TokenVerifier, requires
from kit.context import Context
from kit.http import (
    MAX_BODY_BYTES,
    Body,
    CurrentContext,
    build_app,
    cause_of,
    check_if_match,
    etag,
)
from kit.ids import new_id
from kit.settings import ServiceSettings
from kit.trace import current_correlation_id, current_traceparent
from tests.kit.conftest import TENANT, Issuer, client_of, is_uuid, no_lifespan

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Note(Body):
    text: str


router = APIRouter()


@router.get("/v1/ids/{name}")
async def ids(name: str) -> dict[str, str | None]:
    return {"correlation_id": current_correlation_id(), "traceparent": current_traceparent()}


@router.post("/v1/notes")
async def notes(note: Note) -> dict[str, int]:
    return {"length": len(note.text)}


@router.post("/v1/files", max_body_size=2 * MAX_BODY_BYTES)
async def files(request: Request) -> dict[str, int]:
    return {"length": len(await request.body())}


@router.get("/v1/text")
async def text() -> Response:
    return PlainTextResponse("text")


@router.get("/v1/fails")
async def fails() -> None:
    raise ValueError("Erika Mustermann")


@router.get("/v1/away")
async def away() -> None:
    raise ConnectionRefusedError(111, "database")


@router.get("/v1/breaks-off")
async def breaks_off() -> Response:
    async def parts() -> AsyncIterator[bytes]:
        yield b"part"
        raise ValueError("in the middle")

    return StreamingResponse(parts())


@router.get("/v1/cause")
async def cause(
    request: Request, reader: Annotated[Principal, requires("collection:read")]
) -> dict[str, str | None]:
    caused = cause_of(request, reader)
    return {"tenant_id": str(caused.tenant_id), "correlation_id": caused.correlation_id}


@router.get("/v1/settings")
async def settings(context: CurrentContext) -> dict[str, str]:
    return {"time_zone": context.settings.time_zone}


@router.put("/v1/versioned")
async def versioned(request: Request, response: Response) -> dict[str, bool]:
    check_if_match(request, 3)
    response.headers["ETag"] = etag(4)
    return {"changed": True}


@pytest.fixture
def app() -> FastAPI:
    return build_app("edge", [router], no_lifespan)


async def test_a_request_keeps_its_id_and_trace(app: FastAPI) -> None:
    headers = {"X-Request-Id": "Request_1.a-b", "traceparent": PARENT}
    async with client_of(app) as client:
        answer = await client.get("/v1/ids/a", headers=headers)
    assert answer.headers["x-request-id"] == "Request_1.a-b"
    assert answer.json()["correlation_id"] == "Request_1.a-b"
    assert answer.json()["traceparent"] == answer.headers["traceparent"]
    assert answer.headers["traceparent"].split("-")[1] == PARENT.split("-")[1]


@pytest.mark.parametrize("given", [None, "", "a b", "a" * 129, "a;b", "Ü"])
async def test_a_request_without_a_usable_id_gets_a_new_one(
    app: FastAPI, given: str | None
) -> None:
    headers = [] if given is None else [(b"X-Request-Id", given.encode())]
    async with client_of(app) as client:
        answer = await client.get("/v1/ids/a", headers=headers)
    assert is_uuid(answer.headers["x-request-id"])
    assert answer.json()["correlation_id"] == answer.headers["x-request-id"]


async def test_answers_are_not_to_be_stored_or_guessed_at(app: FastAPI) -> None:
    async with client_of(app) as client:
        json_answer = await client.get("/v1/ids/a")
        text_answer = await client.get("/v1/text")
        problem = await client.get("/nowhere")
    assert json_answer.headers["cache-control"] == "no-store"
    assert problem.headers["cache-control"] == "no-store"
    assert "cache-control" not in text_answer.headers
    for answer in (json_answer, text_answer, problem):
        assert answer.headers["x-content-type-options"] == "nosniff"


async def _chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 10_000):
        yield b"a" * 10_000


async def test_a_body_may_be_of_one_megabyte_and_no_more_also_in_chunks(app: FastAPI) -> None:
    frame = len(json.dumps({"text": ""}))
    as_json = {"Content-Type": "application/json"}
    async with client_of(app) as client:
        most = await client.post("/v1/notes", json={"text": "a" * (MAX_BODY_BYTES - frame - 9)})
        more = await client.post("/v1/notes", json={"text": "a" * MAX_BODY_BYTES})
        chunks = await client.post(
            "/v1/notes", content=_chunks(MAX_BODY_BYTES + 10_000), headers=as_json
        )
    assert most.status_code == 200
    for answer in (more, chunks):
        assert answer.status_code == 413
        assert answer.json()["type"] == "urn:collection:problem:body-too-large"
        assert is_uuid(answer.headers["x-request-id"])


async def test_a_route_for_files_takes_more(app: FastAPI) -> None:
    async with client_of(app) as client:
        taken = await client.post("/v1/files", content=_chunks(2 * MAX_BODY_BYTES))
        refused = await client.post("/v1/files", content=_chunks(2 * MAX_BODY_BYTES + 10_000))
    assert taken.json() == {"length": 2 * MAX_BODY_BYTES}
    assert refused.status_code == 413


async def test_an_unexpected_error_is_500_and_says_nothing(app: FastAPI) -> None:
    """R63: error texts hold no personal data."""
    async with client_of(app) as client:
        answer = await client.get("/v1/fails")
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:collection:problem:internal-error"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "Erika" not in answer.text


async def test_what_is_away_for_now_is_503_and_says_when_to_come_back(app: FastAPI) -> None:
    async with client_of(app) as client:
        answer = await client.get("/v1/away")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


async def test_an_answer_that_breaks_off_is_cut_so_that_it_is_noticed(app: FastAPI) -> None:
    async with client_of(app) as client:
        with pytest.raises(ValueError, match="in the middle"):
            await client.get("/v1/breaks-off")


@pytest.mark.parametrize("path", ["/v1/files", "/v1/notes"])
async def test_who_goes_away_while_sending_is_no_fault_of_ours(app: FastAPI, path: str) -> None:
    """Anybody can do that without a token or a signature, and a 500 is worth an alert."""
    parts, sent = [b'{"te'], list[Message]()

    async def receive() -> Message:
        if parts:
            return {"type": "http.request", "body": parts.pop(), "more_body": True}
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    await app(scope, receive, send)
    assert sent[0]["status"] == 400


async def test_an_address_with_a_nul_is_refused(app: FastAPI) -> None:
    async with client_of(app) as client:
        assert (await client.get("/v1/ids/a%00b")).status_code == 422
        for query in ("b=%00", "a=1&b=x%00y", "b%00=1"):
            response = await client.get(f"/v1/ids/a?{query}")
            assert response.status_code == 422
            assert [error["field"] for error in response.json()["errors"]] == ["b"]


async def test_requests_are_measured_by_the_template_of_their_path(app: FastAPI) -> None:
    """R63: a path may hold anything, a label holds none of it."""

    def count(route: str, method: str, status: str) -> float:
        labels = {"route": route, "method": method, "status": status}
        return metrics.registry.get_sample_value("http_requests_total", labels) or 0

    before = count("/v1/ids/{name}", "GET", "200"), count("unknown", "OTHER", "404")
    async with client_of(app) as client:
        await client.get("/v1/ids/Erika-Mustermann?iban=DE02120300000000202051")
        await client.request("ERIKA", "/Mustermann")
    after = count("/v1/ids/{name}", "GET", "200"), count("unknown", "OTHER", "404")
    assert (after[0] - before[0], after[1] - before[1]) == (1, 1)
    assert b'route="/v1/ids/{name}"' in metrics.render()
    assert b"Erika" not in metrics.render()
    assert b"ERIKA" not in metrics.render()


async def test_events_that_follow_name_the_request_as_their_cause(
    app: FastAPI, issuer: Issuer, verifier: TokenVerifier
) -> None:
    app.state.token_verifier = verifier
    async with client_of(app) as client:
        answer = await client.get(
            "/v1/cause", headers={"X-Request-Id": "request-1", **issuer.bearer()}
        )
    assert answer.json() == {"tenant_id": str(TENANT), "correlation_id": "request-1"}


async def test_routes_get_the_context(app: FastAPI, context: Context[ServiceSettings]) -> None:
    app.state.context = context
    async with client_of(app) as client:
        assert (await client.get("/v1/settings")).json() == {"time_zone": "Europe/Berlin"}


@pytest.mark.parametrize("tag", [None, "*", '"3"', '"1", "3"', ' "3" '])
async def test_a_change_of_the_version_that_was_read_is_made(app: FastAPI, tag: str | None) -> None:
    async with client_of(app) as client:
        answer = await client.put("/v1/versioned", headers={"If-Match": tag} if tag else {})
    assert answer.headers["etag"] == '"4"'


@pytest.mark.parametrize("tag", ['"2"', 'W/"3"', "3", "", '"2", "4"'])
async def test_a_change_of_an_older_version_is_412(app: FastAPI, tag: str) -> None:
    async with client_of(app) as client:
        answer = await client.put("/v1/versioned", headers={"If-Match": tag})
    assert answer.status_code == 412
    assert answer.headers["etag"] == '"3"'


async def test_the_description_is_openapi_3_1_and_speaks_of_problems(app: FastAPI) -> None:
    """R62: programs have an HTTP API with OpenAPI."""
    async with client_of(app) as client:
        described = (await client.get("/openapi.json")).json()
    assert described["openapi"].startswith("3.1")
    operation = described["paths"]["/v1/notes"]["post"]
    assert operation["operationId"] == "notes"
    assert set(operation["responses"]) == {"200", "default"}
    assert set(operation["responses"]["default"]["content"]) == {"application/problem+json"}
    assert "Problem" in described["components"]["schemas"]
    assert described["components"]["schemas"]["Note"]["additionalProperties"] is False
    security = described["components"]["securitySchemes"]["HTTPBearer"]
    assert security == {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


def test_new_ids_grow() -> None:
    made = [new_id() for _ in range(100)]
    assert made == sorted(made)
    assert {each.version for each in made} == {7}
