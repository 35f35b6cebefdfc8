"""Large report files after small ones: what was reported before is looked up by its index."""

from tests.databases import count_rows, rows_read
from tests.partner_gateway.report_desk import Desk, as_csv
from tests.partner_gateway.world import Gateway

ROWS = 1_500
READ_FOR_A_ROW = 10


async def test_what_was_reported_before_is_looked_up_by_its_index(
    gateway: Gateway, database_url: str
) -> None:
    """PostgreSQL keeps the plans for a few rows: by those it would read all rows for each."""
    desk = await Desk.open(gateway)
    for number in range(8):  # a plan is kept from the sixth time on
        await desk.read_in(_payments(desk, f"small-{number}", 3))
        if number == 0:
            await count_rows(database_url)
    for number in range(2):
        before = await rows_read(gateway.context.database, "reported_rows")
        file = await desk.read_in(_payments(desk, f"large-{number}", ROWS))
        assert (file["status"], file["applied"]) == ("APPLIED", ROWS)
        assert (
            await rows_read(gateway.context.database, "reported_rows") - before
            <= READ_FOR_A_ROW * ROWS
        )


def _payments(desk: Desk, name: str, count: int) -> bytes:
    """Return a file of so many payments that nobody has reported yet."""
    return as_csv(*(desk.payment(partner_reference=f"{name}-{each}") for each in range(count)))
