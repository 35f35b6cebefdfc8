"""The migrations make the tables that the code knows."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData

from kit.plumbing import plumbing
from run_service.tables import metadata
from tests.run_service.world import World


async def test_migrated_database_has_the_tables_of_the_code(world: World) -> None:
    def differences(connection: Connection) -> list[object]:
        known = MetaData()
        for table in [*metadata.sorted_tables, *plumbing.sorted_tables]:
            table.to_metadata(known)
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, known))

    async with world.context.database.begin() as connection:
        found = await connection.run_sync(differences)
    own = [each for each in found if "inbox" not in str(each) and "idempotency" not in str(each)]
    assert own == []
