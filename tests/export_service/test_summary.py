"""What the summaries of the workbooks tell, in both languages (R40, R42)."""

import io
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import openpyxl

from export_service.members.case import CaseStatus
from export_service.members.columns import columns
from export_service.members.wanted import WantedMembers
from export_service.rendering.language import Language
from export_service.rendering.summary import OverviewSummary, SummaryRow, SummaryValue, summary_of
from export_service.rendering.xlsx_writer import SheetNames, XlsxWriter
from export_service.runs.columns import COLUMNS
from export_service.runs.run import Run, RunStudio

NORTH, SOUTH = UUID(int=1), UUID(int=2)
RUN = Run(
    run_id=UUID(int=8),
    booking_number="2026-000001",
    partner_id=UUID(int=9),
    trigger="RUN",
    collection_date=date(2026, 3, 2),
    created_at=datetime(2026, 3, 2, 8, 15, tzinfo=UTC),
    handed_over_at=datetime(2026, 3, 3, 9, 30, tzinfo=UTC),
    rejected_at=None,
    reversed_at=None,
    accepted_count=2,
    rejected_count=1,
    details_deleted_at=None,
    studios=[
        RunStudio(NORTH, "=Nord", 2, 3, {"CHF": Decimal("1.10"), "EUR": Decimal("2.20")}, 2, 3),
        RunStudio(SOUTH, "Süd", 1, 1, {"EUR": Decimal("0.30")}, 1, 1),
    ],
)


def known(rows: Iterable[SummaryRow]) -> dict[SummaryValue, tuple[SummaryValue, ...]]:
    """What stands behind the first cell of each row."""
    return {row.values[0]: row.values[1:] for row in rows if row.values}


def test_the_second_sheet_sums_the_run_up() -> None:
    """R40: as a reader that is not ours sees it, with amounts, dates and texts as such."""
    output = io.BytesIO()
    XlsxWriter(output, COLUMNS, SheetNames.of_claims(Language.DE)).finish(
        summary_of(RUN, Language.DE)
    )
    book = openpyxl.load_workbook(output)
    assert book.sheetnames == ["Forderungen", "Zusammenfassung"]
    rows = [list(row) for row in book["Zusammenfassung"].iter_rows(values_only=True)]
    found = {row[0]: row[1] for row in rows[:12]}
    assert found == {
        "Inkassolauf": "2026-000001",
        "Status": "Übergeben",
        "Übergabetag": datetime(2026, 3, 2),  # noqa: DTZ001  a date, as openpyxl gives it
        "Erstellt um (UTC)": "2026-03-02 08:15",
        "Übergeben um (UTC)": "2026-03-03 09:30",
        "Auslöser": "Inkassolauf",
        "Inkassopartner": str(UUID(int=9)),
        "Mitglieder": 3,
        "Forderungen": 4,
        "Angenommen": 2,
        "Abgelehnt": 1,
        "Summe (CHF)": 1.1,
    }
    assert rows[-3:] == [
        ["=Nord", str(NORTH), 2, 3, 1.1, "CHF"],
        ["=Nord", str(NORTH), 2, 3, 2.2, "EUR"],
        ["Süd", str(SOUTH), 1, 1, 0.3, "EUR"],
    ]


def test_the_summary_of_a_studio_has_the_studios_figures() -> None:
    """R42: and none of the whole run, which others may see."""
    found = list(summary_of(RUN.narrowed_to(SOUTH), Language.EN))
    assert [row.values for row in found] == [
        ("Collection run", "2026-000001"),
        ("Status", "Handed over"),
        ("Collection date", date(2026, 3, 2)),
        ("Created at (UTC)", "2026-03-02 08:15"),
        ("Handed over at (UTC)", "2026-03-03 09:30"),
        ("Trigger", "Collection run"),
        ("Collection partner", UUID(int=9)),
        ("Members", 1),
        ("Claims", 1),
        ("Total (EUR)", Decimal("0.30")),
        (),
        ("Studio", "ClientId", "Members", "Claims", "Total", "Currency"),
        ("Süd", SOUTH, 1, 1, Decimal("0.30"), "EUR"),
    ]
    assert [row.values[0] for row in found if row.heading] == ["Collection run", "Studio"]


def overview_row(status: str, handed_over: str, collected: str, still_open: str) -> list[str]:
    """A row of the overview in EUR."""
    texts = {
        "Case status": status,
        "Handed over": handed_over,
        "Collected": collected,
        "Open": still_open,
        "Currency": "EUR",
    }
    return [texts.get(column.name, "") for column in columns(Language.EN)]


def test_the_overview_counts_and_sums_what_was_written() -> None:
    """R42: by case status, and by currency."""
    summary = OverviewSummary(Language.EN, WantedMembers(), members_missing=0)
    summary.add([overview_row("OPEN", "10.00", "3.00", "7.00")])
    summary.add(
        [
            overview_row("CLOSED", "0.10", "0.10", "0.00"),
            overview_row("OPEN", "99999999.99", "0.00", "99999999.99"),
        ]
    )
    found = known(summary.rows())
    assert found["Filters"] == ("none",)
    assert found["Cases"] == (3,)
    assert (found["OPEN"], found["CLOSED"]) == ((2,), (1,))
    assert found["EUR"] == (3, Decimal("100000010.09"), Decimal("3.10"), Decimal("100000006.99"))


def test_the_overview_says_what_was_asked_for_and_what_is_missing() -> None:
    """R42: nobody takes a part for the whole."""
    wanted = WantedMembers.model_validate(
        {
            "status": [CaseStatus.OPEN, CaseStatus.CLOSED],
            "studio_id": NORTH,
            "from": "2026-01-01",
            "open_again": False,
            "search": "=Müller",
        }
    )
    found = known(OverviewSummary(Language.DE, wanted, members_missing=7).rows())
    assert found["Filter: Aktenstatus"] == ("OPEN, CLOSED",)
    assert found["Filter: Studio-ID"] == (NORTH,)
    assert found["Filter: Übergabe ab"] == (date(2026, 1, 1),)
    assert found["Filter: Nach dem Ende wieder offen"] == ("nein",)
    assert found["Filter: Suche"] == ("=Müller",)
    assert found["Noch nicht eingetroffene Mitglieder"] == (7,)


def test_both_languages_tell_the_same() -> None:
    """R40: the same values in the same places; no words but these are alike."""
    german, english = (list(summary_of(RUN, language)) for language in Language)
    alike = set()
    for row, other in zip(german, english, strict=True):
        assert row.heading == other.heading
        for value, translated in zip(row.values, other.values, strict=True):
            assert type(value) is type(translated)
            if value == translated:
                alike.add(value)
            else:
                assert isinstance(value, str)
    assert {value for value in alike if isinstance(value, str)} == {
        *("2026-000001", "2026-03-02 08:15", "2026-03-03 09:30", "=Nord", "Süd", "CHF", "EUR"),
        *("Status", "Studio", "ClientId"),
    }
