"""Files of any size: every bad row is found, and neither time nor memory runs away (R12)."""

import asyncio
import resource
import threading
from contextlib import suppress
from typing import Any

import pytest
from pydantic import ValidationError

from contracts import MemberSnapshotV1
from run_service.imports import check_imports as checking
from run_service.imports import publish_imports as publishing
from run_service.imports.check_imports import check_imports
from run_service.imports.publish_imports import publish_imports
from tests.databases import count_rows, rows_read
from tests.run_service.imports.desk import (
    CLAIM,
    MEMBER,
    STUDIO,
    Desk,
    examples,
    files_of,
    table,
)
from tests.run_service.killed_process import kill_while_hanging

ROWS = 100_000
ROWS_TO_LOOK_UP = 1_000
READ_FOR_A_ROW = 20
BAD = {
    2: ("amount", "1.234"),
    1_999: ("due_date", "31.02.2026"),
    23_456: ("membership_number", ""),
    50_000: ("claim_number", "F3"),
    77_777: ("voucher_date", "heute"),
    99_999: ("membership_number", "9999999"),
    100_001: ("currency", "XXX"),
}
"""By row of the spreadsheet: what is wrong there."""


def many_claims() -> str:
    """Return 100,000 claims, 7 of which are bad."""
    headings = [*CLAIM, "currency"]
    lines = [";".join(headings)]
    for row in range(2, ROWS + 2):
        claim = {**CLAIM, "claim_number": f"F{row}", "currency": "EUR"}
        if row in BAD:
            column, value = BAD[row]
            claim[column] = value
        lines.append(";".join(claim[heading] for heading in headings))
    return "\r\n".join(lines)


