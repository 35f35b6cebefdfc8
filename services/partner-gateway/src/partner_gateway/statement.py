"""What a partner can say, whichever way it says it, and the report that it becomes."""

from datetime import datetime
from typing import ClassVar, Literal, Self
from uuid import UUID

from pydantic import model_validator

from contracts.event import Contract, Event
from contracts.money import Money, require_one_currency
from contracts.parts import Code, Day, Identifier, LongText, Sequence, ShortText
from contracts.report import (
    ReportAcceptedV1,
    ReportCaseClosedV1,
    ReportFileNumberAssignedV1,
    ReportPaymentCorrectedV1,
    ReportPaymentReceivedV1,
    ReportRejectedV1,
)


class Statement(Contract):
    """Something that a partner said about a run."""

    REPORT: ClassVar[type[Event]]
    """The event that it becomes."""

    run_id: UUID | None = None
    """The run; may be left out where the case is named."""


class RunStatement(Statement):
    """Something about a whole run."""

    run_id: UUID
    """The run."""


class CaseStatement(Statement):
    """Something about one case."""

    case_id: UUID
    """The case, by our id."""


class RunAccepted(RunStatement):
    """The partner takes the whole run."""

    REPORT = ReportAcceptedV1


class RunRejected(RunStatement):
    """The partner refuses the whole run."""

    REPORT = ReportRejectedV1

    reason_code: Code
    """Why, as a word of an open list."""
    reason_text: LongText | None = None
    """Why, in the partner's words."""


class CaseAccepted(CaseStatement):
    """The partner takes the case."""

    REPORT = ReportAcceptedV1

    file_number: ShortText | None = None
    """The partner's number for the case."""


class CaseRejected(CaseStatement):
    """The partner refuses the case."""

    REPORT = ReportRejectedV1

    reason_code: Code
    """Why, as a word of an open list."""
    reason_text: LongText | None = None
    """Why, in the partner's words."""


class FileNumberAssigned(CaseStatement):
    """The partner gave the case a file number, the first or another one."""

    REPORT = ReportFileNumberAssignedV1

    file_number: ShortText
    """The partner's number; several cases may have the same."""


class PaymentReceived(CaseStatement):
    """The debtor paid the partner."""

    REPORT = ReportPaymentReceivedV1

    partner_reference: Identifier
    """The partner's own id of the payment."""
    amount: Money
    """What goes to the creditor."""
    own_fees: Money
    """What the partner keeps for itself; not part of the amount."""
    paid_on: Day
    """Day of the payment."""


class PaymentCorrected(CaseStatement):
    """A payment reported before was in truth another amount."""

    REPORT = ReportPaymentCorrectedV1

    partner_reference: Identifier
    """The partner's own id of the payment that is corrected."""
    amount: Money
    """What goes to the creditor in all, not the difference."""
    own_fees: Money
    """What the partner keeps for itself in all."""
    corrected_on: Day
    """Day of the correction."""


class CaseClosed(CaseStatement):
    """The partner has closed the case on its side."""

    REPORT = ReportCaseClosedV1

    result_code: Code | None = None
    """What came of it, as a word of an open list."""
    closed_on: Day
    """Day on which the partner closed it."""


class CaseBalance(Contract):
    """How a case stands at a partner that reports no events, but sums and a status.

    It becomes as many statements as it says anything new: `balances.account` has the rule.
    """

    case_id: UUID
    """The case, by our id."""
    number: Sequence
    """Grows from balance to balance of a case: the highest is the truth."""
    as_of: Day
    """Day of which it speaks."""
    paid_so_far: Money
    """All that the debtor paid the partner by then, what was taken back taken off."""
    own_fees_so_far: Money
    """The part of it that the partner keeps for itself."""
    status: Literal["OPEN", "DECLINED", "CLOSED"]
    """DECLINED: the partner does not take the case."""
    file_number: ShortText | None = None
    """The partner's number for the case."""
    reason_code: Code | None = None
    """Why it is declined, as a word of an open list."""
    reason_text: LongText | None = None
    """Why, in the partner's words."""
    result_code: Code | None = None
    """What came of a closed case, as a word of an open list."""

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        require_one_currency((self.paid_so_far, self.own_fees_so_far))
        if self.own_fees_so_far.amount > self.paid_so_far.amount:
            raise ValueError("own_fees_so_far must be a part of paid_so_far")
        if (self.status == "DECLINED") != (self.reason_code is not None):
            raise ValueError("reason_code must be given if, and only if, the case is declined")
        return self


def to_report(
    statement: Statement,
    *,
    report_id: UUID,
    partner_id: UUID,
    run_id: UUID,
    member_id: UUID | None,
    reported_at: datetime,
) -> Event:
    """Return the event for a statement about a case that the partner holds, or about a run.

    `run_id` and `member_id` are our own record of the case (`member_id` None: the whole run), never
    what the partner says. Raises `pydantic.ValidationError` for what the contract refuses, such as
    two currencies in one payment.
    """
    said = {name: value for name, value in statement if name != "run_id"}
    about = {} if member_id is None else {"member_id": member_id}
    return statement.REPORT(
        report_id=report_id,
        partner_id=partner_id,
        run_id=run_id,
        reported_at=reported_at,
        **about,
        **said,
    )
