"""run-service on a real database against a plain model, step by step: R1 - R12."""

import asyncio
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any
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

from contracts import CaseClosedV1, Event, Money
from kit.ids import new_id
from run_service.runs import publish_handovers as publishing
from tests.run_service import case_events
from tests.run_service.model import Debt
from tests.run_service.tenant import (
    CLAIMS,
    MEMBERS,
    STUDIOS,
    Tenant,
    figures,
    figures_of,
    with_amount,
)
from tests.run_service.world import World, claim, member, studio

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
        partial(case_events.written_off, amount="10.00"),
        case_events.cancelled,
    ]
)


class RunService(RuleBasedStateMachine):
    """Does at random what can happen to a tenant; after each step the model says the same."""

    prototype: World
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__()
        self.tenant = Tenant(replace(self.prototype, tenant_id=new_id()), self.loop)

    def teardown(self) -> None:
        self.tenant.leave()

    # Events in

    @initialize(
        order=st.permutations(range(STUDIOS + MEMBERS + CLAIMS)),
        batches=st.sampled_from([None, None, 0, 1, 2]),
    )
    def begin(self, order: list[int], batches: int | None) -> None:
        """Most that happens needs a run, or a preview that overlaps with one."""
        snapshots: list[Event] = [studio(each, 2) for each in self.tenant.studio_ids[:STUDIOS]]
        for number, member_id in enumerate(self.tenant.member_ids):
            snapshots.append(member(member_id, self.tenant.studio_ids[number % STUDIOS], 2))
        for number, claim_id in enumerate(self.tenant.claim_ids):
            owner = self.tenant.member_ids[number % MEMBERS]
            due = claim(claim_id, owner, self.tenant.studio_ids[0], 2)
            snapshots.append(due.model_copy(update={"kind": "CLAIM" if number else "SALE"}))
        self.tenant.feed(snapshots[place] for place in order)
        self.tenant.make_preview([])
        if batches is not None:
            self.tenant.hand_over_all(batches, twice=False)

    @rule(
        drawn=st.lists(st.one_of(studio_snapshots, member_snapshots), min_size=1, max_size=5),
        more=st.lists(claim_snapshots, max_size=2),
    )
    def members_change(self, drawn: list[Any], more: list[Any]) -> None:
        """Their owner publishes: versions are left out, older ones come after newer ones (R12)."""
        self.tenant.feed(self.tenant.snapshot(*each) for each in drawn + more)

    @rule(drawn=st.lists(claim_snapshots, min_size=1, max_size=5))
    def claims_change(self, drawn: list[Any]) -> None:
        self.tenant.feed(self.tenant.snapshot(*each) for each in drawn)

    @rule(place=picks)
    def a_claim_is_somebody_elses_after_all(self, place: int) -> None:
        known = self.tenant.model.claims[self.tenant.claim_ids[place % CLAIMS]]
        owner = self.tenant.member_ids[place % MEMBERS]
        newer = {"member_id": owner, "sequence": known.sequence + 1}
        self.tenant.feed([known.model_copy(update=newer)])

    @rule(places=st.lists(picks, min_size=1, max_size=5))
    def events_come_again(self, places: list[int]) -> None:
        """Whatever came before comes once more, late, and in another order (R12)."""
        self.tenant.feed(self.tenant.sent[place % len(self.tenant.sent)] for place in places)

    @precondition(lambda self: self.tenant.handovers)
    @rule(drawn=st.lists(st.tuples(picks, answers), min_size=1, max_size=5), early=st.booleans())
    def cases_are_answered(self, drawn: list[Any], early: bool) -> None:
        """Answers on a case that is not known are kept until it is, however often they come."""
        events = [event_of(self.tenant.handover(place)) for place, event_of in drawn]
        if early:
            strangers = [event.model_copy(update={"case_id": new_id()}) for event in events]
            parked = self.tenant.do(self.tenant.world.feed(*strangers))
            assert sorted(parked) == sorted(f"run:{event.run_id}" for event in strangers)
            for event in strangers:
                if isinstance(event, CaseClosedV1):
                    self.tenant.model.give_up(event)
        self.tenant.feed(events)

    @rule(answer=answers)
    def all_cases_are_answered(self, answer: Any) -> None:
        """Alike, in one batch, once all members are out: so that runs come to an end."""
        while self.tenant.model.going():
            self.tenant.publish(1)
        self.tenant.feed(map(answer, self.tenant.handovers))
        self.tenant.settle()

    @precondition(lambda self: self.tenant.handovers)
    @rule(place=picks, claim_place=picks, amount=payments, taken_back=payments, late=st.booleans())
    def payments_are_booked(
        self, place: int, claim_place: int, amount: Decimal, taken_back: Decimal, late: bool
    ) -> None:
        """A payment on a claim comes, and a part of it did not come after all."""
        handover, payment_id = self.tenant.handover(place), new_id()
        owed = handover.claims[claim_place % len(handover.claims)]
        paid = Money(amount=amount, currency=owed.amount.currency)
        back = Money(amount=min(amount, taken_back), currency=owed.amount.currency)
        handover = handover.model_copy(update={"claims": (owed,)})
        booked = case_events.paid(handover, "1.00", payment_id)
        reduced = case_events.reduced(handover, payment_id, "1.00")
        events: list[Event] = [
            booked.model_copy(update={"shares": (with_amount(booked.shares[0], paid),)}),
            reduced.model_copy(update={"shares": (with_amount(reduced.shares[0], back),)}),
        ]
        self.tenant.feed(events[: 1 if late else 2])
        self.tenant.sent += events

    @precondition(lambda self: self.tenant.handovers)
    @rule(place=picks, claim_places=st.tuples(picks, picks), amount=payments)
    def money_moves(self, place: int, claim_places: tuple[int, int], amount: Decimal) -> None:
        """From one claim of a case to another (R28, R29)."""
        handover = self.tenant.handover(place)
        source, target = (
            handover.claims[each % len(handover.claims)].claim_id for each in claim_places
        )
        taken, given = {source: str(amount)}, {target: str(amount)} if target != source else {}
        self.tenant.feed([case_events.reallocated(handover, taken=taken, given=given)])

    # Staff

    @rule(
        minimum=st.sampled_from(["0.00", "0.02", "30.00", "30.01"]).map(Decimal),
        excluded=st.booleans(),
        hold=st.booleans(),
    )
    def settings_change(self, minimum: Decimal, excluded: bool, hold: bool) -> None:
        self.tenant.change_settings(minimum, ["SALE"] if excluded else [], hold)

    @rule(studios=st.sampled_from([[], [0], [1], [0, STUDIOS]]))
    def a_preview_is_made(self, studios: list[int]) -> None:
        self.tenant.make_preview([self.tenant.studio_ids[each] for each in studios])

    @precondition(lambda self: self.tenant.previews)
    @rule(place=picks, member_place=picks, left_out=st.booleans())
    def a_member_is_left_out_or_taken_in(
        self, place: int, member_place: int, left_out: bool
    ) -> None:
        previews = self.tenant.previews
        member_id = self.tenant.member_ids[member_place % MEMBERS]
        self.tenant.decide(previews[place % len(previews)], member_id, left_out)

    @precondition(lambda self: self.tenant.previews)
    @rule(place=picks, leave_out_changed=st.booleans())
    def a_run_is_made(self, place: int, leave_out_changed: bool) -> None:
        tenant = self.tenant
        unused = [each for each in tenant.previews if each not in tenant.used] or tenant.previews
        tenant.make_run(unused[-1 - place % len(unused)], leave_out_changed)

    @rule(batches=st.integers(0, 2), twice=st.booleans())
    def all_candidates_go(self, batches: int, twice: bool) -> None:
        """What happens most: a preview, a run of it, and its members go out, or some."""
        self.tenant.hand_over_all(batches, twice=twice)

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
        member_id = self.tenant.member_ids[member_place % MEMBERS]
        self.tenant.hand_over(member_id, fee, currency, reason)

    @precondition(lambda self: self.tenant.model.runs)
    @rule(place=picks)
    def a_run_is_reversed(self, place: int) -> None:
        run_ids = list(self.tenant.model.runs)
        self.tenant.reverse(run_ids[place % len(run_ids)])

    @precondition(
        lambda self: any(run.reversal_requested for run in self.tenant.model.runs.values())
    )
    @rule()
    def cases_of_reversed_runs_are_closed(self) -> None:
        self.tenant.feed(
            case_events.closed(each, "RUN_REVERSED")
            for each in self.tenant.handovers
            if self.tenant.model.runs[each.run_id].reversal_requested
        )

    # Workers

    @precondition(lambda self: self.tenant.model.going())
    @rule(batches=st.integers(1, 3))
    def handovers_are_published(self, batches: int) -> None:
        self.tenant.publish(batches)

    @rule()
    def runs_are_settled(self) -> None:
        self.tenant.settle()

    # What must be true after each step

    @invariant()
    def candidates_are_the_same(self) -> None:
        summary = self.tenant.get("/candidates/summary")
        candidates = self.tenant.model.candidates()
        assert figures(summary) == figures_of(candidates.values())
        by_studio: defaultdict[UUID, list[Debt]] = defaultdict(list)
        for debt in candidates.values():
            by_studio[debt.studio_id].append(debt)
        assert {UUID(part["studio_id"]): figures(part) for part in summary["studios"]} == {
            studio_id: figures_of(debts) for studio_id, debts in by_studio.items()
        }

    @invariant()
    def runs_are_the_same(self) -> None:
        self.tenant.read_outbox()
        for run_id, run in self.tenant.model.runs.items():
            seen = self.tenant.get(f"/runs/{run_id}")
            assert seen["status"] == run.status
            assert {name: seen[name] for name in run.counts} == run.counts
            assert seen["published"] == len(run.members) - len(run.waiting)
            assert figures({**seen, "left_out": []}) == figures_of(run.members.values())
            assert self.tenant.histories[run_id] == run.history

    @invariant()
    def each_claim_is_held_once(self) -> None:
        """R11."""
        rows = self.tenant.do(
            self.tenant.execute(
                "SELECT claim_id, run_id, member_id, to_collect FROM reservations"
                " WHERE tenant_id = :tenant_id AND released_at IS NULL"
            )
        )
        held = {(row.claim_id, row.run_id, row.member_id): row.to_collect for row in rows}
        assert held == self.tenant.model.reserved()
        assert len({claim_id for claim_id, *_ in held}) == len(rows)

    @invariant()
    def what_was_collected_is_counted_once(self) -> None:
        rows = self.tenant.do(
            self.tenant.execute(
                "SELECT claim_id, amount FROM collected WHERE tenant_id = :tenant_id"
            )
        )
        collected: defaultdict[UUID, Decimal] = defaultdict(Decimal)
        for (claim_id, _), amount in self.tenant.model.shares.items():
            collected[claim_id] += amount
        assert {row.claim_id: row.amount for row in rows} == collected

    @invariant()
    def what_is_kept_beside_members_is_what_a_full_count_makes(self) -> None:
        kept, counted = self.tenant.do(self.tenant.count_members_again())
        assert kept == counted


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
