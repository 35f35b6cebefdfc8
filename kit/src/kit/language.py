"""Which of the languages that a program speaks somebody likes best."""

from collections.abc import Sequence


def preferred(accept_language: str, offered: Sequence[str], otherwise: str) -> str:
    """Return which of the languages an `Accept-Language` (RFC 9110) likes best.

    `offered` are languages without regions (`de`): they serve all regions. `otherwise` is the
    answer when it names none of them.
    """
    best, liked = otherwise, 0.0
    for item in accept_language.split(","):
        tag, *parameters = (part.strip() for part in item.lower().split(";"))
        language = tag.split("-")[0]
        if language in offered and _quality(parameters) > liked:
            best, liked = language, _quality(parameters)
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
