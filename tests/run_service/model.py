"""What run-service must come to: plain dicts, each figure computed when it is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from contracts import CaseClosedV1, ClaimSnapshotV1, MemberSnapshotV1, StudioSnapshotV1
from tests.run_service.world import ADULT

HELD = {"PENDING", "OPEN"}
ENDED = {"CLOSED", "CANCELLED"}
NOT_SHOWN = {"BLOCKED", "DISPUTED", "BELOW_MINIMUM"}
FOR_GOOD = {"MIXED_CURRENCIES", "AMOUNT_TOO_LARGE"}
MINOR = "MINOR_WITHOUT_GUARDIAN"


@dataclass
class Debt:
    """A member and what it owes, as a summary counts it and a preview keeps it."""

    studio_id: UUID
    claims: dict[UUID, tuple[int, Decimal]]
    """Version and open amount of each."""
    currencies: list[str]
    minor: bool
    reason: str | None = None
    """Why the member is left out."""

    @property
    def total(self) -> Decimal:
        """What is owed, whatever the currencies."""
        return sum((amount for _, amount in self.claims.values()), Decimal(0))


@dataclass
class Case:
    """A member that was handed over."""

    run_id: UUID
    member_id: UUID
    claims: dict[UUID, Decimal]
    status: str = "PENDING"
    accepted: bool = False


@dataclass
class Run:
    """A run; its counts and its status are those that were settled last."""

    members: dict[UUID, Debt]
    waiting: dict[UUID, Debt]
    """Those of the members that are still to be handed over."""
    reversal_requested: bool = False
    history: list[str] = field(default_factory=lambda: ["IN_PROGRESS"])
    """Each status it had."""
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("accepted", "rejected", "answered", "ended"), 0)
    )

    @property
    def status(self) -> str:
        """The status it has."""
        return self.history[-1]


@dataclass
class Model:
    """A tenant."""

    studios: dict[UUID, StudioSnapshotV1] = field(default_factory=dict)
    members: dict[UUID, MemberSnapshotV1] = field(default_factory=dict)
    claims: dict[UUID, ClaimSnapshotV1] = field(default_factory=dict)
    shares: dict[tuple[UUID, UUID], Decimal] = field(default_factory=dict)
    """What a booking (second) changed on a claim (first)."""
    previews: dict[UUID, dict[UUID, Debt]] = field(default_factory=dict)
    runs: dict[UUID, Run] = field(default_factory=dict)
    cases: dict[UUID, Case] = field(default_factory=dict)
    minimums: Mapping[str, Decimal] = field(default_factory=dict)
    excluded_kinds: list[str] = field(default_factory=list)
    disputed_hold: bool = False

    def reserved(self) -> dict[tuple[UUID, UUID, UUID], Decimal]:
        """Return what is in collection: an amount by claim, run and member."""
        return {
            (claim_id, case.run_id, case.member_id): amount
            for case in self.cases.values()
            if case.status in HELD
            for claim_id, amount in case.claims.items()
        }

    def going(self) -> set[UUID]:
        """Return the members of runs that are still to be handed over."""
        return {member_id for run in self.runs.values() for member_id in run.waiting}

    def claims_going(self) -> set[UUID]:
        """Return the claims of those, which others may owe by now."""
        waiting = [debt for run in self.runs.values() for debt in run.waiting.values()]
        return {claim_id for debt in waiting for claim_id in debt.claims}

    def debt(self, member_id: UUID, *, any_level: bool = False) -> Debt | None:
        """Return what a member owes that could go; None if that is nothing (R1, R9)."""
        member, taken = self.members.get(member_id), {claim_id for claim_id, *_ in self.reserved()}
        owed = [
            claim
            for claim in self.claims.values()
            if claim.member_id == member_id and claim.claim_id not in taken and self.open(claim) > 0
            if not claim.cancelled and claim.kind not in self.excluded_kinds
        ]
        if member is None or not owed:
            return None
        if member.dunning.last_level_passed_on is None and not any_level:
            return None
        goes = [claim for claim in owed if not claim.disputed]
        debt = Debt(
            studio_id=member.studio_id,
            claims={claim.claim_id: (claim.sequence, self.open(claim)) for claim in goes},
            currencies=sorted({claim.amount.currency for claim in goes}),
            minor=member.birth_date != ADULT,
        )
        minimums = {} if any_level else self.minimums
        held_back = self.disputed_hold and len(goes) < len(owed)
        for reason, speaks_against in {
            "BLOCKED": member.collection_block is not None,
            "DISPUTED": not goes or held_back,
            "MIXED_CURRENCIES": len(debt.currencies) > 1,
            "AMOUNT_TOO_LARGE": debt.total >= 10**9,
            "BELOW_MINIMUM": any(debt.total < minimums.get(each, 0) for each in debt.currencies),
            MINOR: debt.minor,
        }.items():
            if speaks_against and debt.reason is None:
                debt.reason = reason
        return debt

    def open(self, claim: ClaimSnapshotV1) -> Decimal:
        """Return what is open on a claim; below zero if more was paid."""
        shares = (
            amount for (claim_id, _), amount in self.shares.items() if claim_id == claim.claim_id
        )
        return claim.amount.amount - claim.paid_directly.amount - sum(shares)

    def candidates(self) -> dict[UUID, Debt]:
        """Return whom a summary speaks of, with those that are left out."""
        debts = {each: self.debt(each) for each in self.members.keys() - self.going()}
        return {
            each: debt for each, debt in debts.items() if debt and debt.studio_id in self.studios
        }

    def changes(self, preview: Mapping[UUID, Debt]) -> dict[UUID, str]:
        """Return why members of a preview that are not left out cannot go any more (R4)."""
        going = self.claims_going()
        changes = {
            each: self._change(each, debt)
            or ("IN_COLLECTION" if going & debt.claims.keys() else None)
            for each, debt in preview.items()
            if not debt.reason
        }
        return {each: change for each, change in changes.items() if change}

    def _change(self, member_id: UUID, before: Debt) -> str | None:
        if member_id in self.going() or any(each in before.claims for each, *_ in self.reserved()):
            return "IN_COLLECTION"
        debt = self.debt(member_id)
        if debt is None:
            return "NO_CANDIDATE"
        if debt.reason not in {None, MINOR}:
            return debt.reason
        if debt.studio_id != before.studio_id:
            return "STUDIO_CHANGED"
        if debt.claims != before.claims:
            return "CLAIMS_CHANGED"
        return None if before.minor else debt.reason

    def refusal(self, member_id: UUID, fee: Decimal) -> str | None:
        """Return why a member cannot be handed over alone, with such a fee (R9)."""
        debt = self.debt(member_id, any_level=True)
        if member_id in self.going():
            return "IN_COLLECTION"
        if debt is None:
            owed = {
                claim.claim_id for claim in self.claims.values() if claim.member_id == member_id
            }
            held = [
                claim_id in owed or (claim_id not in self.claims and handed_over == member_id)
                for claim_id, _, handed_over in self.reserved()
            ]
            return "IN_COLLECTION" if any(held) else "NOTHING_TO_HAND_OVER"
        if debt.reason in {None, MINOR} and debt.total + fee >= 10**9:
            return "AMOUNT_TOO_LARGE"
        return None if debt.reason == MINOR else debt.reason

    def answer(self, case: Case, status: str) -> None:
        """Take in what became of a member; what cannot follow is a repetition."""
        may_follow = {"PENDING": {"OPEN", "REJECTED", *ENDED}, "OPEN": ENDED}
        case.accepted |= status == "OPEN" and case.status != "REJECTED"
        if status in may_follow.get(case.status, set()):
            case.status = status

    def give_up(self, event: CaseClosedV1) -> None:
        """Take in what was written off with a case, known or not (R25)."""
        for each in event.claims:
            if each.written_off.amount > 0:
                key = (each.claim_id, event.case_id)
                self.shares.setdefault(key, each.written_off.amount)

    def settle(self, run_id: UUID) -> None:
        """Count what became of a run's members, and draw the conclusion (R8, R10)."""
        run = self.runs[run_id]
        cases = [case for case in self.cases.values() if case.run_id == run_id]
        over = [case for case in cases if case.status in {"REJECTED", *ENDED}]
        accepted = sum(case.accepted for case in cases)
        rejected = sum(case.status == "REJECTED" for case in cases)
        answered = sum(case.status != "PENDING" for case in cases)
        run.counts = {
            "accepted": accepted,
            "rejected": rejected,
            "answered": answered,
            "ended": len(over) - rejected,
        }
        if run.status in {"REJECTED", "CANCELLED"}:
            return
        if run.reversal_requested:
            run.history += ["CANCELLED"] * (len(over) == len(run.members))
        elif run.status == "IN_PROGRESS" and answered == len(run.members):
            run.history.append("HANDED_OVER" if accepted else "REJECTED")
