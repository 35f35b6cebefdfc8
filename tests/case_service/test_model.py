"""case-service on a real database against a plain model, step by step: R20 - R31."""

import asyncio
import os
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from kit.ids import new_id
from tests.case_service import world as words
from tests.case_service.staff import Shares, Staff
from tests.case_service.tenant import Tenant
from tests.case_service.world import World

RUNS = int(os.environ.get("RUNS", "6"))
"""How many examples; `make prove` takes many."""
SEED = int(os.environ.get("SEED", "0"))
"""Where chance begins; another number, other examples."""
RUNS_OF_A_DATABASE = 25

PAID_ON = words.PAID_ON.isoformat()

picks = st.integers(0, 99)
rarely = st.sampled_from([False] * 4 + [True])
some = st.lists(picks, min_size=1, max_size=3)
amounts = st.one_of(st.sampled_from([0, 1, 500, 999, 1000, 1001, 1500, 2000]), st.integers(0, 3000))
days = st.sampled_from(["2026-03-20"] * 8 + ["2026-03-02", "2026-03-01"])
fees = st.sampled_from([0, 0, 0, 100])
changes = st.lists(
    st.tuples(
        picks,
        st.one_of(st.none(), amounts),
        st.one_of(st.none(), amounts),
        st.sampled_from([False] * 5 + [True]),
    ),
    min_size=1,
    max_size=3,
)
reports = st.lists(
    st.tuples(
        st.sampled_from(["PAID"] * 4 + ["CORRECTED"] * 3 + ["OPEN", "OPEN", "REJECTED", "CLOSED"]),
        picks,
        amounts,
        fees,
        days,
    ),
    min_size=1,
    max_size=4,
)
ways = st.sampled_from(["automatic", "exactly", "wrongly"])


