"""What happened to a case, in words that a person can read (R30)."""

import string
from datetime import date
from decimal import Decimal

import pytest

from case_service.cases.history_texts import ADDITIONS, SENTENCES, Wording, history_text
from case_service.language import Language, preferred
from case_service.ledger.history import HistoryKind
from contracts import PartnerSnapshotV1
from tests.case_service.world import (
    World,
    accepted,
    claim,
    closed,
    corrected,
    file_number_assigned,
    paid,
    rejected,
)

GERMAN = "de-AT, en;q=0.5"


def test_every_kind_has_a_sentence_in_both_languages() -> None:
    assert SENTENCES.keys() == set(HistoryKind)
    for wordings in [*SENTENCES.values(), *ADDITIONS.values()]:
        for wording in wordings.values():
            assert wording.german != wording.english
            assert names_in(wording.german) == names_in(wording.english)
    assert all("" in wordings for wordings in SENTENCES.values())


def names_in(sentence: str) -> set[str | None]:
    """Return the details that a sentence needs."""
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


@pytest.mark.parametrize("kind", HistoryKind)
@pytest.mark.parametrize("language", Language)
def test_every_sentence_begins_with_who_did_it(kind: HistoryKind, language: Language) -> None:
    text = history_text(kind, {}, "{kim} %s", "EUR", language)
    assert text.startswith("{kim} %s ")
    assert text.endswith(".")
    assert isinstance(SENTENCES[kind][""], Wording)


@pytest.mark.parametrize(
    ("kind", "details", "german", "english"),
    [
        (
            HistoryKind.PAYMENT_BOOKED,
            {
                "amount": "1234.50",
                "booking_date": "2026-03-02",
                "unallocated": "0.50",
                "own_fees": "0.00",
            },
            (
                "Kim hat zum 02.03.2026 eine Zahlung von 1.234,50 EUR gebucht, davon sind 0,50 EUR "
                "nicht zugeordnet."
            ),
            (
                "Kim booked a payment of 1,234.50 EUR for 2 March 2026, of which 0.50 EUR are not "
                "allocated."
            ),
        ),
        (
            HistoryKind.FILE_NUMBER_SET,
            {"file_number": "AZ 2", "previous": "AZ 1"},
            "Kim hat das Aktenzeichen von AZ 1 in AZ 2 geändert.",
            "Kim changed the file number from AZ 1 to AZ 2.",
        ),
        (
            HistoryKind.CLOSED,
            {
                "reason": "COMPLETED",
                "collected": "10.00",
                "residual": "5.00",
                "written_off": "5.00",
            },
            (
                "Kim hat den Fall abgeschlossen, eingezogen wurden 10,00 EUR, offen blieben "
                "5,00 EUR, 5,00 EUR davon wurden ausgebucht."
            ),
            (
                "Kim closed the case with 10.00 EUR collected and 5.00 EUR left open, 5.00 EUR of "
                "that were written off."
            ),
        ),
        (
            HistoryKind.CLAIM_CHANGED,
            {
                "amount_before": "30.00",
                "amount": "30.00",
                "paid_directly_before": "0.00",
                "paid_directly": "10.00",
                "cancelled": "False",
                "open_before": "30.00",
                "open": "20.00",
            },
            (
                "Kim hat eine Zahlung im Studio gemeldet, auf der Forderung sind 20,00 EUR statt "
                "30,00 EUR offen."
            ),
            (
                "Kim reported a payment at the studio, and 20.00 EUR are open on the claim instead "
                "of 30.00 EUR."
            ),
        ),
        (
            HistoryKind.CLAIM_CHANGED,
            {
                "amount_before": "30.00",
                "amount": "30.00",
                "paid_directly_before": "10.00",
                "paid_directly": "4.00",
                "cancelled": "False",
                "open_before": "20.00",
                "open": "26.00",
            },
            (
                "Kim hat eine Zahlung im Studio zurückgenommen, auf der Forderung sind 26,00 EUR "
                "statt 20,00 EUR offen."
            ),
            (
                "Kim took back a payment at the studio, and 26.00 EUR are open on the claim "
                "instead of 20.00 EUR."
            ),
        ),
        (
            HistoryKind.UNALLOCATED_SETTLED,
            {"outcome": "GIVEN_TO_DEBTOR", "amount": "3.00"},
            "Kim hat 3,00 EUR einer Zahlung, die nicht zugeordnet waren, dem Schuldner gegeben.",
            "Kim gave 3.00 EUR of a payment, which were not allocated, to the debtor.",
        ),
    ],
)
def test_a_sentence_says_what_was_done(
    kind: HistoryKind, details: dict[str, str], german: str, english: str
) -> None:
    assert history_text(kind, details, "Kim", "EUR", Language.GERMAN) == german
    assert history_text(kind, details, "Kim", "EUR", Language.ENGLISH) == english


