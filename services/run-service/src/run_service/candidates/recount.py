"""What each member owes that could be handed over, kept beside the member.

It follows from the member's claims, from what was collected on them, from the reservations and
from the tenant's settings; whoever changes one of these recounts the members in the same
transaction, or knows what comes of it, as runs/publish_handovers.py does of members that go with
all they owe. So a candidate is found by its own row, however many claims there are.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_SETTINGS_LOCKS: Final = 20_260_001
"""Names, among the advisory locks, those on the settings of a tenant."""

_SHARE_SETTINGS = text(
    """
    SELECT pg_advisory_xact_lock_shared(:locks, hashtext(tenant_id::text))
    FROM (SELECT DISTINCT tenant_id FROM unnest(CAST(:tenant_ids AS uuid[])) AS given (tenant_id)
          ORDER BY tenant_id) AS tenants
    """
)
_OWN_SETTINGS = text("SELECT pg_advisory_xact_lock(:locks, hashtext(:tenant_id))")
_GIVEN: Final = """unnest(
        CAST(CAST(:tenant_ids AS text) AS uuid[]), CAST(CAST(:member_ids AS text) AS uuid[])
    ) AS given (tenant_id, member_id)"""
# Both lock in one order, so that batches that meet never wait for each other. What is in the way
# of an INSERT is locked, though nothing of it is changed.
_KNOW_AND_LOCK = text(
    f"""
    INSERT INTO members AS known (tenant_id, member_id)
    SELECT tenant_id, member_id FROM {_GIVEN}
    ORDER BY tenant_id, member_id
    ON CONFLICT (tenant_id, member_id) DO UPDATE SET currency = known.currency WHERE false
    """  # noqa: S608 - constants
)
_LOCK = text(
    f"""
    SELECT FROM (
        SELECT * FROM {_GIVEN} ORDER BY tenant_id, member_id
    ) AS given CROSS JOIN LATERAL (
        SELECT FROM members
        WHERE members.tenant_id = given.tenant_id AND members.member_id = given.member_id
        FOR NO KEY UPDATE
    ) AS locked
    """  # noqa: S608 - constants
)
# What belongs to one claim is looked up by its key in a subquery: as a join it would hang on
# statistics, which know nothing of rows that came in just now. The OFFSET lets what was collected
# on a claim be looked up once, not wherever its open amount stands.
_RECOUNT = """
    WITH counted AS (
        SELECT wanted.tenant_id, wanted.member_id, owed.*
        FROM ({wanted}) AS wanted
        CROSS JOIN LATERAL (
            SELECT coalesce(array_agg(claim_id ORDER BY due_date, voucher_date, claim_id)
                            FILTER (WHERE NOT disputed), '{{}}') AS claim_ids,
                   coalesce(array_agg(sequence ORDER BY due_date, voucher_date, claim_id)
                            FILTER (WHERE NOT disputed), '{{}}') AS claim_sequences,
                   coalesce(array_agg(open ORDER BY due_date, voucher_date, claim_id)
                            FILTER (WHERE NOT disputed), '{{}}') AS claim_amounts,
                   CAST(count(*) FILTER (WHERE disputed) AS int) AS disputed_count,
                   CASE WHEN min(currency) FILTER (WHERE NOT disputed)
                             = max(currency) FILTER (WHERE NOT disputed)
                        THEN min(currency) FILTER (WHERE NOT disputed) END AS currency,
                   sum(open) FILTER (WHERE NOT disputed) AS total,
                   min(voucher_date) FILTER (WHERE NOT disputed) AS arose_on
            FROM (
                SELECT claim_id, sequence, due_date, voucher_date, currency, disputed,
                       amount - paid_directly - coalesce((
                    SELECT collected.amount FROM collected
                    WHERE collected.tenant_id = claim.tenant_id
                      AND collected.claim_id = claim.claim_id), 0) AS open
                FROM claims AS claim
                WHERE claim.tenant_id = wanted.tenant_id AND claim.member_id = wanted.member_id
                  AND NOT cancelled AND NOT is_handover_fee
                  AND (SELECT claim.kind = ANY (excluded_kinds) FROM tenant_settings AS settings
                       WHERE settings.tenant_id = claim.tenant_id) IS NOT true
                  AND (SELECT true FROM reservations AS reserved
                       WHERE reserved.claim_id = claim.claim_id
                         AND reserved.tenant_id = claim.tenant_id
                         AND released_at IS NULL) IS NULL
                OFFSET 0
            ) AS free
            WHERE open > 0
        ) AS owed
    )
    UPDATE members AS member
    SET claim_ids = counted.claim_ids, claim_sequences = counted.claim_sequences,
        claim_amounts = counted.claim_amounts, disputed_count = counted.disputed_count,
        currency = counted.currency, arose_on = counted.arose_on,
        total = CASE WHEN counted.currency IS NOT NULL THEN counted.total END
    FROM counted
    WHERE member.tenant_id = counted.tenant_id AND member.member_id = counted.member_id
      AND (member.claim_ids, member.claim_sequences, member.claim_amounts,
           member.disputed_count, member.currency, member.arose_on)
          IS DISTINCT FROM
          (counted.claim_ids, counted.claim_sequences, counted.claim_amounts,
           counted.disputed_count, counted.currency, counted.arose_on)
    """
_RECOUNT_SOME = text(_RECOUNT.format(wanted=f"SELECT * FROM {_GIVEN}"))  # noqa: S608 - constants
_RECOUNT_ALL = text(
    _RECOUNT.format(wanted="SELECT tenant_id, member_id FROM members WHERE tenant_id = :tenant_id")
)


class Members(NamedTuple):
    """Some members, each once: lists that PostgreSQL wrote, and reads.

    To take many ids apart here and put them together again takes longer than it does.
    """

    tenant_ids: str
    member_ids: str


async def recount(connection: AsyncConnection, members: Iterable[tuple[UUID, UUID]]) -> None:
    """Count again what members (tenant and member) owe that could be handed over.

    Called after the change, in its transaction. Who owes a claim that was known before is known.
    """
    wanted = set(members)
    if wanted:
        await share_settings(connection, {tenant_id for tenant_id, _ in wanted})
        listed = ("{" + ",".join(map(str, ids)) + "}" for ids in zip(*wanted, strict=True))
        await recount_listed(connection, Members(*listed))


async def recount_listed(
    connection: AsyncConnection, members: Members, *, may_be_new: bool = False
) -> None:
    """Do what `recount` does, for members of whom the caller shares the settings.

    A member that `may_be_new` is noted, so that it counts once its snapshot is there (R12). The
    members stay locked until the transaction ends, and are read after that: batches that change
    claims of one member see each other's.
    """
    await connection.execute(_KNOW_AND_LOCK if may_be_new else _LOCK, members._asdict())
    await connection.execute(_RECOUNT_SOME, members._asdict())


async def share_settings(connection: AsyncConnection, tenant_ids: Iterable[UUID]) -> None:
    """Keep the settings of tenants from changing until the transaction ends.

    Whoever locks members does this first: a change of settings holds its lock when it comes to
    the members, and would wait in turn for one who holds members and still wants the settings.
    """
    parameters = {"locks": _SETTINGS_LOCKS, "tenant_ids": list(tenant_ids)}
    await connection.execute(_SHARE_SETTINGS, parameters)


async def own_settings(connection: AsyncConnection, tenant_id: UUID) -> None:
    """Wait until nobody counts by the settings of a tenant; nobody does until the end."""
    await connection.execute(_OWN_SETTINGS, {"locks": _SETTINGS_LOCKS, "tenant_id": str(tenant_id)})


async def recount_all(connection: AsyncConnection, tenant_id: UUID) -> None:
    """Count all of a tenant's members again, after its settings changed under `own_settings`."""
    await connection.execute(_RECOUNT_ALL, {"tenant_id": tenant_id})
