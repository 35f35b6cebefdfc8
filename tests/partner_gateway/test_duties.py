"""Staff find what they must tell partners, and tick it off, many at once (R52)."""

from typing import Any

import pytest

from contracts import NoticeAcknowledgedV1
from kit.ids import new_id
from partner_gateway.notices.refusal import read_refusal
from partner_gateway.notices.store import reopen_notice
from tests.partner_gateway.claims import claim_changed, numbered, studio_payment
from tests.partner_gateway.sending import held_by, serve
from tests.partner_gateway.telling import by_hand, listed
from tests.partner_gateway.world import (
    TENANT,
    Gateway,
    Simulator,
    bearer,
    cancelled,
    closed,
    handed_over,
)

SENT = "The partner's API is being told"


async def test_a_notice_is_shown_with_the_numbers_of_its_case(gateway: Gateway) -> None:
    (case,) = handed_over(await by_hand(gateway), 1)
    await gateway.receive([case, numbered(case, "AZ-7"), studio_payment(case)])
    (notice,) = await listed(gateway)
    shown = await gateway.call("GET", f"/v1/notices/{notice['notice_id']}")
    assert shown.json() == notice
    assert (notice["file_number"], notice["booking_number"]) == ("AZ-7", 1)
    assert notice["run_booking_number"] == "2026-000001"
    assert notice["voucher_id"] == str(case.claims[0].voucher_id)
    for path in (f"/v1/notices/{new_id()}", f"/v1/notices/{notice['notice_id']}"):
        assert (await gateway.call("GET", path, **bearer(new_id()))).status_code == 404
    nobody = bearer(studios=str(new_id()))
    assert (await gateway.call("GET", path, **nobody)).status_code == 404


async def test_a_stop_says_why(gateway: Gateway) -> None:
    reversed_, taken_back = handed_over(await by_hand(gateway), 2)
    await gateway.receive([closed(reversed_)])
    await gateway.receive([cancelled(taken_back)])
    reasons = [each["reason"] for each in await listed(gateway)]
    assert reasons == ["RUN_REVERSED", "CASE_CANCELLED"]


async def test_notices_are_found_by_what_they_are(gateway: Gateway, simulator: Simulator) -> None:
    agency, (sent,) = await held_by(gateway, simulator, 1)
    hand = await by_hand(gateway)
    stopped, paid = handed_over(hand, 1) + handed_over(hand, 1)
    await simulator.call("POST", "/behaviour", {"acknowledge_notices": False})
    await gateway.receive([claim_changed(sent)])
    await serve(gateway, agency)
    await gateway.receive([closed(stopped), studio_payment(paid)])
    everything = {each["case_id"]: each for each in await listed(gateway)}
    for query, cases in {
        "status=SENT": [sent],
        "status=DUE": [stopped, paid],
        "kind=STOP": [stopped],
        "kind=CLAIM_CHANGED": [sent],
        "by_hand=true": [stopped, paid],
        "by_hand=false": [sent],
        f"partner_id={hand.partner_id}": [stopped, paid],
        f"partner_id={hand.partner_id}&kind=STUDIO_PAYMENT": [paid],
        f"run_id={paid.run_id}": [paid],
        f"run_id={paid.run_id}&kind=STOP": [],
        f"case_id={stopped.case_id}&by_hand=true&overdue=false": [stopped],
        "overdue=true": [],
    }.items():
        expected = [everything[str(case.case_id)] for case in cases]
        found = await listed(gateway, f"?{query}")
        assert sorted(found, key=str) == sorted(expected, key=str), query
    assert (await gateway.call("GET", "/v1/notices?kind=LETTER")).status_code == 422


async def test_a_whole_reversed_run_is_ticked_off_at_once(gateway: Gateway) -> None:
    cases = handed_over(await by_hand(gateway), 500)
    await gateway.receive([closed(case) for case in cases])
    ids = [each["notice_id"] for each in await listed(gateway, "?limit=500")]
    for blank in ({"told_to": " "}, {"comment": " "}):
        refused = await gateway.call("POST", "/v1/notices/done", {"notice_ids": ids, **blank})
        assert [error["field"] for error in refused.json()["errors"]] == [*blank]
    body = {"notice_ids": ids, "told_to": "Frau Beispiel ", "comment": "Brief"}
    answer = await gateway.call("POST", "/v1/notices/done", body)
    assert answer.status_code == 200, answer.text
    done = answer.json()["items"]
    assert [each["notice_id"] for each in done] == ids
    assert {
        (each["status"], each["acknowledged_by"], each["done_by"], each["told_to"], each["comment"])
        for each in done
    } == {("ACKNOWLEDGED", "STAFF", "staff-1", "Frau Beispiel", "Brief")}
    # Again, with another comment and one of them twice: what is ticked off stays as it is.
    again = {"notice_ids": [*ids[:499], ids[0]], "comment": "Fax"}
    assert (await gateway.call("POST", "/v1/notices/done", again)).json() == {"items": done[:499]}
    events = await gateway.published("notice.acknowledged.v1")
    assert {event.acknowledged_by for event in events if isinstance(event, NoticeAcknowledgedV1)}
    assert len(events) == 500


