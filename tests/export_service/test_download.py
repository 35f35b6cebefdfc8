"""The file of an export over HTTP, from a folder and from a bucket alike (R40, R41, R63)."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
import structlog
from fastapi import FastAPI

from export_service.exports import export_file
from export_service.exports.export_file import ExportFiles
from export_service.settings import Settings
from kit.clock import now
from kit.context import Context
from kit.ids import new_id
from local_stack.issuer import Issuer
from tests.export_service.ended_exports import (
    CONTENT,
    RUN,
    SHA256,
    TENANT,
    cancelled,
    completed,
    export,
    failed,
    name_of,
)
from tests.export_service.storage import storage_that_answers

STUDIO = new_id()
ETAG = f'"{SHA256.hexdigest()}"'
LAST_MODIFIED = "Mon, 02 Mar 2026 08:15:00 GMT"

everywhere = pytest.mark.parametrize("storage", ["folder", "bucket"], indirect=True)


@dataclass
class Staff:
    """Somebody with a token."""

    client: httpx.AsyncClient
    issuer: Issuer
    tenant_id: UUID = TENANT
    studio_ids: Collection[UUID] | None = None
    role: str = "collection:read"

    async def get(self, export_id: UUID, method: str = "GET", **headers: str) -> httpx.Response:
        """Fetches a file; `if_range` is the header `If-Range`."""
        return await self.client.request(
            method,
            f"/v1/exports/{export_id}/file",
            headers=self.token | {name.replace("_", "-"): said for name, said in headers.items()},
        )

    @property
    def token(self) -> dict[str, str]:
        """What says who it is."""
        token = self.issuer.token(
            self.tenant_id, [self.role], subject="staff-7", studio_ids=self.studio_ids
        )
        return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def staff(client: httpx.AsyncClient, issuer: Issuer) -> Staff:
    """Somebody who sees all of the tenant's studios."""
    return Staff(client, issuer)


def about_file(headers: Mapping[str, str]) -> dict[str, str | None]:
    """What an answer says of the file."""
    names = ("etag", "last-modified", "accept-ranges", "cache-control", "repr-digest")
    return {name: headers.get(name) for name in names}


@everywhere
async def test_a_file_comes_whole_with_all_that_is_known_of_it(
    context: Context[Settings], staff: Staff
) -> None:
    """R40."""
    answer = await staff.get(await completed(context))
    assert answer.status_code == 200
    assert hashlib.sha256(answer.content).digest() == SHA256.digest()
    assert about_file(answer.headers) == {
        "etag": ETAG,
        "last-modified": LAST_MODIFIED,
        "accept-ranges": "bytes",
        "cache-control": "no-store",
        "repr-digest": f"sha-256=:{base64.b64encode(SHA256.digest()).decode()}:",
    }
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["x-content-type-options"] == "nosniff"
    name = 'attachment; filename="inkassolauf-2026-000001.csv"'
    assert answer.headers["content-disposition"] == name


@everywhere
async def test_parts_glued_together_are_the_file(context: Context[Settings], staff: Staff) -> None:
    """R41: as whoever goes on with a download that broke off does."""
    export_id = await completed(context)
    got = b""
    while len(got) < len(CONTENT):
        part = f"bytes={len(got)}-{len(got) + 3_000_000}"
        answer = await staff.get(export_id, Range=part, If_Range=ETAG)
        assert answer.status_code == 206
        last = len(got) + len(answer.content) - 1
        assert answer.headers["content-range"] == f"bytes {len(got)}-{last}/{len(CONTENT)}"
        assert answer.headers["content-length"] == str(len(answer.content))
        got += answer.content
    assert hashlib.sha256(got).digest() == SHA256.digest()
    assert (await staff.get(export_id, Range="bytes=-5")).content == CONTENT[-5:]


async def test_what_asks_for_no_single_part_gets_the_whole(
    context: Context[Settings], staff: Staff
) -> None:
    export_id = await completed(context)
    for headers in (
        {"Range": "bytes=0-1,5-6"},
        {"Range": "lines=1-2"},
        {"Range": "bytes=5-1"},
        {"Range": "bytes=0-1", "If_Range": '"another"'},
        {"Range": "bytes=0-1", "If_Range": "Mon, 02 Mar 2026 08:14:59 GMT"},
        {"If_None_Match": '"another"'},
    ):
        answer = await staff.get(export_id, **headers)
        assert (answer.status_code, len(answer.content)) == (200, len(CONTENT))
        assert "content-range" not in answer.headers
    answer = await staff.get(export_id, Range="bytes=0-1", If_Range=LAST_MODIFIED)
    assert (answer.status_code, answer.content) == (206, CONTENT[:2])


async def test_a_part_that_the_file_does_not_have_is_a_problem(
    context: Context[Settings], staff: Staff
) -> None:
    answer = await staff.get(await completed(context), Range=f"bytes={len(CONTENT)}-")
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:collection:problem:range-not-satisfiable"


async def test_who_has_the_file_gets_nothing_again(
    context: Context[Settings], staff: Staff
) -> None:
    answer = await staff.get(await completed(context), If_None_Match=ETAG, Range="bytes=0-1")
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == ETAG
    assert "content-length" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_who_wants_another_file_does_not_get_this_one(
    context: Context[Settings], staff: Staff, method: str
) -> None:
    """RFC 9110, section 13.2: before it is asked for parts, or whether the caller has it."""
    export_id = await completed(context)
    too_early = "Mon, 02 Mar 2026 08:14:59 GMT"
    for unwanted in ({"If_Match": '"another"'}, {"If_Unmodified_Since": too_early}):
        for more in ({}, {"Range": "bytes=0-1"}, {"If_None_Match": ETAG}):
            answer = await staff.get(export_id, method, **unwanted, **more)
            assert answer.status_code == 412
            assert answer.headers["etag"] == ETAG
            if method == "GET":
                assert answer.json()["type"] == "urn:collection:problem:file-is-another"
    for wanted in ({"If_Match": ETAG}, {"If_Unmodified_Since": LAST_MODIFIED}):
        assert (await staff.get(export_id, method, **wanted)).status_code == 200
    answer = await staff.get(export_id, method, If_Match=ETAG, If_Unmodified_Since=too_early)
    assert answer.status_code == 200, "the tag is what counts"


