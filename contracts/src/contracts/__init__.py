"""What crosses a border between services, and to other teams: events, topics, schemas, examples."""

from contracts.case import (
    CaseCancelledV1,
    CaseClaimChangedV1,
    CaseClosedV1,
    CaseFileNumberSetV1,
    CaseHandedOverAgainV1,
    CaseOpenedV1,
    CasePaymentBookedV1,
    CasePaymentReallocatedV1,
    CasePaymentReducedV1,
    CaseRejectedV1,
    CaseUnallocatedSettledV1,
    ClaimResult,
    ClaimShare,
    OpenClaim,
)
from contracts.envelope import Envelope, EnvelopeError
from contracts.event import Contract, Event
from contracts.export import ExportCompletedV1, ExportMembersCompletedV1
from contracts.handover import HandoverClaim, HandoverDebtor, HandoverStudio, MemberHandedOverV1
from contracts.member import MemberDunningLevelResetV1, MemberReleasedV1
from contracts.membership import (
    CollectionBlock,
    Dunning,
    LegalGuardian,
    MembershipContract,
    MemberSnapshotV1,
    StudioSnapshotV1,
)
from contracts.money import CURRENCIES, Amount, Currency, Money
from contracts.notice import (
    NoticeAcknowledgedV1,
    NoticeDueV1,
    NoticeFailedV1,
    NoticeOverdueV1,
    NoticeSentV1,
)
from contracts.partner import PartnerSnapshotV1
from contracts.parts import MAX_CLAIMS, Address, BankAccount, Mandate, ServicePeriod
from contracts.receivables import ClaimSnapshotV1
from contracts.report import (
    ReportAcceptedV1,
    ReportCaseClosedV1,
    ReportFileNumberAssignedV1,
    ReportPaymentCorrectedV1,
    ReportPaymentReceivedV1,
    ReportRejectedV1,
)
from contracts.run import (
    MAX_STUDIOS,
    RunCreatedV1,
    RunHandedOverV1,
    RunRejectedV1,
    RunReversalRequestedV1,
    RunReversedV1,
    RunStudio,
)
from contracts.topics import DEAD_LETTERS, TOPICS, DeadLetterTopics, Topic

EVENTS: dict[str, type[Event]] = {
    event.TYPE: event
    for event in (
        StudioSnapshotV1,
        MemberSnapshotV1,
        ClaimSnapshotV1,
        PartnerSnapshotV1,
        RunCreatedV1,
        RunHandedOverV1,
        RunRejectedV1,
        RunReversalRequestedV1,
        RunReversedV1,
        MemberHandedOverV1,
        CaseOpenedV1,
        CaseRejectedV1,
        CaseFileNumberSetV1,
        CasePaymentBookedV1,
        CasePaymentReducedV1,
        CasePaymentReallocatedV1,
        CaseUnallocatedSettledV1,
        CaseClaimChangedV1,
        CaseHandedOverAgainV1,
        CaseClosedV1,
        CaseCancelledV1,
        MemberReleasedV1,
        MemberDunningLevelResetV1,
        ReportAcceptedV1,
        ReportRejectedV1,
        ReportFileNumberAssignedV1,
        ReportPaymentReceivedV1,
        ReportPaymentCorrectedV1,
        ReportCaseClosedV1,
        NoticeDueV1,
        NoticeSentV1,
        NoticeAcknowledgedV1,
        NoticeFailedV1,
        NoticeOverdueV1,
        ExportCompletedV1,
        ExportMembersCompletedV1,
    )
}
"""The class of each type."""


class UnknownEventTypeError(LookupError):
    """No event of this type is known here; a newer release of the contracts may know it."""


def parse(type_: str, value: bytes) -> Event:
    """The event in a message's value.

    Raises UnknownEventTypeError for a type that is not in EVENTS, and pydantic's ValidationError
    (which never shows the value) for data that breaks the contract.
    """
    try:
        event = EVENTS[type_]
    except KeyError:
        raise UnknownEventTypeError("unknown event type") from None
    return event.model_validate_json(value)


__all__ = [
    "CURRENCIES",
    "DEAD_LETTERS",
    "EVENTS",
    "MAX_CLAIMS",
    "MAX_STUDIOS",
    "TOPICS",
    "Address",
    "Amount",
    "BankAccount",
    "CaseCancelledV1",
    "CaseClaimChangedV1",
    "CaseClosedV1",
    "CaseFileNumberSetV1",
    "CaseHandedOverAgainV1",
    "CaseOpenedV1",
    "CasePaymentBookedV1",
    "CasePaymentReallocatedV1",
    "CasePaymentReducedV1",
    "CaseRejectedV1",
    "CaseUnallocatedSettledV1",
    "ClaimResult",
    "ClaimShare",
    "ClaimSnapshotV1",
    "CollectionBlock",
    "Contract",
    "Currency",
    "DeadLetterTopics",
    "Dunning",
    "Envelope",
    "EnvelopeError",
    "Event",
    "ExportCompletedV1",
    "ExportMembersCompletedV1",
    "HandoverClaim",
    "HandoverDebtor",
    "HandoverStudio",
    "LegalGuardian",
    "Mandate",
    "MemberDunningLevelResetV1",
    "MemberHandedOverV1",
    "MemberReleasedV1",
    "MemberSnapshotV1",
    "MembershipContract",
    "Money",
    "NoticeAcknowledgedV1",
    "NoticeDueV1",
    "NoticeFailedV1",
    "NoticeOverdueV1",
    "NoticeSentV1",
    "OpenClaim",
    "PartnerSnapshotV1",
    "ReportAcceptedV1",
    "ReportCaseClosedV1",
    "ReportFileNumberAssignedV1",
    "ReportPaymentCorrectedV1",
    "ReportPaymentReceivedV1",
    "ReportRejectedV1",
    "RunCreatedV1",
    "RunHandedOverV1",
    "RunRejectedV1",
    "RunReversalRequestedV1",
    "RunReversedV1",
    "RunStudio",
    "ServicePeriod",
    "StudioSnapshotV1",
    "Topic",
    "UnknownEventTypeError",
    "parse",
]
