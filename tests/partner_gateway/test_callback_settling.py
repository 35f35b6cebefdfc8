"""Staff see what partners said, and decide on what cannot act by itself (R51)."""

from datetime import timedelta
from typing import Any

from kit.clock import now
from kit.ids import new_id
from partner_gateway.callbacks.forget_bodies import forget_bodies
from partner_gateway.callbacks.measure_callbacks import measure_callbacks, unsettled_callbacks
from partner_gateway.callbacks.park_waiting_callbacks import park_waiting_callbacks
from tests.partner_gateway.saying import NOWHERE, hold, said, send, statuses, translate
from tests.partner_gateway.world import Gateway, Partner, bearer, handed_over


async def listed(gateway: Gateway, partner: Partner, query: str = "") -> Any:
    """Return the callbacks that staff see."""
    path = f"/v1/partners/{partner.partner_id}/callbacks{query}"
    answer = await gateway.call("GET", path, **bearer(partner.tenant_id))
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def test_callbacks_are_listed_newest_first_and_by_status(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    (case,) = await hold(gateway, partner)
    unknown = new_id()
    await gateway.call_back(partner, said("case.accepted", case_id=str(unknown)), webhook_id="1")
    await gateway.call_back(partner, b"{}", webhook_id="2")
    acting = said("case.accepted", case_id=str(case.case_id))
    await gateway.call_back(partner, acting, webhook_id="3")
    await gateway.call_back(partner, b"[]", webhook_id="3")
    await translate(gateway)
    found = await listed(gateway, partner)
    assert [(each["webhook_id"], each["status"]) for each in found] == [
        ("3", "CONFLICT"),
        ("3", "TRANSLATED"),
        ("2", "PARKED"),
        ("1", "WAITING"),
    ]
    assert found[0]["conflicts_with"] == found[1]["callback_id"]
    assert [each["conflicts_with"] for each in found[1:]] == [None] * 3
    assert found[2]["reason"] == "unreadable: type: missing; data: missing"
    assert found[3]["waits_for"] == str(unknown)
    assert await listed(gateway, partner, "?status=PARKED") == [found[2]]
    path = f"/v1/partners/{partner.partner_id}/callbacks"
    page = (await gateway.call("GET", f"{path}?limit=3")).json()
    assert page["items"] == found[:3]
    rest = (await gateway.call("GET", f"{path}?limit=3&cursor={page['next']}")).json()
    assert (rest["items"], rest["next"]) == (found[3:], None)
    await measure_callbacks(gateway.context)
    waiting = unsettled_callbacks.labels("WAITING")
    assert waiting._value.get() == 1


async def test_what_waits_for_more_than_seven_days_is_overdue(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    for _ in range(2):
        await gateway.call_back(partner, said("case.accepted", case_id=str(new_id())))
    await translate(gateway)
    assert await listed(gateway, partner, "?overdue=true") == []
    await gateway.execute(
        "UPDATE callbacks SET received_at = :at WHERE callback_id = "
        "(SELECT callback_id FROM callbacks ORDER BY 1 LIMIT 1)",
        at=now() - timedelta(days=7, minutes=1),
    )
    (overdue,) = await listed(gateway, partner, "?overdue=true")
    assert overdue["overdue"] is True
    assert [each["overdue"] for each in await listed(gateway, partner)] == [False, True]


async def test_what_waits_for_more_than_thirty_days_is_parked(gateway: Gateway) -> None:
    """Nothing is dropped: staff decide, and once the case is there it can still act."""
    partner = await gateway.set_up(NOWHERE)
    (case,) = handed_over(partner, 1)
    for case_id in (case.case_id, new_id()):
        await gateway.call_back(partner, said("case.accepted", case_id=str(case_id)))
    await translate(gateway)
    first = "WHERE callback_id = (SELECT callback_id FROM callbacks ORDER BY 1 LIMIT 1)"
    at = now() - timedelta(days=30, minutes=1)
    await gateway.execute(f"UPDATE callbacks SET handled_at = :at {first}", at=at)
    assert not await park_waiting_callbacks(gateway.context)
    assert await statuses(gateway) == ["PARKED", "WAITING"]
    parked = (await listed(gateway, partner))[1]
    assert parked["reason"] == "no such case for 30 days"
    await gateway.receive([case])
    await send(gateway, partner)
    path = f"/v1/partners/{partner.partner_id}/callbacks/{parked['callback_id']}/retry"
    assert (await gateway.call("POST", path)).status_code == 200
    await translate(gateway)
    assert await statuses(gateway) == ["TRANSLATED", "WAITING"]


async def test_a_callback_is_shown_as_it_came(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    body = '{"type": "case.sold", "data": {"to": "Müller"}}'.encode()
    await gateway.call_back(partner, body, webhook_id="msg_1")
    await gateway.call_back(partner, b"\xff\x00", webhook_id="msg_2")
    binary, text = await listed(gateway, partner)
    path = f"/v1/partners/{partner.partner_id}/callbacks"
    shown = await gateway.call("GET", f"{path}/{text['callback_id']}")
    assert shown.headers["Cache-Control"] == "no-store"
    assert shown.json() == {
        **text,
        "body": body.decode(),
        "headers": shown.json()["headers"],
        "decisions": [],
    }
    assert shown.json()["headers"]["webhook-id"] == "msg_1"
    shown = await gateway.call("GET", f"{path}/{binary['callback_id']}")
    assert shown.json()["body"] == "\ufffd\x00"


async def test_what_is_parked_is_retried_in_its_place(gateway: Gateway) -> None:
    """What our side can read by now acts before what came after it."""
    partner = await gateway.set_up(NOWHERE)
    (case,) = await hold(gateway, partner)
    await gateway.call_back(partner, b"{}")
    (parked,) = await listed(gateway, partner)
    path = f"/v1/partners/{partner.partner_id}/callbacks/{parked['callback_id']}/retry"
    readable = said("file-number.assigned", case_id=str(case.case_id), file_number="AZ-1")
    await gateway.execute("UPDATE callbacks SET body = :body", body=readable)
    later = said("file-number.assigned", case_id=str(case.case_id), file_number="AZ-2")
    await gateway.call_back(partner, later)
    retried = await gateway.call("POST", path)
    assert retried.status_code == 200
    assert (retried.json()["status"], retried.json()["reason"]) == ("RECEIVED", None)
    (decision,) = retried.json()["decisions"]
    assert (decision["decision"], decision["decided_by"]) == ("RETRIED", "staff-1")
    await translate(gateway)
    reports = await gateway.published("report.file-number-assigned.v1")
    assert [report.model_dump()["file_number"] for report in reports] == ["AZ-1", "AZ-2"]
    refused = await gateway.call("POST", path)
    assert refused.status_code == 409
    assert refused.json()["type"] == "urn:collection:problem:callback-not-parked"


async def test_a_conflict_acts_only_if_staff_say_so(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    (case,) = await hold(gateway, partner)
    for number in (1, 2, 2):
        body = said("file-number.assigned", case_id=str(case.case_id), file_number=f"AZ-{number}")
        await gateway.call_back(partner, body, webhook_id="msg_1")
    await translate(gateway)
    assert len(await gateway.published("report.file-number-assigned.v1")) == 1
    conflict, _ = await listed(gateway, partner)
    path = f"/v1/partners/{partner.partner_id}/callbacks/{conflict['callback_id']}/retry"
    assert (await gateway.call("POST", path)).status_code == 200
    await translate(gateway)
    assert await statuses(gateway) == ["TRANSLATED", "TRANSLATED"]
    reports = await gateway.published("report.file-number-assigned.v1")
    assert [report.model_dump()["file_number"] for report in reports] == ["AZ-1", "AZ-2"]


async def test_what_staff_dismiss_never_acts(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    await gateway.call_back(partner, b"{}")
    (parked,) = await listed(gateway, partner)
    path = f"/v1/partners/{partner.partner_id}/callbacks/{parked['callback_id']}/dismissal"
    for nothing in ({}, {"comment": ""}, {"comment": " \t"}):
        assert (await gateway.call("POST", path, nothing)).status_code == 422
    dismissed = await gateway.call("POST", path, {"comment": "am Telefon geklärt"})
    assert (dismissed.status_code, dismissed.json()["status"]) == (200, "DISMISSED")
    assert dismissed.json()["reason"] == parked["reason"]
    (decision,) = dismissed.json()["decisions"]
    assert decision["comment"] == "am Telefon geklärt"
    await translate(gateway)
    assert await statuses(gateway) == ["DISMISSED"]
    assert (await gateway.call("POST", path, {"comment": "noch einmal"})).status_code == 409


async def test_nobody_else_sees_or_decides_on_a_callback(gateway: Gateway) -> None:
    """R63: not another tenant, not by way of another partner, not without role or all studios."""
    partner = await gateway.set_up(NOWHERE)
    other = await gateway.set_up(NOWHERE)
    await gateway.call_back(partner, b"{}")
    (parked,) = await listed(gateway, partner)
    base = f"/v1/partners/{partner.partner_id}/callbacks"
    one = f"{base}/{parked['callback_id']}"
    elsewhere = f"/v1/partners/{other.partner_id}/callbacks/{parked['callback_id']}"
    comment = {"comment": "-"}
    asked = [
        ("GET", base, None),
        ("GET", one, None),
        ("POST", f"{one}/retry", None),
        ("POST", f"{one}/dismissal", comment),
    ]
    for method, path, body in asked:
        foreign = await gateway.call(method, path, body, **bearer(new_id()))
        assert foreign.status_code == 404, path
        reader = await gateway.call(method, path, body, **bearer(roles="collection:read"))
        assert reader.status_code == 403, path
        narrowed = await gateway.call(method, path, body, **bearer(studios=str(new_id())))
        assert narrowed.status_code == 403, path
        assert narrowed.json()["type"] == "urn:collection:problem:all-studios-needed"
    for method, path, body in asked[1:]:
        other_path = path.replace(one, elsewhere)
        assert (await gateway.call(method, other_path, body)).status_code == 404, path
    assert await statuses(gateway) == ["PARKED"]


async def test_bodies_are_forgotten_when_they_have_acted_long_ago(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    (case,) = await hold(gateway, partner)
    body = said("case.accepted", case_id=str(case.case_id))
    await gateway.call_back(partner, body, webhook_id="1")
    await gateway.call_back(partner, said("case.accepted", case_id=str(new_id())), webhook_id="2")
    await gateway.call_back(partner, b"{}", webhook_id="3")
    await translate(gateway)
    assert not await forget_bodies(gateway.context)
    days = gateway.context.settings.callback_retention_days
    await gateway.execute(
        "UPDATE callbacks SET received_at = :at", at=now() - timedelta(days=days, minutes=1)
    )
    await gateway.call_back(partner, body, webhook_id="4")
    await translate(gateway)
    assert not await forget_bodies(gateway.context)
    rows = await gateway.rows("SELECT body, headers FROM callbacks ORDER BY callback_id")
    assert [row.body is None for row in rows] == [True, False, False, False]
    assert [row.headers is None for row in rows] == [True, False, False, False]
    assert (await gateway.call_back(partner, body, webhook_id="1")).status_code == 202
    assert (await gateway.call_back(partner, b"{}", webhook_id="1")).status_code == 422
    shown = (await listed(gateway, partner))[-1]
    path = f"/v1/partners/{partner.partner_id}/callbacks/{shown['callback_id']}"
    details = (await gateway.call("GET", path)).json()
    assert (details["body"], details["headers"]) == (None, None)
