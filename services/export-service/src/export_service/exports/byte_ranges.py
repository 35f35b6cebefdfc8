"""Whether a request is for a file as it is, and which part it asks for (RFC 9110). No I/O."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

# More digits than any file has bytes are no number to us.
_ONE_RANGE: Final = re.compile(
    r"bytes=[ \t]*(?:(?P<first>[0-9]{1,18})-(?P<last>[0-9]{1,18})?|-(?P<suffix>[0-9]{1,18}))[ \t]*",
    re.ASCII | re.IGNORECASE,
)


class UnsatisfiableRangeError(Exception):
    """The file has nothing of the part that is asked for."""


def asked_part(header: str | None, size: int) -> range | None:
    """The bytes that a `Range` asks for, of a file of `size` bytes; None for the whole file.

    As section 14.2 allows, several ranges, another unit and what is no range at all are as if
    nothing was asked for. Raises UnsatisfiableRangeError.
    """
    asked = None if header is None else _ONE_RANGE.fullmatch(header)
    if asked is None:
        return None
    if asked["suffix"] is not None:
        part = range(max(size - int(asked["suffix"]), 0), size)
    else:
        last = size - 1 if asked["last"] is None else int(asked["last"])
        if asked["last"] is not None and last < int(asked["first"]):
            return None
        part = range(int(asked["first"]), min(last + 1, size))
    if not part:
        raise UnsatisfiableRangeError
    return part


def still_holds(if_range: str | None, etag: str, last_modified: str) -> bool:
    """Whether the part belongs to the file that the caller knows: `If-Range` (section 13.1.5)."""
    return if_range is None or if_range in (etag, last_modified)


def is_wanted(
    if_match: str | None, if_unmodified_since: str | None, etag: str, modified_at: datetime
) -> bool:
    """Whether this file is the one that is asked for: `If-Match`, or else `If-Unmodified-Since`.

    Tags are compared strongly (section 13.1.1); what is no date asks for nothing (13.1.4).
    """
    if if_match is not None:
        return if_match.strip() == "*" or etag in re.findall(r'(?:W/)?"[^"]*"', if_match)
    try:
        since = parsedate_to_datetime(if_unmodified_since or "")
    except (ValueError, OverflowError):
        return True
    # Dates have no more than seconds, and some of the older forms no time zone.
    return modified_at.replace(microsecond=0) <= since.replace(tzinfo=since.tzinfo or UTC)


def is_known(if_none_match: str | None, etag: str) -> bool:
    """Whether the caller has the file already: `If-None-Match` (section 13.1.2)."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or etag in re.findall(r'"[^"]*"', if_none_match)
