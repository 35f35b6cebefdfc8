"""What a partner said, translated by partner-gateway. May hold personal data; kept for 30 days."""

from typing import Self
from uuid import UUID

from pydantic import model_validator

from contracts.event import Event
from contracts.money import Money, require_one_currency
from contracts.parts import Code, Day, Identifier, Instant, LongText, ShortText


class ReportEvent(Event):
    """Something that a partner reported."""

    TOPIC = "partner.report.v1"
    KEY = ("member_id", "run_id")

    report_id: UUID
    """Id of the report; the same when a partner says the same thing again."""
    partner_id: UUID
    """Partner that reports."""
    run_id: UUID
    """Run that it speaks of."""
    reported_at: Instant
    """When the partner said it."""


class AnswerEvent(ReportEvent):
    """A partner's answer to a handover: to one case, or to the whole run."""

    case_id: UUID | None = None
    """The case; none when the answer is for the whole run."""
    member_id: UUID | None = None
    """The case's member; none when the answer is for the whole run."""

    @model_validator(mode="after")
    def _case_and_member_or_neither(self) -> Self:
        if (self.case_id is None) != (self.member_id is None):
            raise ValueError("case_id and member_id must both be given or both be left out")
        return self


class ReportAcceptedV1(AnswerEvent):
    """The partner takes a case, or a whole run."""

    TYPE = "report.accepted.v1"

    file_number: ShortText | None = None
    """The partner's number for the case, if it came with the answer."""


class ReportRejectedV1(AnswerEvent):
    """The partner refuses a case, or a whole run."""

    TYPE = "report.rejected.v1"

    reason_code: Code
    """Why, as a word of an open list."""
    reason_text: LongText | None = None
    """Why, in the partner's words; may hold personal data."""


class CaseReportEvent(ReportEvent):
    """Something that a partner reported on one case."""

    case_id: UUID
    """The case."""
    member_id: UUID
    """The case's member."""


class ReportFileNumberAssignedV1(CaseReportEvent):
    """The partner gave the case a file number, the first or another one."""

    TYPE = "report.file-number-assigned.v1"

    file_number: ShortText
    """The partner's number; several cases may have the same."""


class ReportPaymentReceivedV1(CaseReportEvent):
    """The debtor paid the partner."""

    TYPE = "report.payment-received.v1"

    partner_reference: Identifier
    """The partner's own id of the payment; the same when it is reported again."""
    amount: Money
    """What goes to the creditor."""
    own_fees: Money
    """What the partner keeps for itself; not part of the amount."""
    paid_on: Day
    """Day of the payment, as the partner says."""

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        require_one_currency((self.amount, self.own_fees))
        return self


class ReportPaymentCorrectedV1(CaseReportEvent):
    """A payment that the partner had reported was in truth another amount."""

    TYPE = "report.payment-corrected.v1"

    partner_reference: Identifier
    """The partner's own id of the payment that is corrected."""
    amount: Money
    """What goes to the creditor in all: the new amount, not the difference. 0.00 takes it back."""
    own_fees: Money
    """What the partner keeps for itself in all; not part of the amount."""
    corrected_on: Day
    """Day of the correction, as the partner says."""

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        require_one_currency((self.amount, self.own_fees))
        return self


class ReportCaseClosedV1(CaseReportEvent):
    """The partner has closed the case on its side."""

    TYPE = "report.case-closed.v1"

    result_code: Code | None = None
    """What came of it, as a word of an open list."""
    closed_on: Day
    """Day on which the partner closed it."""
