"""Keep members that were handed over: in the overview, and as rows that are ready to be written."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncConnection

from export_service.members.case import Key
from export_service.members.store import insert_handed_over
from export_service.runs import store
from export_service.runs.handover import Handover
from export_service.runs.rows import wrong_columns
from kit.messages import Message
from kit.metrics import registry

Handovers = Mapping[Key, Handover]

wrong_details_total: Final = Counter(
    "export_wrong_details",
    "Bank details and VAT numbers that were wrong and kept as they are, by column.",
    ("column",),
    registry=registry,
)


async def keep_handovers(
    connection: AsyncConnection, messages: Sequence[Message[Handover]]
) -> None:
    """Keeps one case for each member, and rows of all its claims; who is known stays as he is.

    A wrong IBAN, BIC or VAT number is counted, and kept.
    """
    # The first of a case counts, as it does when they come one after the other.
    given = {(each.tenant_id, each.event.case.case_id): each.event for each in reversed(messages)}
    known = await insert_handed_over(connection, {key: each.case for key, each in given.items()})
    arrived = {key: handover for key, handover in given.items() if key not in known}
    if not arrived:
        return
    await store.enter_runs(connection, _runs_of(arrived))
    await store.copy_handover_rows(connection, _rows_of(arrived))
    await store.count_arrived(connection, _studios_of(arrived))
    checked = [handover.checked for handover in arrived.values()]
    for column, times in wrong_columns(checked).items():
        wrong_details_total.labels(column).inc(times)


def _rows_of(arrived: Handovers) -> Iterator[store.HandoverRow]:
    for (tenant_id, _), handover in arrived.items():
        case = handover.case
        for row in handover.rows:
            yield tenant_id, case.run_id, case.studio_id, case.booking_number, *row


def _runs_of(arrived: Handovers) -> list[store.Values]:
    found = {
        (tenant_id, handover.case.run_id): handover for (tenant_id, _), handover in arrived.items()
    }
    return [
        {
            "tenant_id": tenant_id,
            "run_id": run_id,
            "booking_number": found[tenant_id, run_id].case.run_booking_number,
            "partner_id": found[tenant_id, run_id].case.partner_id,
            "trigger": found[tenant_id, run_id].trigger,
            "collection_date": found[tenant_id, run_id].case.collection_date,
        }
        for tenant_id, run_id in sorted(found)
    ]


def _studios_of(arrived: Handovers) -> list[store.Values]:
    found: dict[tuple[UUID, UUID, UUID], store.Values] = {}
    for (tenant_id, _), handover in arrived.items():
        case = handover.case
        key = tenant_id, case.run_id, case.studio_id
        counted = found.get(key)
        if counted is None:
            counted = found[key] = {
                "tenant_id": tenant_id,
                "run_id": case.run_id,
                "studio_id": case.studio_id,
                "studio_name": case.studio_name,
                "members_arrived": 0,
                "claims_arrived": 0,
            }
        counted["studio_name"] = min(counted["studio_name"], case.studio_name)
        counted["members_arrived"] += 1
        counted["claims_arrived"] += handover.claim_count
    return list(found.values())
