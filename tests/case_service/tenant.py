"""A tenant whose service and whose model are told the same, and must come to the same."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import count
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import text as sql

from case_service.subscribers import subscriptions
from contracts import ClaimSnapshotV1, Event, MemberDunningLevelResetV1, MemberHandedOverV1, parse
from kit.ids import new_id
from kit.inbox import Inbox
from kit.messages import Record
from local_stack.issuer import ROLES
from tests.case_service import world as words
from tests.case_service.model import LIVE, Case, Facts, Model
from tests.case_service.subscriber import Subscriber, cents
from tests.case_service.world import World, euros

T = TypeVar("T")

MEMBERS, CLAIMS = 2, 4
"""Members, and claims of each."""
KINDS: Final = ("CLAIM", "DUNNING_FEE", "INTEREST", "CLAIM")

_offsets = count(1)


@dataclass(frozen=True)
class Said:
    """A message: its type, what the model takes of it, and the event as it goes over the wire."""

    kind: str
    told: tuple[Any, ...]
    event: Event
    record: Record


class Tenant:
    """Does things to both, from a thread beside the loop that the service runs in."""

    def __init__(self, world: World, loop: asyncio.AbstractEventLoop) -> None:
        self.world = world
        self.loop = loop
        self.member_ids = sorted(new_id() for _ in range(MEMBERS))
        self.claim_ids = [sorted(new_id() for _ in range(CLAIMS)) for _ in range(MEMBERS)]
        self.partner_id = new_id()
        self.model = Model(
            {
                claim_id: (KINDS[place], date(2026, 1, 1 + place // 3), date(2025, 12, 31 - place))
                for claims in self.claim_ids
                for place, claim_id in enumerate(claims)
            }
        )
        self.published = {claim_id: [Facts(1, 1000)] for claim_id in self.model.ages}
        """What receivables said of each claim, whether it has come here or not."""
        self.handovers: dict[UUID, MemberHandedOverV1] = {}
        self.on_the_way: list[UUID] = []
        """Cases whose handovers have not come yet."""
        self.sent: list[list[Said]] = []
        self.late: list[Said] = []
        """Snapshots that have not come yet."""
        self.numbers = count(1)
        self.subscriber = Subscriber()
        self.resets: list[UUID] = []
        self.letters = 0
        self.heard = self.do(world.rows("SELECT coalesce(max(seq), 0) FROM outbox"))[0][0]
        self.payment_ids: list[UUID] = []
        self.inbox = Inbox("case-service", subscriptions, world.context)
        token = world.issuer.token(world.tenant_id, ROLES)
        self.headers = {"Authorization": f"Bearer {token}"}

    # What others say

    def busy(self) -> set[UUID]:
        """Return the claims that are in collection, or on the way there."""
        live = {case_id for case_id, case in self.model.cases.items() if case.status in LIVE}
        events = [self.handovers[case_id] for case_id in (*live, *self.on_the_way)]
        return {claim.claim_id for event in events for claim in event.claims}

    def free(self) -> list[int]:
        """Return the members that have claims which could go."""
        busy = self.busy()
        return [number for number, claims in enumerate(self.claim_ids) if not busy >= set(claims)]

    def hand_over(
        self, member: int, places: Sequence[int], *, by_hand: bool, same_run: bool, old: int
    ) -> UUID | None:
        """Hand over claims that are free; `old`: by so many snapshots their facts are behind."""
        free = [each for each in self.claim_ids[member] if each not in self.busy()]
        if not free:
            return None
        chosen = list(dict.fromkeys(free[place % len(free)] for place in places))
        earlier = list(self.handovers.values())
        event = words.handover(
            *(self._handed_over(claim_id, old) for claim_id in chosen),
            member_id=self.member_ids[member],
            partner_id=self.partner_id,
            partner_channel="BY_HAND" if by_hand else "API",
            run_id=earlier[-1].run_id if same_run and earlier else new_id(),
        )
        self.handovers[event.case_id] = event
        self.on_the_way.append(event.case_id)
        return event.case_id

    def _handed_over(self, claim_id: UUID, old: int) -> Any:
        known = [each for each in self.published[claim_id] if not each.cancelled]
        facts = known[max(len(known) - 1 - old, 0)]
        kind, due, voucher = self.model.ages[claim_id]
        return words.claim(
            text(facts.amount),
            due,
            claim_id=claim_id,
            kind=kind,
            voucher_date=voucher,
            snapshot_sequence=facts.sequence,
            paid_directly=euros(text(facts.paid)),
            to_collect=euros(text(max(facts.amount - facts.paid, 0))),
        )

    def handover(self, case_id: UUID) -> Said:
        """Return the message that hands a case over."""
        return _said("CASE", (case_id,), self.handovers[case_id], self.world)

    def change_claim(
        self, place: int, amount: int | None, paid: int | None, cancelled: bool
    ) -> Said:
        """Let something new be said of a claim, of one in a case if possible; None: as it was."""
        held = sorted({claim for case in self.model.cases.values() for claim in case.open})
        chosen = held if held and place % 5 else sorted(self.published)
        claim_id = chosen[place % len(chosen)]
        last = self.published[claim_id][-1]
        facts = Facts(
            last.sequence + 1,
            last.amount if amount is None else amount,
            last.paid if paid is None else paid,
            cancelled,
        )
        self.published[claim_id].append(facts)
        kind, due, voucher = self.model.ages[claim_id]
        event = ClaimSnapshotV1(
            claim_id=claim_id,
            sequence=facts.sequence,
            voucher_date=voucher,
            due_date=due,
            kind=kind,
            designation="Beitrag",
            amount=euros(text(facts.amount)),
            paid_directly=euros(text(facts.paid)),
            cancelled=facts.cancelled,
            disputed=False,
            member_id=next(
                member_id
                for member_id, claims in zip(self.member_ids, self.claim_ids, strict=True)
                if claim_id in claims
            ),
            studio_id=self.member_ids[0],
        )
        return _said("CLAIM", (claim_id, facts), event, self.world)

    def report(self, kind: str, case_id: UUID, *drawn: Any) -> Said:
        """Return what the partner says of a case."""
        on = self.handovers[case_id]
        event: Event
        if kind == "PAID":
            reference, amount, fees, day = drawn
            paid_on = date.fromisoformat(day)
            event = words.paid(
                on, text(amount), reference, own_fees=euros(text(fees)), paid_on=paid_on
            )
        elif kind == "CORRECTED":
            event = words.corrected(on, text(drawn[1]), drawn[0])
        else:
            ways: dict[str, Callable[[MemberHandedOverV1], Event]] = {
                "OPEN": words.accepted,
                "REJECTED": words.rejected,
                "CLOSED": words.closed,
            }
            event = ways[kind](on)
        return _said(kind, (kind, case_id, *drawn), event, self.world)

    # Telling both

    def tell(self, messages: Sequence[Said]) -> None:
        """Tell both of messages in one batch, in which order holds for each topic and key."""
        self.sent.append(list(messages))
        self.do(self._deliver(messages))
        claims = [each.told for each in messages if each.kind == "CLAIM"]
        self.model.learn(dict(sorted(claims, key=lambda told: told[1].sequence)))
        cases = [each.told[0] for each in messages if each.kind == "CASE"]
        self.on_the_way = [each for each in self.on_the_way if each not in cases]
        for case_id in sorted(set(cases)):
            self._open(self.handovers[case_id])
        self.model.arrived([("case", case_id) for case_id in cases])
        for member_id in self.member_ids:
            self.model.hear(
                each.told
                for each in messages
                if each.kind not in {"CLAIM", "CASE"}
                and self.handovers[each.told[1]].member_id == member_id
            )

    def _open(self, event: MemberHandedOverV1) -> None:
        case = Case(event.run_id, event.member_id, {each.claim_id: 0 for each in event.claims})
        facts = {
            each.claim_id: Facts(
                each.snapshot_sequence, cents(each.amount), cents(each.paid_directly)
            )
            for each in event.claims
        }
        self.model.hand_over(event.case_id, case, facts, event.partner_channel == "BY_HAND")

    def tell_again(self, place: int, *, as_new: bool) -> None:
        """Deliver a batch again, or let others say the same once more."""
        messages = self.sent[place % len(self.sent)]
        if as_new:
            self.tell([_said(each.kind, each.told, each.event, self.world) for each in messages])
        else:
            self.do(self._deliver(messages))

    def say_of_run(self, event: Event) -> None:
        """Tell both of the answer to a whole run, or of its reversal."""
        self.do(self._deliver([_said("RUN", (), event, self.world)]))
        self.do(self.world.work())
        self.model.work()

    async def _deliver(self, messages: Sequence[Said]) -> None:
        await self.inbox.handle([each.record for each in messages])
        while await self.inbox.retry_parked():
            pass

    def let_time_pass(self) -> None:
        """Let everything that was parked be tried again."""

        async def retry() -> None:
            await self.write("UPDATE parked SET next_try_at = now()")
            await self.inbox.retry_parked()

        self.do(retry())

    # What both have come to

    def check(self) -> None:
        """Compare all figures of the tenant, and what was published with both."""
        shown, model = self.do(self._figures()), self.model
        assert shown["postings"] == []
        cases = {
            case_id: (
                case.status,
                case.result,
                case.residual,
                sum(each.unallocated for each in model.payments if each.case == case_id),
                {
                    claim: (
                        amount,
                        model.collected(claim, case_id),
                        case.written_off[claim],
                        case.released[claim],
                    )
                    for claim, amount in case.open.items()
                },
            )
            for case_id, case in model.cases.items()
        }
        payments = {
            number: (
                each.case,
                each.amount,
                each.unallocated,
                each.paid_out,
                each.shortfall,
                {place: part for place, part in each.shares.items() if part},
            )
            for number, each in enumerate(model.payments)
        }
        _compare(shown["cases"], cases)
        # Of different members in one batch nobody knows who was first.
        numbers = sorted(payments, key=lambda number: payments[number][0])
        seen = dict(zip(numbers, shown["payments"], strict=True))
        _compare({number: each[1:] for number, each in seen.items()}, payments)
        self.payment_ids = [seen[number][0] for number in sorted(seen)]
        self._check_events(shown["events"])
        assert self.letters == model.refused
        assert sorted(self.resets) == sorted(model.resets)

    def _check_events(self, events: Sequence[Any]) -> None:
        for row in events:
            if row.type == "dead-letter":
                self.letters += 1
                continue
            event = parse(row.type, row.payload)
            self.subscriber.hear(event)
            if isinstance(event, MemberDunningLevelResetV1):
                self.resets.append(event.member_id)
        heard, model = self.subscriber, self.model
        for case_id, case in model.cases.items():
            if case.status == "PENDING":
                continue
            assert heard.status[case_id] == case.status
            for claim, amount in case.open.items():
                place = (case_id, claim)
                assert heard.open[place] == amount
                assert heard.collected[place] == model.collected(claim, case_id)
                assert heard.written_off[place] == case.written_off[claim]
        assert [(heard.amounts[each], heard.unallocated[each]) for each in self.payment_ids] == [
            (each.amount, each.unallocated) for each in model.payments
        ]

    async def _figures(self) -> dict[str, Any]:
        async with self.world.context.database.begin() as connection:
            rows = {
                name: (await connection.execute(query, {"tenant_id": self.world.tenant_id})).all()
                for name, query in _QUERIES.items()
            }
            events = (await connection.execute(_EVENTS, {"seq": self.heard})).all()
            self.heard = max((row.seq for row in events), default=self.heard)
        cases: dict[UUID, Any] = {}
        for row in rows["cases"]:
            facts, balance = _in_cents(row[1:5]), _in_cents(row[6:])
            cases.setdefault(row.case_id, (*facts, {}))[-1][row.claim_id] = tuple(balance)
        payments: dict[UUID, Any] = {
            row[0]: (row[0], row[1], *_in_cents(row[2:]), {}) for row in rows["payments"]
        }
        for payment_id, case_id, claim_id, amount in rows["shares"]:
            payments[payment_id][-1][case_id, claim_id] = int(amount * 100)
        return {
            "cases": cases,
            "payments": sorted(payments.values(), key=lambda each: (each[1], each[0])),
            "postings": rows["postings"],
            "events": events,
        }

    async def write(self, statement: str) -> None:
        """Do to the database what is not the service's to do."""
        async with self.world.context.database.begin() as connection:
            await connection.exec_driver_sql(statement)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait until the service has done something."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)


