"""What the probes are told, and how soon."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from kit import health
from kit.health import Health


async def test_what_hangs_is_missing_and_the_probe_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A database that is frozen, or behind a network that swallows all, ends no connection."""
    monkeypatch.setattr(health, "_ANSWER_SECONDS", 0.2)
    given_up = asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()

    async def fail() -> None:
        raise ConnectionError

    async def answer() -> None:
        pass

    app = FastAPI()
    app.include_router(health.router)
    checks = {"database": hang, "kafka": fail, "migrations": hang, "disk": answer}
    app.state.health = Health(list, checks)
    transport = httpx.ASGITransport(app)
    async with (
        asyncio.timeout(10),
        httpx.AsyncClient(transport=transport, base_url="http://service") as http,
    ):
        ready = await http.get("/health/ready")
        await given_up.wait()
    assert ready.status_code == 503
    assert ready.json() == {"missing": ["database", "kafka", "migrations"]}
