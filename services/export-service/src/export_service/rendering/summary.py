"""The summary of a workbook: what its rows are about, and what they add up to (R40, R42)."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final
from uuid import UUID

from export_service.members.case import CaseStatus
from export_service.members.columns import columns
from export_service.members.wanted import WantedMembers
from export_service.rendering.language import Language
from export_service.runs.run import Run, RunStatus

SummaryValue = str | UUID | int | Decimal | date
"""Texts, ids, counts, amounts and dates."""

_TRIGGERS = {
    "RUN": ("Inkassolauf", "Collection run"),
    "SINGLE_MEMBER": ("Einzelnes Mitglied", "Single member"),
}
_RUN_STATUSES = {
    RunStatus.IN_PROGRESS: ("In Bearbeitung", "In progress"),
    RunStatus.HANDED_OVER: ("Übergeben", "Handed over"),
    RunStatus.REJECTED: ("Abgelehnt", "Rejected"),
    RunStatus.CANCELLED: ("Rückgängig gemacht", "Reversed"),
}


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """A row of the summary; a heading stands out."""

    values: tuple[SummaryValue, ...]
    heading: bool = False


def summary_of(run: Run, language: Language) -> Iterator[SummaryRow]:
    """The run, its sums, and then a table with a row for each studio and currency.

    Of a part of a run the counts and sums are those of its studios.
    """
    say = _speaking(language)
    yield SummaryRow((say("Inkassolauf", "Collection run"), run.booking_number), heading=True)
    yield SummaryRow((say("Status", "Status"), say(*_RUN_STATUSES[run.status])))
    yield SummaryRow((say("Übergabetag", "Collection date"), run.collection_date))
    for label, instant in (
        (say("Erstellt um (UTC)", "Created at (UTC)"), run.created_at),
        (say("Übergeben um (UTC)", "Handed over at (UTC)"), run.handed_over_at),
        (say("Abgelehnt um (UTC)", "Rejected at (UTC)"), run.rejected_at),
        (say("Rückgängig gemacht um (UTC)", "Reversed at (UTC)"), run.reversed_at),
    ):
        if instant is not None:
            yield SummaryRow((label, f"{instant:%Y-%m-%d %H:%M}"))
    yield SummaryRow((say("Auslöser", "Trigger"), say(*_TRIGGERS[run.trigger])))
    yield SummaryRow((say("Inkassopartner", "Collection partner"), run.partner_id))
    for label, count in (
        (say("Mitglieder", "Members"), run.member_count),
        (say("Forderungen", "Claims"), run.claim_count),
        (say("Angenommen", "Accepted"), run.accepted_count),
        (say("Abgelehnt", "Rejected"), run.rejected_count),
    ):
        if count is not None:
            yield SummaryRow((label, count))
    for currency, amount in run.totals.items():
        yield SummaryRow((say(f"Summe ({currency})", f"Total ({currency})"), amount))
    yield SummaryRow(())
    yield from _studios(run, say)


def _studios(run: Run, say: Callable[[str, str], str]) -> Iterator[SummaryRow]:
    headings = (
        say("Studio", "Studio"),
        "ClientId",
        say("Mitglieder", "Members"),
        say("Forderungen", "Claims"),
        say("Summe", "Total"),
        say("Währung", "Currency"),
    )
    yield SummaryRow(headings, heading=True)
    for studio in run.studios:
        counts = (studio.name, studio.studio_id, studio.member_count, studio.claim_count)
        for currency, amount in studio.totals.items():
            yield SummaryRow((*counts, amount, currency))


class OverviewSummary:
    """What the rows of the members overview add up to; it is told of them as they are written."""

    def __init__(
        self, language: Language, wanted: WantedMembers, members_missing: int | None
    ) -> None:
        self._say = _speaking(language)
        self._wanted = wanted
        self._members_missing = members_missing
        self._of_status: Counter[str] = Counter()
        self._of_currency: Counter[str] = Counter()
        self._sums: defaultdict[tuple[str, int], Decimal] = defaultdict(Decimal)

    def add(self, rows: Sequence[Sequence[str]]) -> None:
        """Counts and sums a batch of rows."""
        for row in rows:
            currency = row[_CURRENCY]
            self._of_status[row[_STATUS]] += 1
            self._of_currency[currency] += 1
            for position in _AMOUNTS:
                self._sums[currency, position] += Decimal(row[position])

    def rows(self) -> Iterator[SummaryRow]:
        """What was asked for, what is missing, and the counts and sums of what was written."""
        say = self._say
        yield SummaryRow((say("Mitgliederübersicht", "Members overview"),), heading=True)
        yield from self._filters()
        yield SummaryRow((say("Fälle", "Cases"), self._of_status.total()))
        if self._members_missing != 0:
            label = say("Noch nicht eingetroffene Mitglieder", "Members that have not arrived yet")
            unknown = say("nicht bekannt", "not known")
            yield SummaryRow((label, self._members_missing or unknown))
        yield SummaryRow(())
        yield SummaryRow((say("Aktenstatus", "Case status"), say("Fälle", "Cases")), heading=True)
        for status in CaseStatus:
            if count := self._of_status[status]:
                yield SummaryRow((status.value, count))
        yield SummaryRow(())
        yield from self._currencies()

    def _filters(self) -> Iterator[SummaryRow]:
        say, wanted = self._say, self._wanted
        yes_or_no = say("ja", "yes") if wanted.open_again else say("nein", "no")
        filters: tuple[tuple[str, SummaryValue | None], ...] = (
            (say("Aktenstatus", "Case status"), ", ".join(wanted.status) or None),
            (say("Partner-ID", "Partner id"), wanted.partner_id),
            (say("Studio-ID", "Studio id"), wanted.studio_id),
            (say("Inkassolauf-ID", "Collection run id"), wanted.run_id),
            (say("Übergabe ab", "Handed over from"), wanted.first_day),
            (say("Übergabe bis", "Handed over until"), wanted.last_day),
            (
                say("Nach dem Ende wieder offen", "Open again after the end"),
                None if wanted.open_again is None else yes_or_no,
            ),
            (say("Suche", "Search"), wanted.search),
        )
        applied = [(name, value) for name, value in filters if value is not None]
        if not applied:
            yield SummaryRow((say("Filter", "Filters"), say("keine", "none")))
        for name, value in applied:
            yield SummaryRow((f"{say('Filter', 'Filter')}: {name}", value))

    def _currencies(self) -> Iterator[SummaryRow]:
        say = self._say
        headings = (
            say("Währung", "Currency"),
            say("Fälle", "Cases"),
            say("Übergeben", "Handed over"),
            say("Gezahlt", "Collected"),
            say("Offen", "Open"),
        )
        yield SummaryRow(headings, heading=True)
        for currency, count in sorted(self._of_currency.items()):
            sums = (self._sums[currency, position] for position in _AMOUNTS)
            yield SummaryRow((currency, count, *sums))


_POSITIONS: Final = {column.name: i for i, column in enumerate(columns(Language.EN))}
_CURRENCY: Final = _POSITIONS["Currency"]
_STATUS: Final = _POSITIONS["Case status"]
_AMOUNTS: Final = tuple(_POSITIONS[name] for name in ("Handed over", "Collected", "Open"))


def _speaking(language: Language) -> Callable[[str, str], str]:
    """What chooses between the German and the English words."""
    return lambda german, english: german if language is Language.DE else english