_QUERIES: Final = {
    "cases": sql(
        "SELECT case_id, status, result, residual, unallocated, claim_id, c.open, c.collected,"
        " c.written_off, c.released FROM cases JOIN case_claims c USING (tenant_id, case_id)"
        " WHERE tenant_id = :tenant_id"
    ),
    "payments": sql(
        "SELECT payment_id, case_id, amount, unallocated, paid_out, shortfall FROM payments"
        " WHERE tenant_id = :tenant_id"
    ),
    "shares": sql(
        "SELECT payment_id, case_id, claim_id, -sum(amount) FROM entries"
        " WHERE tenant_id = :tenant_id AND claim_id IS NOT NULL AND payment_id IS NOT NULL"
        " GROUP BY 1, 2, 3 HAVING sum(amount) <> 0"
    ),
    "postings": sql(
        "SELECT posting_id FROM entries WHERE tenant_id = :tenant_id"
        " GROUP BY posting_id HAVING sum(amount) <> 0"
    ),
}
_EVENTS: Final = sql("SELECT seq, type, payload FROM outbox WHERE seq > :seq ORDER BY seq")


def _compare(seen: Mapping[Any, Any], wanted: Mapping[Any, Any]) -> None:
    """Fail with what differs, and with that alone."""
    differing = {
        key: (seen.get(key), wanted.get(key))
        for key in seen.keys() | wanted.keys()
        if seen.get(key) != wanted.get(key)
    }
    assert not differing, f"seen and wanted: {differing}"


def text(amount: int) -> str:
    """Return cents as an amount."""
    return f"{amount // 100}.{amount % 100:02}"


def _in_cents(values: Sequence[Any]) -> list[Any]:
    return [int(each * 100) if hasattr(each, "quantize") else each for each in values]


def _said(kind: str, told: tuple[Any, ...], event: Event, world: World) -> Said:
    record = world.record(event)._replace(offset=next(_offsets))
    return Said(kind, told, event, record)
