"""Keep members that were handed over: in the overview, and as rows that are ready to be written."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import MemberHandedOverV1
from export_service.members.case import NOTHING, Key
from export_service.members.store import HandedOver, insert_handed_over
from export_service.runs import store
from export_service.runs.rows import cells_of, wrong_columns
from kit.messages import Message
from kit.metrics import registry
from kit.search_text import search_text

Handovers = Mapping[Key, MemberHandedOverV1]

wrong_details_total: Final = Counter(
    "export_wrong_details",
    "Bank details and VAT numbers that were wrong and kept as they are, by column.",
    ("column",),
    registry=registry,
)


async def keep_handovers(
    connection: AsyncConnection, messages: Sequence[Message[MemberHandedOverV1]]
) -> None:
    """Keeps one case for each member and one row for each claim; who is known stays as he is.

    A wrong IBAN, BIC or VAT number is counted, and kept.
    """
    # The first of a case counts, as it does when they come one after the other.
    given = {(each.tenant_id, each.event.case_id): each.event for each in reversed(messages)}
    known = await insert_handed_over(connection, map(_handed_over, given, given.values()))
    arrived = {key: handover for key, handover in given.items() if key not in known}
    if not arrived:
        return
    await store.enter_runs(connection, _runs_of(arrived))
    await store.copy_handover_rows(connection, _rows_of(arrived))
    await store.count_arrived(connection, _studios_of(arrived))
    for column, times in wrong_columns(arrived.values()).items():
        wrong_details_total.labels(column).inc(times)


def _handed_over(key: Key, handover: MemberHandedOverV1) -> HandedOver:
    tenant_id, case_id = key
    debtor, studio, claims = handover.debtor, handover.studio, handover.claims
    name = debtor.member_name
    return HandedOver(
        tenant_id=tenant_id,
        case_id=case_id,
        run_id=handover.run_id,
        run_booking_number=handover.run_booking_number,
        booking_number=handover.booking_number,
        member_id=handover.member_id,
        studio_id=studio.studio_id,
        studio_name=studio.name1,
        partner_id=handover.partner_id,
        name=name,
        membership_number=debtor.membership_number,
        search_text=search_text(name, debtor.membership_number),
        collection_date=handover.collection_date,
        currency=claims[0].to_collect.currency,
        handed_over=str(sum([claim.to_collect.amount for claim in claims], NOTHING)),
    )


def _rows_of(arrived: Handovers) -> Iterator[tuple[UUID, UUID, UUID, int, int, str]]:
    for (tenant_id, _), handover in arrived.items():
        place = tenant_id, handover.run_id, handover.studio.studio_id, handover.booking_number
        for index, cells in enumerate(cells_of(handover)):
            yield *place, index, cells


def _runs_of(arrived: Handovers) -> list[store.Values]:
    found = {(tenant_id, handover.run_id): handover for (tenant_id, _), handover in arrived.items()}
    return [
        {
            "tenant_id": tenant_id,
            "run_id": run_id,
            "booking_number": found[tenant_id, run_id].run_booking_number,
            "partner_id": found[tenant_id, run_id].partner_id,
            "trigger": found[tenant_id, run_id].trigger,
            "collection_date": found[tenant_id, run_id].collection_date,
        }
        for tenant_id, run_id in sorted(found)
    ]


def _studios_of(arrived: Handovers) -> list[store.Values]:
    found: dict[tuple[UUID, UUID, UUID], store.Values] = {}
    for (tenant_id, _), handover in arrived.items():
        studio = handover.studio
        key = tenant_id, handover.run_id, studio.studio_id
        counted = found.get(key)
        if counted is None:
            counted = found[key] = {
                "tenant_id": tenant_id,
                "run_id": handover.run_id,
                "studio_id": studio.studio_id,
                "studio_name": studio.name1,
                "members_arrived": 0,
                "claims_arrived": 0,
            }
        counted["studio_name"] = min(counted["studio_name"], studio.name1)
        counted["members_arrived"] += 1
        counted["claims_arrived"] += len(handover.claims)
    return list(found.values())
