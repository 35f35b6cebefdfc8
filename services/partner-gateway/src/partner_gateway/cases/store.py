"""All SQL that stores what the gateway knows of cases."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import CaseFileNumberSetV1, MemberHandedOverV1
from kit.messages import Message
from partner_gateway.partners.partner import Channel

# One row per case is where all that is heard of it meets, in whatever order it comes: what is told
# of a case before its handover leaves a row without numbers, which the handover then fills. But of
# what has ended before its handover came, nothing is to be sent any more.
_ADD_CASES = text(
    """
    INSERT INTO cases (tenant_id, case_id, partner_id, run_id, member_id, run_booking_number,
                       collection_date, booking_number, item, correlation_id, traceparent)
    SELECT new.*
    FROM unnest(CAST(:tenant_ids AS uuid[]), CAST(:case_ids AS uuid[]),
                CAST(:partner_ids AS uuid[]), CAST(:run_ids AS uuid[]),
                CAST(:member_ids AS uuid[]), CAST(:run_booking_numbers AS text[]),
                CAST(:collection_dates AS date[]), CAST(:booking_numbers AS integer[]),
                CAST(:items AS bytea[]), CAST(:correlation_ids AS text[]),
                CAST(:traceparents AS text[]))
         AS new (tenant_id, case_id, partner_id)
    ORDER BY new.tenant_id, new.case_id
    ON CONFLICT (tenant_id, case_id) DO UPDATE
    SET run_booking_number = excluded.run_booking_number,
        collection_date = excluded.collection_date,
        booking_number = excluded.booking_number,
        item = CASE WHEN cases.ended_at IS NULL THEN excluded.item END
    WHERE cases.booking_number IS NULL
    """
)
_SET_FILE_NUMBERS = text(
    """
    INSERT INTO cases (tenant_id, case_id, partner_id, run_id, member_id, file_number,
                       correlation_id, traceparent)
    SELECT new.*
    FROM unnest(CAST(:tenant_ids AS uuid[]), CAST(:case_ids AS uuid[]),
                CAST(:partner_ids AS uuid[]), CAST(:run_ids AS uuid[]),
                CAST(:member_ids AS uuid[]), CAST(:file_numbers AS text[]),
                CAST(:correlation_ids AS text[]), CAST(:traceparents AS text[]))
         AS new (tenant_id, case_id)
    ORDER BY new.tenant_id, new.case_id
    ON CONFLICT (tenant_id, case_id) DO UPDATE SET file_number = excluded.file_number
    """
)


async def add_cases(
    connection: AsyncConnection,
    handovers: Sequence[tuple[Message[MemberHandedOverV1], Channel]],
) -> None:
    """Store cases that are handed over; one that is known already stays as it is.

    What goes to a partner with an API is kept as it is to be sent; of the others the numbers.
    """
    first: dict[tuple[UUID, UUID], tuple[Message[MemberHandedOverV1], Channel]] = {}
    for message, channel in handovers:
        first.setdefault((message.tenant_id, message.event.case_id), (message, channel))
    messages = [message for message, _ in first.values()]
    events = [message.event for message in messages]
    await connection.execute(
        _ADD_CASES,
        {
            "tenant_ids": [message.tenant_id for message in messages],
            "case_ids": [event.case_id for event in events],
            "partner_ids": [event.partner_id for event in events],
            "run_ids": [event.run_id for event in events],
            "member_ids": [event.member_id for event in events],
            "run_booking_numbers": [event.run_booking_number for event in events],
            "collection_dates": [event.collection_date for event in events],
            "booking_numbers": [event.booking_number for event in events],
            "items": [
                message.event.model_dump_json().encode() if channel is Channel.API else None
                for message, channel in first.values()
            ],
            "correlation_ids": [message.correlation_id for message in messages],
            "traceparents": [message.traceparent for message in messages],
        },
    )


async def set_file_numbers(
    connection: AsyncConnection, messages: Sequence[Message[CaseFileNumberSetV1]]
) -> None:
    """Store the file numbers of cases, known or not; the last message about a case counts."""
    last = {(message.tenant_id, message.event.case_id): message for message in messages}
    messages = list(last.values())
    events = [message.event for message in messages]
    await connection.execute(
        _SET_FILE_NUMBERS,
        {
            "tenant_ids": [message.tenant_id for message in messages],
            "case_ids": [event.case_id for event in events],
            "partner_ids": [event.partner_id for event in events],
            "run_ids": [event.run_id for event in events],
            "member_ids": [event.member_id for event in events],
            "file_numbers": [event.file_number for event in events],
            "correlation_ids": [message.correlation_id for message in messages],
            "traceparents": [message.traceparent for message in messages],
        },
    )
