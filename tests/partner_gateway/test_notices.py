"""Partners are told to stop, and it is known whether they know (R10, R26, R52)."""

import asyncio

import pytest

from contracts import (
    Event,
    MemberHandedOverV1,
    NoticeAcknowledgedV1,
    NoticeDueV1,
    NoticeFailedV1,
    NoticeSentV1,
)
from kit.context import Context
from kit.ids import new_id
from partner_gateway.deliveries import pages, store
from tests.partner_gateway.sending import held_by, serve
from tests.partner_gateway.telling import NOTICES, by_hand
from tests.partner_gateway.waiting import until
from tests.partner_gateway.world import (
    Gateway,
    Partner,
    Simulator,
    bearer,
    cancelled,
    closed,
    handed_over,
    killed,
)


@pytest.mark.parametrize("end", [closed, cancelled])
async def test_a_partner_with_an_api_is_told_once_and_acknowledges(
    gateway: Gateway, simulator: Simulator, end: type
) -> None:
    partner, (case, kept) = await held_by(gateway, simulator, 2)
    await gateway.receive([end(case)])
    await gateway.receive([end(case), end(case)])
    await serve(gateway, partner)
    due, sent, acknowledged = await gateway.published(*NOTICES)
    assert isinstance(due, NoticeDueV1)
    assert isinstance(sent, NoticeSentV1)
    assert isinstance(acknowledged, NoticeAcknowledgedV1)
    assert sent.attempt == 1
    assert acknowledged.acknowledged_by == "PARTNER"
    for event in (due, sent, acknowledged):
        assert event.kind == "STOP"
        assert (event.case_id, event.run_id) == (case.case_id, case.run_id)
        assert (event.member_id, event.partner_id) == (case.member_id, partner.partner_id)
        assert event.notice_id == due.notice_id
    stopped = [
        c["case_id"] for c in (await simulator.call("GET", "/cases"))["items"] if c["stopped"]
    ]
    assert stopped == [str(case.case_id)]
    assert str(kept.case_id) not in stopped
    (shown,) = (await gateway.call("GET", f"/v1/notices?case_id={case.case_id}")).json()["items"]
    assert (shown["status"], shown["acknowledged_by"]) == ("ACKNOWLEDGED", "PARTNER")
    assert (shown["tries"], shown["by_hand"], shown["next_try_at"]) == (1, False, None)


async def test_a_completed_case_needs_no_notice(gateway: Gateway, simulator: Simulator) -> None:
    partner, (case,) = await held_by(gateway, simulator, 1)
    await gateway.receive([closed(case, "COMPLETED")])
    await serve(gateway, partner)
    assert await gateway.published(*NOTICES) == []


async def test_a_notice_is_repeated_until_it_is_acknowledged(
    gateway: Gateway, simulator: Simulator
) -> None:
    partner, (case,) = await held_by(gateway, simulator, 1)
    patient = gateway.context.settings.model_copy(update={"retry_delays_seconds": (3600.0,)})
    gateway.context = Context(patient, gateway.database)
    await simulator.call("POST", "/behaviour", {"answer": "UNAVAILABLE"})
    await gateway.receive([closed(case)])
    await serve(gateway, partner)
    (shown,) = (await gateway.call("GET", "/v1/notices?status=SENT")).json()["items"]
    assert (shown["last_error"], shown["tries"]) == ("HTTP 503", 1)
    assert shown["next_try_at"] is not None
    await simulator.call("POST", "/behaviour", {"answer": "CALLBACK", "acknowledge_notices": False})
    await gateway.let_time_pass()
    await serve(gateway, partner)
    assert (
        await gateway.call("POST", f"/v1/notices/{shown['notice_id']}/done", {})
    ).status_code == 409
    await simulator.call("POST", "/behaviour", {"acknowledge_notices": True})
    await gateway.let_time_pass()
    await serve(gateway, partner)
    events = await gateway.published(*NOTICES)
    assert [event.TYPE for event in events] == [
        "notice.due.v1",
        "notice.sent.v1",
        "notice.sent.v1",
        "notice.sent.v1",
        "notice.acknowledged.v1",
    ]
    assert [each.attempt for each in events if isinstance(each, NoticeSentV1)] == [1, 2, 3]
    assert (await simulator.state())["notices"] == 1


