"""What staff send to a partner, in German and English (R52)."""

import string
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import MemberHandedOverV1, Money
from kit.ids import new_id
from partner_gateway.notices import api
from partner_gateway.notices.language import Language
from partner_gateway.notices.texts import WORDINGS
from tests.partner_gateway.claims import claim_changed, euros, numbered, studio_payment
from tests.partner_gateway.telling import by_hand, listed
from tests.partner_gateway.world import Gateway, bearer, cancelled, closed, handed_over

STOP_IN_GERMAN = """\
Sehr geehrte Damen und Herren,

bitte stellen Sie das Inkasso zu diesem Fall sofort ein: Fordern Sie nichts mehr ein, und leiten \
Sie keine weiteren Schritte ein. Was bei Ihnen eingegangen ist oder noch eingeht, melden Sie uns \
bitte.

Ihr Aktenzeichen: AZ-7
Inkassolauf: 2026-000001
Nummer im Inkassolauf: 1
Fall: {case.case_id}

Grund: Wir haben den Inkassolauf rückgängig gemacht, mit dem der Fall übergeben wurde, und Ihren \
Auftrag dazu beendet.

Bitte bestätigen Sie uns, dass Sie davon wissen.

Mit freundlichen Grüßen
"""
STOP_IN_ENGLISH = """\
Dear Sir or Madam,

Please stop collection in this case at once: demand nothing more, and take no further steps. \
Please report to us what you have received or still receive.

Case: {case.case_id}

Reason: We have cancelled the case and ended your mandate to collect it.

Please confirm that you know of this.

Yours faithfully
"""
PAYMENT_IN_GERMAN = """\
Sehr geehrte Damen und Herren,

auf eine Forderung dieses Falls wurden im Studio 20,00 EUR gezahlt, insgesamt bisher 20,00 EUR.

Inkassolauf: 2026-000001
Nummer im Inkassolauf: 1
Fall: {case.case_id}
Forderung: {claim.voucher_id}

Auf der Forderung sind 30,00 EUR offen, vorher waren es 50,00 EUR. Im ganzen Fall sind 30,00 EUR \
offen.

Bitte ziehen Sie zu diesem Fall nicht mehr als 30,00 EUR ein.

Bitte bestätigen Sie uns, dass Sie davon wissen.

Mit freundlichen Grüßen
"""
LETTER_IN_ENGLISH = """\
Dear Sir or Madam,

Please note the following 3 notices. Where several are about the same case, the last one counts \
for open amounts.

1. Claim changed
Collection run: 2026-000001
Number in the collection run: 1
Case: {first.case_id}
Claim: {first.claims[0].voucher_id}
A claim of this case has changed. It amounts to EUR 1,234.50 now, of which EUR 0.00 were paid at \
the studio. EUR 1,234.50 are open on the claim, EUR 50.00 were before. EUR 1,234.50 are open in \
the whole case. Please collect no more than EUR 1,234.50 in this case.

2. Claim cancelled
Collection run: 2026-000001
Number in the collection run: 2
Case: {second.case_id}
Claim: {second.claims[0].voucher_id}
A claim of this case was cancelled. EUR 0.00 are open on the claim, EUR 50.00 were before. \
EUR 0.00 are open in the whole case. Please collect nothing more in this case.

3. Stop collection
Collection run: 2026-000001
Number in the collection run: 1
Case: {first.case_id}
Please stop collection in this case at once: demand nothing more, and take no further steps. \
Please report to us what you have received or still receive. Reason: We have reversed the \
collection run with which the case was handed over, and ended your mandate to collect it.

{more}Please confirm that you know of this.

Yours faithfully
"""


