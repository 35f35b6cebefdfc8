"""What is kept of cases is at a partner that is set up, and stays there (R50)."""

import pytest
from sqlalchemy.exc import IntegrityError

from tests.partner_gateway.claims import studio_payment
from tests.partner_gateway.telling import by_hand
from tests.partner_gateway.world import Gateway, closed, handed_over

TABLES = ("cases", "notices", "claim_changes")


@pytest.fixture
async def told(gateway: Gateway) -> Gateway:
    """A gateway that has a row in each of the tables."""
    (case,) = handed_over(await by_hand(gateway), 1)
    for event in (case, studio_payment(case), closed(case)):
        await gateway.receive([event])
    for table in TABLES:
        assert await gateway.rows(f"SELECT 1 FROM {table}"), table
    return gateway


async def test_nothing_is_kept_at_a_partner_that_is_not_set_up(told: Gateway) -> None:
    for table in TABLES:
        columns = await told.rows(
            """
            SELECT attname FROM pg_attribute
            WHERE attrelid = CAST(CAST(:table AS text) AS regclass)
              AND attnum > 0 AND attidentity = ''
            """,
            table=table,
        )
        names = ", ".join(row.attname for row in columns)
        for whose in ("tenant_id", "partner_id"):
            with pytest.raises(IntegrityError, match=f"a row of {table} has no partner"):
                await told.execute(
                    f"""
                    INSERT INTO {table} ({names})
                    SELECT {names} FROM jsonb_populate_record(
                        NULL::{table},
                        (SELECT to_jsonb({table}) FROM {table} LIMIT 1)
                        || jsonb_build_object('notice_id', uuidv7(), 'case_id', uuidv7(),
                                              '{whose}', uuidv7()))
                    """
                )


async def test_partners_stay_and_what_is_theirs_stays_at_them(told: Gateway) -> None:
    moves = [
        f"UPDATE {table} SET {whose} = uuidv7()"
        for table in ("partners", *TABLES)
        for whose in ("tenant_id", "partner_id")
    ]
    for change in (*moves, "DELETE FROM partners", "TRUNCATE partners CASCADE"):
        with pytest.raises(IntegrityError, match="stay at their partner"):
            await told.execute(change)
