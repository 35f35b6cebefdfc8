"""run-service on a real database against a plain model, step by step: R1 - R12."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from contracts import (
    CaseCancelledV1,
    CaseClosedV1,
    CaseOpenedV1,
    CasePaymentBookedV1,
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
from tests.run_service import case_events
from tests.run_service.model import FOR_GOOD, MINOR, NOT_SHOWN, Case, Debt, Model, Run
from tests.run_service.world import ADULT, LONG_AGO, World, claim, member, studio, years_ago

T = TypeVar("T")
Snapshot = StudioSnapshotV1 | MemberSnapshotV1 | ClaimSnapshotV1

STUDIOS, MEMBERS, CLAIMS = 2, 4, 6
FEE = UUID(int=0)
"""Stands for the claim of a fee until its id is known."""

STATUS_BY_EVENT: Mapping[type[Event], str] = {
    CaseOpenedV1: "OPEN",
    CaseRejectedV1: "REJECTED",
    CaseClosedV1: "CLOSED",
    CaseCancelledV1: "CANCELLED",
    RunCreatedV1: "IN_PROGRESS",
    RunHandedOverV1: "HANDED_OVER",
    RunRejectedV1: "REJECTED",
    RunReversedV1: "CANCELLED",
}

picks = st.integers(0, 99)
sequences = st.integers(1, 12)
rarely = st.sampled_from([False] * 9 + [True])
currencies = st.sampled_from(["EUR"] * 9 + ["CHF"])
amounts = st.sampled_from(
    ["30.00", "10.00", "99.99"] * 3 + ["0.00", "0.01", "999999999.99", "999999999999.99"]
).map(Decimal)
payments = st.sampled_from(["0.00", "0.00", "0.01", "10.00", "30.00"]).map(Decimal)

places = st.sampled_from([*range(STUDIOS)] * 4 + [STUDIOS])
studio_snapshots = st.tuples(st.just("studio"), picks, sequences)
member_snapshots = st.tuples(st.just("member"), picks, sequences, places, rarely, rarely, rarely)
claim_snapshots = st.tuples(
    st.just("claim"),
    picks,
    sequences,
    amounts,
    payments,
    currencies,
    st.sampled_from(["CLAIM", "CLAIM", "SALE"]),
    rarely,
    rarely,
)
answers = st.sampled_from(
    [
        case_events.opened,
        case_events.opened,
        case_events.rejected,
        case_events.closed,
        case_events.cancelled,
    ]
)


class RunService(RuleBasedStateMachine):
    """Does at random what can happen to a tenant; after each step the model says the same."""

    prototype: World
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__()
        self.world = replace(self.prototype, tenant_id=new_id())
        self.client = self.world.client()
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
        self.partner_id = self._do(self.world.partner())

    def teardown(self) -> None:
        """Leave no run for the workers to find in the next example."""
        self._do(self.client.aclose())
        self._do(self._execute("UPDATE runs SET published = member_count"))
        self._do(self._execute("DELETE FROM run_tallies"))
        self._do(self._execute("DELETE FROM outbox"))

    # Events in

    @initialize(
        order=st.permutations(range(STUDIOS + MEMBERS + CLAIMS)),
        batches=st.sampled_from([None, None, 0, 1, 2]),
    )
    def begin(self, order: list[int], batches: int | None) -> None:
        """Most that happens needs a run, or a preview that overlaps with one."""
        snapshots: list[Event] = [studio(each, 2) for each in self.studio_ids[:STUDIOS]]
        for number, member_id in enumerate(self.member_ids):
            snapshots.append(member(member_id, self.studio_ids[number % STUDIOS], 2))
        for number, claim_id in enumerate(self.claim_ids):
            owner = self.member_ids[number % MEMBERS]
            due = claim(claim_id, owner, self.studio_ids[0], 2)
            snapshots.append(due.model_copy(update={"kind": "CLAIM" if number else "SALE"}))
        self._feed(snapshots[place] for place in order)
        self._make_preview([])
        if batches is not None:
            self._hand_over_all(batches, twice=False)

    @rule(
        drawn=st.lists(st.one_of(studio_snapshots, member_snapshots), min_size=1, max_size=5),
        more=st.lists(claim_snapshots, max_size=2),
    )
    def members_change(self, drawn: list[Any], more: list[Any]) -> None:
        """Their owner publishes: versions are left out, older ones come after newer ones (R12)."""
        self._feed(self._snapshot(*each) for each in drawn + more)

    @rule(drawn=st.lists(claim_snapshots, min_size=1, max_size=5))
    def claims_change(self, drawn: list[Any]) -> None:
        self._feed(self._snapshot(*each) for each in drawn)

    @rule(place=picks)
    def a_claim_is_somebody_elses_after_all(self, place: int) -> None:
        known = self.model.claims[self.claim_ids[place % CLAIMS]]
        owner = self.member_ids[place % MEMBERS]
        newer = {"member_id": owner, "sequence": known.sequence + 1}
        self._feed([known.model_copy(update=newer)])

    @rule(places=st.lists(picks, min_size=1, max_size=5))
    def events_come_again(self, places: list[int]) -> None:
        """Whatever came before comes once more, late, and in another order (R12)."""
        self._feed(self.sent[place % len(self.sent)] for place in places)

    @precondition(lambda self: self.handovers)
    @rule(drawn=st.lists(st.tuples(picks, answers), min_size=1, max_size=5), early=st.booleans())
    def cases_are_answered(self, drawn: list[Any], early: bool) -> None:
        """Answers on a case that is not known are kept until it is, however often they come."""
        events = [event_of(self._handover(place)) for place, event_of in drawn]
        if early:
            strangers = [event.model_copy(update={"case_id": new_id()}) for event in events]
            parked = self._do(self.world.feed(*strangers))
            assert sorted(parked) == sorted(f"run:{event.run_id}" for event in strangers)
        self._feed(events)

    @rule(answer=answers)
    def all_cases_are_answered(self, answer: Any) -> None:
        """Alike, in one batch, once all members are out: so that runs come to an end."""
        while self.model.going():
            self._publish(1)
        self._feed(map(answer, self.handovers))
        self._settle()

    @precondition(lambda self: self.handovers)
    @rule(place=picks, claim_place=picks, amount=payments, taken_back=payments, late=st.booleans())
    def payments_are_booked(
        self, place: int, claim_place: int, amount: Decimal, taken_back: Decimal, late: bool
    ) -> None:
        """A payment on a claim comes, and a part of it did not come after all."""
        handover, payment_id = self._handover(place), new_id()
        owed = handover.claims[claim_place % len(handover.claims)]
        paid = Money(amount=amount, currency=owed.amount.currency)
        back = Money(amount=min(amount, taken_back), currency=owed.amount.currency)
        handover = handover.model_copy(update={"claims": (owed,)})
        booked = case_events.paid(handover, "1.00", payment_id)
        reduced = case_events.reduced(handover, payment_id, "1.00")
        events: list[Event] = [
            booked.model_copy(update={"shares": (_with_amount(booked.shares[0], paid),)}),
            reduced.model_copy(update={"shares": (_with_amount(reduced.shares[0], back),)}),
        ]
        self._feed(events[: 1 if late else 2])
        self.sent += events

    # Staff

    @rule(
        minimum=st.sampled_from(["0.00", "0.02", "30.00", "30.01"]).map(Decimal),
        excluded=st.booleans(),
        hold=st.booleans(),
    )
    def settings_change(self, minimum: Decimal, excluded: bool, hold: bool) -> None:
        model = self.model
        model.minimums = {"EUR": minimum}
        model.excluded_kinds = ["SALE"] if excluded else []
        model.disputed_hold = hold
        order = {
            "minimum_amounts": [{"amount": str(minimum), "currency": "EUR"}],
            "excluded_kinds": model.excluded_kinds,
            "disputed_claims_hold_member": hold,
        }
        assert self._do(self.client.put("/settings", json=order)).status_code == 200

    @rule(studios=st.sampled_from([[], [0], [1], [0, STUDIOS]]))
    def a_preview_is_made(self, studios: list[int]) -> None:
        self._make_preview([self.studio_ids[each] for each in studios])

    @precondition(lambda self: self.previews)
    @rule(place=picks, member_place=picks, left_out=st.booleans())
    def a_member_is_left_out_or_taken_in(
        self, place: int, member_place: int, left_out: bool
    ) -> None:
        preview_id = self.previews[place % len(self.previews)]
        shown = self.model.previews[preview_id]
        member_id = self.member_ids[member_place % MEMBERS]
        response = self._do(
            self.client.put(
                f"/previews/{preview_id}/members/{member_id}",
                json={"left_out": left_out, "reason": "Because"},
            )
        )
        debt = shown.get(member_id)
        if preview_id in self.used:
            assert response.status_code == 409
        elif debt is None:
            assert response.status_code == 404
        elif debt.reason in FOR_GOOD:
            assert response.status_code == (200 if left_out else 409)
        else:
            assert response.status_code == 200
            reason = MINOR if debt.minor else "BY_STAFF"
            shown[member_id] = replace(debt, reason=reason if left_out else None)

    @precondition(lambda self: self.previews)
    @rule(place=picks, leave_out_changed=st.booleans())
    def a_run_is_made(self, place: int, leave_out_changed: bool) -> None:
        unused = [each for each in self.previews if each not in self.used] or self.previews
        self._make_run(unused[-1 - place % len(unused)], leave_out_changed)

    @rule(batches=st.integers(0, 2), twice=st.booleans())
    def all_candidates_go(self, batches: int, twice: bool) -> None:
        """What happens most: a preview, a run of it, and its members go out, or some."""
        self._hand_over_all(batches, twice=twice)

    @rule(
        member_place=picks,
        fee=st.sampled_from([None, None, "0.01", "15.00", "999999999999.99"]),
        currency=currencies,
        reason=st.sampled_from(["Because", ""]),
    )
    def one_member_is_handed_over(
        self, member_place: int, fee: str | None, currency: str, reason: str
    ) -> None:
        """From any dunning level (R9)."""
        member_id = self.member_ids[member_place % MEMBERS]
        order: dict[str, Any] = {
            "member_id": str(member_id),
            "partner_id": str(self.partner_id),
            **({"reason": reason} if reason else {}),
            **({"fee": {"amount": fee, "currency": currency}} if fee else {}),
        }
        debt = self.model.debt(member_id, any_level=True)
        known = self.model.members.get(member_id)
        response = self._post("/handovers", order)
        if known is None or known.studio_id not in self.model.studios:
            assert response.status_code == 404
            return
        refusal = self._refusal(member_id, debt, Decimal(fee or 0))
        if refusal is not None:
            assert _problem(response) == "member-not-handed-over"
            assert response.json()["reason"] == refusal
            return
        assert debt is not None
        if (debt.minor and not reason) or (fee and debt.currencies != [currency]):
            assert response.status_code == 422
            return
        if debt.claims.keys() & self.model.claims_going():
            assert _problem(response) == "member-not-handed-over"
            assert response.json()["reason"] == "IN_COLLECTION"
            return
        if fee:
            debt.claims[FEE] = (-1, Decimal(fee))
        self._made(response, {member_id: replace(debt, reason=None)})

    @precondition(lambda self: self.model.runs)
    @rule(place=picks)
    def a_run_is_reversed(self, place: int) -> None:
        run_id = list(self.model.runs)[place % len(self.model.runs)]
        run = self.model.runs[run_id]
        response = self._post(f"/runs/{run_id}/reversal", {"confirmed": True, "reason": "Wrong"})
        if run.status == "REJECTED" and not run.reversal_requested:
            assert _problem(response) == "run-not-reversible"
            return
        assert response.status_code == 202
        if not run.reversal_requested:
            run.reversal_requested = True
            self.model.settle(run_id)

    @precondition(lambda self: any(run.reversal_requested for run in self.model.runs.values()))
    @rule()
    def cases_of_reversed_runs_are_closed(self) -> None:
        self._feed(
            case_events.closed(each, "RUN_REVERSED")
            for each in self.handovers
            if self.model.runs[each.run_id].reversal_requested
        )

    # Workers

    @precondition(lambda self: self.model.going())
    @rule(batches=st.integers(1, 3))
    def handovers_are_published(self, batches: int) -> None:
        self._publish(batches)

    @rule()
    def runs_are_settled(self) -> None:
        self._settle()

    # What must be true after each step

    @invariant()
    def candidates_are_the_same(self) -> None:
        summary = self._get("/candidates/summary")
        candidates = self.model.candidates()
        assert _figures(summary) == _figures_of(candidates.values())
        by_studio: defaultdict[UUID, list[Debt]] = defaultdict(list)
        for debt in candidates.values():
            by_studio[debt.studio_id].append(debt)
        assert {UUID(part["studio_id"]): _figures(part) for part in summary["studios"]} == {
            studio_id: _figures_of(debts) for studio_id, debts in by_studio.items()
        }

    @invariant()
    def runs_are_the_same(self) -> None:
        self._read_outbox()
        for run_id, run in self.model.runs.items():
            seen = self._get(f"/runs/{run_id}")
            assert seen["status"] == run.status
            assert {name: seen[name] for name in run.counts} == run.counts
            assert seen["published"] == len(run.members) - len(run.waiting)
            assert _figures({**seen, "left_out": []}) == _figures_of(run.members.values())
            assert self.histories[run_id] == run.history

    @invariant()
    def each_claim_is_held_once(self) -> None:
        """R11."""
        rows = self._do(
            self._execute(
                "SELECT claim_id, run_id, member_id, to_collect FROM reservations"
                " WHERE tenant_id = :tenant_id AND released_at IS NULL"
            )
        )
        held = {(row.claim_id, row.run_id, row.member_id): row.to_collect for row in rows}
        assert held == self.model.reserved()
        assert len({claim_id for claim_id, *_ in held}) == len(rows)

    @invariant()
    def what_was_collected_is_counted_once(self) -> None:
        rows = self._do(
            self._execute("SELECT claim_id, amount FROM collected WHERE tenant_id = :tenant_id")
        )
        collected: defaultdict[UUID, Decimal] = defaultdict(Decimal)
        for (claim_id, _), amount in self.model.shares.items():
            collected[claim_id] += amount
        assert {row.claim_id: row.amount for row in rows} == collected

    @invariant()
    def what_is_kept_beside_members_is_what_a_full_count_makes(self) -> None:
        kept, counted = self._do(self._count_members_again())
        assert kept == counted

    # How it is done

    def _snapshot(self, kind: str, place: int, sequence: int, *values: Any) -> Snapshot:
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

    def _feed(self, events: Iterable[Event]) -> None:
        events = list(events)
        assert self._do(self.world.feed(*events)) == []
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
            case CaseOpenedV1() | CaseRejectedV1() | CaseClosedV1() | CaseCancelledV1():
                self.model.answer(self.model.cases[event.case_id], STATUS_BY_EVENT[type(event)])

    def _hand_over_all(self, batches: int, *, twice: bool) -> None:
        for _ in range(1 + twice):
            self._make_preview([])
        self._make_run(self.previews[-1], leave_out_changed=False)
        self._publish(batches)
        if twice:
            self._make_run(self.previews[-2], leave_out_changed=False)

    def _make_preview(self, studio_ids: list[UUID]) -> None:
        """Staff look at the candidates, of some studios or of all (R2)."""
        order = {"partner_id": str(self.partner_id)}
        response = self._post(
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
        assert _figures(response.json()) == _figures_of(shown.values())
        preview_id = UUID(response.json()["preview_id"])
        self.model.previews[preview_id] = shown
        self.previews.append(preview_id)

    def _make_run(self, preview_id: UUID, leave_out_changed: bool) -> None:
        """Hand over what the preview showed, or nobody (R4)."""
        order = {"preview_id": str(preview_id), "leave_out_changed": leave_out_changed}
        response = self._post("/runs", order)
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

    def _publish(self, batches: int) -> None:
        """Members go out as the preview showed them, whatever has happened since (R4)."""
        for _ in range(batches):
            waiting, before = bool(self.model.going()), len(self.handovers)
            assert self._do(publishing.publish_handovers(self.world.context)) is waiting
            self._read_outbox()
            assert (len(self.handovers) > before) is waiting

    def _settle(self) -> None:
        self._do(self.world.settle_all())
        for run_id in self.model.runs:
            self.model.settle(run_id)

    def _read_outbox(self) -> None:
        """Tell the model of the handovers that went out, and note how runs went on."""
        rows = self._do(self._execute("DELETE FROM outbox RETURNING seq, type, payload"))
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

    def _handover(self, place: int) -> MemberHandedOverV1:
        return self.handovers[place % len(self.handovers)]

    def _refusal(self, member_id: UUID, debt: Debt | None, fee: Decimal) -> str | None:
        """Return why a member cannot be handed over alone."""
        model = self.model
        if member_id in model.going():
            return "IN_COLLECTION"
        if debt is None:
            owners = {
                known.member_id if (known := model.claims.get(claim_id)) else held_for
                for claim_id, _, held_for in model.reserved()
            }
            return "IN_COLLECTION" if member_id in owners else "NOTHING_TO_HAND_OVER"
        if debt.reason in {None, MINOR} and debt.total + fee >= 10**9:
            return "AMOUNT_TOO_LARGE"
        return None if debt.reason == MINOR else debt.reason

    def _made(self, response: Any, members: dict[UUID, Debt]) -> None:
        assert response.status_code == 201, response.text
        run_id = UUID(response.json()["run_id"])
        self.model.runs[run_id] = Run(members=members, waiting=dict(members))

    async def _count_members_again(self) -> tuple[list[Any], list[Any]]:
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

    async def _execute(self, statement: str) -> list[Any]:
        async with self.world.context.database.begin() as connection:
            needs = {"tenant_id": self.world.tenant_id} if ":tenant_id" in statement else {}
            found = await connection.execute(text(statement), needs)
            return list(found.all()) if found.returns_rows else []

    def _get(self, path: str) -> Any:
        response = self._do(self.client.get(path))
        assert response.status_code == 200, response.text
        return response.json()

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"Idempotency-Key": str(new_id())}
        return self._do(self.client.post(path, json=body, headers=headers))

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)


def _keep_newest(known: dict[UUID, Any], key: UUID, snapshot: Any) -> None:
    if key not in known or snapshot.sequence > known[key].sequence:
        known[key] = snapshot


def _with_amount(share: Any, amount: Money) -> Any:
    return share.model_copy(update={"amount": amount})


def _problem(response: Any) -> str:
    assert response.status_code == 409, response.text
    return str(response.json()["type"]).removeprefix("urn:collection:problem:")


def _figures(seen: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what the API says of members, in the words of the model."""
    totals = {each["currency"]: Decimal(each["amount"]) for each in seen["totals"]}
    left_out = {each["reason"]: each["members"] for each in seen["left_out"]}
    return seen["members"], seen["claims"], totals, left_out


def _figures_of(debts: Iterable[Debt]) -> tuple[Any, ...]:
    debts = list(debts)
    ready = [debt for debt in debts if debt.reason is None]
    totals: defaultdict[str, Decimal] = defaultdict(Decimal)
    for debt in ready:
        (currency,) = debt.currencies
        totals[currency] += debt.total
    left_out = Counter(debt.reason for debt in debts if debt.reason is not None)
    return len(ready), sum(len(debt.claims) for debt in ready), dict(totals), dict(left_out)


async def test_run_service_does_what_a_plain_model_does(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each example is a tenant of its own; its thread leaves the loop to the service."""
    monkeypatch.setattr(publishing, "BATCH", 2)
    RunService.prototype, RunService.loop = world, asyncio.get_running_loop()
    await asyncio.to_thread(
        run_state_machine_as_test,
        RunService,
        settings=settings(
            max_examples=30,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],  # to shrink a failure takes longer than a test may
            suppress_health_check=list(HealthCheck),
        ),
    )
