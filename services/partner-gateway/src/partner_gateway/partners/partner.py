"""A partner: whom members are handed over to, and how it is reached."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID

import re2
from pydantic import AfterValidator, Field, StringConstraints

from contracts.partner import PartnerSnapshotV1
from contracts.parts import Name
from partner_gateway.adapters import Api
from partner_gateway.partners.contact import Contact

_QUIET: Final = re2.Options()
_QUIET.log_errors = False  # they would go to the standard error, not as our log does


def _is_regular_expression(pattern: str) -> str:
    try:
        re2.compile(pattern, _QUIET)
    except re2.error:
        raise ValueError("must be a regular expression in the syntax of RE2") from None
    return pattern


BaseUrl = Annotated[
    str,
    Field(min_length=1, max_length=500, pattern=r"^https?://[\x21-\x7e]+$"),
    AfterValidator(lambda url: url.rstrip("/")),
]
"""Where a partner's API is, in ASCII, without the slash at its end."""
ApiToken = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[\x21-\x7e]+$")]
"""What goes behind `Authorization: Bearer`."""
PartnerName = Annotated[Name, StringConstraints(strip_whitespace=True)]
Pattern = Annotated[
    str, Field(min_length=1, max_length=200), AfterValidator(_is_regular_expression)
]
"""What file numbers look like, in the syntax of RE2: without look-around and back-references, so
that it takes linear time whatever is matched."""


class Channel(StrEnum):
    """How a partner is told: staff pass on an export, or we call its API."""

    BY_HAND = "BY_HAND"
    API = "API"


class Status(StrEnum):
    """PAUSED: no new run may go to it, and nothing is sent to it or asked of it until it is ACTIVE
    again. What it calls back is taken all the same."""

    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"


@dataclass(frozen=True, slots=True)
class Partner:
    """A partner as it is set up; its token stays sealed."""

    partner_id: UUID
    tenant_id: UUID
    sequence: int
    """Grows by one with each change, from 1 on."""
    name: str
    channel: Channel
    status: Status
    api: Api
    """The kind of its API, if it has one."""
    base_url: str | None
    """Set if, and only if, the partner has an API."""
    sealed_api_token: bytes | None
    api_token_key_id: str | None
    """Of the key that seals the token; None also where the release before wrote it."""
    file_number_pattern: str | None
    contact: Contact | None = field(repr=False)
    created_at: datetime
    created_by: str
    changed_at: datetime
    changed_by: str

    def snapshot(self) -> PartnerSnapshotV1:
        """Return what other services may know of it."""
        return PartnerSnapshotV1(
            partner_id=self.partner_id,
            sequence=self.sequence,
            name=self.name,
            channel=self.channel.value,
            status=self.status.value,
            file_number_pattern=self.file_number_pattern,
        )
