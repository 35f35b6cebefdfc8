"""A check or application that fails or is cut off: each row once, and no other file waits (R53)."""

from typing import Any

import pytest

from contracts.report import ReportPaymentReceivedV1
from partner_gateway.report_files import apply_report_files
from partner_gateway.report_files.add_rows import find_faults_and_cases
from partner_gateway.report_files.apply_report_files import apply_report_files as apply_rows
from partner_gateway.report_files.check_report_files import check_report_files
from partner_gateway.report_files.reading import DIED
from tests.partner_gateway.report_desk import Desk, as_csv
from tests.partner_gateway.world import Gateway


@pytest.fixture
async def desk(gateway: Gateway) -> Desk:
    """A partner by hand with three cases."""
    return await Desk.open(gateway)


async def test_a_reader_that_dies_is_a_refused_file(desk: Desk) -> None:
    context = desk.gateway.context
    context.settings = context.settings.model_copy(update={"report_reader_memory_mb": 20})
    file = await desk.check(as_csv(desk.payment()) + b"\n" * 5_000_000)
    assert (file["status"], file["reason"]) == ("REFUSED", DIED)
    path = f"/v1/report-files/{file['report_file_id']}"
    assert (await desk.ask("DELETE", path)).status_code == 204


async def test_a_check_goes_on_where_another_instance_died(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("partner_gateway.report_files.reading._BATCH", 2)
    rows = [desk.payment(partner_reference=f"Z-{number}") for number in range(5)]
    sent = (await desk.send(as_csv(*rows, desk.payment(amount="?")))).json()

    class _KilledError(BaseException):
        pass

    calls = 0

    find = find_faults_and_cases

    async def die_at_the_second(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise _KilledError
        return await find(*given)

    with monkeypatch.context() as patched:
        module = "partner_gateway.report_files.check_report_files.find_faults_and_cases"
        patched.setattr(module, die_at_the_second)
        with pytest.raises(_KilledError):
            await check_report_files(desk.gateway.context)
    half = await desk.get(sent["report_file_id"])
    assert half["status"] == "CHECKING"
    assert 0 < half["progress"] < 100
    assert not await check_report_files(desk.gateway.context)  # it may still be at work
    await desk.gateway.execute("UPDATE report_files SET worked_on_until = now()")
    assert await check_report_files(desk.gateway.context)
    checked = await desk.get(sent["report_file_id"])
    assert (checked["status"], checked["good"], checked["bad"]) == ("CHECKED", 5, 1)


async def test_an_application_that_is_cut_off_reports_each_row_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply_report_files, "_BATCH", 2)
    rows = [desk.payment(partner_reference=f"Z-{number}") for number in range(5)]
    file = await desk.check(as_csv(*rows))
    path = f"/v1/report-files/{file['report_file_id']}"
    await desk.ask("POST", f"{path}/application", {})
    assert await apply_rows(desk.gateway.context)
    half = await desk.get(file["report_file_id"])
    assert (half["status"], half["applied"], half["progress"]) == ("APPLYING", 2, 40)
    assert (await desk.ask("DELETE", path)).status_code == 409
    with monkeypatch.context() as patched:
        patched.setattr(apply_report_files, "_GO_ON", None)  # after the reports, before the commit
        with pytest.raises(Exception, match="execut"):
            await apply_rows(desk.gateway.context)
    assert not await apply_rows(desk.gateway.context)  # it may still be at work
    await desk.gateway.execute("UPDATE report_files SET worked_on_until = now()")
    while await apply_rows(desk.gateway.context):
        pass
    reports = await desk.gateway.published(ReportPaymentReceivedV1.TYPE)
    assert [getattr(report, "partner_reference", "") for report in reports] == [
        f"Z-{number}" for number in range(5)
    ]


async def test_a_file_that_cannot_be_applied_holds_up_no_other(desk: Desk) -> None:
    other = await Desk.open(desk.gateway)
    stuck = await desk.check(as_csv(desk.payment()))
    await desk.gateway.execute("UPDATE report_rows SET kind = 'unknown to this release'")
    good = await other.check(as_csv(other.payment()))
    for each, file in ((desk, stuck), (other, good)):
        path = f"/v1/report-files/{file['report_file_id']}/application"
        assert (await each.ask("POST", path, {})).status_code == 202
    with pytest.raises(ValueError, match="unknown to this release"):
        await apply_rows(desk.gateway.context)
    while await apply_rows(desk.gateway.context):
        pass
    assert (await other.get(good["report_file_id"]))["status"] == "APPLIED"
    assert (await desk.get(stuck["report_file_id"]))["status"] == "APPLYING"
