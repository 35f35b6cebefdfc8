"""The columns of the members overview; staff read them, so they are called what staff call them."""

from typing import Final

from export_service.rendering.columns import Column, Kind
from export_service.rendering.language import Language

_COLUMNS: Final = (
    ("Name", "Name", Kind.TEXT, "Name of the member at the handover"),
    ("Mitgliedsnummer", "Membership number", Kind.TEXT, "With its leading zeros"),
    ("Übergabe am", "Handed over on", Kind.DATE, "Day of the handover"),
    ("Übergeben", "Handed over", Kind.DECIMAL, "What was to be collected at the handover"),
    ("Währung", "Currency", Kind.TEXT, "Currency of all amounts, ISO 4217"),
    ("Aktenstatus", "Case status", Kind.ENUM, "PENDING, OPEN, REJECTED, CLOSED or CANCELLED"),
    ("Aktenzeichen", "File number", Kind.TEXT, "The partner's number"),
    ("Gezahlt", "Collected", Kind.DECIMAL, "What was paid on its claims through the case"),
    ("Offen", "Open", Kind.DECIMAL, "What is open; after the end, what is open again"),
    ("Ergebnis", "Result", Kind.ENUM, "PAID, PARTLY_PAID or UNPAID, of a closed case"),
    ("Beendet am", "Ended on", Kind.DATE, "Day on which the case ended"),
    ("Studio", "Studio", Kind.TEXT, "Name of the studio at the handover"),
    ("Inkassolauf", "Collection run", Kind.TEXT, "Booking number of the run"),
    ("Buchungsnummer", "Booking number", Kind.TEXT, "Number of the member in the run"),
    ("Mitglieds-ID", "Member id", Kind.TEXT, "Id of the member"),
    ("Fall-ID", "Case id", Kind.TEXT, "Id of the case"),
    ("Partner-ID", "Partner id", Kind.TEXT, "Id of the collection partner"),
)


def columns(language: Language) -> tuple[Column, ...]:
    """The columns, with headings in a language."""
    return tuple(
        Column(german if language is Language.DE else english, kind, meaning)
        for german, english, kind, meaning in _COLUMNS
    )
