"""Servers that tests send requests to."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import FrameType

import uvicorn
from fastapi import FastAPI

from tests.partner_gateway.waiting import until


class Server(uvicorn.Server):
    """Ends at once when it is told to, where uvicorn looks whether it is ten times a second.

    That would be a quarter of a second for each server, and a test has up to five.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.told_to_end = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End on a signal, too: a loop that has nothing to do must be woken."""
        super().handle_exit(sig, frame)
        self._loop.call_soon_threadsafe(self.told_to_end.set)

    async def main_loop(self) -> None:
        """Wait for the end."""
        await self.on_tick(0)
        await self.told_to_end.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let what is being answered end within a second, as uvicorn does."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                while self.server_state.connections or self.server_state.tasks:
                    await asyncio.sleep(0.005)
        for task in self.server_state.tasks:
            task.cancel()
        await self.lifespan.shutdown()


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    """Answer HTTP on a free port; yield the address."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_config=None,
        lifespan="on",
    )
    server = Server(config)
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started or task.done())
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.told_to_end.set()
        await task
