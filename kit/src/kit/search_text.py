"""How people are found: accents and case do not matter, nor does ü or ue, ß or ss (R20).

A word of a search is looked for in every part of the name and of the person's number. One of a
single or of two letters is looked for where words of the name begin: nearly everybody has it
somewhere. Letters that follow one another are the keys by which the database finds who may have a
word, as `pg_trgm` does; whoever has it in truth is told by the text itself.
"""

import unicodedata
import zlib
from typing import Final
from uuid import UUID

from anyascii import anyascii

_SPELT_OUT: Final = (("ä", "ae"), ("ö", "oe"), ("ü", "ue"))
_DIGRAPHS: Final = (("ae", "a"), ("oe", "o"), ("ue", "u"))
_KEY_LETTERS: Final = 3
_BLANK: Final = 32
_HALF: Final = 2**31

MAX_SEARCH: Final = 200
"""Characters of a search."""


def search_text(name: str, number: str) -> str:
    """Return the text in which the words of a search are looked for.

    It holds the name as it is spelt without umlauts (Mueller), and as it looks without its dots
    (Muller): so each way to write it is found, and so is each part of either. Each word of the name
    follows a blank; one of the number only if it is too short to be found by its parts.
    """
    spelt_out = "".join([f" {word}" for word in _spell_out(name).split()])
    shortened = spelt_out
    for pair, letter in _DIGRAPHS:
        shortened = shortened.replace(pair, letter)
    lines = [spelt_out] if shortened == spelt_out else [spelt_out, shortened]
    return "\n".join([*lines, *search_patterns(number)])


def search_patterns(search: str) -> list[str]:
    """Return what is looked for; whoever has each of them in the `search_text` is found."""
    return [
        word if len(word) >= _KEY_LETTERS else f" {word}" for word in _spell_out(search).split()
    ]


def text_keys(tenant_id: UUID, text: str) -> list[int]:
    """Return the keys of a `search_text` or of a pattern.

    A text has all keys of each pattern that it holds: one for each three letters of a word that
    follow one another, for each two that begin it, and for the first. Keys are numbers of 32 bits
    that are a tenant's own, so that no tenant slows another.
    """
    letters = text.encode("ascii")
    keys = {
        first << 16 | second << 8 | third
        for first, second, third in zip(letters, letters[1:], letters[2:], strict=False)
        if first >= _BLANK and second > _BLANK < third
    }
    keys.update([_BLANK << 8 | word[0] for word in letters.split(b" ")[1:] if word])
    seed = zlib.crc32(tenant_id.bytes)
    return [(key ^ seed) - _HALF for key in keys]


def _spell_out(text: str) -> str:
    """Return a text without accents, umlauts and capitals."""
    if text.isascii():
        return text.lower()
    spelt_out = unicodedata.normalize("NFC", text).casefold()
    for umlaut, letters in _SPELT_OUT:
        spelt_out = spelt_out.replace(umlaut, letters)
    return anyascii(spelt_out).casefold()
