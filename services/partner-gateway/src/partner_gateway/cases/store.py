"""All SQL that stores what the gateway knows of cases."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import CaseFileNumberSetV1
from kit.messages import Message
from partner_gateway.cases.ended_case import EndedCase
from partner_gateway.cases.handover import Handover, item_of
from partner_gateway.partners.partner import Channel

# One row per case is where all that is heard of it meets, in whatever order it comes: what is told
# of a case before its handover leaves a row without numbers, which the handover then fills. But of
# what has ended before its handover came, nothing is to be sent any more. A case has one partner:
# nothing of it ever gets to another one.
_ADD_CASES = text(
    """
    INSERT INTO cases (tenant_id, case_id, partner_id, run_id, member_id, run_booking_number,
                       collection_date, booking_number, currency, item, voucher_ids,
                       correlation_id, traceparent)
    SELECT tenant_id, case_id, partner_id, run_id, member_id, run_booking_number,
           collection_date, booking_number, currency, item, CAST(voucher_ids AS jsonb),
           correlation_id, traceparent
    FROM unnest(CAST(:tenant_ids AS uuid[]), CAST(:case_ids AS uuid[]),
                CAST(:partner_ids AS uuid[]), CAST(:run_ids AS uuid[]),
                CAST(:member_ids AS uuid[]), CAST(:run_booking_numbers AS text[]),
                CAST(:collection_dates AS date[]), CAST(:booking_numbers AS integer[]),
                CAST(:currencies AS text[]), CAST(:items AS bytea[]),
                CAST(:voucher_ids AS text[]), CAST(:correlation_ids AS text[]),
                CAST(:traceparents AS text[]))
         AS new (tenant_id, case_id, partner_id, run_id, member_id, run_booking_number,
                 collection_date, booking_number, currency, item, voucher_ids, correlation_id,
                 traceparent)
    ORDER BY tenant_id, case_id
    ON CONFLICT (tenant_id, case_id) DO UPDATE
    SET run_booking_number = excluded.run_booking_number,
        collection_date = excluded.collection_date,
        booking_number = excluded.booking_number,
        currency = excluded.currency,
        item = CASE WHEN cases.ended_at IS NULL THEN excluded.item END,
        voucher_ids = excluded.voucher_ids
    WHERE cases.booking_number IS NULL AND cases.partner_id = excluded.partner_id
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
    WHERE cases.partner_id = excluded.partner_id
    """
)

# One row per case is where its handover and its end meet, in whatever order they come: the row's
# lock decides who was first. An item that was never sent is forgotten, one that was is kept until
# its page is answered, for the page must stay the same. Changes that wait for a page that never
# comes are forgotten, too.
_END_CASES = text(
    """
    WITH ended AS (
        INSERT INTO cases (tenant_id, case_id, partner_id, run_id, member_id, ended_at,
                           correlation_id, traceparent)
        SELECT tenant_id, case_id, partner_id, run_id, member_id, ended_at, correlation_id,
               traceparent
        FROM unnest(CAST(:tenant_ids AS uuid[]), CAST(:case_ids AS uuid[]),
                    CAST(:partner_ids AS uuid[]), CAST(:run_ids AS uuid[]),
                    CAST(:member_ids AS uuid[]), CAST(:ended_at AS timestamptz[]),
                    CAST(:correlation_ids AS text[]), CAST(:traceparents AS text[]))
             AS told (tenant_id, case_id, partner_id, run_id, member_id, ended_at,
                      correlation_id, traceparent)
        ORDER BY tenant_id, case_id
        ON CONFLICT (tenant_id, case_id) DO UPDATE
        SET ended_at = coalesce(cases.ended_at, excluded.ended_at),
            item = CASE WHEN cases.request_id IS NULL THEN NULL ELSE cases.item END
        RETURNING tenant_id, case_id, request_id
    ), forgotten AS (
        DELETE FROM claim_changes USING ended
        WHERE claim_changes.tenant_id = ended.tenant_id
          AND claim_changes.case_id = ended.case_id
          AND NOT told AND ended.request_id IS NULL
    )
    SELECT tenant_id, case_id FROM ended WHERE request_id IS NOT NULL
    """
)


async def add_cases(
    connection: AsyncConnection,
    handovers: Sequence[tuple[Message[Handover], Channel]],
) -> None:
    """Store cases that are handed over, each once; one that is known already stays as it is.

    What goes to a partner with an API is kept as it is to be sent; of the others the numbers.
    """
    messages = [message for message, _ in handovers]
    cases = [message.event for message in messages]
    await connection.execute(
        _ADD_CASES,
        {
            "tenant_ids": [message.tenant_id for message in messages],
            "case_ids": [case.case_id for case in cases],
            "partner_ids": [case.partner_id for case in cases],
            "run_ids": [case.run_id for case in cases],
            "member_ids": [case.member_id for case in cases],
            "run_booking_numbers": [case.run_booking_number for case in cases],
            "collection_dates": [case.collection_date for case in cases],
            "booking_numbers": [case.booking_number for case in cases],
            "currencies": [case.currency for case in cases],
            "items": [
                item_of(message) if channel is Channel.API else None
                for message, channel in handovers
            ],
            "voucher_ids": [case.voucher_ids for case in cases],
            "correlation_ids": [message.correlation_id for message in messages],
            "traceparents": [message.traceparent for message in messages],
        },
    )


async def set_file_numbers(
    connection: AsyncConnection, messages: Sequence[Message[CaseFileNumberSetV1]]
) -> None:
    """Store the file numbers of cases, known or not, one of each."""
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


async def end_cases(
    connection: AsyncConnection, messages: Sequence[Message[EndedCase]]
) -> set[tuple[UUID, UUID]]:
    """Mark cases as ended, known or not; return tenant and case of those that were sent before.

    Sent means that a request with the case was stored to be sent: the partner may have it. What
    was not sent by now never is, and the changes that wait for that are forgotten. The cases stay
    locked until the transaction ends.
    """
    rows = await connection.execute(
        _END_CASES,
        {
            "tenant_ids": [message.tenant_id for message in messages],
            "case_ids": [message.event.case_id for message in messages],
            "partner_ids": [message.event.partner_id for message in messages],
            "run_ids": [message.event.run_id for message in messages],
            "member_ids": [message.event.member_id for message in messages],
            "ended_at": [message.event.ended_at for message in messages],
            "correlation_ids": [message.correlation_id for message in messages],
            "traceparents": [message.traceparent for message in messages],
        },
    )
    return {(row.tenant_id, row.case_id) for row in rows}