@everywhere
async def test_a_head_says_what_a_get_would_send(context: Context[Settings], staff: Staff) -> None:
    export_id = await completed(context)
    with structlog.testing.capture_logs() as lines:
        head = await staff.get(export_id, method="HEAD", Range="bytes=0-1")
    whole = await staff.get(export_id)
    assert (head.status_code, head.content) == (200, b"")
    ours = {"x-request-id", "traceparent"}
    assert {name: said for name, said in head.headers.items() if name not in ours} == {
        name: said for name, said in whole.headers.items() if name not in ours
    }
    assert "export-fetched" not in str(lines)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "WAITING"},
        {"status": "RUNNING", "leased_until": now()},
        failed(now()),
        cancelled(now()),
    ],
    ids=lambda changes: changes["status"],
)
async def test_a_file_that_is_not_there_yet_or_never_is_a_conflict(
    context: Context[Settings], staff: Staff, changes: dict[str, Any]
) -> None:
    """R41: no half file is ever sent."""
    answer = await staff.get(await export(context, **changes))
    assert answer.status_code == 409
    has_ended = changes["status"] in ("FAILED", "CANCELLED")
    kind = "export-has-no-file" if has_ended else "export-not-ready"
    assert answer.json()["type"] == f"urn:collection:problem:{kind}"
    assert answer.json()["detail"] == f"The export is {changes['status']}."


@everywhere
async def test_a_file_that_has_expired_or_is_lost_is_gone(
    context: Context[Settings], staff: Staff
) -> None:
    expired = await completed(context, expires_at=now())
    lost, cut = await completed(context), await completed(context, size_bytes=len(CONTENT) + 1)
    context.one(ExportFiles).delete([name_of(lost)])
    for export_id in (expired, lost, cut):
        answer = await staff.get(export_id)
        assert answer.status_code == 410
        assert answer.json()["type"] == "urn:collection:problem:export-gone"


async def test_only_who_may_read_all_of_it_finds_a_file(
    context: Context[Settings], staff: Staff
) -> None:
    """R63."""
    client, issuer = staff.client, staff.issuer
    whole, part = await completed(context), await completed(context, studio_ids=[STUDIO])
    stranger = Staff(client, issuer, tenant_id=new_id())
    here, elsewhere = (Staff(client, issuer, studio_ids=[id_]) for id_ in (STUDIO, new_id()))
    manager = Staff(client, issuer, role="collection:manage")
    for who, export_id, status in (
        (staff, part, 200),
        (here, part, 200),
        (here, whole, 404),
        (elsewhere, part, 404),
        (stranger, whole, 404),
        (staff, new_id(), 404),
        (manager, whole, 403),
    ):
        for method in ("GET", "HEAD"):
            assert (await who.get(export_id, method)).status_code == status


async def test_a_download_is_logged_by_who_and_which(
    context: Context[Settings], staff: Staff
) -> None:
    """R63."""
    export_id = await completed(context)
    with structlog.testing.capture_logs() as lines:
        await staff.get(export_id)
        await staff.get(export_id, Range="bytes=0-1")
        await staff.get(export_id, If_None_Match=ETAG)
    logged = [line for line in lines if line["event"] == "export-fetched"]
    who = {"event": "export-fetched", "log_level": "info", "subject": "staff-7"}
    which = {"tenant_id": TENANT, "export_id": export_id, "run_id": RUN}
    assert logged == [{**who, **which, "part": part} for part in (False, True)]


@everywhere
async def test_whoever_goes_away_ends_the_reading(
    context: Context[Settings], staff: Staff, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R41: and no more than a block is in memory."""
    monkeypatch.setattr(export_file, "BLOCK_BYTES", 1000)
    export_id = await completed(context)
    gone = asyncio.Event()
    sent: list[int] = []

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(len(message.get("body", b"")))
        if len(sent) == 3:
            gone.set()

    path = f"/v1/exports/{export_id}/file"
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"authorization", staff.token["Authorization"].encode())],
    }
    await asyncio.wait_for(app(scope, receive, send), 60)
    assert max(sent) == 1000
    assert sum(sent) < len(CONTENT) / 10


async def test_storage_that_is_away_is_asked_again_later(
    context: Context[Settings], staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_file, "_PATIENCE", timedelta(milliseconds=100))
    export_id = await completed(context)
    with storage_that_answers(503) as bucket:
        settings = context.settings.model_dump() | {"export_directory": None} | bucket
        away = Context(Settings(**settings), context.database)
        context.shared[ExportFiles] = ExportFiles(away)
        answer = await staff.get(export_id)
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:collection:problem:unavailable"
    assert int(answer.headers["retry-after"]) > 0


async def test_a_file_that_breaks_off_is_not_taken_for_whole(
    context: Context[Settings], staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R41: the answer has told the length, and the connection is cut."""

    async def read(self: ExportFiles, name: str, start: int, end: int) -> AsyncIterator[bytes]:
        yield b"half"
        self.delete([name])
        async for block in unbroken(self, name, start, end):
            yield block

    unbroken = ExportFiles.read
    monkeypatch.setattr(ExportFiles, "read", read)
    with pytest.raises(export_file.StorageUnavailableError):
        await staff.get(await completed(context))
