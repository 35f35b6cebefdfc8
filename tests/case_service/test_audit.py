"""The audit finds every balance that is not what its entries say (R31)."""

import pytest
from sqlalchemy import text

from case_service.ledger import audit as audit_module
from case_service.ledger.audit import audit
from tests.case_service.world import World, claim, closed, corrected, paid

FAULTS = {
    "UPDATE case_claims SET open = open + 0.01": "open",
    "UPDATE case_claims SET collected = collected - 0.01 WHERE collected > 0": "collected",
    "UPDATE case_claims SET handed_over = handed_over + 1": "handed over",
    "UPDATE cases SET open = 0 WHERE open > 0": "open",
    "UPDATE cases SET unallocated = 1": "unallocated",
    "UPDATE cases SET currency = 'CHF'": "currency",
    "UPDATE cases SET result = 'PAID' WHERE status = 'CLOSED'": "result",
    "UPDATE cases SET status = 'PENDING', close_reason = NULL, result = NULL, ended_at = NULL"
    " WHERE status = 'CLOSED'": "payments on claims while PENDING",
    "UPDATE payments SET amount = amount - 0.01": "amount",
    "INSERT INTO entries (tenant_id, case_id, claim_id, kind, amount, currency, booking_date,"
    " recorded_at, actor_kind, actor, correlation_id) SELECT tenant_id, case_id, claim_id,"
    " 'PAYMENT_SHARE', -1000, 'EUR', now(), now(), 'SYSTEM', 'x', 'x' FROM case_claims": (
        "below zero"
    ),
}


async def _a_ledger(world: World) -> None:
    case = await world.open(claim("30.00"), claim("12.00"))
    await world.deliver(paid(case, "20.00"), corrected(case, "25.00"))
    other = await world.open(claim("10.00"))
    await world.deliver(paid(other, "4.00"), closed(other))


async def test_without_a_fault_there_is_no_difference(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_module, "CASES_AT_A_TIME", 1)
    await _a_ledger(world)
    assert await audit(world.context, []) == 0
    assert capsys.readouterr().out == "audit: 0 differences\n"


@pytest.mark.parametrize(("fault", "name"), FAULTS.items(), ids=FAULTS.values())
async def test_a_fault_is_found_and_named(
    world: World, fault: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await _a_ledger(world)
    async with world.context.database.begin() as connection:
        await connection.execute(text(fault))

    assert await audit(world.context, []) == 1

    lines = capsys.readouterr().out.splitlines()
    assert any(name in line for line in lines[:-1])
    assert lines[-1] == f"audit: {len(lines) - 1} differences"
