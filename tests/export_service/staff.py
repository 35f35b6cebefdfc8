"""Somebody with a token, who orders exports over HTTP; and a worker that makes them meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID, uuid4

import httpx

from export_service.api import RENDER_EXPORTS
from export_service.exports.render_export import ExportRenderer
from kit.workers import RunningWorker, Worker
from local_stack.issuer import Issuer
from tests.export_service.ordering import TENANT, ServiceContext


class Staff:
    """Somebody with a token."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        issuer: Issuer,
        tenant_id: UUID = TENANT,
        studio_ids: Collection[UUID] | None = None,
        roles: Collection[str] = ("collection:read",),
        subject: str = "staff-7",
    ) -> None:
        self._client = client
        token = issuer.token(tenant_id, roles, subject=subject, studio_ids=studio_ids)
        self._headers = {"Authorization": f"Bearer {token}"}

    async def get(self, path: str = "", **parameters: Any) -> httpx.Response:
        """Reads something below /v1/exports."""
        return await self._client.get(
            f"/v1/exports{path}", params=parameters, headers=self._headers
        )

    async def ids(self, **parameters: Any) -> list[str]:
        """The ids of the exports on the first page of a list."""
        page = await self.get(**parameters)
        return [item["export_id"] for item in page.json()["items"]]

    async def order(
        self, key: str | None = None, prefer: str | None = None, **wanted: Any
    ) -> httpx.Response:
        """Orders an export; as CSV, unless a format is given."""
        headers = {**self._headers, "Idempotency-Key": key or str(uuid4())}
        if prefer is not None:
            headers["Prefer"] = prefer
        body = {"format": "csv"} | wanted
        return await self._client.post("/v1/exports", json=_plain(body), headers=headers)

    async def ordered(self, **wanted: Any) -> str:
        """Orders an export; returns its id."""
        answer = await self.order(**wanted)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["export_id"])

    async def cancel(self, export_id: str) -> httpx.Response:
        """Cancels an export."""
        path = f"/v1/exports/{export_id}/cancellation"
        return await self._client.post(path, headers=self._headers)


@asynccontextmanager
async def worker(context: ServiceContext) -> AsyncIterator[None]:
    """Renders what is ordered, and is woken by it, as in a service that runs."""
    running = RunningWorker(Worker(RENDER_EXPORTS, ExportRenderer().turn, interval=0.05), context)
    task = asyncio.create_task(running.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _plain(value: Any) -> Any:
    """Ids as JSON has them."""
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, UUID) else value
