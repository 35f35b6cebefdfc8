"""Staff see how requests to partners fare (R50, R52, R63)."""

from typing import Any

import pytest
from sqlalchemy import text

from kit.ids import new_id
from partner_gateway.deliveries import queries
from partner_gateway.deliveries.store import TRIES_KEPT
from tests.partner_gateway.claims import studio_payment
from tests.partner_gateway.listener import always, listening, never
from tests.partner_gateway.sending import change_settings, deliveries, delivery_of, held_by, serve
from tests.partner_gateway.world import (
    TENANT,
    Gateway,
    Partner,
    Simulator,
    bearer,
    handed_over,
    killed,
)


async def details(gateway: Gateway, partner: Partner) -> Any:
    """Return the only request to a partner, with its tries."""
    path = f"/v1/partners/{partner.partner_id}/deliveries"
    request_id = (await delivery_of(gateway, partner))["request_id"]
    return (await gateway.call("GET", f"{path}/{request_id}")).json()


async def test_every_try_is_shown_with_what_came_of_it(gateway: Gateway) -> None:
    async with listening(never) as listener:
        partner = await gateway.set_up(listener.url)
        (case,) = handed_over(partner, 1)
        await gateway.receive([case])
        change_settings(gateway, retry_delays_seconds=(60.0,))  # no try comes by itself
        for answer, seconds in ((always(503), 10), (never, 0.5), (always(202), 10)):
            listener.answer = answer
            change_settings(gateway, partner_timeout_seconds=seconds)
            await gateway.let_time_pass()
            await serve(gateway, partner)
    shown = await details(gateway, partner)
    assert (shown["kind"], shown["run_id"], shown["status"]) == (
        "HANDOVER",
        str(case.run_id),
        "DONE",
    )
    tries = shown["last_tries"]
    assert [(each["number"], each["status"], each["error"]) for each in tries] == [
        (3, 202, None),
        (2, None, "time-out"),
        (1, 503, "HTTP 503"),
    ]
    assert 500 <= tries[1]["duration_ms"] < 5000
    assert tries[0]["duration_ms"] < 10_000
    assert [each["tried_at"] for each in tries] == sorted(
        (each["tried_at"] for each in tries), reverse=True
    )


