"""Members handed over become cases (step 4 of a run)."""

from collections.abc import Mapping, Sequence, Set
from decimal import Decimal
from functools import cache
from typing import Final
from uuid import UUID
from zoneinfo import available_timezones

from sqlalchemy.ext.asyncio import AsyncConnection

from case_service import store
from case_service.cases.answer import Answer, apply_answer
from case_service.cases.case import Case, Claim, Key, Status
from case_service.cases.reports import partners_occasion
from case_service.ledger.entry import ActorKind, Occasion
from case_service.ledger.events import ClaimFacts
from case_service.ledger.journal import Journal
from case_service.payments.allocation import NOTHING
from case_service.receivables.change_claims import changes_since_handover, let_cases_follow
from case_service.receivables.claim_change import (
    OTHER_CURRENCY,
    ClaimKey,
    due_in_new_case,
    holders_of,
)
from case_service.receivables.store import in_other_currency
from case_service.rows import Values
from case_service.runs import store as run_store
from case_service.runs.reverse_runs import reverse_case
from contracts import HandoverClaim, HandoverDebtor, MemberHandedOverV1
from kit.clock import now
from kit.search_text import search_text, text_keys
from kit.trace import Cause

Handover = tuple[MemberHandedOverV1, Cause]
Holders = Mapping[ClaimKey, list[Case]]

MOST_IN_A_CASE: Final = Decimal("999999999999.99")
"""What an amount in an event can be."""

_time_zones = cache(available_timezones)  # which looks through hundreds of files


async def open_cases(
    connection: AsyncConnection, handovers: Sequence[Handover], default_time_zone: str
) -> dict[Key, str]:
    """Make a case of each handover that has none yet.

    At a partner by hand it is open at once, at an API partner it waits for the answer. What was
    said of the whole run before, an answer or its reversal, takes effect at once; so does what
    receivables said of the claims since. `default_time_zone` is for studios with an unknown one.

    Returns why no case can be made of a handover, by tenant and case.
    """
    new, unusable = await _usable(connection, await _without_case(connection, handovers))
    if not new:
        return unusable
    run_keys = [(cause.tenant_id, event.run_id) for event, cause in new]
    reversals = await run_store.share_runs(connection, run_keys)
    answers = await run_store.answers_of_runs(connection, run_keys)
    handed_over = _claims_of(new)
    changes, known = await changes_since_handover(connection, handed_over)
    members = {(cause.tenant_id, event.member_id) for event, cause in new}
    holders = await _release_open_again(connection, members, known, handed_over)
    await store.enter_members(connection, _member_rows(new))
    journal = Journal()
    cases = []
    for event, cause in new:
        case = _new_case(event, cause, holders, default_time_zone)
        cases.append(case)
        occasion = Occasion(ActorKind.SYSTEM, "run-service", now(), cause)
        journal.handed_over(case, occasion)
        if event.partner_channel == "BY_HAND" and case.accept(occasion.at):
            journal.opened(case, occasion)
    await store.insert_cases(
        connection,
        [_case_row(case, event) for case, (event, _) in zip(cases, new, strict=True)],
        [
            _claim_row(case, claim, handed_over_claim)
            for case, (event, _) in zip(cases, new, strict=True)
            for claim, handed_over_claim in zip(case.claims, event.claims, strict=True)
        ],
    )
    await store.record(connection, journal)
    await let_cases_follow(connection, changes)
    await _hear_of_runs(connection, cases, answers, reversals)
    return unusable


