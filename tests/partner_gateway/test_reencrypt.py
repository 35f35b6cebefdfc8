"""Encryption keys are replaced without a moment in which a partner cannot be served (R50)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from kit.context import Context
from partner_gateway.deliveries import deliver, store
from partner_gateway.partners import reencrypt as module
from partner_gateway.partners.reencrypt import reencrypt
from partner_gateway.sealing import Seal
from partner_gateway.settings import Settings
from tests.partner_gateway.waiting import until
from tests.partner_gateway.world import KEY, Gateway, Partner, handed_over, make_settings

NEW = Fernet.generate_key().decode()
NEW_ID, OLD_ID = Seal([NEW]).key_id, Seal([KEY]).key_id
BODY = b'{"type": "nothing.known", "data": {}}'

Printed = Callable[[], list[str]]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    """Return the lines that were printed since."""

    def since() -> list[str]:
        return capsys.readouterr().out.splitlines()

    return since


def with_keys(gateway: Gateway, *keys: str) -> Context[Settings]:
    """Return the context of an instance that has these keys."""
    settings = make_settings("postgresql+asyncpg://x", encryption_keys=",".join(keys))
    return Context(settings, gateway.database)


@asynccontextmanager
async def restarted(gateway: Gateway, *keys: str) -> AsyncIterator[Gateway]:
    """Yield another instance of the gateway, which has these keys."""
    instance = Gateway(with_keys(gateway, *keys))
    async with instance.serving():
        yield instance


async def partners(gateway: Gateway, count: int) -> list[Partner]:
    """Set up partners with an API token and a secret each."""
    return [
        await gateway.set_up(f"http://127.0.0.1:9/{number}", api_token=f"token-{number}")
        for number in range(count)
    ]


async def sealed(gateway: Gateway) -> list[tuple[str | None, bytes]]:
    """Return the id of the key and the value of all that is sealed."""
    rows = await gateway.rows(
        "SELECT secret_key_id, sealed_secret FROM secrets UNION ALL "
        "SELECT api_token_key_id, sealed_api_token FROM partners WHERE sealed_api_token IS NOT NULL"
    )
    return [tuple(row) for row in rows]


async def test_all_is_sealed_anew_with_the_first_key(gateway: Gateway, printed: Printed) -> None:
    made = await partners(gateway, 3)
    await gateway.set_up("http://127.0.0.1:9/")  # without a token
    assert {key_id for key_id, _ in await sealed(gateway)} == {OLD_ID}
    # What the release before writes names no key, or leaves the name of the key before it.
    await gateway.execute(
        "UPDATE secrets SET secret_key_id = NULL WHERE partner_id = :id", id=made[0].partner_id
    )
    await gateway.execute(
        "UPDATE secrets SET secret_key_id = :id WHERE partner_id = :partner_id",
        id=NEW_ID,
        partner_id=made[1].partner_id,
    )
    rotated = with_keys(gateway, NEW, KEY)
    assert await reencrypt(rotated, []) == 0
    assert printed() == [
        "reencrypt: 4 secrets sealed anew",
        "reencrypt: 3 API tokens sealed anew",
        f"reencrypt: key {NEW_ID} (the first) holds 4 secrets, 3 API tokens",
    ]
    before = await sealed(gateway)
    assert {key_id for key_id, _ in before} == {NEW_ID}
    texts = {Seal([NEW]).open(value) for _, value in before}
    assert texts >= {partner.secret for partner in made} | {"token-0", "token-1", "token-2"}
    assert await reencrypt(rotated, []) == 0
    assert printed()[:2] == [
        "reencrypt: 0 secrets sealed anew",
        "reencrypt: 0 API tokens sealed anew",
    ]
    assert sorted(await sealed(gateway)) == sorted(before), "what is current is not written again"


async def test_it_goes_on_where_it_was_stopped_while_the_service_runs(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS_AT_A_TIME", 1)
    made = await partners(gateway, 3)
    rotated = with_keys(gateway, NEW, KEY)
    async with restarted(gateway, NEW, KEY) as instance:
        async with gateway.database.begin() as connection:
            lock = text("SELECT FROM secrets WHERE partner_id = :id FOR NO KEY UPDATE")
            await connection.execute(lock, {"id": made[1].partner_id})
            working = asyncio.create_task(reencrypt(rotated, []))
            await until(lambda: renewed(gateway, 1))
            for each in made:  # one is renewed, one is waited for, one is as it was
                assert (await instance.call_back(each, BODY)).is_success
            working.cancel()
            with pytest.raises(asyncio.CancelledError):
                await working
        assert await renewed(gateway, 1)
        changing, _ = await asyncio.gather(
            instance.call("PATCH", f"/v1/partners/{made[2].partner_id}", {"api_token": "changed"}),
            reencrypt(rotated, []),
        )
        assert changing.is_success
        assert await reencrypt(rotated, []) == 0
        assert await renewed(gateway, 3)
        for each in made:
            assert (await instance.call_back(each, BODY)).is_success
    values = {Seal([NEW]).open(value) for _, value in await sealed(gateway)}
    assert values == {*(each.secret for each in made), "token-0", "token-1", "changed"}


async def renewed(gateway: Gateway, count: int) -> bool:
    """Tell whether so many secrets are sealed with the new key."""
    query = "SELECT 1 FROM secrets WHERE secret_key_id = :id"
    return len(await gateway.rows(query, id=NEW_ID)) == count


async def test_what_no_key_opens_is_named_and_the_rest_is_renewed(
    gateway: Gateway, printed: Printed
) -> None:
    async with restarted(gateway, Fernet.generate_key().decode()) as instance:
        (lost,) = await partners(instance, 1)
    await partners(gateway, 2)
    assert await reencrypt(with_keys(gateway, NEW, KEY), []) == 1
    (secret,) = await gateway.rows(
        "SELECT secret_id, secret_key_id FROM secrets WHERE partner_id = :id", id=lost.partner_id
    )
    lines = printed()
    assert lines[:2] == ["reencrypt: 2 secrets sealed anew", "reencrypt: 2 API tokens sealed anew"]
    assert set(lines[2:]) == {
        f"reencrypt: key {NEW_ID} (the first) holds 2 secrets, 2 API tokens",
        f"reencrypt: key {secret.secret_key_id} holds 1 secrets, 1 API tokens",
        f"reencrypt: no key opens {secret.secret_id} of secrets",
        f"reencrypt: no key opens {lost.partner_id} of API tokens",
    }


async def test_without_its_key_one_partner_waits_visibly_and_the_others_are_served(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is lost: with the key what is owed goes out, and callbacks are taken again."""
    (kept,) = await partners(gateway, 1)
    async with restarted(gateway, NEW) as instance:
        (served,) = await partners(instance, 1)
        async with instance.working():
            await instance.receive(handed_over(kept, 1))
            await until(lambda: failed(instance, kept.partner_id, "cannot be opened"))
            await instance.receive(handed_over(served, 1))
            await until(lambda: failed(instance, served.partner_id, "connection"))
        assert (await instance.call_back(kept, BODY)).status_code == 503
        assert (await instance.call_back(served, BODY)).is_success
    assert "secret-not-opened" in caplog.text
    assert kept.secret not in caplog.text
    assert (await gateway.call_back(kept, BODY)).is_success
    async with gateway.working():
        await gateway.let_time_pass()
        await until(lambda: failed(gateway, kept.partner_id, "connection"))


async def test_a_key_that_is_missing_is_no_failure_of_the_partner(gateway: Gateway) -> None:
    """Its circuit stays closed: with the key back nothing waits for a probe."""
    (partner,) = await partners(gateway, 1)
    await gateway.receive([case for _ in range(6) for case in handed_over(partner, 1)])
    context = with_keys(gateway, NEW)
    hours = {"retry_delays_seconds": (3600.0,)}
    context.settings = context.settings.model_copy(update=hours)
    await deliver.serve(context, store.Recipient(partner.tenant_id, partner.partner_id))
    assert await failed(gateway, partner.partner_id, "cannot be opened")
    path = f"/v1/partners/{partner.partner_id}/deliveries/summary"
    circuit = (await gateway.call("GET", path)).json()["circuit"]
    assert (circuit["state"], circuit["failures"]) == ("CLOSED", 0)


async def failed(gateway: Gateway, partner_id: UUID, reason: str) -> bool:
    """Tell whether staff see that reason with what is sent to a partner."""
    shown = await gateway.call("GET", f"/v1/partners/{partner_id}/deliveries")
    return any(reason in (each["last_error"] or "") for each in shown.json()["items"])