async def test_a_try_of_a_process_that_died_is_shown_as_unknown(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("partner_gateway.deliveries.deliver.record_outcome", killed)
    async with listening(always(202)) as listener:
        partner = await gateway.set_up(listener.url)
        await gateway.receive(handed_over(partner, 1))
        with pytest.raises(BaseExceptionGroup):
            await serve(gateway, partner)
    ((number, status, error, duration),) = [
        (each["number"], each["status"], each["error"], each["duration_ms"])
        for each in (await details(gateway, partner))["last_tries"]
    ]
    assert (number, status, error, duration) == (1, None, None, None)


async def test_only_the_last_tries_are_kept(gateway: Gateway) -> None:
    async with listening(always(503)) as listener:
        partner = await gateway.set_up(listener.url)
        await gateway.receive(handed_over(partner, 1))
        await serve(gateway, partner)
        await gateway.execute("UPDATE deliveries SET tries = 70")
        await gateway.execute(
            """
            INSERT INTO tries (tenant_id, request_id, number, tried_at)
            SELECT tenant_id, request_id, number, now()
            FROM deliveries, generate_series(2, 70) AS number
            """
        )
        await gateway.let_time_pass()
        await serve(gateway, partner)
    numbers = [each["number"] for each in (await details(gateway, partner))["last_tries"]]
    assert numbers[0] >= 71
    assert len(numbers) == TRIES_KEPT
    assert numbers == list(range(numbers[0], numbers[0] - TRIES_KEPT, -1))


async def test_deliveries_are_found_by_status_kind_run_and_failure(
    gateway: Gateway, simulator: Simulator
) -> None:
    partner, (case,) = await held_by(gateway, simulator, 1)
    await simulator.call("POST", "/behaviour", {"answer": "UNAVAILABLE"})
    await gateway.receive([studio_payment(case)])
    (other,) = handed_over(partner, 1)
    await gateway.receive([other])
    await serve(gateway, partner)

    async def found(query: str) -> list[tuple[str, str, str]]:
        shown = await deliveries(gateway, partner, query)
        return sorted((each["kind"], each["status"], each["run_id"]) for each in shown)

    done = ("HANDOVER", "DONE", str(case.run_id))
    failing = ("HANDOVER", "OPEN", str(other.run_id))
    notice = ("NOTICE", "OPEN", str(case.run_id))
    assert await found("") == sorted([done, failing, notice])
    assert await found("?status=OPEN") == sorted([failing, notice])
    assert await found("?kind=NOTICE") == [notice]
    assert await found(f"?run_id={case.run_id}") == sorted([done, notice])
    assert await found(f"?run_id={other.run_id}&failing=true") == [failing]
    assert await found("?failing=false") == [done]
    assert await found(f"?run_id={new_id()}") == []


@pytest.mark.parametrize("question", ["?status=STOPPED", "?failing=true", "/summary"])
async def test_what_is_done_is_not_read_to_find_what_is_not(
    gateway: Gateway, question: str
) -> None:
    async with listening(always(401)) as listener:
        partner = await gateway.set_up(listener.url)
        await gateway.receive(handed_over(partner, 1))
        await serve(gateway, partner)
    await gateway.execute(
        """
        INSERT INTO deliveries (request_id, tenant_id, partner_id, kind, status, tries, next_try_at,
                                created_at, finished_at, correlation_id)
        SELECT uuidv7(), tenant_id, partner_id, kind, 'DONE', 1, now(), now(), now(), ''
        FROM deliveries, generate_series(1, 3000)
        """
    )
    await gateway.execute("ANALYZE deliveries")
    async with gateway.database.connect() as connection:
        await connection.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
        if question == "/summary":
            summary = await queries.summarize_deliveries(connection, TENANT, partner.partner_id)
            assert (summary.open, summary.stopped, summary.last_error) == (0, 1, "HTTP 401")
        else:
            (shown,) = await queries.list_deliveries(
                connection,
                TENANT,
                partner.partner_id,
                status="STOPPED" if "STOPPED" in question else None,
                kind=None,
                run_id=None,
                failing=True if "failing" in question else None,
                before=None,
                limit=100,
            )
            assert shown.status == "STOPPED"
        read = await connection.scalar(
            text(
                """
                SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables
                WHERE relname = 'deliveries'
                """
            )
        )
    assert 0 < read < 50


async def test_who_may_see_deliveries_and_who_may_retry_them(gateway: Gateway) -> None:
    """R63: they hold cases of all studios, so who is to see one studio does not see them."""
    partner = await gateway.set_up("http://127.0.0.1:9")
    await gateway.receive(handed_over(partner, 1))
    await serve(gateway, partner)
    path = f"/v1/partners/{partner.partner_id}/deliveries"
    one = f"{path}/{(await delivery_of(gateway, partner))['request_id']}"
    for read in (path, f"{path}/summary", one):
        for allowed in (
            bearer(roles="collection:read"),
            bearer(roles="partner:admin"),
            bearer(roles="partner:admin", studios=str(new_id())),
        ):
            assert (await gateway.call("GET", read, **allowed)).status_code == 200
        narrowed = bearer(roles="collection:read", studios=str(new_id()))
        for stranger in (narrowed, bearer(new_id())):
            assert (await gateway.call("GET", read, **stranger)).status_code == 404
        forbidden = bearer(roles="collection:manage")
        assert (await gateway.call("GET", read, **forbidden)).status_code == 403
    for authorization, status in (
        (bearer(roles="collection:read collection:manage"), 403),
        (bearer(new_id()), 404),
        (bearer(roles="partner:admin"), 200),
    ):
        assert (await gateway.call("POST", f"{one}/retry", **authorization)).status_code == status
    other = await gateway.set_up("http://127.0.0.1:9")
    of_other = one.replace(str(partner.partner_id), str(other.partner_id))
    assert (await gateway.call("GET", of_other)).status_code == 404
    assert (await gateway.call("POST", f"{of_other}/retry")).status_code == 404
