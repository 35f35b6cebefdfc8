"""A tenant whose service and whose model are told the same, and must answer the same."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import text

from contracts import (
    CaseCancelledV1,
    CaseClosedV1,
    CaseOpenedV1,
    CasePaymentBookedV1,
    CasePaymentReallocatedV1,
    CasePaymentReducedV1,
    CaseRejectedV1,
    ClaimSnapshotV1,
    CollectionBlock,
    Event,
    MemberHandedOverV1,
    MemberSnapshotV1,
    Money,
    RunCreatedV1,
    RunHandedOverV1,
    RunRejectedV1,
    RunReversedV1,
    StudioSnapshotV1,
    parse,
)
from kit.ids import new_id
from run_service.candidates.recount import recount_all
from run_service.runs import publish_handovers as publishing
from tests.run_service.model import FOR_GOOD, MINOR, NOT_SHOWN, Case, Debt, Model, Run
from tests.run_service.world import ADULT, LONG_AGO, World, claim, member, studio, years_ago

T = TypeVar("T")
Snapshot = StudioSnapshotV1 | MemberSnapshotV1 | ClaimSnapshotV1

STUDIOS, MEMBERS, CLAIMS = 2, 4, 6
FEE: Final = UUID(int=0)
"""Stands for the claim of a fee until its id is known."""

STATUS_BY_EVENT: Final[Mapping[type[Event], str]] = {
    CaseOpenedV1: "OPEN",
    CaseRejectedV1: "REJECTED",
    CaseClosedV1: "CLOSED",
    CaseCancelledV1: "CANCELLED",
    RunCreatedV1: "IN_PROGRESS",
    RunHandedOverV1: "HANDED_OVER",
    RunRejectedV1: "REJECTED",
    RunReversedV1: "CANCELLED",
}


class Tenant:
    """Does things to both, from a thread beside the loop that the service runs in."""

    def __init__(self, world: World, loop: asyncio.AbstractEventLoop) -> None:
        self.world = world
        self.loop = loop
        self.client = world.client()
        self.model = Model()
        # The last studio is one that never comes.
        self.studio_ids = sorted(new_id() for _ in range(STUDIOS + 1))
        self.member_ids = sorted(new_id() for _ in range(MEMBERS))
        self.claim_ids = sorted(new_id() for _ in range(CLAIMS))
        self.sent: list[Event] = []
        self.handovers: list[MemberHandedOverV1] = []
        self.histories: defaultdict[UUID, list[str]] = defaultdict(list)
        self.previews: list[UUID] = []
        self.used: set[UUID] = set()
        self.partner_id = self.do(world.partner())

    def leave(self) -> None:
        """Leave no run for the workers to find when they work for the next tenant."""
        self.do(self.client.aclose())
        self.do(self.execute("UPDATE runs SET published = member_count"))
        self.do(self.execute("DELETE FROM run_tallies"))
        self.do(self.execute("DELETE FROM outbox"))

    # Events in

    def snapshot(self, kind: str, place: int, sequence: int, *values: Any) -> Snapshot:
        """Return what the owner of a thing publishes of it, from drawn values."""
        if kind == "studio":
            return studio(self.studio_ids[place % STUDIOS], sequence)
        if kind == "member":
            studio_place, blocked, not_passed, minor = values
            return member(
                self.member_ids[place % MEMBERS],
                self.studio_ids[studio_place],
                sequence,
                passed_on=None if not_passed else LONG_AGO,
                block=CollectionBlock(reason="Instalments") if blocked else None,
                birth_date=years_ago(10) if minor else ADULT,
            )
        amount, paid_directly, currency, claim_kind, cancelled, disputed = values
        claim_id = self.claim_ids[place % CLAIMS]
        return claim(
            claim_id,
            self.model.claims[claim_id].member_id,
            self.studio_ids[0],
            sequence,
            amount=Money(amount=amount, currency=currency),
            paid_directly=str(paid_directly),
            cancelled=cancelled,
            disputed=disputed,
        ).model_copy(update={"kind": claim_kind})

    def feed(self, events: Iterable[Event]) -> None:
        """Tell both of events, as one batch."""
        events = list(events)
        assert self.do(self.world.feed(*events)) == []
        for event in events:
            self._take(event)
        self.sent += events

    def _take(self, event: Event) -> None:
        """Tell the model of an event."""
        match event:
            case StudioSnapshotV1():
                _keep_newest(self.model.studios, event.studio_id, event)
            case MemberSnapshotV1():
                _keep_newest(self.model.members, event.member_id, event)
            case ClaimSnapshotV1():
                _keep_newest(self.model.claims, event.claim_id, event)
            case CasePaymentBookedV1():
                (share,) = event.shares
                self.model.shares[share.claim_id, event.payment_id] = share.amount.amount
            case CasePaymentReducedV1():
                (share,) = event.shares
                self.model.shares[share.claim_id, event.reduction_id] = -share.amount.amount
            case CasePaymentReallocatedV1():
                for sign, shares in ((1, event.given), (-1, event.taken)):
                    for share in shares:
                        key = (share.claim_id, event.reallocation_id)
                        self.model.shares[key] = sign * share.amount.amount
            case CaseOpenedV1() | CaseRejectedV1() | CaseClosedV1() | CaseCancelledV1():
                if isinstance(event, CaseClosedV1):
                    self.model.give_up(event)
                self.model.answer(self.model.cases[event.case_id], STATUS_BY_EVENT[type(event)])

    # Staff

    def change_settings(self, minimum: Decimal, excluded_kinds: list[str], hold: bool) -> None:
        """Say what runs are to hold."""
        self.model.minimums = {"EUR": minimum}
        self.model.excluded_kinds = excluded_kinds
        self.model.disputed_hold = hold
        order = {
            "minimum_amounts": [{"amount": str(minimum), "currency": "EUR"}],
            "excluded_kinds": excluded_kinds,
            "disputed_claims_hold_member": hold,
        }
        assert self.do(self.client.put("/settings", json=order)).status_code == 200

    def decide(self, preview_id: UUID, member_id: UUID, left_out: bool) -> None:
        """Leave a member out of a preview, or take it in (R2, R3)."""
        path = f"/previews/{preview_id}/members/{member_id}"
        decision = {"left_out": left_out, "reason": "Because"}
        status = self.do(self.client.put(path, json=decision)).status_code
        shown = self.model.previews[preview_id]
        debt = shown.get(member_id)
        if preview_id in self.used:
            assert status == 409
        elif debt is None:
            assert status == 404
        elif debt.reason in FOR_GOOD:
            assert status == (200 if left_out else 409)
        else:
            assert status == 200
            reason = MINOR if debt.minor else "BY_STAFF"
            shown[member_id] = replace(debt, reason=reason if left_out else None)

    def hand_over(self, member_id: UUID, fee: str | None, currency: str, reason: str) -> None:
        """Hand one member over, or be told why not (R9)."""
        order: dict[str, Any] = {
            "member_id": str(member_id),
            "partner_id": str(self.partner_id),
            **({"reason": reason} if reason else {}),
            **({"fee": {"amount": fee, "currency": currency}} if fee else {}),
        }
        response = self.post("/handovers", order)
        known = self.model.members.get(member_id)
        if known is None or known.studio_id not in self.model.studios:
            assert response.status_code == 404
            return
        debt = self.model.debt(member_id, any_level=True)
        refusal = self.model.refusal(member_id, Decimal(fee or 0))
        wrong = debt and ((debt.minor and not reason) or (fee and debt.currencies != [currency]))
        if wrong and refusal is None:
            assert response.status_code == 422
            return
        if refusal is None and debt and debt.claims.keys() & self.model.claims_going():
            refusal = "IN_COLLECTION"
        if refusal is not None:
            assert _problem(response) == "member-not-handed-over"
            assert response.json()["reason"] == refusal
            return
        assert debt is not None
        if fee:
            debt.claims[FEE] = (-1, Decimal(fee))
        self._made(response, {member_id: replace(debt, reason=None)})

    def reverse(self, run_id: UUID) -> None:
        """Order a reversal (R10)."""
        run = self.model.runs[run_id]
        response = self.post(f"/runs/{run_id}/reversal", {"confirmed": True, "reason": "Wrong"})
        if run.status == "REJECTED" and not run.reversal_requested:
            assert _problem(response) == "run-not-reversible"
            return
        assert response.status_code == 202
        if not run.reversal_requested:
            run.reversal_requested = True
            self.model.settle(run_id)

    def hand_over_all(self, batches: int, *, twice: bool) -> None:
        """Make a preview and a run of it; `twice`: of another one, too."""
        for _ in range(1 + twice):
            self.make_preview([])
        self.make_run(self.previews[-1], leave_out_changed=False)
        self.publish(batches)
        if twice:
            self.make_run(self.previews[-2], leave_out_changed=False)

    def make_preview(self, studio_ids: list[UUID]) -> None:
        """Staff look at the candidates, of some studios or of all (R2)."""
        order = {"partner_id": str(self.partner_id)}
        response = self.post(
            "/previews",
            {**order, "studio_ids": [str(each) for each in studio_ids]} if studio_ids else order,
        )
        if not self.model.studios.keys() >= set(studio_ids):
            assert response.status_code == 422
            return
        shown = {
            member_id: debt
            for member_id, debt in self.model.candidates().items()
            if debt.reason not in NOT_SHOWN and (not studio_ids or debt.studio_id in studio_ids)
        }
        assert figures(response.json()) == figures_of(shown.values())
        preview_id = UUID(response.json()["preview_id"])
        self.model.previews[preview_id] = shown
        self.previews.append(preview_id)

    def make_run(self, preview_id: UUID, leave_out_changed: bool) -> None:
        """Hand over what the preview showed, or nobody (R4)."""
        order = {"preview_id": str(preview_id), "leave_out_changed": leave_out_changed}
        response = self.post("/runs", order)
        if preview_id in self.used:
            assert _problem(response) == "preview-used"
            return
        shown = self.model.previews[preview_id]
        changes = self.model.changes(shown)
        goes = {each: debt for each, debt in shown.items() if not debt.reason}
        left = {each: debt for each, debt in goes.items() if each not in changes}
        if changes and not leave_out_changed:
            named = response.json()["members"]
            assert {UUID(each["member_id"]): each["reason"] for each in named} == changes
            only_held = set(changes.values()) == {"IN_COLLECTION"}
            kind = "claims-already-in-collection" if only_held else "members-changed"
            assert _problem(response) == kind
        elif not left:
            assert _problem(response) == "nobody-to-hand-over"
        else:
            self.used.add(preview_id)
            self._made(response, left)

    # Workers

    def publish(self, batches: int) -> None:
        """Members go out as the preview showed them, whatever has happened since (R4)."""
        for _ in range(batches):
            waiting, before = bool(self.model.going()), len(self.handovers)
            assert self.do(publishing.publish_handovers(self.world.context)) is waiting
            self.read_outbox()
            assert (len(self.handovers) > before) is waiting

    def settle(self) -> None:
        """Let runs draw their conclusions."""
        self.do(self.world.settle_all())
        for run_id in self.model.runs:
            self.model.settle(run_id)

    def read_outbox(self) -> None:
        """Tell the model of the handovers that went out, and note how runs went on."""
        rows = self.do(self.execute("DELETE FROM outbox RETURNING seq, type, payload"))
        for row in sorted(rows):
            event = parse(row.type, row.payload)
            if isinstance(event, MemberHandedOverV1):
                self._handed_over(event)
            elif type(event) in STATUS_BY_EVENT:
                run_id = event.run_id  # type: ignore[attr-defined]
                self.histories[run_id].append(STATUS_BY_EVENT[type(event)])

    def _handed_over(self, event: MemberHandedOverV1) -> None:
        run = self.model.runs[event.run_id]
        assert event.booking_number == len(run.members) - len(run.waiting) + 1
        debt = run.waiting.pop(event.member_id)
        claims = {each.claim_id: each.to_collect.amount for each in event.claims}
        shown = {claim_id: amount for claim_id, (_, amount) in debt.claims.items()}
        if FEE in shown:
            (fee,) = claims.keys() - shown.keys()
            shown[fee] = shown.pop(FEE)
        assert claims == shown
        case = Case(event.run_id, event.member_id, claims)
        self.model.cases[event.case_id] = case
        self.handovers.append(event)

    def handover(self, place: int) -> MemberHandedOverV1:
        """Return one of those that went out."""
        return self.handovers[place % len(self.handovers)]

    def _made(self, response: Any, members: dict[UUID, Debt]) -> None:
        assert response.status_code == 201, response.text
        run_id = UUID(response.json()["run_id"])
        self.model.runs[run_id] = Run(members=members, waiting=dict(members))

    # How it is done

    async def count_members_again(self) -> tuple[list[Any], list[Any]]:
        """Return what is kept beside members, and what counting from nothing comes to."""
        columns = (
            "claim_ids, claim_sequences, claim_amounts, disputed_count, currency, total, arose_on"
        )
        look = text(f"SELECT member_id, {columns} FROM members WHERE tenant_id = :id ORDER BY 1")
        forget = text(
            "UPDATE members SET claim_ids = '{}', claim_sequences = '{}', claim_amounts = '{}',"
            " disputed_count = 0, currency = NULL, total = NULL, arose_on = NULL"
            " WHERE tenant_id = :id"
        )
        keys = {"id": self.world.tenant_id}
        async with self.world.context.database.begin() as connection:
            kept = (await connection.execute(look, keys)).all()
            await connection.execute(forget, keys)
            await recount_all(connection, self.world.tenant_id)
            counted = (await connection.execute(look, keys)).all()
            await connection.rollback()
        return list(kept), list(counted)

    async def execute(self, statement: str) -> list[Any]:
        """Return the rows of a statement, which may ask for the `:tenant_id`."""
        async with self.world.context.database.begin() as connection:
            needs = {"tenant_id": self.world.tenant_id} if ":tenant_id" in statement else {}
            found = await connection.execute(text(statement), needs)
            return list(found.all()) if found.returns_rows else []

    def get(self, path: str) -> Any:
        """Return a resource that is there."""
        response = self.do(self.client.get(path))
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Return the answer to a new request."""
        headers = {"Idempotency-Key": str(new_id())}
        return self.do(self.client.post(path, json=body, headers=headers))

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait until the service has done something."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)


