"""Members handed over become cases (step 4 of a run)."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Final
from uuid import UUID
from zoneinfo import available_timezones

from sqlalchemy.ext.asyncio import AsyncConnection

from case_service import store
from case_service.cases.answer import Answer, apply_answer
from case_service.cases.case import Case, Claim, Key, Status
from case_service.cases.handover import HandedOverClaim, Handover, HandoverAndCause
from case_service.cases.new_rows import case_row, claim_row, member_rows
from case_service.cases.reports import partners_occasion
from case_service.ledger.journal import Journal
from case_service.ledger.occasion import ActorKind, Occasion
from case_service.payments.allocation import NOTHING
from case_service.receivables.change_claims import (
    HeldClaims,
    hold_handed_over,
    let_cases_follow,
    take_in_brought,
)
from case_service.receivables.claim_change import (
    OTHER_CURRENCY,
    ClaimKey,
    due_in_new_case,
    holders_of,
)
from case_service.receivables.store import currencies_of
from case_service.runs import store as run_store
from case_service.runs.reverse_runs import reverse_case
from kit.clock import now
from kit.trace import Cause

Holders = Mapping[ClaimKey, list[Case]]
Answers = Mapping[tuple[UUID, UUID, UUID], tuple[Answer, Cause]]
Reversals = Mapping[run_store.RunKey, run_store.Reversal]

RUN_SERVICE: Final = "run-service"
"""Who hands members over."""

MOST_IN_A_CASE: Final = Decimal("999999999999.99")
"""What an amount in an event can be."""

_DECIDED_AT_ONCE: Final = 50
"""Handovers, two or three milliseconds: then whoever waits has a turn, above all staff who read."""

_time_zones = cache(available_timezones)  # which looks through hundreds of files


async def open_cases(
    connection: AsyncConnection, handovers: Sequence[HandoverAndCause], default_time_zone: str
) -> dict[Key, str]:
    """Make a case of each handover that has none yet.

    At a partner by hand it is open at once, at an API partner it waits for the answer. What was
    said of the whole run before, an answer or its reversal, takes effect at once; so does what
    receivables said of the claims since. `default_time_zone` is for studios with an unknown one.

    Returns why no case can be made of a handover, by tenant and case.
    """
    small, unusable = _small_enough(await _without_case(connection, handovers))
    usable, held, said_of_runs = await _hold(connection, small, unusable)
    if not usable:
        return unusable
    new = sorted(usable, key=_key_as_numbers)
    await take_in_brought(connection, held)
    members = {(cause.tenant_id, handover.member_id) for handover, cause in new}
    holders = await _release_open_again(connection, members, held.in_cases, new)
    await store.enter_members(connection, member_rows(new))
    journal = Journal()
    at = now()
    cases = await _decide(new, at, holders, default_time_zone, journal)
    opened = list(zip(cases, (handover for handover, _ in new), strict=True))
    await store.insert_cases(
        connection,
        [case_row(case, handover, at) for case, handover in opened],
        [
            claim_row(case, claim, handed_over)
            for case, handover in opened
            for claim, handed_over in zip(case.claims, handover.claims, strict=True)
        ],
    )
    await store.record(connection, journal)
    await let_cases_follow(connection, held.later)
    await _hear_of_runs(connection, cases, *said_of_runs)
    return unusable


async def _decide(
    handovers: Iterable[HandoverAndCause],
    at: datetime,
    holders: Holders,
    default_time_zone: str,
    journal: Journal,
) -> list[Case]:
    """Make the cases, and write down how they begin."""
    cases: list[Case] = []
    for handover, occasion in _occasions(handovers, at):
        if len(cases) % _DECIDED_AT_ONCE == 0:
            await asyncio.sleep(0)
        case = _new_case(handover, occasion.cause.tenant_id, holders, default_time_zone)
        cases.append(case)
        journal.handed_over(case, occasion)
        if handover.partner_channel == "BY_HAND" and case.accept(occasion.at):
            journal.opened(case, occasion)
    return cases


async def _hold(
    connection: AsyncConnection, handovers: Sequence[HandoverAndCause], unusable: dict[Key, str]
) -> tuple[Sequence[HandoverAndCause], HeldClaims, tuple[Answers, Reversals]]:
    """Lock the runs and claims of handovers; return what else was said of them.

    And return the handovers without those of which no case can be made: `unusable` gets them, and
    they leave no trace.
    """
    while handovers:
        async with connection.begin_nested() as attempt:
            run_keys = {(cause.tenant_id, handover.run_id) for handover, cause in handovers}
            reversals = await run_store.share_runs(connection, run_keys)
            answers = await run_store.answers_of_runs(connection, run_keys)
            claims = [(claim, cause) for handover, cause in handovers for claim in handover.claims]
            held = await hold_handed_over(connection, claims)
            if not held.other_currency:
                return handovers, held, (answers, reversals)
            await attempt.rollback()
        currencies = await currencies_of(connection, held.other_currency)
        handovers = _in_currency(handovers, currencies, unusable)
    return [], HeldClaims(), ({}, {})


def _in_currency(
    handovers: Iterable[HandoverAndCause], currencies: dict[ClaimKey, str], unusable: dict[Key, str]
) -> list[HandoverAndCause]:
    """Return the handovers in the currencies of their claims; `unusable` gets the others.

    A claim that is not in `currencies` has that of its first handover that is usable: it is as if
    they came one by one. All claims of a handover have the same currency.
    """
    usable: list[HandoverAndCause] = []
    for handover, cause in handovers:
        currency = handover.currency
        keys = [(cause.tenant_id, claim.claim_id) for claim in handover.claims]
        if all(currencies.get(key, currency) == currency for key in keys):
            currencies.update(dict.fromkeys(keys, currency))
            usable.append((handover, cause))
        else:
            unusable[cause.tenant_id, handover.case_id] = OTHER_CURRENCY
    return usable


def _occasions(
    handovers: Iterable[HandoverAndCause], at: datetime
) -> Iterator[tuple[Handover, Occasion]]:
    """Say for each handover who made it and when; those of one cause have the same occasion."""
    occasion = None
    for handover, cause in handovers:
        if occasion is None or occasion.cause != cause:
            occasion = Occasion(ActorKind.SYSTEM, RUN_SERVICE, at, cause)
        yield handover, occasion


async def _hear_of_runs(
    connection: AsyncConnection,
    opened: Sequence[Case],
    answers: Answers,
    reversals: Reversals,
) -> None:
    """Let new cases hear what was said of their whole run before, with all that is owed by now."""
    keys = [
        case.key
        for case in opened
        if (case.tenant_id, case.run_id, case.partner_id) in answers
        or (case.tenant_id, case.run_id) in reversals
    ]
    if not keys:
        return
    journal = Journal()
    for case in (await store.lock_cases(connection, keys)).values():
        if said := answers.get((case.tenant_id, case.run_id, case.partner_id)):
            answer, cause = said
            apply_answer(case, answer, partners_occasion(answer.partner_id, cause), journal)
        if reversal := reversals.get((case.tenant_id, case.run_id)):
            reverse_case(case, reversal, journal)
    await store.save(connection, journal)


async def _release_open_again(
    connection: AsyncConnection,
    members: Set[tuple[UUID, UUID]],
    in_cases: Set[ClaimKey],
    handovers: Sequence[HandoverAndCause],
) -> Holders:
    """Return the earlier cases of claims, locked, without what was open again on them.

    It is part of what the new cases are to collect; `in_cases` are those of their claims that have
    earlier cases. All earlier cases of the `members` (tenant and member) are locked before their
    members are.
    """
    earlier = await store.members_of_claims(connection, in_cases) if in_cases else set()
    cases = await store.lock_cases_of_members(connection, members | earlier)
    if not earlier:
        return {}
    causes = {
        (cause.tenant_id, claim.claim_id): cause
        for handover, cause in handovers
        for claim in handover.claims
    }
    journal = Journal()
    for case in cases.values():
        if case.is_live or not case.open:
            continue
        parts = [
            (claim.claim_id, claim.release())
            for claim in case.claims
            if claim.open and (case.tenant_id, claim.claim_id) in causes
        ]
        if parts:
            cause = causes[case.tenant_id, parts[0][0]]
            occasion = Occasion(ActorKind.SYSTEM, RUN_SERVICE, now(), cause)
            journal.handed_over_again(case, parts, case.day(occasion.at), occasion)
    await store.save(connection, journal)
    return holders_of(cases.values())


def _small_enough(
    handovers: Sequence[HandoverAndCause],
) -> tuple[list[HandoverAndCause], dict[Key, str]]:
    """Tell handovers that come to more than an event can say, with the reason, from the others."""
    usable: list[HandoverAndCause] = []
    unusable: dict[Key, str] = {}
    for handover, cause in handovers:
        if sum([claim.amount for claim in handover.claims]) > MOST_IN_A_CASE:
            unusable[cause.tenant_id, handover.case_id] = (
                "the claims come to more than an amount can be"
            )
        else:
            usable.append((handover, cause))
    return usable, unusable


async def _without_case(
    connection: AsyncConnection, handovers: Sequence[HandoverAndCause]
) -> list[HandoverAndCause]:
    """Leave out repeats of handovers, those within this batch and those of long ago.

    The others stay in the order in which they came.

    Two transactions that make the same case at once are stopped by its primary key; the second
    one then starts again, and finds it.
    """
    first: dict[Key, HandoverAndCause] = {}
    for handover, cause in handovers:
        first.setdefault((cause.tenant_id, handover.case_id), (handover, cause))
    known = await store.known_cases(connection, first)
    return [new for key, new in first.items() if key not in known]


def _key_as_numbers(handover_and_cause: HandoverAndCause) -> tuple[int, int]:
    """Return the key of the case, which is compared as PostgreSQL compares ids, and quicker."""
    handover, cause = handover_and_cause
    return cause.tenant_id.int, handover.case_id.int


def _new_case(
    handover: Handover, tenant_id: UUID, holders: Holders, default_time_zone: str
) -> Case:
    time_zone = handover.time_zone
    return Case(
        tenant_id=tenant_id,
        case_id=handover.case_id,
        run_id=handover.run_id,
        member_id=handover.member_id,
        studio_id=handover.studio_id,
        partner_id=handover.partner_id,
        collection_date=handover.collection_date,
        currency=handover.currency,
        time_zone=time_zone if time_zone in _time_zones() else default_time_zone,
        status=Status.PENDING,
        claims=[
            _new_claim(
                handover.case_id,
                claim,
                holders.get((tenant_id, claim.claim_id), ()) if holders else (),
            )
            for claim in handover.claims
        ],
    )


def _new_claim(case_id: UUID, claim: HandedOverClaim, holders: Sequence[Case]) -> Claim:
    """Say what is open: amount less what was paid directly and what this ledger collected.

    The message's own figure is not believed, for it may not know of the latest payments.
    """
    owed = claim.amount - claim.paid_directly
    left = due_in_new_case(owed, holders, claim.claim_id) if holders else max(owed, NOTHING)
    return Claim(
        case_id=case_id,
        claim_id=claim.claim_id,
        kind=claim.kind,
        due_date=claim.due_date,
        voucher_date=claim.voucher_date,
        open=left,
        handed_over=left,
    )
