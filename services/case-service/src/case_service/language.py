"""The two languages in which people are told what happened, and how each writes its figures."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final

from fastapi import Depends, Request

from kit import language

_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


class Language(StrEnum):
    """A language, as HTTP names it."""

    GERMAN = "de"
    ENGLISH = "en"

    def money(self, amount: Decimal, currency: str) -> str:
        """Write an amount: 1.234,50 EUR or 1,234.50 EUR."""
        text = f"{amount:,.2f}"
        if self is Language.GERMAN:
            text = text.translate(str.maketrans(",.", ".,"))
        return f"{text} {currency}"

    def day(self, day: date) -> str:
        """Write a day: 02.03.2026 or 2 March 2026."""
        if self is Language.GERMAN:
            return f"{day.day:02}.{day.month:02}.{day.year}"
        return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def preferred(accept_language: str) -> Language:
    """Return which of the two an `Accept-Language` likes better; English if neither."""
    return Language(language.preferred(accept_language, tuple(Language), Language.ENGLISH))


async def _language_of(request: Request) -> Language:
    return preferred(", ".join(request.headers.getlist("accept-language")))


CurrentLanguage = Annotated[Language, Depends(_language_of)]
"""The language of the answer, as a parameter of a route's function."""
