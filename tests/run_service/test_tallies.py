"""What recording answers tells of cases and claims that are not there (R11, R12)."""

from sqlalchemy import text

from kit.ids import new_id
from run_service.runs import tallies
from run_service.runs.run import CaseStatus
from run_service.runs.tallies import Answer
from tests.run_service.world import World


async def test_only_cases_that_are_not_there_are_unknown_r12(world: World) -> None:
    """A claim that is not there any more is nobody's to recount, and no case."""
    await world.debtors(1, await world.studio())
    await world.run(await world.partner())
    (handover,) = await world.handed_over()
    stranger = new_id()
    async with world.context.database.begin() as connection:
        await connection.execute(text("DELETE FROM claims"))
        unknown = await tallies.record(
            connection,
            CaseStatus.CLOSED,
            [
                (world.tenant_id, Answer(case_id, handover.run_id))
                for case_id in (handover.case_id, stranger)
            ],
        )
    assert unknown == {(world.tenant_id, stranger)}
    async with world.context.database.connect() as connection:
        held = await connection.scalar(
            text("SELECT count(*) FROM reservations WHERE released_at IS NULL")
        )
    assert held == 0