async def test_notices_are_ticked_off_together_or_not_at_all(
    gateway: Gateway, simulator: Simulator
) -> None:
    agency, (sent,) = await held_by(gateway, simulator, 1)
    await simulator.call("POST", "/behaviour", {"acknowledge_notices": False})
    await gateway.receive([closed(sent)])
    await serve(gateway, agency)
    case, other = handed_over(await by_hand(gateway), 2)
    await gateway.receive([closed(case), closed(other)])
    being_told, mine, foreign = [each["notice_id"] for each in await listed(gateway)]
    of_studio = bearer(studios=f"{sent.studio.studio_id},{case.studio.studio_id}")

    async def refused(*ids: Any) -> tuple[int, list[tuple[str, str]]]:
        body = {"notice_ids": [str(each) for each in ids]}
        answer = await gateway.call("POST", "/v1/notices/done", body, **of_studio)
        errors = [(each["field"], each["message"]) for each in answer.json()["errors"]]
        return answer.status_code, errors

    assert await refused(mine, being_told) == (409, [("notice_ids.1", SENT)])
    assert await refused(foreign, mine, being_told, new_id()) == (
        404,
        [("notice_ids.0", "Not found"), ("notice_ids.2", SENT), ("notice_ids.3", "Not found")],
    )
    for wrong in ([], [new_id()] * 501, ["x"]):
        assert (await refused(*wrong))[0] == 422
    assert {each["status"] for each in await listed(gateway)} == {"SENT", "DUE"}
    assert await gateway.published("notice.acknowledged.v1") == []
    body = {"notice_ids": [mine]}
    reader = bearer(roles="collection:read")
    assert (await gateway.call("POST", "/v1/notices/done", body, **reader)).status_code == 403
    assert (await gateway.call("POST", "/v1/notices/done", body, **of_studio)).is_success


@pytest.mark.parametrize("told_by_hand", [False, True])
async def test_what_an_api_refused_is_sent_again_unless_staff_were_quicker(
    gateway: Gateway, simulator: Simulator, told_by_hand: bool
) -> None:
    partner, (case,) = await held_by(gateway, simulator, 1)
    await gateway.receive([closed(case)])
    await gateway.execute("UPDATE notices SET status = 'FAILED'")
    (failed,) = await listed(gateway, "?by_hand=true")
    path = f"/v1/notices/{failed['notice_id']}/done"
    if told_by_hand:
        assert (await gateway.call("POST", path, {})).is_success
    (row,) = await gateway.rows("SELECT request_id FROM notices")
    async with gateway.database.begin() as connection:
        assert not await reopen_notice(connection, new_id(), row.request_id)
        assert await reopen_notice(connection, TENANT, row.request_id) is not told_by_hand
    (shown,) = await listed(gateway)
    assert shown["status"] == ("ACKNOWLEDGED" if told_by_hand else "SENT")
    if not told_by_hand:
        assert (await gateway.call("POST", path, {})).status_code == 409
        await serve(gateway, partner)
        (shown,) = await listed(gateway)
        assert (shown["status"], shown["acknowledged_by"]) == ("ACKNOWLEDGED", "PARTNER")


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (
            b'{"title": "No", "detail": "The case is not known.", "status": 404}',
            "The case is not known.",
        ),
        (b'{"title": "Not\\u0000 here\\n\\u202ethere"}', "Not here there"),
        (b'{"detail": "", "title": "No"}', "No"),
        (b'{"detail": ["no such case"], "title": 7}', None),
        (b'{"detail": "' + b"x" * 600 + b'"}', "x" * 500),
        (b'{"detail": "\\ud800"}', None),
        (b"[]", None),
        (b"", None),
        (b"<html>404</html>", None),
        (b"\xff\xfe", None),
        (b"[" * 100_000, None),
    ],
)
def test_why_a_partner_refuses_is_read_from_problems(body: bytes, refusal: str | None) -> None:
    assert read_refusal(body) == refusal
