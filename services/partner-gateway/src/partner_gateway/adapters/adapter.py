"""What a kind of partner API must be able to do for the gateway: translate, without any I/O.

An adapter is one module with these functions. Sending, signing, retrying and storing are the same
for all of them and happen elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal, Protocol
from uuid import UUID

from partner_gateway.notices.claim_change import ClaimChange
from partner_gateway.statement import CaseAccepted, CaseBalance, CaseRejected, Statement

PAGE_SIZE: Final = 200
"""Cases that go to a partner in one request at most."""


class UnreadableError(Exception):
    """What the partner sent is not of its API; `reason` names fields, never values."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class HandoverPage:
    """Cases of one run that go to the partner in one request."""

    run_id: UUID
    booking_number: str
    """Readable number of the run."""
    collection_date: date
    items: Sequence[bytes]
    """One JSON object for each case: the data of `member.handed-over.v1`."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the partner must be told about a case that it holds."""

    notice_id: UUID
    kind: str
    case_id: UUID
    claim_change: ClaimChange | None = None
    """What it says of a claim; None for a STOP."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent to the partner."""

    path: str
    """To be put behind the partner's base URL; begins with a slash."""
    body: bytes = b""
    """JSON; the same again for the same request id. Empty for a GET."""
    method: Literal["GET", "POST"] = "POST"


@dataclass(frozen=True, slots=True)
class PolledItem:
    """One thing that the partner said when it was asked."""

    item_id: str
    """The same for the same item, however often it comes; another one for another item."""
    body: bytes
    """What `statement` reads; not judged yet."""


@dataclass(frozen=True, slots=True)
class Polled:
    """A page of what the partner says when it is asked."""

    items: Sequence[PolledItem]
    """In the partner's order."""
    cursor: str
    """What to ask with next: all that comes behind these items."""
    more: bool
    """Whether the next page is there already."""


class Adapter(Protocol):
    """A kind of partner API."""

    def handover_request(self, request_id: UUID, page: HandoverPage) -> Request:
        """Return the request that hands over a page."""

    def handover_answer(self, body: bytes) -> Sequence[CaseAccepted | CaseRejected]:
        """Read a 2xx answer to it: what the partner says at once, nothing when it will call back.

        Raises `UnreadableError`.
        """

    def notice_request(self, request_id: UUID, notice: Notice) -> Request:
        """Return the request that tells the partner something."""

    def notice_acknowledged(self, body: bytes) -> bool:
        """Say whether a 2xx answer to it acknowledges the notice; raises `UnreadableError`."""

    def statement(self, body: bytes) -> Statement | CaseBalance:
        """Read one thing that the partner said; raises `UnreadableError`."""


class PolledAdapter(Adapter, Protocol):
    """A kind of partner API that says nothing by itself: the partner is asked again and again."""

    def poll_request(self, cursor: str | None) -> Request:
        """Return the GET that asks for what came behind the cursor; None: from the beginning."""

    def poll_answer(self, body: bytes) -> Polled:
        """Read a 2xx answer to it as far as items can be told apart; raises `UnreadableError`.

        An item that makes no sense is an item all the same: it is kept, and judged by `statement`.
        """
