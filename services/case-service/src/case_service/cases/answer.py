"""A partner's answer to a handover, and what it does to a case. Without any I/O."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from case_service.cases.case import Case, Status
from case_service.ledger.journal import Journal
from case_service.ledger.occasion import Occasion


@dataclass(frozen=True, slots=True)
class Answer:
    """The partner takes what was handed over in a run, or refuses it with a reason."""

    run_id: UUID
    case_id: UUID | None
    """None when the answer is for the whole run."""
    partner_id: UUID
    reason_code: str | None
    """None when it takes it."""
    reason_text: str | None
    file_number: str | None
    answered_at: datetime


def apply_answer(case: Case, answer: Answer, occasion: Occasion, journal: Journal) -> None:
    """Open or refuse the case if it waits for an answer; otherwise it keeps the one it has.

    A file number that comes with a yes is taken if the case has none: also when the case has ended
    meanwhile, so that it does not matter which came first.
    """
    if answer.reason_code is not None:
        if case.reject(answer.reason_code, occasion.at):
            journal.rejected(case, replace(occasion, why=answer.reason_text))
        return
    if case.accept(occasion.at):
        journal.opened(case, occasion)
    if answer.file_number and case.file_number is None and case.status is not Status.REJECTED:
        case.set_file_number(answer.file_number)
        journal.file_number_set(case, None, occasion)
