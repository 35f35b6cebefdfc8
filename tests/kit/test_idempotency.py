"""Requests that are sent again, on the real PostgreSQL."""

import asyncio
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from pydantic import BaseModel
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.auth import Principal, TokenVerifier, requires
from kit.clock import now
from kit.context import Context
from kit.database import Database
from kit.http import Body, CurrentContext, build_app
from kit.idempotency import KEPT_FOR, forget_old_answers, once
from kit.ids import new_id
from kit.plumbing import idempotency_keys
from kit.problems import conflict
from kit.settings import ServiceSettings
from tests.kit.conftest import Issuer, client_of, no_lifespan

ADD = text("INSERT INTO inbox (source, id) VALUES ('/made', :id)")
MADE = text("SELECT count(*) FROM inbox WHERE source = '/made'")


class Order(Body):
    amount: str
    fails: bool = False


class Made(BaseModel):
    thing_id: UUID
    amount: str


class Gate:
    """Holds a verb up in the middle of its transaction."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.opened = asyncio.Event()
        self.opened.set()

    async def pass_through(self) -> None:
        self.entered.set()
        await self.opened.wait()


gate = Gate()
router = APIRouter()
Caller = Annotated[Principal, requires("collection:read")]


@router.post("/v1/things", status_code=201)
@router.post("/v1/others", status_code=201)
async def make_thing(
    order: Order, request: Request, caller: Caller, context: CurrentContext
) -> Response:
    async def verb(connection: AsyncConnection) -> Made:
        made = Made(thing_id=new_id(), amount=order.amount)
        await connection.execute(ADD, {"id": str(made.thing_id)})
        await gate.pass_through()
        if order.fails:
            raise conflict("not-now")
        return made

    return await once(context, caller, request, order, verb)


@router.post("/v1/tasks", status_code=202)
async def make_task(
    order: Order, request: Request, caller: Caller, context: CurrentContext
) -> Response:
    async def verb(_connection: AsyncConnection) -> dict[str, Any]:
        return {"task_id": UUID(int=7), "name": "Müller"}

    return await once(context, caller, request, order, verb, status=202)


@pytest.fixture
def app(context: Context[ServiceSettings], verifier: TokenVerifier) -> FastAPI:
    app = build_app("things", [router], no_lifespan)
    app.state.context = context
    app.state.token_verifier = verifier
    return app


@pytest.fixture
def client(app: FastAPI, issuer: Issuer) -> httpx.AsyncClient:
    client = client_of(app)
    client.headers.update(issuer.bearer())
    return client


async def _made(database: Database) -> Any:
    async with database.connect() as connection:
        return await connection.scalar(MADE)


async def _post(
    client: httpx.AsyncClient,
    key: str | None,
    path: str = "/v1/things",
    headers: dict[str, str] | None = None,
    **order: Any,
) -> httpx.Response:
    sent = {"Idempotency-Key": key} if key is not None else {}
    return await client.post(path, json={"amount": "1.00", **order}, headers=sent | (headers or {}))


async def test_the_same_request_again_gets_the_same_answer_and_makes_nothing(
    client: httpx.AsyncClient, database: Database
) -> None:
    first = await _post(client, "key-1")
    again = await _post(client, "key-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["content-type"] == "application/json"
    assert await _made(database) == 1


async def test_an_answer_keeps_its_status_and_letters(client: httpx.AsyncClient) -> None:
    first = await _post(client, "key-1", "/v1/tasks")
    again = await _post(client, "key-1", "/v1/tasks")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json() == {"task_id": str(UUID(int=7)), "name": "Müller"}


async def test_the_same_in_other_white_space_or_order_is_the_same(
    client: httpx.AsyncClient,
) -> None:
    await _post(client, "key-1", fails=False)
    again = await client.post(
        "/v1/things",
        content=b'{ "fails": false,\n "amount": "1.00" }',
        headers={"Idempotency-Key": "key-1", "Content-Type": "application/json"},
    )
    assert again.headers["idempotent-replayed"] == "true"


async def test_another_request_with_the_key_is_refused(
    client: httpx.AsyncClient, database: Database
) -> None:
    await _post(client, "key-1")
    for refused in (
        await _post(client, "key-1", amount="2.00"),
        await _post(client, "key-1", "/v1/things?dry_run=true"),
    ):
        assert refused.status_code == 422
        assert refused.json()["type"] == "urn:collection:problem:idempotency-key-reused"
    assert await _made(database) == 1


@pytest.mark.parametrize("key", [None, "", " ", "a b", "a" * 256, "\x7f"])
async def test_without_a_usable_key_nothing_is_made(
    client: httpx.AsyncClient, database: Database, key: str | None
) -> None:
    refused = await _post(client, key)
    assert refused.status_code == 400
    assert refused.json()["type"] == "urn:collection:problem:idempotency-key-missing"
    assert await _made(database) == 0


async def test_a_key_counts_for_one_tenant_subject_and_path(
    client: httpx.AsyncClient, database: Database, issuer: Issuer
) -> None:
    """R63: another tenant's answer is never given."""
    answers = [
        await _post(client, "key-1"),
        await _post(client, "key-1", "/v1/others"),
        await _post(client, "key-1", headers=issuer.bearer(sub="staff-2")),
        await _post(client, "key-1", headers=issuer.bearer(tenant_id=str(new_id()))),
    ]
    assert len({answer.json()["thing_id"] for answer in answers}) == 4
    assert await _made(database) == 4


