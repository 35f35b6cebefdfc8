"""Secrets of a partner: several at once, replaced without a gap, ended for good (R50, R51)."""

import asyncio
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from kit.clock import now
from kit.ids import new_id
from partner_gateway.partners.create_secret import MAX_VALID
from partner_gateway.partners.forget_ended_secrets import forget_ended_secrets
from partner_gateway.standard_webhooks import sign
from tests.partner_gateway.serving import serving
from tests.partner_gateway.waiting import until
from tests.partner_gateway.world import Gateway, Partner, bearer, handed_over

CALLBACKS = int(os.environ.get("ROTATION_CALLBACKS", "200"))
BODY = b'{"type": "nothing.known", "data": {}}'


def path_of(partner: Partner) -> str:
    """Return the address of a partner's secrets."""
    return f"/v1/partners/{partner.partner_id}/secrets"


async def make(gateway: Gateway, partner: Partner, **order: object) -> tuple[UUID, Partner]:
    """Make another secret; return its id, and the partner as one that signs with it."""
    made = await gateway.call("POST", path_of(partner), order or None)
    assert made.status_code == 201, made.text
    partner = Partner(partner.partner_id, made.json()["secret"], partner.tenant_id)
    return UUID(made.json()["secret_id"]), partner


async def shown(gateway: Gateway, partner: Partner) -> dict[str, dict[str, object]]:
    """Return what is told of a partner's secrets, by their ids."""
    told = (await gateway.call("GET", f"/v1/partners/{partner.partner_id}")).json()["secrets"]
    return {secret["secret_id"]: secret for secret in told}


async def is_taken(gateway: Gateway, partner: Partner) -> bool:
    """Tell whether a callback of the partner is taken."""
    answer = await gateway.call_back(partner, BODY)
    assert answer.is_success or answer.status_code == 401, answer.text
    return answer.is_success


async def test_older_secrets_stay_until_the_time_that_is_given(gateway: Gateway) -> None:
    old = await gateway.set_up("http://127.0.0.1:9/")
    ends_at = now() + timedelta(days=7)
    secret_id, new = await make(gateway, old, others_end_at=ends_at.isoformat())
    told = await shown(gateway, old)
    assert told.pop(str(secret_id))["ends_at"] is None
    (older,) = told.values()
    assert datetime.fromisoformat(str(older["ends_at"])) == ends_at
    assert older["created_by"] == "staff-1"
    assert older.keys() == {"secret_id", "created_at", "created_by", "ends_at"}
    assert await is_taken(gateway, old)
    assert await is_taken(gateway, new)
    # Whoever rotates again before that does not lengthen what is ending.
    later = (now() + timedelta(days=20)).isoformat()
    await make(gateway, old, others_end_at=later)
    ends = {str(secret["ends_at"]) for secret in (await shown(gateway, old)).values()}
    assert len(ends) == 3


async def test_what_has_ended_signs_nothing_any_more(gateway: Gateway) -> None:
    heard: list[Request] = []
    agency = FastAPI()

    @agency.post("/v1/handovers")
    async def take(request: Request) -> Response:
        heard.append(request)
        return Response(status_code=202)

    async with serving(agency) as url:
        old = await gateway.set_up(url)
        _, new = await make(gateway, old, others_end_at=(now() + timedelta(hours=1)).isoformat())
        async with gateway.working():
            await gateway.receive(handed_over(old, 1))
            await until(lambda: len(heard) == 1)
            assert len(heard[0].headers["webhook-signature"].split()) == 2
        # Whoever looks for more to send has read the secrets already, and would still use them.
        await gateway.execute("UPDATE secrets SET ends_at = now() WHERE ends_at IS NOT NULL")
        async with gateway.working():
            await gateway.receive(handed_over(old, 1))
            await until(lambda: len(heard) == 2)
        assert len(heard[1].headers["webhook-signature"].split()) == 1
    assert not await is_taken(gateway, old)
    assert await is_taken(gateway, new)
    assert len(await shown(gateway, old)) == 1
    assert len(await gateway.rows("SELECT 1 FROM secrets")) == 2
    await forget_ended_secrets(gateway.context)
    (kept,) = await gateway.rows("SELECT * FROM ended_secrets")
    assert (kept.created_by, kept.ended_by) == ("staff-1", "staff-1")
    assert len(await gateway.rows("SELECT 1 FROM secrets")) == 1, "the text is gone"
    assert not await is_taken(gateway, old)
    assert await is_taken(gateway, new)


