"""Which payments that partners call back are new: each is reported once, by whichever way it comes.

Rows of report files are known in the same way and in the same table (`report_files.judge_rows` says
what makes two of them the same): a payment is its case and the partner's reference (R51, R53).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from partner_gateway.statement import PaymentReceived

Verdict = Literal["NEW", "KNOWN", "OTHER"]
"""KNOWN: reported before. OTHER: another payment was, under the same reference."""


@dataclass(frozen=True, slots=True)
class Received:
    """A payment that a partner says was made on a case that it holds."""

    callback_id: UUID
    payment: PaymentReceived


# Whoever adds payments of a partner holds its row: what is not seen here is not there.
_ENTER = text(
    """
    WITH said AS (
        SELECT callback_id, place,
               sha256(convert_to(jsonb_build_array(
                   'payment.received', case_id, partner_reference)::text, 'UTF8')) AS identity,
               sha256(convert_to(jsonb_build_array(
                   'payment.received', case_id, amount, own_fees, currency, day,
                   partner_reference, NULL, NULL, NULL, NULL)::text, 'UTF8')) AS content
        FROM unnest(CAST(:callback_ids AS uuid[]), CAST(:case_ids AS uuid[]),
                    CAST(:partner_references AS text[]), CAST(:amounts AS numeric(14, 2)[]),
                    CAST(:own_fees AS numeric(14, 2)[]), CAST(:currencies AS text[]),
                    CAST(:days AS date[]))
             WITH ORDINALITY
             AS new (callback_id, case_id, partner_reference, amount, own_fees, currency, day,
                     place)
    ), judged AS (
        SELECT callback_id, said.identity, said.content, earlier.content AS before,
               first_value(said.content) OVER same AS first_said,
               row_number() OVER same AS occurrence
        FROM said
        LEFT JOIN reported_rows AS earlier
               ON earlier.tenant_id = :tenant_id AND earlier.partner_id = :partner_id
              AND earlier.identity = said.identity
        WINDOW same AS (PARTITION BY said.identity ORDER BY place)
    ), entered AS (
        INSERT INTO reported_rows (tenant_id, partner_id, identity, content)
        SELECT :tenant_id, :partner_id, identity, content FROM judged
        WHERE before IS NULL AND occurrence = 1
    )
    SELECT callback_id,
           CASE WHEN coalesce(before, first_said) <> content THEN 'OTHER'
                WHEN before IS NULL AND occurrence = 1 THEN 'NEW'
                ELSE 'KNOWN' END AS verdict
    FROM judged
    """
)


async def enter_payments(
    connection: AsyncConnection, tenant_id: UUID, partner_id: UUID, received: Sequence[Received]
) -> dict[UUID, Verdict]:
    """Remember the payments that are new; return by callback which of them are.

    `received` is in the order in which it was said. The caller holds the partner's row.
    """
    if not received:
        return {}
    payments = [each.payment for each in received]
    rows = await connection.execute(
        _ENTER,
        {
            "tenant_id": tenant_id,
            "partner_id": partner_id,
            "callback_ids": [each.callback_id for each in received],
            "case_ids": [payment.case_id for payment in payments],
            "partner_references": [payment.partner_reference for payment in payments],
            "amounts": [payment.amount.amount for payment in payments],
            "own_fees": [payment.own_fees.amount for payment in payments],
            "currencies": [payment.amount.currency for payment in payments],
            "days": [payment.paid_on for payment in payments],
        },
    )
    return {row.callback_id: row.verdict for row in rows}
