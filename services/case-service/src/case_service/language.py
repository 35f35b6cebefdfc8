"""The two languages in which people are told what happened, and how each writes its figures."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final

from fastapi import Depends, Request

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
    """Return which of the two an `Accept-Language` (RFC 9110) likes better; English if neither."""
    best, liked = Language.ENGLISH, 0.0
    for item in accept_language.split(","):
        tag, *parameters = (part.strip() for part in item.lower().split(";"))
        language = tag.split("-")[0]
        if language in tuple(Language) and _quality(parameters) > liked:
            best, liked = Language(language), _quality(parameters)
    return best


def _quality(parameters: Sequence[str]) -> float:
    """Return how much a language is liked, from 0 to 1; 0 for what cannot be read."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


async def _language_of(request: Request) -> Language:
    return preferred(", ".join(request.headers.getlist("accept-language")))


CurrentLanguage = Annotated[Language, Depends(_language_of)]
"""The language of the answer, as a parameter of a route's function."""
