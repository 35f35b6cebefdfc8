"""A partner that does not answer is left alone but for a probe, and gets all once it does (R61)."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import Request, Response

from contracts import MemberHandedOverV1
from kit.clock import now
from kit.metrics import registry
from partner_gateway.deliveries import deliver, store
from partner_gateway.deliveries.circuit import FIRST_PAUSE, LAST_PAUSE, OPENS_AFTER, Circuit
from partner_gateway.deliveries.claim_deliveries import claim_deliveries
from partner_gateway.deliveries.delivery import AT_ONCE, Verdict
from partner_gateway.deliveries.measure_deliveries import measure_deliveries
from partner_gateway.deliveries.outcome import Outcome
from partner_gateway.deliveries.record_outcome import record_outcome
from partner_gateway.notices.tell import tell_changes
from tests.partner_gateway.claims import studio_payment
from tests.partner_gateway.listener import Listener, always, listening
from tests.partner_gateway.sending import serve
from tests.partner_gateway.waiting import until
from tests.partner_gateway.world import Gateway, Partner, closed, handed_over, is_waiting

TIME = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NO_PAUSE = timedelta()


@pytest.fixture
def patient(gateway: Gateway) -> Gateway:
    """A gateway whose failed requests are tried again after an hour, unless something happens."""
    settings = gateway.context.settings
    gateway.context.settings = settings.model_copy(update={"retry_delays_seconds": (3600.0,)})
    return gateway


async def hand_over_runs(
    gateway: Gateway, partner: Partner, count: int
) -> Sequence[MemberHandedOverV1]:
    """Hand over so many runs of one case: as many requests."""
    cases = [case for _ in range(count) for case in handed_over(partner, 1)]
    await gateway.receive(cases)
    return cases


async def end_pause(gateway: Gateway) -> None:
    """Let it be time for the next probe."""
    await gateway.execute(
        """
        UPDATE circuits SET next_probe_at = now(), probing_until = NULL
        WHERE opened_at IS NOT NULL
        """
    )


async def summary_of(gateway: Gateway, partner: Partner) -> Any:
    """Return how the requests to a partner fare, as staff see it."""
    return (
        await gateway.call("GET", f"/v1/partners/{partner.partner_id}/deliveries/summary")
    ).json()


async def count_done(gateway: Gateway, partner: Partner) -> int:
    """Return how many requests a partner has answered, as staff see it."""
    path = f"/v1/partners/{partner.partner_id}/deliveries?status=DONE"
    return len((await gateway.call("GET", path)).json()["items"])


def run_ids(listener: Listener) -> list[str]:
    """Return the runs that a partner was sent, in order."""
    return [request["run"]["run_id"] for request in listener.bodies()]


# The rules


def failed(circuit: Circuit, *, by_probe: bool = False, asked: timedelta = NO_PAUSE) -> Circuit:
    return circuit.after_failure(TIME, by_probe=by_probe, asked=asked, chance=random.Random(1))


def opened() -> Circuit:
    circuit = Circuit()
    for _ in range(OPENS_AFTER):
        assert not circuit.is_open
        circuit = failed(circuit)
    return circuit


def test_a_circuit_opens_after_failures_in_a_row_and_its_pauses_grow() -> None:
    circuit = opened()
    for seconds in (5, 10, 20, 40, 80, 160, 300, 300, 300):
        assert circuit.is_open
        assert circuit.opened_at == TIME
        assert circuit.next_probe_at is not None
        pause = (circuit.next_probe_at - TIME).total_seconds()
        assert seconds <= pause <= seconds * 1.1
        assert not circuit.may_probe(TIME + timedelta(seconds=seconds - 1))
        assert circuit.may_probe(TIME + timedelta(seconds=seconds * 1.1))
        circuit = failed(circuit, by_probe=True)
    assert FIRST_PAUSE.total_seconds() == 5
    assert LAST_PAUSE.total_seconds() == 300
    for _ in range(5000):  # years
        circuit = failed(circuit, by_probe=True)
    assert circuit.is_open


def test_what_was_under_way_when_a_circuit_opened_does_not_lengthen_its_pause() -> None:
    assert failed(opened()) == opened()


def test_a_partner_that_asks_for_a_longer_pause_gets_it() -> None:
    circuit = failed(opened(), by_probe=True, asked=timedelta(hours=2))
    assert circuit.next_probe_at == TIME + timedelta(hours=2)


# What goes out


async def test_a_partner_that_does_not_answer_gets_one_probe_at_a_time_and_then_all(
    patient: Gateway,
) -> None:
    async with listening(always(503)) as listener:
        partner = await patient.set_up(listener.url)
        await hand_over_runs(patient, partner, 12)
        await serve(patient, partner)
        assert len(listener.requests) == 2 * AT_ONCE
        summary = await summary_of(patient, partner)
        assert summary["circuit"]["state"] == "OPEN"
        assert summary["circuit"]["failures"] == OPENS_AFTER
        # No pages ahead of time.
        assert (summary["open"], summary["waiting_cases"]) == (8, 4)
        assert (summary["last_error"], await count_done(patient, partner)) == ("HTTP 503", 0)
        assert summary["oldest_open_at"] <= summary["last_error_at"]

        recipient = store.Recipient(partner.tenant_id, partner.partner_id)
        assert await deliver._begin_turn(patient.context, recipient) is None
        await end_pause(patient)
        turns = await asyncio.gather(
            *(deliver._begin_turn(patient.context, recipient) for _ in range(5))
        )
        (turn,) = [turn for turn in turns if turn is not None]
        (probe,) = turn.deliveries
        assert probe.is_probe
        # Whoever made that one has died: the next is made by somebody else.
        await end_pause(patient)
        await serve(patient, partner)
        assert len(listener.requests) == 2 * AT_ONCE + 1
        assert (await summary_of(patient, partner))["circuit"]["failures"] == OPENS_AFTER + 1

        listener.answer = always(202)
        await patient.execute("UPDATE deliveries SET under_way_until = NULL")
        await end_pause(patient)
        await serve(patient, partner)
        summary = await summary_of(patient, partner)
    assert (summary["open"], summary["waiting_cases"]) == (0, 0)
    assert await count_done(patient, partner) == 12
    assert summary["circuit"] == {
        "state": "CLOSED",
        "failures": 0,
        "opened_at": None,
        "next_probe_at": None,
    }
    by_id = {headers["webhook-id"]: body for _, headers, body in listener.requests}
    assert len(by_id) == 12
    assert all(by_id[headers["webhook-id"]] == body for _, headers, body in listener.requests)


@pytest.mark.parametrize("status", [200, 400, 403, 404, 422])
async def test_any_answer_closes_a_circuit(patient: Gateway, status: int) -> None:
    """A refusal is an answer, too."""
    async with listening(always(503)) as listener:
        partner = await patient.set_up(listener.url)
        await hand_over_runs(patient, partner, 5)
        await serve(patient, partner)
        assert (await summary_of(patient, partner))["circuit"]["state"] == "OPEN"
        listener.answer = always(status)
        await end_pause(patient)
        await serve(patient, partner)
        summary = await summary_of(patient, partner)
    assert summary["circuit"]["state"] == "CLOSED"
    assert summary["open"] == 0


async def test_what_the_partner_asked_to_have_later_is_not_brought_forward(
    patient: Gateway,
) -> None:
    asked = iter([{"Retry-After": "7200"}])

    async def answer(_: Request) -> Response:
        return Response(status_code=429, headers=next(asked, {}))

    async with listening(answer) as listener:
        partner = await patient.set_up(listener.url)
        await hand_over_runs(patient, partner, 6)
        await serve(patient, partner)
        later = listener.requests[0][1]["webhook-id"]
        listener.answer = always(202)
        await end_pause(patient)
        await serve(patient, partner)
    summary = await summary_of(patient, partner)
    assert (await count_done(patient, partner), summary["open"]) == (5, 1)
    path = f"/v1/partners/{partner.partner_id}/deliveries"
    (waiting,) = (await patient.call("GET", f"{path}?status=OPEN")).json()["items"]
    assert waiting["request_id"] == later
    pause = datetime.fromisoformat(waiting["next_try_at"]) - datetime.now(UTC)
    assert timedelta(minutes=110) < pause <= timedelta(minutes=120)


async def test_a_request_that_fails_by_itself_does_not_keep_others_from_a_partner_that_works(
    patient: Gateway,
) -> None:
    async with listening(always(500)) as listener:
        partner = await patient.set_up(listener.url)
        (poison,) = await hand_over_runs(patient, partner, 1)
        for _ in range(OPENS_AFTER):
            await patient.let_time_pass()
            await serve(patient, partner)
        assert (await summary_of(patient, partner))["circuit"]["state"] == "OPEN"

        async def answer(request: Request) -> Response:
            is_poison = str(poison.run_id).encode() in await request.body()
            return Response(status_code=500 if is_poison else 202)

        listener.answer = answer
        await hand_over_runs(patient, partner, 3)
        await end_pause(patient)
        await serve(patient, partner)
    summary = await summary_of(patient, partner)
    assert (summary["open"], summary["circuit"]["state"]) == (1, "CLOSED")
    assert await count_done(patient, partner) == 3


async def test_a_case_that_ends_while_its_partner_is_away_is_never_sent(patient: Gateway) -> None:
    async with listening(always(503)) as listener:
        partner = await patient.set_up(listener.url)
        cases = await hand_over_runs(patient, partner, 10)
        await serve(patient, partner)
        sent = set(run_ids(listener))
        (ended, other) = [case for case in cases if str(case.run_id) not in sent]
        await patient.receive([closed(ended)])
        listener.answer = always(202)
        await end_pause(patient)
        await serve(patient, partner)
    assert set(run_ids(listener)) == {str(case.run_id) for case in cases if case != ended}
    assert str(other.run_id) in run_ids(listener)
    assert await patient.rows("SELECT 1 FROM notices") == []


async def test_a_partner_that_is_reached_in_another_way_is_probed_at_once(
    patient: Gateway,
) -> None:
    async with listening(always(202)) as listener:
        partner = await patient.set_up("http://127.0.0.1:9")
        await hand_over_runs(patient, partner, 6)
        await serve(patient, partner)
        assert (await summary_of(patient, partner))["circuit"]["state"] == "OPEN"
        change = {"base_url": listener.url}
        path = f"/v1/partners/{partner.partner_id}"
        assert (await patient.call("PATCH", path, change)).is_success
        await serve(patient, partner)
    assert await count_done(patient, partner) == 6


async def test_probes_go_out_by_themselves(patient: Gateway) -> None:
    """The worker makes them when the pause is over."""
    async with listening(always(503)) as listener:
        partner = await patient.set_up(listener.url)
        await hand_over_runs(patient, partner, 5)
        async with patient.working():
            await until(lambda: len(listener.requests) >= OPENS_AFTER)
            listener.answer = always(202)

            async def is_open() -> bool:
                return bool((await summary_of(patient, partner))["circuit"]["state"] == "OPEN")

            async def is_done() -> bool:
                return await count_done(patient, partner) == 5

            await until(is_open)
            await end_pause(patient)
            await until(is_done)


async def test_a_partner_gets_four_requests_at_once_however_many_instances_there_are(
    patient: Gateway,
) -> None:
    async with listening(always(202)) as listener:
        partner = await patient.set_up(listener.url)
        await hand_over_runs(patient, partner, 7)
        recipient = store.Recipient(partner.tenant_id, partner.partner_id)
        turns = await asyncio.gather(
            *(deliver._begin_turn(patient.context, recipient) for _ in range(5))
        )
        taken = [delivery for turn in turns if turn is not None for delivery in turn.deliveries]
        assert len(taken) == AT_ONCE == 4
        async with patient.database.begin() as connection:
            assert await store.recipients(connection, now()) == []
            await record_outcome(
                connection, taken[0], Outcome(Verdict.ANSWERED, 202), NO_PAUSE, [3600.0]
            )
        async with patient.database.connect() as connection:
            assert await store.recipients(connection, now()) == [recipient]
        turn = await deliver._begin_turn(patient.context, recipient)
        assert turn is not None
        assert len(turn.deliveries) == 1


async def test_whoever_stores_an_outcome_and_whoever_takes_a_turn_wait_in_one_order(
    patient: Gateway,
) -> None:
    """With several instances: cases before the circuit, else they wait for each other."""
    async with listening(always(503)) as listener:
        partner = await patient.set_up(listener.url)
        cases = await hand_over_runs(patient, partner, 5)
        await serve(patient, partner)
        await end_pause(patient)
        recipient = store.Recipient(partner.tenant_id, partner.partner_id)
        turn = await deliver._begin_turn(patient.context, recipient)
    assert turn is not None
    (probe,) = turn.deliveries
    await patient.receive([studio_payment(case) for case in cases])
    answered = Outcome(Verdict.ANSWERED, 202)
    async with patient.database.begin() as connection:
        await tell_changes(connection, partner.tenant_id, partner.partner_id, now())

        async def store_outcome() -> None:
            async with patient.database.begin() as other:
                await record_outcome(other, probe, answered, NO_PAUSE, [3600.0])

        storing = asyncio.create_task(store_outcome())
        await until(lambda: is_waiting(patient))
        await claim_deliveries(connection, recipient, now(), now() + timedelta(seconds=25))
    await storing
    assert (await summary_of(patient, partner))["circuit"]["state"] == "CLOSED"


def measured() -> tuple[float | None, float | None]:
    """Return how many circuits are open, and how old the oldest delivery is."""
    return (
        registry.get_sample_value("circuits_open"),
        registry.get_sample_value("delivery_oldest_seconds"),
    )


async def test_open_circuits_and_the_oldest_delivery_are_measured(patient: Gateway) -> None:
    async with listening(always(503)) as listener:
        partner = await patient.set_up(listener.url)
        await hand_over_runs(patient, partner, 5)
        await serve(patient, partner)
    await patient.execute("UPDATE deliveries SET created_at = now() - interval '1 hour'")
    await measure_deliveries(patient.context)
    number, age = measured()
    assert number == 1
    assert age == pytest.approx(3600, abs=100)
    path = f"/v1/partners/{partner.partner_id}"
    assert (await patient.call("PATCH", path, {"status": "PAUSED"})).is_success
    await measure_deliveries(patient.context)
    assert measured() == (0, 0)