async def test_a_problem_undoes_everything_and_is_not_kept(
    client: httpx.AsyncClient, database: Database
) -> None:
    refused = await _post(client, "key-1", fails=True)
    assert refused.status_code == 409
    assert await _made(database) == 0
    made = await _post(client, "key-1")
    assert made.status_code == 201
    assert "idempotent-replayed" not in made.headers


async def test_requests_at_once_make_one_thing(
    client: httpx.AsyncClient, database: Database
) -> None:
    answers = await asyncio.gather(*(_post(client, "key-1") for _ in range(20)))
    made = {answer.json()["thing_id"] for answer in answers if answer.status_code == 201}
    others = {answer.status_code for answer in answers} - {201}
    assert len(made) == 1
    assert others <= {409}
    assert await _made(database) == 1


async def test_while_the_first_is_in_flight_the_second_is_told_so(
    client: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Gate()
    held.opened.clear()
    monkeypatch.setattr(f"{__name__}.gate", held)
    first = asyncio.create_task(_post(client, "key-1"))
    async with asyncio.timeout(60):
        await held.entered.wait()
        second = await _post(client, "key-1")
        held.opened.set()
        made = await first
    assert second.status_code == 409
    assert second.json()["type"] == "urn:collection:problem:request-in-flight"
    assert second.headers["retry-after"] == "1"
    assert (await _post(client, "key-1")).json() == made.json()


async def test_after_a_crash_in_the_middle_nothing_is_left_and_the_request_can_be_repeated(
    client: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Gate()
    held.opened.clear()
    monkeypatch.setattr(f"{__name__}.gate", held)
    first = asyncio.create_task(_post(client, "key-1"))
    async with asyncio.timeout(60):
        await held.entered.wait()
        async with database.begin() as connection:  # ends the request's session, as a crash would
            await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND state = 'idle in transaction' "
                    "AND pid <> pg_backend_pid()"
                )
            )
        held.opened.set()
        broken = await first
    assert broken.status_code == 503
    assert await _made(database) == 0
    assert (await _post(client, "key-1")).status_code == 201
    assert await _made(database) == 1


async def test_old_answers_are_forgotten(client: httpx.AsyncClient, database: Database) -> None:
    await _post(client, "old")
    await _post(client, "new")
    async with database.begin() as connection:
        await connection.execute(
            update(idempotency_keys)
            .where(idempotency_keys.c.key == "old")
            .values(created_at=now() - KEPT_FOR - timedelta(seconds=1))
        )
        assert await forget_old_answers(connection) == 1
    assert "idempotent-replayed" not in (await _post(client, "old")).headers
    assert "idempotent-replayed" in (await _post(client, "new")).headers
