"""Who may import, and how much at once (R12, R63)."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from kit.ids import new_id
from run_service.imports import uploads
from tests.run_service.imports.desk import STUDIO, Desk, table

STUDIOS = table(STUDIO)


def type_of(response: httpx.Response) -> str:
    """Return the kind of problem that an answer is."""
    return str(response.json()["type"]).removeprefix("urn:collection:problem:")


async def asked_by(desk: Desk, import_id: str, **token: Any) -> list[httpx.Response]:
    """Ask for everything that there is of an import."""
    path = f"/imports/{import_id}"
    async with desk.world.client(**token) as client:
        return [
            await client.get(path),
            await client.get(f"{path}/errors"),
            await desk.order({"import_id": import_id}, **token),
            await client.delete(path),
        ]


async def test_another_tenants_import_is_not_there(desk: Desk) -> None:
    checked = await desk.check(studios=STUDIOS)
    for response in await asked_by(desk, checked["import_id"], tenant_id=new_id()):
        assert (response.status_code, type_of(response)) == (404, "not-found")
    assert await desk.get(checked) == checked


async def test_numbers_of_one_tenant_mean_nothing_to_another(desk: Desk) -> None:
    await desk.bring_in(studios=STUDIOS)
    other = Desk(type(desk.world)(desk.world.context, desk.world.app, desk.world.key))
    published = await other.bring_in(studios=STUDIOS)
    assert published["files"][0]["unchanged"] == 0
    first, second = await desk.snapshots()
    assert first.studio_id != second.studio_id


async def test_who_sees_some_studios_only_may_not_import(desk: Desk) -> None:
    studio_id = await desk.world.studio()
    refused = await desk.send_as({"studio_ids": [studio_id]}, "k", studios=STUDIOS)
    assert (refused.status_code, type_of(refused)) == (403, "all-studios-needed")
    checked = await desk.check(studios=STUDIOS)
    for response in await asked_by(desk, checked["import_id"], studio_ids=[studio_id]):
        assert (response.status_code, type_of(response)) == (403, "all-studios-needed")


async def test_importing_needs_its_role(desk: Desk) -> None:
    checked = await desk.check(studios=STUDIOS)
    async with desk.world.client("collection:read", "collection:finance") as client:
        refused = [
            await client.post("/imports", files={"studios": STUDIOS.encode()}),
            await client.get(f"/imports/{checked['import_id']}"),
            await client.get(f"/imports/{checked['import_id']}/errors"),
            await client.post(f"/imports/{checked['import_id']}/publication", json={}),
            await client.delete(f"/imports/{checked['import_id']}"),
        ]
    assert {response.status_code for response in refused} == {403}


async def test_a_stranger_is_refused_before_the_files_are_received(desk: Desk) -> None:
    asked = []

    async def body() -> AsyncIterator[bytes]:
        asked.append(1)
        yield b""

    async with desk.world.client("collection:read") as client:
        boundary = {"Content-Type": "multipart/form-data; boundary=b"}
        refused = await client.post("/imports", content=body(), headers=boundary)
    assert refused.status_code == 403
    assert not asked


async def test_files_need_an_idempotency_key(desk: Desk) -> None:
    async with desk.world.client() as client:
        refused = await client.post("/imports", files={"studios": STUDIOS.encode()})
    assert (refused.status_code, type_of(refused)) == (400, "idempotency-key-missing")
    assert await desk.count("imports") == 0


async def test_files_have_one_of_three_names(desk: Desk) -> None:
    refused = await desk.send(studios=STUDIOS, partners="x")
    assert refused.status_code == 422
    assert [each["field"] for each in refused.json()["errors"]] == ["partners"]


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"json": {"studios": "x"}}, "body"),
        ({"content": b""}, "body"),
        ({"files": [("studios", b"a"), ("studios", b"b")]}, "studios"),
    ],
)
async def test_what_is_no_form_of_files_is_refused(
    desk: Desk, sent: dict[str, Any], field: str
) -> None:
    async with desk.world.client() as client:
        refused = await client.post("/imports", headers={"Idempotency-Key": "k"}, **sent)
    assert refused.status_code == 422
    assert [each["field"] for each in refused.json()["errors"]] == [field]


@pytest.mark.parametrize(
    "content",
    [
        b"--b nonsense",
        b"--b\r\nnon\x00sense: x\r\n\r\n",
        b'--b\r\nContent-Disposition: form-data; name="studios"\r\n\r\ntext\r\n--b--\r\n',
        b"".join(
            b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nx\r\n'
            for _ in range(4)
        )
        + b"--b--\r\n",
    ],
)
async def test_a_form_that_is_broken_or_holds_something_else_is_refused(
    desk: Desk, content: bytes
) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b", "Idempotency-Key": "k"}
    async with desk.world.client() as client:
        refused = await client.post("/imports", content=content, headers=headers)
    assert (refused.status_code, type_of(refused)) == (400, "malformed-request")


async def test_a_file_that_is_too_large_is_refused_by_name(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_FILE_BYTES", 2 * 1024 * 1024)
    large = STUDIOS + "x" * 2 * 1024 * 1024
    refused = await desk.send(studios=STUDIOS, members=large)
    assert (refused.status_code, type_of(refused)) == (413, "body-too-large")
    assert [each["field"] for each in refused.json()["errors"]] == ["members"]
    assert await desk.count("imports") == 0


async def test_only_files_may_be_larger_than_other_requests(desk: Desk) -> None:
    blank = ";" * 1_500_000
    checked = await desk.check(studios=STUDIOS + blank)
    assert checked["status"] == "REFUSED"
    path = f"/imports/{checked['import_id']}/publication"
    refused = await desk.world.post(path, {"leave_out_bad_rows": blank})
    assert (refused.status_code, type_of(refused)) == (413, "body-too-large")


async def test_no_request_may_be_larger_than_three_files(desk: Desk) -> None:
    headers = {
        "Content-Type": "multipart/form-data; boundary=b",
        "Content-Length": str(uploads.MAX_BODY_BYTES + 1),
        "Idempotency-Key": "k",
    }
    async with desk.world.client() as client:
        refused = await client.post("/imports", content=b"--b", headers=headers)
    assert (refused.status_code, type_of(refused)) == (413, "body-too-large")


async def test_an_upload_that_is_cut_off_leaves_nothing(desk: Desk) -> None:
    sent: list[Any] = []
    parts = [b'--b\r\nContent-Disposition: form-data; name="studios"; filename="s"\r\n\r\nS1;']

    async def receive() -> dict[str, Any]:
        if parts:
            return {"type": "http.request", "body": parts.pop(), "more_body": True}
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async with desk.world.client() as client:
        request = client.build_request("POST", "/imports", headers={"Idempotency-Key": "k"})
    headers = [(name.lower(), value) for name, value in request.headers.raw]
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/imports",
        "raw_path": b"/v1/imports",
        "query_string": b"",
        "root_path": "",
        "headers": [*headers, (b"content-type", b"multipart/form-data; boundary=b")],
        "server": ("run-service", 80),
        "client": ("127.0.0.1", 1),
    }
    await desk.world.app(scope, receive, send)
    assert sent[0]["status"] == 400
    assert await desk.count("imports") == 0
