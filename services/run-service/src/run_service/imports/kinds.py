"""The three kinds of things that files hold."""

from enum import StrEnum


class Kind(StrEnum):
    """What a file holds; the value is the name of the file in a request."""

    STUDIOS = "studios"
    MEMBERS = "members"
    CLAIMS = "claims"


class Status(StrEnum):
    """Where an import is.

    CHECKING, then CHECKED, or REFUSED when a file cannot be read at all. From CHECKED on
    PUBLISHING, then PUBLISHED. DISCARDED when it was withdrawn, or nobody published it in time.
    """

    CHECKING = "CHECKING"
    CHECKED = "CHECKED"
    REFUSED = "REFUSED"
    PUBLISHING = "PUBLISHING"
    PUBLISHED = "PUBLISHED"
    DISCARDED = "DISCARDED"