async def text_of(gateway: Gateway, query: str = "", **headers: str) -> Any:
    """Return the text of the only notice."""
    (notice,) = await listed(gateway)
    answer = await gateway.call("GET", f"/v1/notices/{notice['notice_id']}/text{query}", **headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_stop_names_the_case_by_all_its_numbers_and_says_why(gateway: Gateway) -> None:
    (case,) = handed_over(await by_hand(gateway), 1)
    await gateway.receive([case, numbered(case, "AZ-7"), closed(case)])
    assert await text_of(gateway) == {
        "language": "de",
        "subject": "Inkasso einstellen: Aktenzeichen AZ-7",
        "body": STOP_IN_GERMAN.format(case=case),
    }


async def test_what_is_not_known_of_a_case_is_left_out(gateway: Gateway) -> None:
    (case,) = handed_over(await by_hand(gateway), 1)
    await gateway.receive([cancelled(case)])
    assert await text_of(gateway, "?language=en") == {
        "language": "en",
        "subject": f"Stop collection: case {case.case_id}",
        "body": STOP_IN_ENGLISH.format(case=case),
    }
    await gateway.execute("UPDATE notices SET reason = NULL")  # of an older release
    assert "Reason" not in (await text_of(gateway, "?language=en"))["body"]


async def test_a_payment_at_the_studio_is_told_with_what_is_open_now(gateway: Gateway) -> None:
    """R27."""
    (case,) = handed_over(await by_hand(gateway), 1)
    await gateway.receive([case, studio_payment(case)])
    told = await text_of(gateway)
    assert told["subject"] == "Zahlung im Studio: Inkassolauf 2026-000001, Nummer 1"
    assert told["body"] == PAYMENT_IN_GERMAN.format(case=case, claim=case.claims[0])


async def test_the_language_is_the_one_that_is_asked_for_else_the_preferred_else_german(
    gateway: Gateway,
) -> None:
    (case,) = handed_over(await by_hand(gateway), 1)
    await gateway.receive([closed(case)])
    for accepted, query, language in (
        ("en-GB, de;q=0.5", "", "en"),
        ("de-AT, en;q=0.5", "", "de"),
        ("fr", "", "de"),
        ("en", "?language=de", "de"),
    ):
        told = await text_of(gateway, query, **{"Accept-Language": accepted})
        assert told["language"] == language
    (notice,) = await listed(gateway)
    path = f"/v1/notices/{notice['notice_id']}/text"
    assert (await gateway.call("GET", f"{path}?language=fr")).status_code == 422
    assert (await gateway.call("GET", path, **bearer(new_id()))).status_code == 404


async def prepare_letter(gateway: Gateway) -> tuple[str, list[MemberHandedOverV1]]:
    """Let there be three things to tell a partner, one that it knows, and one to tell another."""
    partner, other = await by_hand(gateway), await by_hand(gateway)
    first, second, known = handed_over(partner, 3)
    (foreign,) = handed_over(other, 1)
    await gateway.receive([first, second, known])
    await gateway.receive([closed(known), closed(foreign)])
    (done,) = await listed(gateway, f"?case_id={known.case_id}")
    await gateway.call("POST", f"/v1/notices/{done['notice_id']}/done", {})
    await gateway.receive(
        [
            claim_changed(first, amount="1234.50", opens=("50.00", "1234.50")),
            claim_changed(second, cancelled=True, opens=("50.00", "0.00")),
        ]
    )
    await gateway.receive([closed(first)])
    return f"/v1/notices/text?partner_id={partner.partner_id}&language=en", [first, second]


async def test_all_that_a_partner_must_be_told_goes_into_one_letter(gateway: Gateway) -> None:
    path, (first, second) = await prepare_letter(gateway)
    answer = await gateway.call("GET", path)
    letter = answer.json()
    assert letter["subject"] == "3 notices about your collection cases"
    assert letter["body"] == LETTER_IN_ENGLISH.format(first=first, second=second, more="")
    assert letter["more"] is False
    # What the letter tells is ticked off, and then there is nothing to tell.
    ticked = await gateway.call("POST", "/v1/notices/done", {"notice_ids": letter["notice_ids"]})
    assert {each["case_id"] for each in ticked.json()["items"]} == {
        str(first.case_id),
        str(second.case_id),
    }
    assert (await gateway.call("GET", path)).status_code == 404


async def test_a_letter_holds_so_much_and_says_that_there_is_more(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, (first, second) = await prepare_letter(gateway)
    monkeypatch.setattr(api, "MOST_AT_ONCE", 2)
    letter = (await gateway.call("GET", path)).json()
    assert (len(letter["notice_ids"]), letter["more"]) == (2, True)
    assert "\n\nMore notices follow in a letter of their own.\n\n" in letter["body"]
    of_studio = bearer(studios=str(second.studio.studio_id))
    seen = (await gateway.call("GET", path, **of_studio)).json()
    assert (len(seen["notice_ids"]), seen["more"]) == (1, False)
    assert str(first.case_id) not in seen["body"]
    assert (await gateway.call("GET", path, **bearer(new_id()))).status_code == 404


def test_both_languages_say_the_same_with_the_same_figures() -> None:
    german, english = WORDINGS[Language.GERMAN], WORDINGS[Language.ENGLISH]
    for field in fields(german):
        texts = getattr(german, field.name), getattr(english, field.name)
        assert names_in(texts[0]) == names_in(texts[1]), field.name


def names_in(wording: Any) -> Any:
    """Return what is filled into a wording, or into each of several."""
    if isinstance(wording, str):
        return {name for _, name, _, _ in string.Formatter().parse(wording) if name is not None}
    return {name: names_in(each) for name, each in wording.items()}


@given(st.decimals(min_value=0, max_value="999999999999.99", places=2))
def test_amounts_are_written_as_the_language_does_to_the_cent(amount: Any) -> None:
    money = Money(amount=amount, currency="EUR")
    german, english = Language.GERMAN.money(money), Language.ENGLISH.money(money)
    assert german.removesuffix(" EUR").replace(".", "").replace(",", ".") == f"{amount:f}"
    assert english.removeprefix("EUR ").replace(",", "") == f"{amount:f}"


def test_thousands_are_set_apart() -> None:
    money = euros("1234567.80")
    assert Language.GERMAN.money(money) == "1.234.567,80 EUR"
    assert Language.ENGLISH.money(money) == "EUR 1,234,567.80"
