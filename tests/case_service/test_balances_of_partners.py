"""What follows from a partner's balances is booked to the cent, whatever they do (R22, R23)."""

import random
from datetime import date
from decimal import Decimal

from contracts import MemberHandedOverV1, Money
from kit.clock import now
from kit.ids import new_id
from partner_gateway.balances.account import Account, take_balance
from partner_gateway.statement import CaseBalance, to_report
from tests.case_service.world import World, claim

BALANCES = 15


def balance(case: MemberHandedOverV1, number: int, paid: int, own_fees: int) -> CaseBalance:
    """Return a balance of whole euros."""
    return CaseBalance(
        case_id=case.case_id,
        number=number,
        as_of=date(2026, 3, 5),
        paid_so_far=Money(amount=Decimal(paid), currency="EUR"),
        own_fees_so_far=Money(amount=Decimal(own_fees), currency="EUR"),
        status="OPEN",
    )


async def test_what_is_booked_is_what_the_newest_balance_says(world: World) -> None:
    case = await world.open(claim("30.00"), claim("12.50"))
    chance = random.Random(7)
    account: Account | None = None
    for number in range(BALANCES):
        paid = chance.randrange(60)
        own_fees = chance.randrange(paid + 1)
        account, statements = take_balance(account, balance(case, number, paid, own_fees))
        for statement in statements:
            report = to_report(
                statement,
                report_id=new_id(),
                partner_id=case.partner_id,
                run_id=case.run_id,
                member_id=case.member_id,
                reported_at=now(),
            )
            await world.deliver(report)
        booked = (await world.case(case))["payments"]
        assert sum(Decimal(each["amount"]["amount"]) for each in booked) == paid - own_fees
        assert sum(Decimal(each["own_fees"]["amount"]) for each in booked) == own_fees
    assert await world.differences() == []
