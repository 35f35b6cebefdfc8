"""The workbook's summary: what the run is and what it adds up to, in German and English (R40)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from export_service.runs.run import Run

SummaryValue = str | int | Decimal | date
"""Texts, counts, amounts and dates."""

_TRIGGERS = {"RUN": "Inkassolauf / run", "SINGLE_MEMBER": "Einzelnes Mitglied / single member"}


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """A row of the summary; a heading stands out."""

    values: tuple[SummaryValue, ...]
    heading: bool = False


def summary_of(run: Run) -> Iterator[SummaryRow]:
    """The run, its sums, and then a table with a row for each studio and currency."""
    yield SummaryRow(("Inkassolauf / collection run", run.booking_number), heading=True)
    yield SummaryRow(("Übergabetag / collection date", run.collection_date))
    yield SummaryRow(("Erstellt um (UTC) / created at (UTC)", f"{run.created_at:%Y-%m-%d %H:%M}"))
    yield SummaryRow(("Auslöser / trigger", _TRIGGERS.get(run.trigger, run.trigger)))
    yield SummaryRow(("Inkassopartner / collection partner", str(run.partner_id)))
    yield SummaryRow(("Mitglieder / members", run.member_count))
    yield SummaryRow(("Forderungen / claims", run.claim_count))
    for currency, amount in run.totals.items():
        yield SummaryRow((f"Summe / total ({currency})", amount))
    yield SummaryRow(())
    yield SummaryRow(
        (
            "Studio / studio",
            "ClientId",
            "Mitglieder / members",
            "Forderungen / claims",
            "Summe / total",
            "Währung / currency",
        ),
        heading=True,
    )
    for studio in run.studios:
        counts = (studio.name, str(studio.studio_id), studio.member_count, studio.claim_count)
        for currency, amount in studio.totals.items():
            yield SummaryRow((*counts, amount, currency))