async def _hear_of_runs(
    connection: AsyncConnection,
    opened: Sequence[Case],
    answers: Mapping[tuple[UUID, UUID, UUID], tuple[Answer, Cause]],
    reversals: Mapping[run_store.RunKey, run_store.Reversal],
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


def _claims_of(
    handovers: Sequence[Handover],
) -> dict[ClaimKey, tuple[ClaimFacts, str, Cause]]:
    """Return what handovers say of their claims, with currency and cause."""
    return {
        (cause.tenant_id, claim.claim_id): (
            ClaimFacts(
                claim.snapshot_sequence,
                claim.amount.amount,
                claim.paid_directly.amount,
                cancelled=False,
            ),
            claim.amount.currency,
            cause,
        )
        for event, cause in handovers
        for claim in event.claims
    }


async def _release_open_again(
    connection: AsyncConnection,
    members: Set[tuple[UUID, UUID]],
    known: Set[ClaimKey],
    handed_over: Mapping[ClaimKey, tuple[ClaimFacts, str, Cause]],
) -> Holders:
    """Return the earlier cases of claims, locked, without what was open again on them.

    It is part of what the new cases are to collect. All earlier cases of the `members` (tenant and
    member) are locked before their members are.
    """
    earlier = await store.members_of_claims(connection, known) if known else set()
    cases = await store.lock_cases_of_members(connection, members | earlier)
    if not earlier:
        return {}
    journal = Journal()
    for case in cases.values():
        if case.is_live or not case.open:
            continue
        parts = [
            (claim.claim_id, claim.release())
            for claim in case.claims
            if claim.open and (case.tenant_id, claim.claim_id) in handed_over
        ]
        if parts:
            *_, cause = handed_over[case.tenant_id, parts[0][0]]
            occasion = Occasion(ActorKind.SYSTEM, "run-service", now(), cause)
            journal.handed_over_again(case, parts, case.day(occasion.at), occasion)
    await store.save(connection, journal)
    return holders_of(cases.values())


async def _usable(
    connection: AsyncConnection, handovers: Sequence[Handover]
) -> tuple[list[Handover], dict[Key, str]]:
    """Tell handovers of which no case can be made, with the reason, from the others."""
    if not handovers:
        return [], {}
    currencies = [
        {
            "tenant_id": cause.tenant_id,
            "claim_id": claim.claim_id,
            "currency": claim.amount.currency,
        }
        for event, cause in handovers
        for claim in event.claims
    ]
    other_currency = await in_other_currency(connection, currencies)
    usable: list[Handover] = []
    unusable: dict[Key, str] = {}
    for event, cause in handovers:
        key = (cause.tenant_id, event.case_id)
        if other_currency and any(
            (cause.tenant_id, claim.claim_id) in other_currency for claim in event.claims
        ):
            unusable[key] = OTHER_CURRENCY
        elif sum(claim.amount.amount for claim in event.claims) > MOST_IN_A_CASE:
            unusable[key] = "the claims come to more than an amount can be"
        else:
            usable.append((event, cause))
    return usable, unusable


async def _without_case(
    connection: AsyncConnection, handovers: Sequence[Handover]
) -> list[Handover]:
    """Leave out repeats of handovers, those within this batch and those of long ago.

    Two transactions that make the same case at once are stopped by its primary key; the second
    one then starts again, and finds it.
    """
    first = {(cause.tenant_id, event.case_id): (event, cause) for event, cause in handovers[::-1]}
    known = await store.known_cases(connection, first)
    return [first[key] for key in sorted(first.keys() - known)]


def _member_rows(handovers: Sequence[Handover]) -> list[Values]:
    """Say who was handed over; of several handovers of one member the latest counts."""
    latest = {
        (cause.tenant_id, event.member_id): event
        for event, cause in sorted(handovers, key=lambda handover: handover[0].collection_date)
    }
    return [_member_row(tenant_id, event) for (tenant_id, _), event in latest.items()]


def _member_row(tenant_id: UUID, event: MemberHandedOverV1) -> Values:
    name, membership_number = _member_name(event.debtor), event.debtor.membership_number
    text = search_text(name, membership_number)
    return {
        "tenant_id": tenant_id,
        "member_id": event.member_id,
        "studio_id": event.studio.studio_id,
        "name": name,
        "membership_number": membership_number,
        "last_handed_over_on": event.collection_date,
        "search_text": text,
        "search_keys": text_keys(tenant_id, text),
    }


def _member_name(debtor: HandoverDebtor) -> str:
    """Name the member itself, as runs do, also when its legal guardian is who owes."""
    names = (debtor.first_name, debtor.name1)
    return debtor.represented_member_name or " ".join(name for name in names if name)


def _new_case(
    event: MemberHandedOverV1, cause: Cause, holders: Holders, default_time_zone: str
) -> Case:
    time_zone = event.studio.time_zone
    return Case(
        tenant_id=cause.tenant_id,
        case_id=event.case_id,
        run_id=event.run_id,
        member_id=event.member_id,
        studio_id=event.studio.studio_id,
        partner_id=event.partner_id,
        collection_date=event.collection_date,
        currency=event.claims[0].amount.currency,
        time_zone=time_zone if time_zone in _time_zones() else default_time_zone,
        status=Status.PENDING,
        claims=[
            _new_claim(event.case_id, claim, holders.get((cause.tenant_id, claim.claim_id), []))
            for claim in event.claims
        ],
    )


def _new_claim(case_id: UUID, claim: HandoverClaim, holders: Sequence[Case]) -> Claim:
    """Say what is open: amount less what was paid directly and what this ledger collected.

    The message's own figure is not believed, for it may not know of the latest payments.
    """
    owed = claim.amount.amount - claim.paid_directly.amount
    left = due_in_new_case(owed, holders, claim.claim_id)
    return Claim(
        case_id=case_id,
        claim_id=claim.claim_id,
        kind=claim.kind,
        due_date=claim.due_date,
        voucher_date=claim.voucher_date,
        open=left,
        handed_over=left,
    )


def _case_row(case: Case, event: MemberHandedOverV1) -> Values:
    return {
        **store.state_row(case),
        "run_id": case.run_id,
        "run_booking_number": event.run_booking_number,
        "booking_number": event.booking_number,
        "member_id": case.member_id,
        "studio_id": case.studio_id,
        "partner_id": case.partner_id,
        "partner_channel": event.partner_channel,
        "collection_date": case.collection_date,
        "currency": case.currency,
        "time_zone": case.time_zone,
        "handed_over": sum((claim.handed_over for claim in case.claims), NOTHING),
        "created_at": now(),
    }


def _claim_row(case: Case, claim: Claim, handed_over: HandoverClaim) -> Values:
    """Return the row of a claim in a new case; of what happens to it later it has 0.00."""
    return {
        "tenant_id": case.tenant_id,
        "case_id": case.case_id,
        "claim_id": claim.claim_id,
        "voucher_id": handed_over.voucher_id,
        "snapshot_sequence": handed_over.snapshot_sequence,
        "kind": handed_over.kind,
        "designation": handed_over.designation,
        "voucher_date": claim.voucher_date,
        "due_date": claim.due_date,
        "amount": handed_over.amount.amount,
        "paid_directly": handed_over.paid_directly.amount,
        "handed_over": claim.handed_over,
        "open": claim.open,
    }
