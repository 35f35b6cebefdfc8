"""A second run-service that is killed in the middle of its work."""

import asyncio
import os
import sys
from pathlib import Path

from tests.run_service.world import World

_ROOT = Path(__file__).parents[2]

_PROGRAM = """
import asyncio
from uuid import UUID
from kit.context import Context
from kit.database import Database
from run_service.settings import Settings
from tests.run_service.world import World

async def hang():
    print("hanging", flush=True)
    await asyncio.Event().wait()

{work}

async def main():
    settings = Settings()
    context = Context(settings, Database(settings.database_url))
    await work(World(context, None, None, UUID("{tenant_id}")))

asyncio.run(main())
"""


async def kill_while_hanging(world: World, work: str) -> None:
    """Run `async def work(world)` in a process of its own, and kill that once it calls `hang`."""
    settings = world.context.settings.model_dump(mode="json")
    other = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _PROGRAM.format(work=work, tenant_id=world.tenant_id),
        cwd=_ROOT,
        env={
            **os.environ,
            **{name.upper(): str(value) for name, value in settings.items() if value is not None},
        },
        stdout=asyncio.subprocess.PIPE,
    )
    assert other.stdout is not None
    try:
        async with asyncio.timeout(60):
            assert await other.stdout.readline() == b"hanging\n"
    finally:
        other.kill()
        await other.communicate()
