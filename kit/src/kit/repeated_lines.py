"""What libraries say again and again: aiokafka tells seventy times a second that Kafka is away."""

import logging
import time
from dataclasses import dataclass
from typing import Final

_SILENCE_SECONDS: Final = 10.0
_MAX_KNOWN: Final = 200
"""Lines that are remembered; those of an outage are about ten."""


@dataclass
class _Said:
    at: float
    left_out: int = 0


class RepeatedLines(logging.Filter):
    """Lets the same warning or error of a library through once in ten seconds.

    The next one that is let through tells as `left_out` how many were not. Our own lines, which
    are dictionaries of structlog, always go through, and so does what tells of an exception.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], _Said] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line goes through."""
        is_ours = isinstance(record.msg, dict)
        if is_ours or record.exc_info or record.levelno < logging.WARNING:
            return True
        line = (record.name, record.getMessage())
        moment = time.monotonic()
        before = self._said.get(line)
        if before is not None and moment - before.at < _SILENCE_SECONDS:
            before.left_out += 1
            return False
        if before is not None and before.left_out:
            record.left_out = before.left_out
        if len(self._said) >= _MAX_KNOWN:
            self._said.clear()
        self._said[line] = _Said(moment)
        return True