async def test_one_secret_is_ended_at_once_but_never_the_last(gateway: Gateway) -> None:
    old = await gateway.set_up("http://127.0.0.1:9/")
    (first,) = await shown(gateway, old)
    last = await gateway.call("DELETE", f"{path_of(old)}/{first}")
    assert (last.status_code, last.json()["type"]) == (409, "urn:collection:problem:last-secret")
    soon = (now() + timedelta(hours=1)).isoformat()
    second, new = await make(gateway, old, others_end_at=soon)
    # The first one is valid still, but not for long: then nobody could sign any more.
    assert (await gateway.call("DELETE", f"{path_of(old)}/{second}")).status_code == 409
    for _ in range(2):
        ended = await gateway.call("DELETE", f"{path_of(old)}/{first}")
        assert (ended.status_code, ended.content) == (204, b"")
    assert not await is_taken(gateway, old)
    assert await is_taken(gateway, new)
    assert list(await shown(gateway, old)) == [str(second)]
    (kept,) = await gateway.rows("SELECT * FROM ended_secrets")
    assert (str(kept.secret_id), kept.ended_by) == (first, "staff-1")
    assert abs(kept.ended_at - now()) < timedelta(minutes=1)


async def test_a_secret_of_somebody_else_is_not_found(gateway: Gateway) -> None:
    """R63."""
    partner, other = [await gateway.set_up("http://127.0.0.1:9/") for _ in range(2)]
    await make(gateway, partner)
    secret_id = next(iter(await shown(gateway, partner)))
    for path, whose in (
        (f"{path_of(other)}/{secret_id}", {}),
        (f"{path_of(partner)}/{new_id()}", {}),
        (f"{path_of(partner)}/{secret_id}", bearer(new_id())),
    ):
        assert (await gateway.call("DELETE", path, **whose)).status_code == 404
    assert len(await shown(gateway, partner)) == 2


async def test_there_are_five_valid_secrets_at_most(gateway: Gateway) -> None:
    partner = await gateway.set_up("http://127.0.0.1:9/")
    for _ in range(MAX_VALID - 1):
        await make(gateway, partner)
    refused = await gateway.call("POST", path_of(partner))
    assert refused.status_code == 409
    assert refused.json()["type"] == "urn:collection:problem:too-many-secrets"
    oldest, *_ = await shown(gateway, partner)
    await gateway.call("DELETE", f"{path_of(partner)}/{oldest}")
    await make(gateway, partner)
    assert len(await shown(gateway, partner)) == MAX_VALID


@pytest.mark.parametrize(
    "others_end_at",
    [
        "2020-01-01T00:00:00Z",
        (datetime.now(UTC) + timedelta(days=31)).isoformat(),
        "2099-01-01T00:00:00",
        "soon",
    ],
    ids=["over", "too far", "without a zone", "no time"],
)
async def test_a_wrong_time_to_end_is_named(gateway: Gateway, others_end_at: str) -> None:
    partner = await gateway.set_up("http://127.0.0.1:9/")
    refused = await gateway.call("POST", path_of(partner), {"others_end_at": others_end_at})
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == ["others_end_at"]
    assert [secret["ends_at"] for secret in (await shown(gateway, partner)).values()] == [None]


async def test_no_callback_is_lost_while_secrets_are_replaced(gateway: Gateway) -> None:
    """The partner changes to each new secret after it was made, and before the old one ends.

    `ROTATION_CALLBACKS=1000` is the whole proof.
    """
    partner = await gateway.set_up("http://127.0.0.1:9/")
    left = iter(range(CALLBACKS))
    on_their_way: Counter[str] = Counter()
    path = f"{gateway.url}/v1/partners/{partner.partner_id}/callbacks"

    async def report(http: httpx.AsyncClient) -> None:
        for _ in left:
            secret = partner.secret
            on_their_way[secret] += 1
            headers = sign([secret], str(new_id()), now(), BODY)
            answer = await http.post(path, content=BODY, headers=headers)
            assert answer.is_success, answer.text
            on_their_way[secret] -= 1

    async with httpx.AsyncClient(trust_env=False) as http, asyncio.TaskGroup() as group:
        reporting = [group.create_task(report(http)) for _ in range(16)]
        rotations = 0
        while not all(task.done() for task in reporting):
            (old,) = await shown(gateway, partner)
            _, changed = await make(gateway, partner)
            before, partner.secret = partner.secret, changed.secret
            await until(lambda before=before: not on_their_way[before])  # type: ignore[misc]
            await gateway.call("DELETE", f"{path_of(partner)}/{old}")
            rotations += 1
    assert rotations >= 3
    (row,) = await gateway.rows("SELECT count(*) AS stored FROM callbacks")
    assert row.stored == CALLBACKS
