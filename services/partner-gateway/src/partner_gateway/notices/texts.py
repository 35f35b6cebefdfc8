"""What to tell a partner, as a letter in German or English (R52).

A letter says what its notices say and names their cases by the numbers that are known. It holds no
names and no free text of anybody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from partner_gateway.cases.ended_case import StopReason
from partner_gateway.notices.claim_change import ClaimChange
from partner_gateway.notices.language import Language
from partner_gateway.notices.queries import NoticeView


@dataclass(frozen=True, slots=True)
class Wording:
    """All that letters say in one language, with what is filled in between braces."""

    greeting: str
    confirm: str
    farewell: str

    subject: str
    subject_of_many: str
    opening_of_many: str
    more: str

    case_in_subject: Mapping[str, str]
    """By which number a subject names the case; the first one that is known counts."""
    numbers: Mapping[str, str]
    """The lines that name a case; what is not known has none."""

    stop: str
    stop_text: str
    stop_reasons: Mapping[StopReason, str]

    studio_payment: str
    studio_payment_text: str
    claim_cancelled: str
    claim_cancelled_text: str
    claim_changed: str
    claim_changed_text: str
    open: str
    collect_the_rest: str
    collect_nothing: str


WORDINGS: Final[Mapping[Language, Wording]] = {
    Language.GERMAN: Wording(
        greeting="Sehr geehrte Damen und Herren,",
        confirm="Bitte bestätigen Sie uns, dass Sie davon wissen.",
        farewell="Mit freundlichen Grüßen",
        subject="{heading}: {case}",
        subject_of_many="{count} Mitteilungen zu Ihren Inkassofällen",
        opening_of_many=(
            "bitte beachten Sie die folgenden {count} Mitteilungen. Betreffen mehrere denselben "
            "Fall, so gilt für offene Beträge die letzte."
        ),
        more="Weitere Mitteilungen folgen in einem eigenen Schreiben.",
        case_in_subject={
            "file_number": "Aktenzeichen {file_number}",
            "booking_number": "Inkassolauf {run_booking_number}, Nummer {booking_number}",
            "case_id": "Fall {case_id}",
        },
        numbers={
            "file_number": "Ihr Aktenzeichen: {file_number}",
            "run_booking_number": "Inkassolauf: {run_booking_number}",
            "booking_number": "Nummer im Inkassolauf: {booking_number}",
            "case_id": "Fall: {case_id}",
            "voucher_id": "Forderung: {voucher_id}",
        },
        stop="Inkasso einstellen",
        stop_text=(
            "bitte stellen Sie das Inkasso zu diesem Fall sofort ein: Fordern Sie nichts mehr ein, "
            "und leiten Sie keine weiteren Schritte ein. Was bei Ihnen eingegangen ist oder noch "
            "eingeht, melden Sie uns bitte."
        ),
        stop_reasons={
            "CASE_CANCELLED": "Grund: Wir haben den Fall storniert und Ihren Auftrag dazu beendet.",
            "RUN_REVERSED": (
                "Grund: Wir haben den Inkassolauf rückgängig gemacht, mit dem der Fall übergeben "
                "wurde, und Ihren Auftrag dazu beendet."
            ),
        },
        studio_payment="Zahlung im Studio",
        studio_payment_text=(
            "auf eine Forderung dieses Falls wurden im Studio {paid} gezahlt, insgesamt bisher "
            "{paid_directly}."
        ),
        claim_cancelled="Forderung storniert",
        claim_cancelled_text="eine Forderung dieses Falls wurde storniert.",
        claim_changed="Forderung geändert",
        claim_changed_text=(
            "eine Forderung dieses Falls hat sich geändert. Sie beträgt jetzt {amount}, davon sind "
            "im Studio {paid_directly} gezahlt."
        ),
        open=(
            "Auf der Forderung sind {open} offen, vorher waren es {open_before}. Im ganzen Fall "
            "sind {case_open} offen."
        ),
        collect_the_rest="Bitte ziehen Sie zu diesem Fall nicht mehr als {case_open} ein.",
        collect_nothing="Bitte ziehen Sie zu diesem Fall nichts mehr ein.",
    ),
    Language.ENGLISH: Wording(
        greeting="Dear Sir or Madam,",
        confirm="Please confirm that you know of this.",
        farewell="Yours faithfully",
        subject="{heading}: {case}",
        subject_of_many="{count} notices about your collection cases",
        opening_of_many=(
            "Please note the following {count} notices. Where several are about the same case, the "
            "last one counts for open amounts."
        ),
        more="More notices follow in a letter of their own.",
        case_in_subject={
            "file_number": "file number {file_number}",
            "booking_number": "collection run {run_booking_number}, number {booking_number}",
            "case_id": "case {case_id}",
        },
        numbers={
            "file_number": "Your file number: {file_number}",
            "run_booking_number": "Collection run: {run_booking_number}",
            "booking_number": "Number in the collection run: {booking_number}",
            "case_id": "Case: {case_id}",
            "voucher_id": "Claim: {voucher_id}",
        },
        stop="Stop collection",
        stop_text=(
            "Please stop collection in this case at once: demand nothing more, and take no further "
            "steps. Please report to us what you have received or still receive."
        ),
        stop_reasons={
            "CASE_CANCELLED": (
                "Reason: We have cancelled the case and ended your mandate to collect it."
            ),
            "RUN_REVERSED": (
                "Reason: We have reversed the collection run with which the case was handed over, "
                "and ended your mandate to collect it."
            ),
        },
        studio_payment="Payment at the studio",
        studio_payment_text=(
            "{paid} were paid at the studio on a claim of this case, {paid_directly} in all so far."
        ),
        claim_cancelled="Claim cancelled",
        claim_cancelled_text="A claim of this case was cancelled.",
        claim_changed="Claim changed",
        claim_changed_text=(
            "A claim of this case has changed. It amounts to {amount} now, of which "
            "{paid_directly} were paid at the studio."
        ),
        open=(
            "{open} are open on the claim, {open_before} were before. {case_open} are open in the "
            "whole case."
        ),
        collect_the_rest="Please collect no more than {case_open} in this case.",
        collect_nothing="Please collect nothing more in this case.",
    ),
}


def letter(
    notices: Sequence[NoticeView], language: Language, *, more: bool = False
) -> tuple[str, str]:
    """Return subject and body of a letter that tells a partner these notices, in their order.

    `more`: it says that another letter follows.
    """
    wording = WORDINGS[language]
    if len(notices) == 1:
        subject, told = _single(notices[0], wording, language)
    else:
        subject, told = _many(notices, wording, language)
    ending = [wording.more] if more else []
    body = [wording.greeting, *told, *ending, wording.confirm, wording.farewell]
    return subject, "\n\n".join(body) + "\n"


def _single(notice: NoticeView, wording: Wording, language: Language) -> tuple[str, list[str]]:
    heading, (first, *rest) = _said(notice, wording, language)
    known = _numbers(notice)
    case = next(each for name, each in wording.case_in_subject.items() if name in known)
    subject = wording.subject.format(heading=heading, case=case.format_map(known))
    return subject, [first, _lines(notice, wording), *rest]


def _many(
    notices: Sequence[NoticeView], wording: Wording, language: Language
) -> tuple[str, list[str]]:
    told = [wording.opening_of_many.format(count=len(notices))]
    for place, notice in enumerate(notices, start=1):
        heading, sentences = _said(notice, wording, language)
        text = " ".join(_capitalized(sentence) for sentence in sentences)
        told.append(f"{place}. {heading}\n{_lines(notice, wording)}\n{text}")
    return wording.subject_of_many.format(count=len(notices)), told


def _said(notice: NoticeView, wording: Wording, language: Language) -> tuple[str, list[str]]:
    """Return what a notice is called, and what it says."""
    if notice.kind == "STOP":
        reasons = [] if notice.reason is None else [wording.stop_reasons[notice.reason]]
        return wording.stop, [wording.stop_text, *reasons]
    change = notice.claim_change
    assert change is not None, "what is no STOP says something of a claim"
    if change.paid is not None:
        heading, first = wording.studio_payment, wording.studio_payment_text
    elif change.cancelled:
        heading, first = wording.claim_cancelled, wording.claim_cancelled_text
    else:
        heading, first = wording.claim_changed, wording.claim_changed_text
    last = wording.collect_the_rest if change.case_open.amount > 0 else wording.collect_nothing
    amounts = _amounts(change, language)
    return heading, [each.format_map(amounts) for each in (first, wording.open, last)]


def _amounts(change: ClaimChange, language: Language) -> dict[str, str]:
    amounts = {
        "amount": change.amount,
        "paid_directly": change.paid_directly,
        "open_before": change.open_before,
        "open": change.open,
        "case_open": change.case_open,
        "paid": change.paid,
    }
    return {name: language.money(each) for name, each in amounts.items() if each is not None}


def _numbers(notice: NoticeView) -> dict[str, str]:
    """Return the numbers by which a case, and a claim of it, are known to the partner."""
    numbers = {
        "file_number": notice.file_number,
        "run_booking_number": notice.run_booking_number,
        "booking_number": notice.booking_number,
        "case_id": notice.case_id,
        "voucher_id": notice.voucher_id,
    }
    return {name: str(number) for name, number in numbers.items() if number is not None}


def _lines(notice: NoticeView, wording: Wording) -> str:
    known = _numbers(notice)
    return "\n".join(
        line.format_map(known) for name, line in wording.numbers.items() if name in known
    )


def _capitalized(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]