async def test_a_kill_between_telling_and_storing_tells_once_more_under_the_same_id(
    gateway: Gateway, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    partner, (case,) = await held_by(gateway, simulator, 1)
    await gateway.receive([closed(case)])

    with monkeypatch.context() as patched:
        patched.setattr("partner_gateway.deliveries.deliver.record_outcome", killed)
        with pytest.raises(BaseExceptionGroup):
            await serve(gateway, partner)
    await gateway.let_time_pass()
    await serve(gateway, partner)
    assert len(await gateway.published("notice.acknowledged.v1")) == 1
    state = await simulator.state()
    assert (state["notices"], state["repeated_requests"]) == (1, 1)


async def test_a_notice_that_the_api_refuses_becomes_a_duty_of_staff(
    gateway: Gateway, simulator: Simulator
) -> None:
    partner, (case,) = await held_by(gateway, simulator, 1)
    unknown = case.model_copy(update={"case_id": new_id()})
    await gateway.receive([unknown])
    await gateway.execute("UPDATE cases SET request_id = (SELECT request_id FROM deliveries)")
    await gateway.receive([closed(unknown)])
    await serve(gateway, partner)
    failed = (await gateway.published(*NOTICES))[-1]
    assert isinstance(failed, NoticeFailedV1)
    assert failed.reason_code == "REFUSED_BY_PARTNER"
    (shown,) = (await gateway.call("GET", "/v1/notices?status=FAILED")).json()["items"]
    assert (shown["by_hand"], shown["last_error"]) == (True, "HTTP 404")
    assert shown["refusal"] == "no such case"
    done = await gateway.call("POST", f"/v1/notices/{shown['notice_id']}/done", {})
    assert done.json()["acknowledged_by"] == "STAFF"


async def test_a_case_that_was_never_sent_is_dropped_without_a_notice(
    gateway: Gateway, simulator: Simulator
) -> None:
    partner = await gateway.set_up(simulator.url)
    await simulator.connect(gateway, partner, answer="ACCEPT_NOW")
    ended, kept = handed_over(partner, 2)
    await gateway.receive([ended, kept])
    await gateway.receive([closed(ended)])
    await serve(gateway, partner)
    cases = (await simulator.call("GET", "/cases"))["items"]
    assert [case["case_id"] for case in cases] == [str(kept.case_id)]
    assert await gateway.published(*NOTICES) == []
    assert await _state_of(gateway, ended) == (True, None, None)


async def test_an_end_before_the_handover_comes_to_the_same(
    gateway: Gateway, simulator: Simulator
) -> None:
    """The two are on different topics: either may be first."""
    partner = await gateway.set_up(simulator.url)
    await simulator.connect(gateway, partner, answer="ACCEPT_NOW")
    ended, kept = handed_over(partner, 2)
    await gateway.receive([closed(ended)])
    await gateway.receive([ended, kept])
    await serve(gateway, partner)
    cases = (await simulator.call("GET", "/cases"))["items"]
    assert [case["case_id"] for case in cases] == [str(kept.case_id)]
    assert await gateway.published(*NOTICES) == []
    assert await _state_of(gateway, ended) == (True, None, None)


async def _state_of(gateway: Gateway, case: MemberHandedOverV1) -> tuple[object, ...]:
    (row,) = await gateway.rows(
        """
        SELECT ended_at IS NOT NULL AS ended, request_id, item FROM cases
        WHERE case_id = :case_id
        """,
        case_id=case.case_id,
    )
    return tuple(row)


async def test_a_case_that_may_have_been_sent_is_stopped_after_its_handover(
    gateway: Gateway, simulator: Simulator
) -> None:
    """Its page is sent again unchanged, for the partner may have it; then the notice goes out."""
    partner = await gateway.set_up(simulator.url)
    await simulator.connect(gateway, partner, answer="UNAVAILABLE")
    ended, kept = handed_over(partner, 2)
    await gateway.receive([ended, kept])
    await serve(gateway, partner)
    await gateway.receive([closed(ended)])
    await gateway.execute("UPDATE deliveries SET next_try_at = 'infinity' WHERE kind = 'HANDOVER'")
    await serve(gateway, partner)
    assert (await gateway.published(*NOTICES))[-1].TYPE == "notice.due.v1"
    await simulator.call("POST", "/behaviour", {"answer": "ACCEPT_NOW"})
    await gateway.let_time_pass()
    await serve(gateway, partner)
    shown = (await simulator.call("GET", "/cases"))["items"]
    assert [(case["case_id"], case["stopped"]) for case in shown] == [
        (str(ended.case_id), True),
        (str(kept.case_id), False),
    ]
    assert (await gateway.published(*NOTICES))[-1].TYPE == "notice.acknowledged.v1"


async def test_a_reversed_run_is_stopped_case_by_case(
    gateway: Gateway, simulator: Simulator
) -> None:
    """R10."""
    _, cases = await held_by(gateway, simulator, 25)
    await gateway.receive([closed(case) for case in cases])

    async def all_know() -> bool:
        return len(await gateway.published("notice.acknowledged.v1")) == 25

    async with gateway.working():
        await until(all_know)
    assert (await simulator.state())["notices"] == 25


async def test_notices_for_a_partner_by_hand_are_ticked_off(gateway: Gateway) -> None:
    partner = await by_hand(gateway)
    case, other = handed_over(partner, 2)
    await gateway.receive([closed(case)])
    await gateway.receive([cancelled(other)])
    listed = (await gateway.call("GET", "/v1/notices?status=DUE")).json()["items"]
    assert [notice["case_id"] for notice in listed] == [str(case.case_id), str(other.case_id)]
    assert all(notice["by_hand"] for notice in listed)
    assert listed[0]["partner_name"] == "Kanzlei Beispiel"
    path = f"/v1/notices/{listed[0]['notice_id']}/done"
    done = (await gateway.call("POST", path, {"comment": "Fax an Frau X"})).json()
    assert (done["status"], done["acknowledged_by"]) == ("ACKNOWLEDGED", "STAFF")
    assert (done["done_by"], done["comment"]) == ("staff-1", "Fax an Frau X")
    again = await gateway.call("POST", path, {"comment": "noch einmal"})
    assert again.json() == done
    events: list[Event] = await gateway.published(*NOTICES)
    assert [event.TYPE for event in events] == [
        "notice.due.v1",
        "notice.due.v1",
        "notice.acknowledged.v1",
    ]
    acknowledged = events[-1]
    assert isinstance(acknowledged, NoticeAcknowledgedV1)
    assert acknowledged.acknowledged_by == "STAFF"
    rest = (await gateway.call("GET", "/v1/notices?status=DUE")).json()["items"]
    assert [notice["case_id"] for notice in rest] == [str(other.case_id)]


async def test_notices_are_seen_by_tenant_studio_and_role(gateway: Gateway) -> None:
    """R63."""
    partner = await by_hand(gateway)
    case, other = handed_over(partner, 2)
    await gateway.receive([closed(case), closed(other)])
    listed = (await gateway.call("GET", "/v1/notices")).json()["items"]
    assert len(listed) == 2
    stranger = bearer(new_id())
    assert (await gateway.call("GET", "/v1/notices", **stranger)).json()["items"] == []
    path = f"/v1/notices/{listed[0]['notice_id']}/done"
    assert (await gateway.call("POST", path, {}, **stranger)).status_code == 404
    of_studio = bearer(studios=str(other.studio.studio_id))
    seen = (await gateway.call("GET", "/v1/notices", **of_studio)).json()["items"]
    assert [notice["case_id"] for notice in seen] == [str(other.case_id)]
    assert (await gateway.call("POST", path, {}, **of_studio)).status_code == 404
    reader = bearer(roles="collection:read")
    assert (await gateway.call("POST", path, {}, **reader)).status_code == 403
    assert (await gateway.call("POST", path, {})).status_code == 200


async def test_notices_come_in_pages_and_by_partner(gateway: Gateway) -> None:
    partner = await by_hand(gateway)
    await gateway.receive([closed(case) for case in handed_over(partner, 3)])
    everything = (await gateway.call("GET", "/v1/notices")).json()["items"]
    first = (await gateway.call("GET", "/v1/notices?limit=2")).json()
    rest = (await gateway.call("GET", f"/v1/notices?limit=2&cursor={first['next']}")).json()
    assert first["items"] + rest["items"] == everything
    assert rest["next"] is None
    nobody = f"/v1/notices?partner_id={new_id()}"
    assert (await gateway.call("GET", nobody)).json()["items"] == []


async def test_the_end_of_a_case_of_an_unknown_partner_is_a_dead_letter(
    gateway: Gateway,
) -> None:
    (case,) = handed_over(Partner(new_id(), ""), 1)
    await gateway.receive([closed(case)])
    assert await gateway.rows("SELECT 1 FROM cases") == []
    assert len(await gateway.rows("SELECT 1 FROM outbox WHERE type = 'dead-letter'")) == 1


async def test_the_end_of_a_case_does_not_wait_for_who_has_its_request(
    gateway: Gateway, simulator: Simulator
) -> None:
    """Else both wait for ever: who has the request waits for its cases next."""
    partner, (case,) = await held_by(gateway, simulator, 1)
    ((request_id,),) = await gateway.rows("SELECT request_id FROM deliveries")
    async with gateway.database.begin() as connection, asyncio.timeout(5):
        await store.lock(connection, partner.tenant_id, partner.partner_id, request_id)
        await gateway.receive([closed(case)])
        await pages.lock_cases(connection, partner.tenant_id, request_id)
    (notice,) = await gateway.published("notice.due.v1")
    assert notice.model_dump()["kind"] == "STOP"
