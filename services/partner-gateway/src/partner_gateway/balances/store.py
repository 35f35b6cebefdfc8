"""All SQL about balances and the payments that follow from them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from partner_gateway.balances.account import Account, Payment

_ACCOUNTS = text(
    """
    SELECT case_id, number, as_of, currency, status, file_number
    FROM balances
    WHERE tenant_id = :tenant_id AND case_id = ANY (CAST(:case_ids AS uuid[]))
    """
)
_PAYMENTS = text(
    """
    SELECT case_id, number, amount, own_fees
    FROM balance_payments
    WHERE tenant_id = :tenant_id AND case_id = ANY (CAST(:case_ids AS uuid[]))
    ORDER BY case_id, number
    """
)
_SAVE_ACCOUNTS = text(
    """
    INSERT INTO balances (tenant_id, case_id, number, as_of, currency, status, file_number)
    SELECT :tenant_id, new.*
    FROM unnest(CAST(:case_ids AS uuid[]), CAST(:numbers AS bigint[]), CAST(:as_of AS date[]),
                CAST(:currencies AS text[]), CAST(:statuses AS text[]),
                CAST(:file_numbers AS text[])) AS new
    ON CONFLICT (tenant_id, case_id) DO UPDATE
    SET number = excluded.number, as_of = excluded.as_of, status = excluded.status,
        file_number = excluded.file_number
    """
)
_SAVE_PAYMENTS = text(
    """
    INSERT INTO balance_payments (tenant_id, case_id, number, amount, own_fees)
    SELECT :tenant_id, new.*
    FROM unnest(CAST(:case_ids AS uuid[]), CAST(:numbers AS bigint[]),
                CAST(:amounts AS numeric[]), CAST(:own_fees AS numeric[])) AS new
    ON CONFLICT (tenant_id, case_id, number) DO UPDATE
    SET amount = excluded.amount, own_fees = excluded.own_fees
    WHERE balance_payments.amount <> excluded.amount
       OR balance_payments.own_fees <> excluded.own_fees
    """
)


async def accounts_of(
    connection: AsyncConnection, tenant_id: UUID, case_ids: Sequence[UUID]
) -> dict[UUID, Account]:
    """Return the accounts of those of the cases that have one, by the case's id.

    The caller holds the partner's row, under which its balances are taken one after the other.
    """
    if not case_ids:
        return {}
    parameters = {"tenant_id": tenant_id, "case_ids": case_ids}
    payments: dict[UUID, list[Payment]] = {}
    for row in await connection.execute(_PAYMENTS, parameters):
        payment = Payment(row.number, row.amount, row.own_fees)
        payments.setdefault(row.case_id, []).append(payment)
    rows = await connection.execute(_ACCOUNTS, parameters)
    return {row.case_id: _account(row, payments.get(row.case_id, [])) for row in rows}


async def save_accounts(
    connection: AsyncConnection, tenant_id: UUID, accounts: Mapping[UUID, Account]
) -> None:
    """Store accounts, new ones and changed ones, by the case's id; with their payments."""
    if not accounts:
        return
    await connection.execute(
        _SAVE_ACCOUNTS,
        {
            "tenant_id": tenant_id,
            "case_ids": list(accounts),
            "numbers": [account.number for account in accounts.values()],
            "as_of": [account.as_of for account in accounts.values()],
            "currencies": [account.currency for account in accounts.values()],
            "statuses": [account.status for account in accounts.values()],
            "file_numbers": [account.file_number for account in accounts.values()],
        },
    )
    payments = [
        (case_id, payment) for case_id, account in accounts.items() for payment in account.payments
    ]
    await connection.execute(
        _SAVE_PAYMENTS,
        {
            "tenant_id": tenant_id,
            "case_ids": [case_id for case_id, _ in payments],
            "numbers": [payment.number for _, payment in payments],
            "amounts": [payment.amount for _, payment in payments],
            "own_fees": [payment.own_fees for _, payment in payments],
        },
    )


def _account(row: Any, payments: Sequence[Payment]) -> Account:
    return Account(row.number, row.as_of, row.currency, row.status, row.file_number, payments)