def _keep_newest(known: dict[UUID, Any], key: UUID, snapshot: Any) -> None:
    if key not in known or snapshot.sequence > known[key].sequence:
        known[key] = snapshot


def with_amount(share: Any, amount: Money) -> Any:
    """Return the share of another amount."""
    return share.model_copy(update={"amount": amount})


def _problem(response: Any) -> str:
    assert response.status_code == 409, response.text
    return str(response.json()["type"]).removeprefix("urn:collection:problem:")


def figures(seen: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what the API says of members, in the words of the model."""
    totals = {each["currency"]: Decimal(each["amount"]) for each in seen["totals"]}
    left_out = {each["reason"]: each["members"] for each in seen["left_out"]}
    return seen["members"], seen["claims"], totals, left_out


def figures_of(debts: Iterable[Debt]) -> tuple[Any, ...]:
    """Return the same of what the model knows of them."""
    debts = list(debts)
    ready = [debt for debt in debts if debt.reason is None]
    totals: defaultdict[str, Decimal] = defaultdict(Decimal)
    for debt in ready:
        (currency,) = debt.currencies
        totals[currency] += debt.total
    left_out = Counter(debt.reason for debt in debts if debt.reason is not None)
    return len(ready), sum(len(debt.claims) for debt in ready), dict(totals), dict(left_out)
