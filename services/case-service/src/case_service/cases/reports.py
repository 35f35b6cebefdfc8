"""What all reports of a partner on its cases have in common."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from case_service import store
from case_service.cases.case import Case, Key, Status
from case_service.ledger.journal import Journal
from case_service.ledger.occasion import ActorKind, Occasion
from kit.clock import now
from kit.trace import Cause


class Report(Protocol):
    """A partner's word on one case."""

    @property
    def case_id(self) -> UUID | None: ...
    @property
    def partner_id(self) -> UUID: ...


R = TypeVar("R", bound=Report)


@dataclass(frozen=True, slots=True)
class TooEarly:
    """The report speaks of something that is not there yet."""

    waits_for: str


@dataclass(frozen=True, slots=True)
class Unacceptable:
    """The report can never work; `reason` is stable and holds no personal data."""

    reason: str


Verdict = TooEarly | Unacceptable | None
"""What became of a report; None when it had its effect, or had it before."""

Rule = Callable[[Case, R, Occasion, Journal], Verdict]
"""Applies one report to its case and writes down in the journal what that did."""


def case_thing(case_id: UUID) -> str:
    """Name a case as a thing that reports wait for."""
    return f"case:{case_id}"


def answer_thing(case_id: UUID) -> str:
    """Name the partner's answer to a case, or its end without one, as a thing to wait for."""
    return f"answer:{case_id}"


def payment_thing(case_id: UUID, partner_reference: str) -> str:
    """Name a payment that a partner reported as a thing to wait for."""
    return f"payment:{case_id}:{partner_reference}"


def partners_occasion(partner_id: UUID, cause: Cause) -> Occasion:
    """Say that a partner does something now."""
    return Occasion(ActorKind.PARTNER, str(partner_id), now(), cause)


async def lock_reported(
    connection: AsyncConnection, reports: Sequence[tuple[R, Cause]]
) -> dict[Key, Case]:
    """Load and lock the cases that reports speak of."""
    keys = [(cause.tenant_id, report.case_id) for report, cause in reports if report.case_id]
    return await store.lock_cases(connection, keys)


async def lock_reported_members(
    connection: AsyncConnection, reports: Sequence[tuple[R, Cause]]
) -> dict[Key, Case]:
    """Load and lock all cases of the members whose cases reports speak of.

    A payment may have shares on other cases of its member.
    """
    keys = [(cause.tenant_id, report.case_id) for report, cause in reports if report.case_id]
    members = await store.members_of_cases(connection, keys)
    return await store.lock_cases_of_members(connection, members) if members else {}


def apply_reports(
    cases: dict[Key, Case],
    reports: Sequence[tuple[R, Cause]],
    rule: Rule[R],
    journal: Journal,
    *,
    answered_only: bool = True,
) -> list[Verdict]:
    """Apply reports one after the other to locked cases; return what became of each.

    With `answered_only` a report on a case that the partner has not taken yet is too early.
    """
    verdicts: list[Verdict] = []
    for report, cause in reports:
        assert report.case_id is not None, "answers to whole runs are not applied here"
        case = cases.get((cause.tenant_id, report.case_id))
        if case is None:
            verdicts.append(TooEarly(case_thing(report.case_id)))
        elif case.partner_id != report.partner_id:
            verdicts.append(Unacceptable("the case is another partner's"))
        elif answered_only and case.status is Status.PENDING:
            verdicts.append(TooEarly(answer_thing(report.case_id)))
        else:
            occasion = partners_occasion(report.partner_id, cause)
            verdicts.append(rule(case, report, occasion, journal))
    return verdicts
