"""A run's export says what was handed over, whenever it is made (R40, R42)."""

import io
import zipfile
from uuid import UUID

import httpx

from contracts import RunHandedOverV1
from export_service.subscribers import run_handed_over
from kit.clock import now
from local_stack.issuer import Issuer
from tests.export_service.case_events import close, open_case, pay, set_file_number
from tests.export_service.conftest import render_all
from tests.export_service.handed_over import announcement, debtor, handover, receive, run_of
from tests.export_service.ordering import TENANT, ServiceContext, announce, hand_over
from tests.export_service.staff import Staff


async def test_what_happens_later_changes_the_overview_and_the_summary_only(
    context: ServiceContext, client: httpx.AsyncClient, issuer: Issuer
) -> None:
    staff = Staff(client, issuer)
    run, members = run_of(members=3)
    await announce(context, run)
    await hand_over(context, members)

    csv_before, claims_before, overview_before = await _files(context, staff, run.run_id)
    paid, closed, untouched = members
    await open_case(context, paid)
    await set_file_number(context, paid, "AZ-1")
    await pay(context, paid, "0.50")
    await close(context, closed)
    again = handover(
        member_id=paid.member_id,
        debtor=debtor(name1="Anders"),
        booking_number=1,
        run_booking_number="2026-000002",
    )
    await announce(context, announcement([again]))
    await hand_over(context, [again, paid])
    answered = RunHandedOverV1(
        run_id=run.run_id,
        booking_number=run.booking_number,
        partner_id=run.partner_id,
        accepted_count=3,
        rejected_count=0,
        handed_over_at=now(),
    )
    await receive(context, run_handed_over, TENANT, [answered])

    csv_after, claims_after, overview_after = await _files(context, staff, run.run_id)
    assert csv_after == csv_before
    assert claims_after == claims_before
    assert len(overview_after) == len(overview_before) + 1
    changed = set(overview_before) - set(overview_after)
    assert set(map(_case_id, changed)) == {
        str(paid.case_id),
        str(closed.case_id),
    }
    assert str(untouched.case_id) in map(_case_id, overview_after)


async def _files(
    context: ServiceContext, staff: Staff, run_id: UUID
) -> tuple[bytes, bytes, list[str]]:
    """A run as CSV, the sheet of its claims, and the lines of the overview."""
    ordered = [
        await staff.ordered(run_id=run_id),
        await staff.ordered(run_id=run_id, format="xlsx"),
        await staff.ordered(kind="MEMBERS"),
    ]
    await render_all(context)
    as_csv, as_xlsx, overview = [
        (await staff.get(f"/{export_id}/file")).content for export_id in ordered
    ]
    with zipfile.ZipFile(io.BytesIO(as_xlsx)) as book:
        claims = book.read("xl/worksheets/sheet1.xml")
    return as_csv, claims, overview.decode().splitlines()


def _case_id(line: str) -> str:
    """The last column but one."""
    return line.split(",")[-2]
