"""Staff note what they know on a case, for ever (R30)."""

import pytest

from tests.case_service.world import World, closed


async def test_a_comment_is_kept_with_who_wrote_it_and_when(world: World) -> None:
    """R30."""
    case = await world.open()
    path = f"/cases/{case.case_id}/comments"

    answer = await world.ask(
        "POST", path, {"comment": " Mitglied ist verzogen\nneu: unbekannt "}, X_Request_Id="r-7"
    )

    assert answer.status_code == 201, answer.text
    written = answer.json()
    assert written["comment"] == "Mitglied ist verzogen\nneu: unbekannt"
    assert (written["actor"], written["request_id"]) == ("demo.staff", "r-7")
    assert (await world.ask("GET", path)).json() == {"items": [written], "next": None}
    shown = await world.case(case)
    assert shown["comments"] == [written]
    assert shown["history"][0]["kind"] == "COMMENTED"
    assert shown["history"][0]["text"] == "demo.staff commented on the case."
    assert shown["history"][0]["why"] == written["comment"]
    assert await world.differences() == []


async def test_comments_are_read_page_by_page_newest_first(world: World) -> None:
    case = await world.open()
    path = f"/cases/{case.case_id}/comments"
    for number in range(3):
        await world.ask("POST", path, {"comment": f"Notiz {number}"})
        await world.pay(case, "1.00")

    first = (await world.ask("GET", f"{path}?limit=2")).json()
    rest = (await world.ask("GET", f"{path}?limit=2&cursor={first['next']}")).json()

    comments = [each["comment"] for each in first["items"] + rest["items"]]
    assert comments == ["Notiz 2", "Notiz 1", "Notiz 0"]
    assert rest["next"] is None


async def test_every_case_can_be_commented_once_for_each_key(world: World) -> None:
    waiting = await world.open(partner_channel="API")
    ended = await world.open()
    await world.deliver(closed(ended))
    for case in (waiting, ended):
        path = f"/cases/{case.case_id}/comments"
        answers = [await world.ask("POST", path, {"comment": "ja"}, key="k") for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert len((await world.ask("GET", path)).json()["items"]) == 1


async def test_a_comment_makes_another_version_of_the_case(world: World) -> None:
    case = await world.open()
    before = (await world.ask("GET", f"/cases/{case.case_id}")).headers["ETag"]
    path, body = f"/cases/{case.case_id}/comments", {"comment": "ja"}

    fresh = await world.ask("POST", path, body, If_Match=before)
    stale = await world.ask("POST", path, body, If_Match=before)

    assert (fresh.status_code, stale.status_code) == (201, 412)


@pytest.mark.parametrize(
    "body", [{}, {"comment": " "}, {"comment": "x" * 2001}, {"comment": "\x00"}, {"comment": 7}]
)
async def test_what_is_no_comment_is_refused(world: World, body: dict[str, object]) -> None:
    case = await world.open()
    answer = await world.ask("POST", f"/cases/{case.case_id}/comments", body)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["comment"]
