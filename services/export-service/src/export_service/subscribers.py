"""Events in: one function for each contract. None depends on which comes first."""

from typing import TypeVar

from contracts import (
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
    MemberHandedOverV1,
    RunCreatedV1,
    RunHandedOverV1,
    RunRejectedV1,
    RunReversedV1,
)
from export_service.members.follow_cases import follow_cases
from export_service.runs.follow_runs import RunEvent, follow_runs
from export_service.runs.handover import Handover, handover_of
from export_service.runs.keep_handovers import keep_handovers
from export_service.runs.keep_runs import keep_runs
from kit.subscriptions import Batch, Subscriptions

E = TypeVar("E", bound=RunEvent)

subscriptions = Subscriptions()


@subscriptions.handles(RunCreatedV1)
async def run_created(batch: Batch[RunCreatedV1]) -> None:
    """A run was announced."""
    await keep_runs(batch.connection, batch.messages)
    batch.arrived(f"run:{message.event.run_id}" for message in batch.messages)


@subscriptions.handles(MemberHandedOverV1, keeps=handover_of)
async def member_handed_over(batch: Batch[Handover]) -> None:
    """Members of runs have arrived, perhaps before their run was announced."""
    await keep_handovers(batch.connection, batch.messages)


@subscriptions.handles(RunHandedOverV1)
async def run_handed_over(batch: Batch[RunHandedOverV1]) -> None:
    """Each member of a run has an answer."""
    await _follow_runs(batch)


@subscriptions.handles(RunRejectedV1)
async def run_rejected(batch: Batch[RunRejectedV1]) -> None:
    """The partner refused all members of a run."""
    await _follow_runs(batch)


@subscriptions.handles(RunReversedV1)
async def run_reversed(batch: Batch[RunReversedV1]) -> None:
    """A run was cancelled."""
    await _follow_runs(batch)


@subscriptions.handles(CaseOpenedV1)
async def case_opened(batch: Batch[CaseOpenedV1]) -> None:
    """The partner works a case."""
    await follow_cases(batch.connection, batch.messages)


@subscriptions.handles(CaseRejectedV1)
async def case_rejected(batch: Batch[CaseRejectedV1]) -> None:
    """The partner refused a case."""
    await follow_cases(batch.connection, batch.messages)


@subscriptions.handles(CaseFileNumberSetV1)
async def case_file_number_set(batch: Batch[CaseFileNumberSetV1]) -> None:
    """A case has a file number, or another one."""
    await follow_cases(batch.connection, batch.messages)


@subscriptions.handles(CasePaymentBookedV1)
async def case_payment_booked(batch: Batch[CasePaymentBookedV1]) -> None:
    """Something was paid."""
    await follow_cases(batch.connection, batch.messages)


@subscriptions.handles(CasePaymentReducedV1)
async def case_payment_reduced(batch: Batch[CasePaymentReducedV1]) -> None:
    """Less was paid than booked."""
    await follow_cases(batch.connection, batch.messages)


@subscriptions.handles(CasePaymentReallocatedV1)
async def case_payment_reallocated(batch: Batch[CasePaymentReallocatedV1]) -> None:
    """What was paid belongs to other claims."""
    await follow_cases(batch.connection, batch.messages)


@subscriptions.handles(CaseClaimChangedV1)
async def case_claim_changed(batch: Batch[CaseClaimChangedV1]) -> None:
    """More or less is owed."""
    await follow_cases(batch.connection, batch.messages)


@subscriptions.handles(CaseHandedOverAgainV1)
async def case_handed_over_again(batch: Batch[CaseHandedOverAgainV1]) -> None:
    """What was open again on an ended case is in another one now."""
    await follow_cases(batch.connection, batch.messages)


@subscriptions.handles(CaseClosedV1)
async def case_closed(batch: Batch[CaseClosedV1]) -> None:
    """A case has ended."""
    await follow_cases(batch.connection, batch.messages)


@subscriptions.handles(CaseCancelledV1)
async def case_cancelled(batch: Batch[CaseCancelledV1]) -> None:
    """A case was taken back."""
    await follow_cases(batch.connection, batch.messages)


async def _follow_runs(batch: Batch[E]) -> None:
    for message in await follow_runs(batch.connection, batch.messages):
        batch.park(message, f"run:{message.event.run_id}")
