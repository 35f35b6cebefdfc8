"""The two languages in which partners are told something, and how each writes amounts."""

from enum import StrEnum

from fastapi import Request

from contracts import Money
from kit.language import preferred


class Language(StrEnum):
    """A language, as HTTP names it."""

    GERMAN = "de"
    ENGLISH = "en"

    def money(self, money: Money) -> str:
        """Write an amount: 1.234,50 EUR or EUR 1,234.50."""
        text = f"{money.amount:,.2f}"
        if self is Language.GERMAN:
            return f"{text.translate(str.maketrans(',.', '.,'))} {money.currency}"
        return f"{money.currency} {text}"


def language_of(request: Request) -> Language:
    """Return which of the two the caller's `Accept-Language` likes better; German if neither."""
    accepted = ", ".join(request.headers.getlist("accept-language"))
    return Language(preferred(accepted, tuple(Language), Language.GERMAN))
