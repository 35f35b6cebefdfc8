"""What happened to a case as a sentence for people, in German or English.

Each sentence begins with who did it. What an older release wrote down may lack details: a figure
that is not known is a dash.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from case_service.language import Language
from case_service.ledger.history import HistoryKind


@dataclass(frozen=True, slots=True)
class Wording:
    """The same in both languages, with the names of details in braces."""

    german: str
    english: str

    def in_(self, language: Language) -> str:
        """Return it in one of the languages."""
        return self.german if language is Language.GERMAN else self.english


SENTENCES: Final[Mapping[HistoryKind, Mapping[str, Wording]]] = {
    HistoryKind.HANDED_OVER: {
        "": Wording(
            "{who} hat Forderungen von {open} zum Inkasso übergeben",
            "{who} handed over claims of {open}",
        )
    },
    HistoryKind.OPENED: {
        "": Wording(
            "{who} hat den Fall eröffnet, offen sind {open}",
            "{who} opened the case with {open} to collect",
        )
    },
    HistoryKind.REJECTED: {
        "": Wording(
            "{who} hat den Fall abgelehnt, Grund: {reason_code}",
            "{who} refused the case, reason: {reason_code}",
        )
    },
    HistoryKind.FILE_NUMBER_SET: {
        "": Wording(
            "{who} hat das Aktenzeichen {file_number} gesetzt",
            "{who} set the file number {file_number}",
        ),
        "previous": Wording(
            "{who} hat das Aktenzeichen von {previous} in {file_number} geändert",
            "{who} changed the file number from {previous} to {file_number}",
        ),
    },
    HistoryKind.PAYMENT_BOOKED: {
        "": Wording(
            "{who} hat zum {booking_date} eine Zahlung von {amount} gebucht",
            "{who} booked a payment of {amount} for {booking_date}",
        )
    },
    HistoryKind.PAYMENT_REDUCED: {
        "": Wording(
            "{who} hat eine Zahlung zum {booking_date} von {amount_before} auf {amount_after} "
            "verringert",
            "{who} reduced a payment from {amount_before} to {amount_after} for {booking_date}",
        )
    },
    HistoryKind.PAYMENT_REALLOCATED: {
        "": Wording(
            "{who} hat {amount} einer Zahlung anders zugeordnet",
            "{who} allocated {amount} of a payment otherwise",
        ),
        "CLAIM_CHANGED": Wording(
            "{who} hat eine Forderung gesenkt, {amount} einer Zahlung darauf sind nicht mehr "
            "zugeordnet",
            "{who} lowered a claim, and {amount} of a payment on it are no longer allocated",
        ),
        "SETTLED": Wording(
            "{who} hat {amount} einer Zahlung, die nicht zugeordnet waren, Forderungen zugeordnet",
            "{who} allocated {amount} of a payment, which were not allocated, to claims",
        ),
    },
    HistoryKind.UNALLOCATED_SETTLED: {
        "": Wording(
            "{who} hat {amount} einer Zahlung, die nicht zugeordnet waren, ausgezahlt",
            "{who} paid out {amount} of a payment that were not allocated",
        ),
        "PAID_BACK": Wording(
            "{who} hat {amount} einer Zahlung, die nicht zugeordnet waren, an den Partner "
            "zurückgezahlt",
            "{who} paid {amount} of a payment, which were not allocated, back to the partner",
        ),
        "GIVEN_TO_DEBTOR": Wording(
            "{who} hat {amount} einer Zahlung, die nicht zugeordnet waren, dem Schuldner gegeben",
            "{who} gave {amount} of a payment, which were not allocated, to the debtor",
        ),
    },
    HistoryKind.FEES_CORRECTED: {
        "": Wording(
            "{who} hat die eigenen Gebühren einer Zahlung von {own_fees_before} auf "
            "{own_fees_after} berichtigt",
            "{who} corrected the own fees of a payment from {own_fees_before} to {own_fees_after}",
        )
    },
    HistoryKind.CLAIM_CHANGED: {
        "": Wording(
            "{who} hat eine Forderung geändert, darauf sind {open} statt {open_before} offen",
            "{who} changed a claim, on which {open} are open instead of {open_before}",
        ),
        "cancelled": Wording(
            "{who} hat eine Forderung storniert, darauf sind {open} statt {open_before} offen",
            "{who} cancelled a claim, on which {open} are open instead of {open_before}",
        ),
        "paid": Wording(
            "{who} hat eine Zahlung im Studio gemeldet, auf der Forderung sind {open} statt "
            "{open_before} offen",
            "{who} reported a payment at the studio, and {open} are open on the claim instead of "
            "{open_before}",
        ),
        "taken back": Wording(
            "{who} hat eine Zahlung im Studio zurückgenommen, auf der Forderung sind {open} statt "
            "{open_before} offen",
            "{who} took back a payment at the studio, and {open} are open on the claim instead of "
            "{open_before}",
        ),
    },
    HistoryKind.COMMENTED: {
        "": Wording("{who} hat den Fall kommentiert", "{who} commented on the case")
    },
    HistoryKind.CLOSED: {
        "": Wording(
            "{who} hat den Fall abgeschlossen, eingezogen wurden {collected}, offen blieben "
            "{residual}",
            "{who} closed the case with {collected} collected and {residual} left open",
        ),
        "RUN_REVERSED": Wording(
            "{who} hat den Inkassolauf rückgängig gemacht und damit den Fall abgeschlossen, "
            "eingezogen wurden {collected}, offen blieben {residual}",
            "{who} reversed the run and thereby closed the case with {collected} collected and "
            "{residual} left open",
        ),
    },
    HistoryKind.CANCELLED: {
        "": Wording(
            "{who} hat den Fall storniert, offen blieben {residual}",
            "{who} cancelled the case with {residual} left open",
        )
    },
    HistoryKind.DUNNING_LEVEL_RESET: {
        "": Wording(
            "{who} hat den letzten offenen Fall des Mitglieds beendet, seine Mahnstufe wird "
            "zurückgesetzt",
            "{who} ended the last open case of the member, whose dunning level is reset",
        )
    },
    HistoryKind.HANDED_OVER_AGAIN: {
        "": Wording(
            "{who} hat wieder offene {amount} mit einem neuen Fall erneut übergeben",
            "{who} handed over {amount}, which were open again, with a new case",
        )
    },
}
"""The sentences for each kind: the one named "", and others that fit better if they apply."""

ADDITIONS: Final[Mapping[HistoryKind, Mapping[str, Wording]]] = {
    HistoryKind.PAYMENT_BOOKED: {
        "unallocated": Wording(
            "davon sind {unallocated} nicht zugeordnet", "of which {unallocated} are not allocated"
        ),
        "own_fees": Wording(
            "dazu behielt der Partner {own_fees} als eigene Gebühren",
            "besides the partner kept {own_fees} as own fees",
        ),
    },
    HistoryKind.PAYMENT_REDUCED: {
        "shortfall": Wording(
            "{shortfall} davon waren schon ausgezahlt", "{shortfall} of that had been paid out"
        )
    },
    HistoryKind.CLOSED: {
        "written_off": Wording(
            "{written_off} davon wurden ausgebucht", "{written_off} of that were written off"
        )
    },
}
"""What is added for amounts that are above zero."""


def history_text(
    kind: HistoryKind, details: Mapping[str, str], who: str, currency: str, language: Language
) -> str:
    """Return who did what, in one sentence; amounts and days as the language writes them."""
    values = _Values(
        {name: _shown(name, each, currency, language) for name, each in details.items()}
    )
    values["who"] = who
    parts = [SENTENCES[kind][_variant(kind, details)]]
    parts += [
        wording
        for name, wording in ADDITIONS.get(kind, {}).items()
        if Decimal(details.get(name, "0")) > 0
    ]
    return ", ".join(part.in_(language).format_map(values) for part in parts) + "."


class _Values(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "–"


def _variant(kind: HistoryKind, details: Mapping[str, str]) -> str:
    """Return which of the sentences of a kind fits best."""
    match kind:
        case HistoryKind.FILE_NUMBER_SET:
            variant = "previous" if "previous" in details else ""
        case HistoryKind.PAYMENT_REALLOCATED | HistoryKind.CLOSED:
            variant = details.get("reason", "")
        case HistoryKind.UNALLOCATED_SETTLED:
            variant = details.get("outcome", "")
        case HistoryKind.CLAIM_CHANGED:
            variant = _claim_change(details)
        case _:
            variant = ""
    return variant if variant in SENTENCES[kind] else ""


def _claim_change(details: Mapping[str, str]) -> str:
    if details.get("cancelled") == "True":
        return "cancelled"
    same_amount = details.get("amount") == details.get("amount_before")
    paid, before = (Decimal(details.get(f"paid_directly{when}", "0")) for when in ("", "_before"))
    if not same_amount or paid == before:
        return ""
    return "paid" if paid > before else "taken back"


_AMOUNTS: Final = frozenset(
    {
        *("open", "open_before", "amount", "amount_before", "amount_after", "unallocated"),
        *("own_fees", "own_fees_before", "own_fees_after", "shortfall", "collected", "residual"),
        *("written_off", "paid_directly", "paid_directly_before"),
    }
)


def _shown(name: str, value: str, currency: str, language: Language) -> str:
    if name in _AMOUNTS:
        return language.money(Decimal(value), currency)
    if name == "booking_date":
        return language.day(date.fromisoformat(value))
    return value
