"""A desk at which CSV files come in."""

import pytest

from tests.run_service.imports.desk import Desk
from tests.run_service.world import World


@pytest.fixture
def desk(world: World) -> Desk:
    """Imports of a tenant that has nothing yet."""
    return Desk(world)
