"""Texts that hold what no file may hold."""

import re

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
REPLACEMENT = "\ufffd"


def encoded(text: str) -> bytes:
    """The text in UTF-8; halves of characters, which no encoding can write, become U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _LONE_SURROGATE.sub(REPLACEMENT, text).encode()
