"""The gateway keeps what it must know of cases, in whatever order it is heard (R50, R52)."""

from typing import Any
from uuid import UUID

import pytest

from kit.ids import new_id
from partner_gateway.deliveries import deliver
from tests.partner_gateway.claims import numbered, studio_payment
from tests.partner_gateway.saying import NOWHERE
from tests.partner_gateway.telling import by_hand
from tests.partner_gateway.world import Gateway, Partner, cancelled, closed, handed_over


async def kept(gateway: Gateway) -> dict[UUID, tuple[Any, ...]]:
    """Return what is kept: numbers, whether there is something to be sent, whether it ended."""
    rows = await gateway.rows(
        """
        SELECT case_id, run_booking_number, booking_number, file_number, item IS NOT NULL,
               ended_at IS NOT NULL
        FROM cases
        """
    )
    return {row.case_id: tuple(row)[1:] for row in rows}


async def test_of_cases_at_partners_by_hand_only_numbers_are_kept(gateway: Gateway) -> None:
    """Their personal data is nothing that the gateway needs (R63)."""
    first, second = handed_over(await by_hand(gateway), 2)
    await gateway.receive([first, second, first])
    await gateway.receive([second])
    assert await kept(gateway) == {
        first.case_id: ("2026-000001", 1, None, False, False),
        second.case_id: ("2026-000001", 2, None, False, False),
    }
    assert await gateway.rows("SELECT 1 FROM deliveries") == []


@pytest.mark.parametrize("said", ["BY_HAND", "API"])
async def test_what_goes_to_an_api_is_kept_whatever_channel_the_handover_names(
    gateway: Gateway, said: str
) -> None:
    """The channel that counts is the partner's own."""
    (case,) = handed_over(await gateway.set_up(NOWHERE), 1)
    case = case.model_copy(update={"partner_channel": said})
    await gateway.receive([case])
    (row,) = await gateway.rows("SELECT item FROM cases")
    assert row.item == case.model_dump_json().encode()


@pytest.mark.parametrize("channel", ["BY_HAND", "API"])
@pytest.mark.parametrize("handover_first", [True, False])
async def test_file_number_and_handover_come_in_any_order(
    gateway: Gateway, channel: str, handover_first: bool
) -> None:
    is_api = channel == "API"
    partner = await (gateway.set_up("http://127.0.0.1:9") if is_api else by_hand(gateway))
    (case,) = handed_over(partner, 1)
    events = [case, numbered(case, "AZ-1"), numbered(case, "AZ-2")]
    for event in events if handover_first else reversed(events):
        await gateway.receive([event])
    number = "AZ-2" if handover_first else "AZ-1"
    assert await kept(gateway) == {case.case_id: ("2026-000001", 1, number, is_api, False)}


async def test_of_two_file_numbers_in_one_batch_the_last_counts(gateway: Gateway) -> None:
    (case,) = handed_over(await by_hand(gateway), 1)
    await gateway.receive([numbered(case, "AZ-1"), numbered(case, "AZ-2")])
    assert await kept(gateway) == {case.case_id: (None, None, "AZ-2", False, False)}


async def test_a_case_by_hand_that_ended_before_its_handover_still_gets_its_numbers(
    gateway: Gateway,
) -> None:
    """The partner may have it from an export: the text of its notice names it."""
    (case,) = handed_over(await by_hand(gateway), 1)
    await gateway.receive([closed(case)])
    await gateway.receive([case, numbered(case, "AZ-1")])
    assert await kept(gateway) == {case.case_id: ("2026-000001", 1, "AZ-1", False, True)}
    (stop,) = (await gateway.call("GET", "/v1/notices")).json()["items"]
    assert (stop["file_number"], stop["run_booking_number"]) == ("AZ-1", "2026-000001")


async def test_what_names_another_partner_than_the_case_has_changes_nothing(
    gateway: Gateway,
) -> None:
    """Nothing of a case ever gets to a partner that does not hold it."""
    holder, other = await by_hand(gateway), await gateway.set_up("http://127.0.0.1:9")
    (case,) = handed_over(holder, 1)
    await gateway.receive([case, numbered(case, "AZ-1")])
    before = await kept(gateway)
    await gateway.receive(
        [
            case.model_copy(update={"partner_id": other.partner_id}),
            numbered(case, "AZ-2", partner_id=other.partner_id),
        ]
    )
    assert await kept(gateway) == before


async def test_a_file_number_at_an_unknown_partner_is_a_dead_letter(gateway: Gateway) -> None:
    (case,) = handed_over(Partner(new_id(), ""), 1)
    await gateway.receive([numbered(case, "AZ-1")])
    assert await kept(gateway) == {}
    assert len(await gateway.rows("SELECT 1 FROM outbox WHERE type = 'dead-letter'")) == 1


async def test_duties_to_a_partner_by_hand_outlive_its_case(gateway: Gateway) -> None:
    """What was paid before the end is for the partner's books, though the case is over."""
    case, other = handed_over(await by_hand(gateway), 2)
    await gateway.receive([case, other, studio_payment(case), studio_payment(other)])
    await gateway.receive([closed(case, "COMPLETED"), closed(other)])
    await gateway.receive([studio_payment(case, 3), studio_payment(other, 3)])
    duties = (await gateway.call("GET", "/v1/notices?by_hand=true&status=DUE")).json()["items"]
    assert [(each["case_id"], each["kind"]) for each in duties] == [
        (str(case.case_id), "STUDIO_PAYMENT"),
        (str(other.case_id), "STUDIO_PAYMENT"),
        (str(other.case_id), "STOP"),
    ]
    for duty in duties:
        done = await gateway.call("POST", f"/v1/notices/{duty['notice_id']}/done", {})
        assert done.json()["status"] == "ACKNOWLEDGED"


async def test_only_what_goes_to_an_api_lets_somebody_look_what_is_to_be_sent(
    gateway: Gateway,
) -> None:
    bell = gateway.context.bell(deliver.WORKER)
    cases = handed_over(await by_hand(gateway), 2)
    await gateway.receive(cases)
    await gateway.receive([studio_payment(cases[0]), closed(cases[0]), cancelled(cases[1])])
    assert not bell.is_set()
    (case,) = handed_over(await gateway.set_up(NOWHERE), 1)
    for event in (case, studio_payment(case), closed(case), cancelled(case)):
        await gateway.receive([event])
        assert bell.is_set()
        bell.clear()