async def test_100_000_rows_with_7_bad_ones_name_the_7(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()
    read = checking._read

    def read_and_tell(*arguments: Any) -> Any:
        threads.add(threading.current_thread())
        return read(*arguments)

    monkeypatch.setattr(checking, "_read", read_and_tell)
    claims = many_claims()
    before = _peak()
    checked = await desk.check(studios=table(STUDIO), members=table(MEMBER), claims=claims)
    assert [(row, column) for _, row, column, _ in await desk.errors(checked)] == [
        (row, column) for row, (column, _) in sorted(BAD.items())
    ]
    assert files_of(checked, "rows", "good", "bad")[-1] == ("claims", ROWS, ROWS - 7, 7)
    assert _peak() - before < 150 * 1024
    assert threading.main_thread() not in threads, "the loop would stand still"


def _peak() -> int:
    """Return the most memory that this process ever had, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


async def test_a_large_import_after_small_ones_looks_its_rows_up_by_indexes(
    desk: Desk, database_url: str
) -> None:
    """PostgreSQL keeps the plans for a few rows: by those it would read all rows for each."""
    for number in range(8):  # a plan is kept from the sixth time on
        await desk.bring_in(**_of_a_studio(10_000 + number, 1))
        if number == 0:
            await count_rows(database_url)
    before = await rows_read(desk.world.context.database, "import_rows")
    checked = await desk.check(**_of_a_studio(0, ROWS_TO_LOOK_UP))
    assert files_of(checked, "good") == [
        ("studios", 1),
        ("members", ROWS_TO_LOOK_UP),
        ("claims", ROWS_TO_LOOK_UP),
    ]
    read = await rows_read(desk.world.context.database, "import_rows") - before
    assert read <= READ_FOR_A_ROW * 2 * ROWS_TO_LOOK_UP


def _of_a_studio(first: int, count: int) -> dict[str, str]:
    """Return the files of so many members, each with a claim."""
    numbers = [{"membership_number": str(first + each)} for each in range(count)]
    claims = [{**CLAIM, **each, "claim_number": each["membership_number"]} for each in numbers]
    return {
        "studios": table(STUDIO),
        "members": table(*({**MEMBER, **number} for number in numbers)),
        "claims": table(*claims),
    }


async def test_a_small_import_does_not_wait_for_a_large_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "LONGEST_RECORD", 1024)
    rows = [{**STUDIO, "studio_number": str(number)} for number in range(800)]
    large = (await desk.send(studios=table(*rows))).json()
    for _ in range(3):
        await check_imports(desk.world.context)
    small = (await desk.send(studios=table(STUDIO))).json()
    async with asyncio.timeout(60):
        while (await desk.get(small))["status"] == "CHECKING":
            await check_imports(desk.world.context)
    half = await desk.get(large)
    assert half["status"] == "CHECKING"
    assert 0 < half["progress"] < 50
    assert 0 < half["files"][0]["rows"] < 400
    await desk.check_all()
    assert files_of(await desk.get(large), "good", "bad") == [("studios", 800, 0)]


async def test_an_import_that_cannot_be_checked_holds_no_other_up(desk: Desk) -> None:
    broken, other = [(await desk.send(studios=table(STUDIO))).json() for _ in range(2)]
    await desk.spoil(broken, "UPDATE import_files SET encoding = 'unknown'")
    with pytest.raises(LookupError):
        await check_imports(desk.world.context)
    for _ in range(6):
        with suppress(LookupError):
            await check_imports(desk.world.context)
    assert [(await desk.get(each))["status"] for each in (broken, other)] == [
        "CHECKING",
        "CHECKED",
    ]


async def test_an_import_that_cannot_be_published_holds_no_other_up(desk: Desk) -> None:
    imports = [
        await desk.check(studios=table({**STUDIO, "studio_number": number})) for number in "12"
    ]
    for each in imports:
        assert (await desk.order(each)).status_code == 202
    await desk.spoil(imports[0], "UPDATE import_rows SET snapshot = '{}'")
    with pytest.raises(ValidationError):
        await publish_imports(desk.world.context)
    for _ in range(4):
        with suppress(ValidationError):
            await publish_imports(desk.world.context)
    assert [(await desk.get(each))["status"] for each in imports] == ["PUBLISHING", "PUBLISHED"]


async def test_several_instances_check_each_row_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "LONGEST_RECORD", 1024)
    rows = [{**STUDIO, "studio_number": str(number)} for number in range(300)]
    sent = [(await desk.send(studios=table(*rows))).json() for _ in range(2)]
    async with asyncio.timeout(60):
        await asyncio.gather(*(desk.check_all() for _ in range(4)))
        await desk.check_all()
    for each in sent:
        assert files_of(await desk.get(each), "good", "bad") == [("studios", 300, 0)]


WORK = """
from run_service.imports import check_imports, publish_imports, store

async def work(world):
    check_imports.LONGEST_RECORD = 1024
    publish_imports.BATCH = 2
    for _ in range(4):
        await {work}(world.context)
    change_import = store.change_import
    async def change_and_hang(*arguments, **values):
        await change_import(*arguments, **values)
        await hang()
    store.change_import = change_and_hang
    await {work}(world.context)
"""
"""Does four pieces of work, and hangs with the fifth done but not committed."""


async def work_until_killed(desk: Desk, work: str) -> None:
    """Let another process work, and kill it in the middle."""
    await kill_while_hanging(desk.world, WORK.replace("{work}", work))


async def test_checking_goes_on_after_the_process_was_killed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "LONGEST_RECORD", 1024)
    members = [
        {**MEMBER, "membership_number": str(number), "sex": "x" if number % 50 == 0 else "m"}
        for number in range(200)
    ]
    sent = (await desk.send(studios=table(STUDIO), members=table(*members))).json()
    await work_until_killed(desk, "check_imports.check_imports")
    assert (await desk.get(sent))["status"] == "CHECKING"
    async with asyncio.timeout(60):
        while (await desk.get(sent))["status"] == "CHECKING":
            await desk.check_all()  # until the lock of the dead process is gone
    checked = await desk.get(sent)
    assert files_of(checked, "good", "bad") == [("studios", 1, 0), ("members", 196, 4)]
    assert [row for _, row, _, _ in await desk.errors(checked)] == [2, 52, 102, 152]


async def test_publishing_goes_on_after_the_process_was_killed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R12: each snapshot goes out once."""
    monkeypatch.setattr(publishing, "BATCH", 2)
    checked = await desk.check(**examples())
    assert (await desk.order(checked)).status_code == 202
    await work_until_killed(desk, "publish_imports.publish_imports")
    half = await desk.get(checked)
    assert files_of(half, "published") == [("studios", 2), ("members", 6), ("claims", 0)]
    assert 0 < half["progress"] < 100
    assert len(await desk.snapshots()) == 8
    async with asyncio.timeout(60):
        while (await desk.get(checked))["status"] == "PUBLISHING":
            await desk.publish_all()  # until the lock of the dead process is gone
    published = await desk.get(checked)
    assert files_of(published, "published") == [("studios", 2), ("members", 20), ("claims", 27)]
    members = await desk.world.published(MemberSnapshotV1)
    assert [each.membership_number for each in members] == [f"{n:04}" for n in range(1, 21)]
    assert len({each.key() for each in await desk.snapshots()}) == 49
