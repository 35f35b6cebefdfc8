"""The ledger on a real database against a plain model in whole cents (R22, R23, R29, R31)."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import date
from itertools import count
from typing import Any, TypeVar
from uuid import UUID

import httpx
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    multiple,
    rule,
    run_state_machine_as_test,
)

from case_service.main import service
from case_service.settings import Settings
from contracts import HandoverClaim, MemberHandedOverV1
from kit.context import Context
from kit.database import Database, upgrade
from local_stack.issuer import Issuer
from local_stack.postgres import PostgresServer
from tests.case_service.world import (
    World,
    accepted,
    claim,
    closed,
    corrected,
    handover,
    paid,
    reversal,
)

T = TypeVar("T")

cents = st.integers(0, 5000)


def _text(amount: int) -> str:
    return f"{amount // 100}.{amount % 100:02}"


@dataclass
class ModelCase:
    """What must be true of a case: who owes what, and which payment each cent came with."""

    event: MemberHandedOverV1
    status: str
    owed: dict[str, int]
    """What was open on each claim at the handover, oldest first."""
    payments: dict[str, list[int]] = field(default_factory=dict)
    """Amounts by reference: the payment itself and what corrected it upwards."""
    parts: list[tuple[str, str | None, int]] = field(default_factory=list)
    """Where each part of a payment went: reference, claim (None: unallocated), amount."""

    def collected(self, claim_id: str) -> int:
        """Return what was paid on a claim."""
        return sum(amount for _, where, amount in self.parts if where == claim_id)

    def pay(self, reference: str, amount: int) -> None:
        """Spread a payment by hand: claim after claim."""
        for claim_id, start in self.owed.items():
            part = min(amount, start - self.collected(claim_id)) if self.status == "OPEN" else 0
            self.parts.append((reference, claim_id, part))
            amount -= part
        self.parts.append((reference, None, amount))

    def reduce(self, reference: str, amount: int) -> None:
        """Take back from the end, whatever it was."""
        for place in reversed(range(len(self.parts))):
            whose, where, part = self.parts[place]
            if whose == reference:
                less = min(part, amount)
                self.parts[place] = (whose, where, part - less)
                amount -= less


class Ledger(RuleBasedStateMachine):
    """Hands over, pays, corrects and ends cases at random, and compares after each step."""

    postgres_url: str
    issuer: Issuer
    cases = Bundle("cases")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model: list[ModelCase] = []
        self.numbers = count(1)
        context = Context(_settings(self.postgres_url, self.issuer), Database(self.postgres_url))
        self.world = World(context, httpx.AsyncClient(), self.issuer)

    def teardown(self) -> None:
        self._do(self.world.client.aclose())
        self._do(self.world.context.database.close())
        self.runner.close()

    @rule(target=cases, amounts=st.lists(cents, min_size=1, max_size=3), taken=st.booleans())
    def hand_over(self, amounts: list[int], taken: bool) -> ModelCase:
        claims = [claim(_text(amount), date(2026, 1, day)) for day, amount in enumerate(amounts, 1)]
        return self._hand_over(claims, taken)

    @rule(target=cases, case=cases, taken=st.booleans())
    def hand_over_again(self, case: ModelCase, taken: bool) -> Any:
        """Claims of a case that has ended go into another run."""
        if case.status in {"OPEN", "PENDING"} or self._is_busy(case):
            return multiple()
        return self._hand_over(list(case.event.claims), taken, case.event.member_id)

    @rule(case=cases)
    def accept(self, case: ModelCase) -> None:
        self._do(self.world.deliver(accepted(case.event)))
        if case.status == "PENDING":
            case.status = "OPEN"
        self._compare(case)

    @rule(case=cases, amounts=st.lists(cents, min_size=1, max_size=3))
    def pay(self, case: ModelCase, amounts: list[int]) -> None:
        """Payments come in one batch, the last one twice."""
        if case.status == "PENDING":
            return
        reports = []
        for amount in amounts:
            reference = f"P-{next(self.numbers)}"
            reports.append(paid(case.event, _text(amount), reference))
            case.payments[reference] = [amount]
            case.pay(reference, amount)
        self._do(self.world.deliver(*reports, reports[-1]))
        self._compare(case)

    @rule(case=cases, amount=cents, data=st.data())
    def correct(self, case: ModelCase, amount: int, data: st.DataObject) -> None:
        if not case.payments:
            return
        reference = data.draw(st.sampled_from(sorted(case.payments)))
        booked = sum(case.payments[reference])
        self._do(self.world.deliver(corrected(case.event, _text(amount), reference)))
        if amount > booked:
            case.pay(reference, amount - booked)
        else:
            case.reduce(reference, booked - amount)
        case.payments[reference] = [amount]
        self._compare(case)

    @rule(case=cases, how=st.sampled_from(["closed", "reversed"]))
    def end(self, case: ModelCase, how: str) -> None:
        if how == "closed" and case.status == "OPEN":
            self._do(self.world.deliver(closed(case.event)))
        else:
            self._do(self.world.deliver(reversal(case.event)))
            self._do(self.world.work())
        case.status = "CLOSED"
        self._compare(case)

    def _hand_over(
        self, claims: list[HandoverClaim], taken: bool, member_id: UUID | None = None
    ) -> ModelCase:
        event = handover(
            *claims, member_id=member_id, partner_channel="BY_HAND" if taken else "API"
        )
        self._do(self.world.deliver(event))
        owed = {}
        for each in claims:
            before = sum(case.collected(str(each.claim_id)) for case in self.model)
            owed[str(each.claim_id)] = max(int(each.amount.amount * 100) - before, 0)
        case = ModelCase(event, "OPEN" if taken else "PENDING", owed)
        self.model.append(case)
        self._compare(case)
        return case

    def _is_busy(self, case: ModelCase) -> bool:
        return any(
            other.event.member_id == case.event.member_id and other.status in {"OPEN", "PENDING"}
            for other in self.model
        )

    def _compare(self, case: ModelCase) -> None:
        rows = self._do(
            self.world.rows(
                "SELECT status, unallocated, claim_id, c.open FROM cases"
                " JOIN case_claims c USING (tenant_id, case_id)"
                " WHERE tenant_id = :tenant_id AND case_id = :case_id",
                tenant_id=self.world.tenant_id,
                case_id=case.event.case_id,
            )
        )
        unallocated = sum(amount for _, where, amount in case.parts if where is None)
        assert {(row.status, int(row.unallocated * 100)) for row in rows} == {
            (case.status, unallocated)
        }
        assert {str(row.claim_id): int(row.open * 100) for row in rows} == {
            claim_id: start - case.collected(claim_id) for claim_id, start in case.owed.items()
        }
        assert self._do(self.world.differences()) == []

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)


def _settings(url: str, issuer: Issuer) -> Settings:
    return Settings(
        database_url=url,
        kafka_bootstrap_servers="127.0.0.1:1",
        auth_issuer=issuer.url,
        auth_audience="tests",
        auth_jwks_url=issuer.jwks_url,
    )


def test_the_ledger_does_what_a_plain_model_does(postgres: PostgresServer, issuer: Issuer) -> None:
    """Each example is a tenant of its own in one database."""
    postgres.create_database("ledger", role="tests")
    url = postgres.url("ledger").replace("postgresql://", "postgresql+asyncpg://")
    upgrade(url, service.migrations)
    Ledger.postgres_url, Ledger.issuer = url, issuer
    run_state_machine_as_test(
        Ledger,
        settings=settings(
            max_examples=15,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
