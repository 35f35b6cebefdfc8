"""What one try came to, as the answer of the partner says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from kit.clock import now
from partner_gateway.adapters.adapter import Adapter, HandoverPage, UnreadableError
from partner_gateway.deliveries.delivery import Delivery, Verdict, judge, retry_after
from partner_gateway.exchange import NoReplyError, Reply
from partner_gateway.notices.refusal import read_refusal
from partner_gateway.statement import CaseAccepted, CaseRejected


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one try came to."""

    verdict: Verdict
    status: int | None
    """The HTTP status; None: no answer came, or none that could be taken."""
    error: str | None = None
    """Why it is tried again, or not any more; without personal data."""
    asked_pause: timedelta = timedelta()
    refusal: str | None = None
    """Why the partner says that it refuses; for staff, never for a log."""
    said: Sequence[CaseAccepted | CaseRejected] = ()
    """What the partner said at once about the cases of a page."""

    is_our_failure: bool = False
    """Whether something is wrong on our side: it says nothing of how the partner is."""

    @property
    def partner_failed(self) -> bool:
        """Whether the partner is in trouble, and not this request alone, nor we."""
        answered = self.status is not None and judge(self.status) is Verdict.ANSWERED
        return self.verdict is Verdict.TRY_AGAIN and not answered and not self.is_our_failure


def our_failure(error: str) -> Outcome:
    """Return what a try came to that failed on our side, whether the partner got it or not."""
    return Outcome(Verdict.TRY_AGAIN, None, error, is_our_failure=True)


def read_outcome(adapter: Adapter, delivery: Delivery, reply: Reply | NoReplyError) -> Outcome:
    """Judge what came back; an answer that cannot be read counts as none: it is asked for again."""
    if isinstance(reply, NoReplyError):
        return Outcome(Verdict.TRY_AGAIN, None, reply.reason)
    status, verdict = reply.status, judge(reply.status)
    if verdict is not Verdict.ANSWERED:
        asked, refusal = retry_after(reply.retry_after, now()), read_refusal(reply.body)
        return Outcome(verdict, status, f"HTTP {status}", asked, refusal)
    try:
        if isinstance(delivery.content, HandoverPage):
            return Outcome(verdict, status, said=adapter.handover_answer(reply.body))
        if adapter.notice_acknowledged(reply.body):
            return Outcome(verdict, status)
    except UnreadableError as error:
        return Outcome(Verdict.TRY_AGAIN, status, f"answer unreadable: {error.reason}")
    return Outcome(Verdict.TRY_AGAIN, status, "not acknowledged")
