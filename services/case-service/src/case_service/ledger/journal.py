"""What one transaction does to its cases: all that is written down, and all that is published.

Pure: `store.save` writes it. There is one method for each thing that can happen to a case, and one
function in `payment_journal.py` for each that can happen to a payment, so that ledger, history and
events never tell different stories. Each expects that the case has it already.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from case_service.cases.case import Case, Claim, CloseReason, Key
from case_service.ledger import events, posting
from case_service.ledger.events import ClaimFacts
from case_service.ledger.history import HistoryItem, HistoryKind
from case_service.ledger.occasion import Occasion
from case_service.ledger.posting import Account, EntryKind, Line, Posting
from case_service.payments.allocation import NOTHING
from case_service.payments.payment import Payment
from contracts import Event
from kit.ids import new_id
from kit.outbox import WrittenEvent
from kit.trace import Cause


@dataclass
class Journal:
    """Collects what happens, in the order in which it happens."""

    postings: list[Posting] = field(default_factory=list)
    history: list[HistoryItem] = field(default_factory=list)
    new_payments: list[Payment] = field(default_factory=list)
    changed_payments: dict[UUID, Payment] = field(default_factory=dict)
    cases: dict[Key, Case] = field(default_factory=dict)
    """The cases that changed."""
    outgoing: list[tuple[Event | WrittenEvent, Cause]] = field(default_factory=list)

    def handed_over(self, case: Case, occasion: Occasion) -> None:
        """Write down what each claim starts with."""
        posted = self.post(
            case,
            EntryKind.HANDED_OVER,
            posting.handed_over(case),
            case.collection_date,
            occasion,
            with_nothing=True,
        )
        self.tell(case, HistoryKind.HANDED_OVER, occasion, posted, open=case.open)

    def opened(self, case: Case, occasion: Occasion) -> None:
        """The partner works the case from now on."""
        open_ = case.open
        event = events.opened(case, occasion, open_)
        self.tell(case, HistoryKind.OPENED, occasion, None, event, open=open_)

    def rejected(self, case: Case, occasion: Occasion) -> None:
        """The partner refused the case, for the reason that it holds."""
        posted = self._let_go(case, occasion)
        self.tell(
            case,
            HistoryKind.REJECTED,
            occasion,
            posted,
            events.rejected(case, occasion),
            events.released(case, "CASE_REJECTED"),
            reason_code=case.reason_code,
        )

    def file_number_set(self, case: Case, previous: str | None, occasion: Occasion) -> None:
        """The case has a file number, the first or another one."""
        self.tell(
            case,
            HistoryKind.FILE_NUMBER_SET,
            occasion,
            None,
            events.file_number_set(case, previous, occasion),
            file_number=case.file_number,
            previous=previous,
        )

    def commented(self, case: Case, occasion: Occasion) -> None:
        """Staff noted something."""
        self.tell(case, HistoryKind.COMMENTED, occasion)

    def claim_changed(
        self,
        case: Case,
        claim: Claim,
        before: ClaimFacts,
        after: ClaimFacts,
        parts: tuple[Decimal, Decimal],
        day: date,
        occasion: Occasion,
    ) -> None:
        """A claim changed at receivables.

        `parts` are by how much what is open changed because it was corrected or cancelled, and then
        because of payments at the studio; both signed.
        """
        posted = new_id()
        kinds = (EntryKind.CLAIM_CHANGE, EntryKind.DIRECT_PAYMENT)
        for kind, difference in zip(kinds, parts, strict=True):
            lines = posting.claims_changed(
                case, [(claim.claim_id, difference)], Account.RECEIVABLES
            )
            self.post(case, kind, lines, day, occasion, posting_id=posted)
        open_before = claim.open - sum(parts)
        event = events.claim_changed(case, claim, before, after, open_before, occasion)
        self.tell(
            case,
            HistoryKind.CLAIM_CHANGED,
            occasion,
            posted,
            event,
            claim_id=claim.claim_id,
            amount_before=before.amount,
            amount=after.amount,
            paid_directly_before=before.paid_directly,
            paid_directly=after.paid_directly,
            cancelled=after.cancelled,
            open_before=open_before,
            open=claim.open,
        )

    def taken_up(
        self,
        case: Case,
        parts: Iterable[tuple[UUID, Decimal]],
        day: date,
        occasion: Occasion,
        posting_id: UUID,
    ) -> None:
        """Claims that an ended case had released open again by these parts, to be paid there.

        The money that is given to them has the same posting.
        """
        lines = posting.claims_changed(case, parts, Account.RECEIVABLES)
        self.post(case, EntryKind.RELEASED, lines, day, occasion, posting_id=posting_id)

    def handed_over_again(
        self, case: Case, parts: Sequence[tuple[UUID, Decimal]], day: date, occasion: Occasion
    ) -> None:
        """What was open again on an ended case went into another one."""
        lines = posting.claims_changed(
            case, ((claim_id, -amount) for claim_id, amount in parts), Account.RECEIVABLES
        )
        posted = self.post(case, EntryKind.RELEASED, lines, day, occasion)
        amount = sum((amount for _, amount in parts), NOTHING)
        event = events.handed_over_again(
            case, [claim_id for claim_id, _ in parts], amount, occasion
        )
        self.tell(case, HistoryKind.HANDED_OVER_AGAIN, occasion, posted, event, amount=amount)

    def closed(self, case: Case, occasion: Occasion) -> None:
        """The case was closed, for the reason and with the result that it holds."""
        posted = self._let_go(case, occasion)
        reversed_ = case.close_reason is CloseReason.RUN_REVERSED
        self.tell(
            case,
            HistoryKind.CLOSED,
            occasion,
            posted,
            events.closed(case, occasion),
            events.released(case, "RUN_REVERSED" if reversed_ else "CASE_CLOSED"),
            reason=case.close_reason,
            result=case.result,
            collected=case.collected,
            residual=case.residual,
            written_off=case.written_off,
        )

    def cancelled(self, case: Case, occasion: Occasion) -> None:
        """The case was taken back from the partner."""
        posted = self._let_go(case, occasion)
        self.tell(
            case,
            HistoryKind.CANCELLED,
            occasion,
            posted,
            events.cancelled(case, occasion),
            events.released(case, "CASE_CANCELLED"),
            residual=case.residual,
        )

    def dunning_level_reset(self, case: Case, occasion: Occasion) -> None:
        """The member's dunning level is to start again; `case` is its last one that closed."""
        event = events.dunning_level_reset(case, occasion)
        self.tell(case, HistoryKind.DUNNING_LEVEL_RESET, occasion, None, event)

    def _let_go(self, case: Case, occasion: Occasion) -> UUID | None:
        """Post what a case that has just ended wrote off, or released."""
        written_off = bool(case.written_off)
        kind = EntryKind.WRITTEN_OFF if written_off else EntryKind.RELEASED
        against = Account.WRITTEN_OFF if written_off else Account.RECEIVABLES
        parts = [
            (claim.claim_id, -(claim.written_off if written_off else claim.released))
            for claim in case.claims
        ]
        lines = posting.claims_changed(case, parts, against)
        return self.post(case, kind, lines, case.day(occasion.at), occasion)

    def post(
        self,
        case: Case,
        kind: EntryKind,
        lines: Sequence[Line],
        booking_date: date,
        occasion: Occasion,
        *,
        with_nothing: bool = False,
        posting_id: UUID | None = None,
    ) -> UUID | None:
        """Enter lines that belong together; return the posting, or None when all are 0.00.

        `with_nothing` keeps lines of 0.00, too; `posting_id` is that of what was posted before and
        belongs to it.
        """
        assert sum([line.amount for line in lines]) == 0, "entries do not balance"
        kept = lines if with_nothing else [line for line in lines if line.amount]
        if not kept:
            return None
        posting_id = posting_id or new_id()
        self.postings.append(Posting(posting_id, kind, case.currency, booking_date, occasion, kept))
        return posting_id

    def tell(
        self,
        case: Case,
        kind: HistoryKind,
        occasion: Occasion,
        posted: UUID | None = None,
        *told: Event | WrittenEvent,
        **details: Any,
    ) -> None:
        """Note that something happened to a case, and publish the events that tell it."""
        self.cases[case.key] = case
        first = len(self.outgoing)
        self.outgoing.extend((event, occasion.cause) for event in told)
        self.history.append(
            HistoryItem(
                case.case_id,
                kind,
                {name: str(value) for name, value in details.items() if value is not None},
                occasion,
                tuple(range(first, len(self.outgoing))),
                posted,
            )
        )
