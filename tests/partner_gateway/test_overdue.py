"""What a partner should know by now and does not is seen by staff, and published (R52)."""

import asyncio
from datetime import date, timedelta
from uuid import UUID

import pytest

from contracts import MemberHandedOverV1, NoticeDueV1, NoticeOverdueV1
from kit.clock import today
from kit.context import Context
from kit.inbox import Inbox
from partner_gateway.main import service
from partner_gateway.notices import mark_overdue as worker
from partner_gateway.notices.mark_overdue import mark_overdue
from tests.partner_gateway.claims import claim_changed, studio_payment
from tests.partner_gateway.sending import held_by, serve
from tests.partner_gateway.telling import by_hand, listed
from tests.partner_gateway.world import Gateway, Simulator, cancelled, closed, handed_over

BERLIN = "Europe/Berlin"


async def let_days_pass(gateway: Gateway, days: int) -> None:
    """Let notices be older than they are."""
    await gateway.execute("UPDATE notices SET due_on = due_on - CAST(:days AS int)", days=days)


async def overdue(gateway: Gateway) -> list[UUID]:
    """Return the cases of which was published that a notice is overdue."""
    events = await gateway.published("notice.overdue.v1")
    return [event.case_id for event in events if isinstance(event, NoticeOverdueV1)]


@pytest.mark.parametrize("days", [3, 0])
async def test_each_kind_is_due_after_the_same_days(gateway: Gateway, days: int) -> None:
    settings = gateway.context.settings.model_copy(update={"notice_days": days})
    context = Context(settings, gateway.database)
    gateway.inbox = Inbox("partner-gateway", service.subscriptions, context)
    paid, changed, stopped = handed_over(await by_hand(gateway), 3)
    await gateway.receive([studio_payment(paid), claim_changed(changed, amount="45.00")])
    await gateway.receive([cancelled(stopped)])
    due_on = today(BERLIN) + timedelta(days=days)
    assert [(each["kind"], each["due_on"]) for each in await listed(gateway)] == [
        ("STUDIO_PAYMENT", due_on.isoformat()),
        ("CLAIM_CHANGED", due_on.isoformat()),
        ("STOP", due_on.isoformat()),
    ]
    for event in await gateway.published("notice.due.v1"):
        assert isinstance(event, NoticeDueV1)
        assert event.due_on == due_on


async def test_a_notice_is_overdue_once_its_day_has_passed(gateway: Gateway) -> None:
    (case,) = handed_over(await by_hand(gateway), 1)
    await gateway.receive([closed(case)])
    await let_days_pass(gateway, 3)  # due today
    assert not await mark_overdue(gateway.context)
    assert await overdue(gateway) == []
    assert await listed(gateway, "?overdue=true") == []
    await let_days_pass(gateway, 1)
    await mark_overdue(gateway.context)
    await mark_overdue(gateway.context)
    (event,) = await gateway.published("notice.overdue.v1")
    assert isinstance(event, NoticeOverdueV1)
    assert (event.case_id, event.kind) == (case.case_id, "STOP")
    assert event.due_on == today(BERLIN) - timedelta(days=1)
    (shown,) = await listed(gateway, "?overdue=true")
    assert shown["overdue_since"] == event.occurred_at.isoformat().replace("+00:00", "Z")
    assert await listed(gateway, "?overdue=false") == []


async def test_what_is_told_late_is_overdue_no_more_and_shows_that_it_was(
    gateway: Gateway,
) -> None:
    (case,) = handed_over(await by_hand(gateway), 1)
    await gateway.receive([closed(case)])
    await let_days_pass(gateway, 10)
    await mark_overdue(gateway.context)
    (late,) = await listed(gateway, "?overdue=true")
    done = await gateway.call("POST", f"/v1/notices/{late['notice_id']}/done", {})
    assert done.json()["overdue_since"] == late["overdue_since"]
    assert await listed(gateway, "?overdue=true") == []
    types = [event.TYPE for event in await gateway.published()]
    assert types[-3:] == ["notice.due.v1", "notice.overdue.v1", "notice.acknowledged.v1"]


async def test_notices_to_an_api_are_overdue_whatever_keeps_them_from_it(
    gateway: Gateway, simulator: Simulator
) -> None:
    """Not tried yet, not acknowledged, or refused."""
    partner, cases = await held_by(gateway, simulator, 4)
    acknowledged, unanswered, refused, waiting = cases
    await gateway.receive([closed(acknowledged)])
    await serve(gateway, partner)
    await simulator.call("POST", "/behaviour", {"answer": "UNAVAILABLE"})
    await gateway.receive([closed(unanswered)])
    await serve(gateway, partner)
    await gateway.execute("UPDATE deliveries SET next_try_at = 'infinity' WHERE status = 'OPEN'")
    await gateway.receive([closed(refused), closed(waiting)])
    await gateway.execute(
        "UPDATE notices SET status = 'FAILED' WHERE case_id = :case_id", case_id=refused.case_id
    )
    await let_days_pass(gateway, 4)
    await mark_overdue(gateway.context)
    late = [unanswered.case_id, refused.case_id, waiting.case_id]
    assert await overdue(gateway) == late
    shown = await listed(gateway, "?overdue=true")
    assert [(UUID(each["case_id"]), each["status"]) for each in shown] == list(
        zip(late, ["SENT", "FAILED", "DUE"], strict=True)
    )


async def test_several_instances_mark_each_notice_once_in_batches(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "BATCH", 7)
    cases: list[MemberHandedOverV1] = handed_over(await by_hand(gateway), 50)
    await gateway.receive([closed(case) for case in cases])
    await let_days_pass(gateway, 4)

    async def instance() -> None:
        while await mark_overdue(gateway.context):
            pass

    await asyncio.gather(*(instance() for _ in range(3)))
    assert sorted(await overdue(gateway)) == sorted(case.case_id for case in cases)


async def test_the_day_is_over_in_the_tenants_time_zone(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    (case,) = handed_over(await by_hand(gateway), 1)
    await gateway.receive([closed(case)])
    asked: list[str] = []

    def tomorrow(time_zone: str) -> date:
        asked.append(time_zone)
        return today(time_zone) + timedelta(days=4)

    monkeypatch.setattr(worker, "today", tomorrow)
    await mark_overdue(gateway.context)
    assert asked == [BERLIN]
    assert await overdue(gateway) == [case.case_id]
