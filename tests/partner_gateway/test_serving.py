"""What the tests stand on: their servers end when somebody stops the tests."""

import asyncio
import signal

from fastapi import FastAPI

from tests.partner_gateway.serving import serving
from tests.partner_gateway.waiting import LIMIT_SECONDS


async def test_a_server_passes_an_interrupt_on_at_once() -> None:
    passed_on = asyncio.Event()
    before = signal.signal(signal.SIGINT, lambda *_: passed_on.set())
    try:
        async with serving(FastAPI()), serving(FastAPI()), asyncio.timeout(LIMIT_SECONDS):
            signal.raise_signal(signal.SIGINT)
            await passed_on.wait()
    finally:
        signal.signal(signal.SIGINT, before)
