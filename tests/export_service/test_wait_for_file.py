"""`Prefer: wait`: the answer to an order is its file, if it is small and quick (R41)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from export_service.exports import wait_for_file
from export_service.exports.wait_for_file import MOST_SECONDS, preferred_wait
from kit.clock import now
from local_stack.issuer import Issuer
from tests.export_service.conftest import render_all
from tests.export_service.handed_over import run_of
from tests.export_service.ordering import ServiceContext, announce, change, hand_over
from tests.export_service.staff import Staff, worker

RUN, MEMBERS = run_of(members=3)


@pytest.fixture
async def staff(
    client: httpx.AsyncClient,
    issuer: Issuer,
    context: ServiceContext,
    monkeypatch: pytest.MonkeyPatch,
) -> Staff:
    """Who orders; a run of three members is there."""
    monkeypatch.setattr(wait_for_file, "_LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(wait_for_file, "_FIRST_PAUSE", 0.01)
    await announce(context, RUN)
    await hand_over(context, MEMBERS)
    return Staff(client, issuer)


@pytest.fixture
async def works(context: ServiceContext) -> AsyncIterator[None]:
    """A worker renders what is ordered."""
    async with worker(context):
        yield


@pytest.mark.usefixtures("works")
async def test_a_small_file_is_the_answer_to_its_order(staff: Staff) -> None:
    """Repeated, it is the same file, of the same export."""
    first, again = [
        await staff.order(key="key-1", prefer="wait=20", run_id=RUN.run_id) for _ in range(2)
    ]
    (export_id,) = await staff.ids()
    fetched = await staff.get(f"/{export_id}/file")
    for answer in (first, again):
        assert answer.status_code == 200
        assert answer.content == fetched.content
        assert answer.headers["Preference-Applied"] == "wait"
        assert answer.headers["Content-Location"] == f"/v1/exports/{export_id}/file"
        for name in ("Content-Type", "Content-Disposition", "Content-Length", "ETag"):
            assert answer.headers[name] == fetched.headers[name]


async def test_without_the_preference_the_answer_comes_at_once(staff: Staff) -> None:
    for ignored in (None, "respond-async", "wait=soon", "wait=-1", "waiting", 'wait="', "wait=1.5"):
        answer = await staff.order(prefer=ignored, run_id=RUN.run_id)
        assert (answer.status_code, answer.json()["status"]) == (202, "WAITING")
        assert "Preference-Applied" not in answer.headers


@pytest.mark.usefixtures("works")
async def test_a_large_file_is_fetched_later(staff: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait_for_file, "SMALL", 2)
    answer = await staff.order(prefer="wait", run_id=RUN.run_id)
    assert answer.status_code == 202
    assert "Preference-Applied" not in answer.headers
    monkeypatch.setattr(wait_for_file, "SMALL", 3)
    assert (await staff.order(prefer="wait", run_id=RUN.run_id)).status_code == 200


@pytest.mark.usefixtures("works")
async def test_a_run_that_is_not_whole_in_time_is_fetched_later(
    context: ServiceContext, staff: Staff
) -> None:
    run, members = run_of(members=2)
    await announce(context, run)
    await hand_over(context, members[:1])
    answer = await staff.order(key="key-1", prefer="wait=1", run_id=run.run_id)
    assert (answer.status_code, answer.json()["members_missing"]) == (202, 1)
    await hand_over(context, members[1:])
    again = await staff.order(key="key-1", prefer="wait", run_id=run.run_id)
    assert again.status_code == 200


async def test_an_export_that_has_no_file_any_more_or_never_is_the_answer(
    context: ServiceContext, staff: Staff
) -> None:
    async def order(key: str) -> httpx.Response:
        return await staff.order(key=key, prefer="wait=0", run_id=RUN.run_id)

    for key in ("expires", "fails", "is-cancelled"):
        assert (await order(key)).status_code == 202
    cancelled, failed, expired = await staff.ids()
    await staff.cancel(cancelled)
    await change(
        context, UUID(failed), status="FAILED", failure_reason="STORAGE_FULL", delete_file_at=now()
    )
    await render_all(context)
    await change(context, UUID(expired), expires_at=now() - timedelta(seconds=1))
    answers = [await order(key) for key in ("expires", "fails", "is-cancelled")]
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    seen = [answer.json() for answer in answers]
    assert [each["export_id"] for each in seen] == [expired, failed, cancelled]
    assert [(each["status"], each["reason_code"]) for each in seen] == [
        ("EXPIRED", None),
        ("FAILED", "STORAGE_FULL"),
        ("CANCELLED", None),
    ]


async def test_only_so_many_wait_at_once(staff: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are answered at once: the database has work for those who read and render, too."""
    monkeypatch.setattr(wait_for_file, "MOST_WAITERS", 1)
    first = asyncio.create_task(staff.order(prefer="wait", run_id=RUN.run_id))
    async with asyncio.timeout(10):
        while not await staff.ids():
            await asyncio.sleep(0.005)
        second = await staff.order(prefer="wait", run_id=RUN.run_id)
    assert (second.status_code, second.json()["status"]) == (202, "WAITING")
    assert not first.done()
    await staff.cancel((await staff.ids())[1])
    assert (await first).json()["status"] == "CANCELLED"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], None),
        (["wait"], MOST_SECONDS),
        (["wait=5"], 5),
        (['respond-async, WAIT = "7" ; lang=de'], 7),
        (["respond-async", "wait=7"], 7),
        (["wait=0"], 0),
        (["wait="], MOST_SECONDS),
        (["wait=3, wait=9"], 3),
        (["wait=x, wait=9"], 9),
        (["wait=" + "9" * 400], MOST_SECONDS),
        (["wait=٣"], None),
        (["handling=wait"], None),
    ],
)
def test_a_preference_is_read_as_the_standard_says(
    headers: Sequence[str], seconds: float | None
) -> None:
    """RFC 7240, section 2."""
    assert preferred_wait(headers) == seconds
