"""How members are found: accents and case do not matter, nor does ü or ue, ß or ss (R6)."""

import unicodedata
from typing import Final

from anyascii import anyascii

_SPELT_OUT: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
_DIGRAPHS: Final = (("ae", "a"), ("oe", "o"), ("ue", "u"))

MAX_QUERY: Final = 200
"""Characters of a search."""


def search_text(name: str, membership_number: str) -> str:
    """Return the text in which the words of a search are looked for.

    It holds the name as it is spelt without umlauts (Mueller), and as it looks without its dots
    (Muller): so each way to write it is found, and so is each part of either.
    """
    spelt_out = spell_out(name)
    shortened = spelt_out
    for pair, letter in _DIGRAPHS:
        shortened = shortened.replace(pair, letter)
    return f"{spelt_out}\n{shortened}\n{spell_out(membership_number)}"


def search_words(query: str) -> list[str]:
    """Return the words of a search; a member is found whose `search_text` holds them all."""
    return spell_out(query).split()


def spell_out(text: str) -> str:
    """Return a text without accents, umlauts and capitals; what is sorted by it stands together."""
    if text.isascii():
        return text.lower()  # what all that follows would come to
    composed = unicodedata.normalize("NFC", text).casefold()
    return anyascii(composed.translate(_SPELT_OUT)).casefold()