class CaseService(RuleBasedStateMachine):
    """Does at random what can happen to a tenant; after each step the model says the same."""

    prototype: World
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__()
        self.tenant = Tenant(replace(self.prototype, tenant_id=new_id()), self.loop)
        self.model = self.tenant.model
        self.staff = Staff(self.tenant)

    def teardown(self) -> None:
        found = self.tenant.do(self.tenant.world.differences())
        assert not found, "\n".join(found)
        self.tenant.do(self.tenant.write("DELETE FROM parked"))

    # Events in

    @initialize(places=st.tuples(some, some), writes_off=st.booleans(), costs_first=st.booleans())
    def begin(self, places: tuple[list[int], ...], **how: bool) -> None:
        """Most that happens needs a case, or two of a member."""
        self.staff.change_settings(**how)
        for each in places:
            self._hand_over(0, each)

    @precondition(lambda self: self.tenant.free())
    @rule(
        place=picks,
        places=some,
        by_hand=st.booleans(),
        same_run=rarely,
        old=st.sampled_from([0, 0, 0, 1, 2]),
        late=rarely,
    )
    def a_member_is_handed_over(self, place: int, places: list[int], **how: Any) -> None:
        free = self.tenant.free()
        self._hand_over(free[place % len(free)], places, **how)

    def _hand_over(
        self,
        member: int,
        places: list[int],
        *,
        late: bool = False,
        by_hand: bool = True,
        same_run: bool = False,
        old: int = 0,
    ) -> None:
        case_id = self.tenant.hand_over(member, places, by_hand=by_hand, same_run=same_run, old=old)
        if case_id and not late:
            self.tenant.tell([self.tenant.handover(case_id)])

    @precondition(lambda self: self.tenant.on_the_way)
    @rule(drawn=st.one_of(st.just([]), reports), changes=st.one_of(st.just([]), changes))
    def late_handovers_come(self, drawn: list[Any], changes: list[Any]) -> None:
        """With reports on them in the same batch."""
        case_ids = list(self.tenant.on_the_way)
        said = [self._report(case_ids, *each) for each in drawn]
        news = [self.tenant.change_claim(*each) for each in changes]
        self.tenant.tell([*said, *map(self.tenant.handover, case_ids), *news])

    @rule(drawn=changes, late=rarely)
    def claims_change(self, drawn: list[Any], late: bool) -> None:
        """Corrected, paid at the studio, cancelled, or as they were (R27, R28)."""
        news = [self.tenant.change_claim(*each) for each in drawn]
        if late:
            self.tenant.late += news
        else:
            self.tenant.tell(news)

    @precondition(lambda self: self.tenant.sent)
    @rule(what=st.sampled_from(["snapshots", "messages", "same messages", "request"]), place=picks)
    def something_comes_late_or_again(self, what: str, place: int) -> None:
        """Time has passed: what was parked is tried again, and staff think otherwise."""
        self.tenant.let_time_pass()
        self.staff.change_settings(writes_off=place % 2 == 0, costs_first=place % 3 == 0)
        if what == "snapshots":
            self.tenant.tell(self.tenant.late[::-1])
            self.tenant.late.clear()
        elif what == "request" and self.staff.asked:
            self.staff.ask_again(place)
        else:
            self.tenant.tell_again(place, as_new=what == "messages")

    @precondition(lambda self: self.tenant.handovers)
    @rule(drawn=reports)
    def the_partner_reports(self, drawn: list[Any]) -> None:
        """On any case, also one that has not come yet."""
        case_ids = list(self.tenant.handovers)
        self.tenant.tell([self._report(case_ids, *each) for each in drawn])

    @precondition(lambda self: self.model.references)
    @rule(drawn=st.lists(st.tuples(picks, amounts), min_size=1, max_size=3))
    def the_partner_corrects_payments(self, drawn: list[tuple[int, int]]) -> None:
        """Up or down, in one batch (R23)."""
        known = list(self.model.references)
        chosen = [(*known[-1 - place % len(known)], amount) for place, amount in drawn]
        self.tenant.tell(
            [
                self.tenant.report("CORRECTED", case_id, reference, amount, PAID_ON)
                for case_id, reference, amount in chosen
            ]
        )

    def _report(
        self, case_ids: list[UUID], kind: str, place: int, amount: int, fee: int, day: str
    ) -> Any:
        case_id = case_ids[-1 - place % len(case_ids)]
        reference = f"P-{place % 5}"
        if kind == "PAID":
            return self.tenant.report(kind, case_id, reference, amount, fee, day)
        if kind == "CORRECTED":
            return self.tenant.report(kind, case_id, reference, amount, PAID_ON)
        return self.tenant.report(kind, case_id)

    @precondition(lambda self: self.tenant.handovers)
    @rule(place=picks, what=st.sampled_from(["accepted"] * 3 + ["rejected", "reversal"]))
    def a_whole_run_is_spoken_of(self, place: int, what: str) -> None:
        events = list(self.tenant.handovers.values())
        event = events[-1 - place % len(events)]
        if what == "reversal":
            self.model.reversed.add(event.run_id)
            self.tenant.say_of_run(words.reversal(event))
        else:
            answer = "OPEN" if what == "accepted" else "REJECTED"
            self.model.answers.setdefault(event.run_id, answer)
            accepted = words.run_accepted if what == "accepted" else words.run_rejected
            self.tenant.say_of_run(accepted(event))

    # Staff

    @precondition(lambda self: self.model.cases)
    @rule(
        place=picks,
        amount=st.one_of(st.none(), amounts),
        fee=fees,
        day=days,
        reference=st.one_of(st.none(), st.integers(0, 4)),
        way=ways,
        closing=rarely,
    )
    def staff_book_a_payment(
        self,
        place: int,
        amount: int | None,
        fee: int,
        day: str,
        reference: int | None,
        way: str,
        closing: bool,
    ) -> None:
        """`amount` None: a part of what is open."""
        case_id = self._case(place)
        case, shares = self.model.cases[case_id], None
        if amount is None:
            amount = sum(case.open.values()) // (1 + place % 3)
        if way != "automatic":
            shares = {claim: min(owed, 10 * place + 1) for claim, owed in case.open.items() if owed}
            shares = dict(list(shares.items())[:: -1 if place % 2 else 1])
            if way == "exactly":
                amount = sum(shares.values())
            if not shares:
                return
        name = None if reference is None else f"P-{reference}"
        self.staff.pay(case_id, (amount, fee, day), name, shares, closing=closing)

    @precondition(lambda self: self.model.references)
    @rule(place=picks, with_shares=st.booleans())
    def staff_book_a_payment_again(self, place: int, with_shares: bool) -> None:
        """What was booked under a reference, by whomever: it is booked once (R22)."""
        (case_id, reference), (first, *_) = list(self.model.references.items())[
            place % len(self.model.references)
        ]
        shares = {claim: part for (_, claim), part in first.first_shares.items()}
        given = shares if with_shares and shares else None
        self.staff.pay(case_id, first.booked, reference, given)

    @precondition(lambda self: self.model.payments)
    @rule(place=picks, less=amounts, part=st.sampled_from([1, 1, 2, 3]), way=ways)
    def staff_reduce_a_payment(self, place: int, less: int, part: int, way: str) -> None:
        place = -1 - place % len(self.model.payments) + len(self.model.payments)
        payment = self.model.payments[place]
        if less % 3 == 0:
            less = payment.amount // part
        given: Shares | None = None
        if way != "automatic":
            given = {each: max(share // part, 1) for each, share in payment.shares.items() if share}
            if way == "exactly":
                less = sum(given.values()) + payment.unallocated
        self.staff.reduce(place, less, given)

    @precondition(lambda self: any(each.unallocated for each in self.model.payments))
    @rule(place=picks, case_places=some, amount=amounts, fits=st.sampled_from([True, True, False]))
    def staff_allocate_money(
        self, place: int, case_places: list[int], amount: int, fits: bool
    ) -> None:
        """To claims of any of the member's cases, or of another member's (R29)."""
        number = self._with_unallocated(place)
        left = self.model.payments[number].unallocated
        member = self.model.cases[self.model.payments[number].case].member
        shares: Shares = {}
        for each in case_places:
            cases = [
                (case_id, claim)
                for case_id, case in self.model.cases.items()
                for claim in case.open
                if not fits or case.member == member
            ]
            case_id, claim = cases[-1 - each % len(cases)]
            takes = min(self.model.takes(case_id, claim), left) if fits else amount
            if takes and (case_id, claim) not in shares and claim not in {c for _, c in shares}:
                shares[case_id, claim] = takes
                left -= takes
        if shares:
            self.staff.allocate(number, shares)

    @precondition(lambda self: any(each.unallocated for each in self.model.payments))
    @rule(
        place=picks,
        amount=st.one_of(st.none(), amounts),
        outcome=st.sampled_from(["PAID_BACK", "GIVEN_TO_DEBTOR"]),
    )
    def staff_pay_money_out(self, place: int, amount: int | None, outcome: str) -> None:
        number = self._with_unallocated(place)
        if amount is None:
            amount = self.model.payments[number].unallocated
        self.staff.pay_out(number, amount, outcome)

    @precondition(lambda self: self.model.cases)
    @rule(place=picks, how=st.sampled_from(["close", "close", "cancel"]))
    def staff_end_a_case(self, place: int, how: str) -> None:
        case_id = self._case(place)
        (self.staff.close if how == "close" else self.staff.cancel)(case_id)

    # What must be true after each step

    @invariant()
    def figures_are_the_same(self) -> None:
        self.tenant.check()

    @invariant()
    def nothing_is_out_of_bounds(self) -> None:
        for payment in self.model.payments:
            allocated = sum(payment.shares.values())
            rest = payment.unallocated + payment.paid_out - payment.shortfall
            assert allocated + rest == payment.amount
            assert min(payment.amount, payment.unallocated, *payment.shares.values(), 0) >= 0
        for case in self.model.cases.values():
            for amounts in (case.open, case.written_off, case.released):
                assert min(amounts.values(), default=0) >= 0

    def _case(self, place: int) -> UUID:
        """Return one of the cases, of those that are open more often than not."""
        cases = list(self.model.cases)
        open_ones = [each for each in cases if self.model.cases[each].status == "OPEN"]
        chosen = open_ones if open_ones and place % 4 else cases
        return chosen[-1 - place % len(chosen)]

    def _with_unallocated(self, place: int) -> int:
        payments = self.model.payments
        numbers = [number for number, each in enumerate(payments) if each.unallocated]
        return numbers[place % len(numbers)]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "part", range(-(-RUNS // RUNS_OF_A_DATABASE)), ids=lambda part: f"seed-{SEED + part}"
)
async def test_case_service_does_what_a_plain_model_does(world: World, part: int) -> None:
    """Each example is a tenant of its own; its thread leaves the loop to the service."""
    CaseService.prototype, CaseService.loop = world, asyncio.get_running_loop()
    left = RUNS - part * RUNS_OF_A_DATABASE
    await asyncio.to_thread(
        run_state_machine_as_test,
        seed(SEED + part)(CaseService),
        settings=settings(
            max_examples=min(left, RUNS_OF_A_DATABASE),
            stateful_step_count=50,
            deadline=None,
            database=None,
            phases=[Phase.generate],  # to shrink a failure takes longer than a test may
            suppress_health_check=list(HealthCheck),
        ),
    )