@pytest.mark.parametrize(
    ("accept_language", "language"),
    [
        ("", Language.ENGLISH),
        ("de", Language.GERMAN),
        ("de-CH", Language.GERMAN),
        ("DE_de, de;q=0.9", Language.GERMAN),
        ("en-GB, de;q=0.9", Language.ENGLISH),
        ("fr, de;q=0.5, en;q=0.4", Language.GERMAN),
        ("de;q=0, en;q=0.1", Language.ENGLISH),
        ("fr", Language.ENGLISH),
        ("*", Language.ENGLISH),
        ("de;q=much", Language.ENGLISH),
        ("den, ;;;=", Language.ENGLISH),
    ],
)
def test_the_language_is_the_one_that_is_liked_better(
    accept_language: str, language: Language
) -> None:
    assert preferred(accept_language) is language


def test_each_language_writes_figures_its_own_way() -> None:
    amount, day = Decimal("-1234567.80"), date(2026, 12, 1)
    assert Language.GERMAN.money(amount, "CHF") == "-1.234.567,80 CHF"
    assert Language.ENGLISH.money(amount, "CHF") == "-1,234,567.80 CHF"
    assert Language.GERMAN.day(day) == "01.12.2026"
    assert Language.ENGLISH.day(day) == "1 December 2026"


async def test_a_case_tells_what_happened_in_the_language_that_is_asked_for(world: World) -> None:
    """R30."""
    case = await world.open(claim("30.00"), partner_channel="API")
    await world.deliver(accepted(case), file_number_assigned(case, "AZ 1"), paid(case, "50.00"))
    await world.deliver(corrected(case, "20.00"))
    await world.ask("POST", f"/cases/{case.case_id}/closure", {"comment": "fertig"})
    path = f"/cases/{case.case_id}"

    german = await world.ask("GET", path, Accept_Language=GERMAN)
    english = await world.ask("GET", f"{path}/history")

    assert german.headers["Content-Language"] == "de"
    assert english.headers["Content-Language"] == "en"
    partner = case.partner_id
    assert [each["text"] for each in german.json()["history"]] == [
        (
            "demo.staff hat den letzten offenen Fall des Mitglieds beendet, seine Mahnstufe wird "
            "zurückgesetzt."
        ),
        (
            "demo.staff hat den Fall abgeschlossen, eingezogen wurden 20,00 EUR, offen blieben "
            "10,00 EUR."
        ),
        f"{partner} hat eine Zahlung zum 20.03.2026 von 50,00 EUR auf 20,00 EUR verringert.",
        (
            f"{partner} hat zum 20.03.2026 eine Zahlung von 50,00 EUR gebucht, davon sind "
            "20,00 EUR nicht zugeordnet."
        ),
        f"{partner} hat das Aktenzeichen AZ 1 gesetzt.",
        f"{partner} hat den Fall eröffnet, offen sind 30,00 EUR.",
        "run-service hat Forderungen von 30,00 EUR zum Inkasso übergeben.",
    ]
    entries = english.json()["items"]
    assert [each["kind"] for each in entries] == [each["kind"] for each in german.json()["history"]]
    assert entries[1]["text"] == (
        "demo.staff closed the case with 20.00 EUR collected and 10.00 EUR left open."
    )
    assert (entries[1]["actor_kind"], entries[1]["why"]) == ("STAFF", "fertig")
    assert entries[1]["details"]["residual"] == "10.00"
    assert entries[-1]["request_id"] == "request-1"


async def test_a_partner_is_called_by_its_name(world: World) -> None:
    case = await world.open(partner_channel="API")
    await world.deliver(
        PartnerSnapshotV1(
            partner_id=case.partner_id,
            sequence=1,
            name="Inkasso Nord",
            channel="API",
            status="ACTIVE",
            file_number_pattern=None,
        ),
        rejected(case),
    )

    history = (await world.case(case))["history"]

    assert history[0]["text"] == "Inkasso Nord refused the case, reason: DEBTOR_UNKNOWN."
    assert history[0]["actor"] == str(case.partner_id)


async def test_a_repeated_answer_stays_in_the_language_of_the_first(world: World) -> None:
    case = await world.open()
    path, body = f"/cases/{case.case_id}/cancellation", {"comment": "Irrtum"}

    first = await world.ask("POST", path, body, key="k", Accept_Language=GERMAN)
    again = await world.ask("POST", path, body, key="k")

    assert first.headers["Content-Language"] == "de"
    assert "Content-Language" not in again.headers
    assert again.json() == first.json()


async def test_why_a_partner_closed_a_case_is_kept(world: World) -> None:
    """R30."""
    case = await world.open()
    await world.deliver(closed(case, "DEBTOR_INSOLVENT"))
    shown = (await world.case(case))["history"]
    (item,) = (each for each in shown if each["kind"] == "CLOSED")
    assert item["why"] == "DEBTOR_INSOLVENT"
