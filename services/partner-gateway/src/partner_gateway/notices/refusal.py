"""What a partner's API says when it refuses something, for the eyes of staff."""

import json
from typing import Final

MOST_CHARACTERS: Final = 500


def read_refusal(body: bytes) -> str | None:
    """Return why the partner refuses: `detail`, else `title`, of a problem (RFC 9457).

    None when the body is no problem. The text is the partner's: it may name people, so it goes into
    no log. It is cut after 500 characters, and holds none that cannot be shown or stored.
    """
    try:
        problem = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(problem, dict):
        return None
    texts = (problem.get(name) for name in ("detail", "title"))
    shown = (_shown(text) for text in texts if isinstance(text, str))
    return next((text for text in shown if text), None)


def _shown(text: str) -> str:
    cleaned = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(cleaned.split())[:MOST_CHARACTERS]
