"""Where a test keeps the files of exports: a folder, or a bucket in a server that speaks S3."""

import errno
import http.client
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import obstore
import pytest
from obstore.exceptions import PermissionDeniedError
from obstore.store import ObjectStore

from export_service.exports.export_file import ExportFiles
from local_stack.ports import HOST, free_port

KEYS = {"export_s3_access_key_id": "key", "export_s3_secret_access_key": "secret"}


@dataclass(frozen=True)
class S3Server:
    """Moto's server: it shares no code with what is tested."""

    port: int

    def new_bucket(self) -> dict[str, Any]:
        """Makes an empty bucket; returns the settings of a service that keeps its files there."""
        bucket = f"exports-{uuid4()}"
        self._ask("PUT", f"/{bucket}")
        return {
            "export_bucket": bucket,
            "export_s3_endpoint": f"http://{HOST}:{self.port}",
            **KEYS,
        }

    def unfinished_uploads(self, bucket: str) -> int:
        """How many uploads were begun in a bucket and neither completed nor aborted."""
        listed = ElementTree.fromstring(self._ask("GET", f"/{bucket}?uploads"))  # noqa: S314
        return sum(element.tag.endswith("}Upload") for element in listed)

    def _ask(self, method: str, path: str) -> bytes:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            assert answer.status == 200
            return answer.read()
        finally:
            connection.close()


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Starts a server in a process of its own."""
    server = S3Server(free_port())
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(server.port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                server._ask("GET", "/moto-api/data.json")
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield server
    finally:
        process.kill()
        process.wait()


@contextmanager
def storage_that_answers(status: int | None) -> Iterator[dict[str, Any]]:
    """A server that has only one answer, or none; yields the settings that lead to it."""

    class Answer(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if status is None:
                over.wait()
            else:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    over = threading.Event()
    with ThreadingHTTPServer((HOST, 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield {
                "export_bucket": "exports",
                "export_s3_endpoint": f"http://{HOST}:{server.server_port}",
                **KEYS,
            }
        finally:
            over.set()
            server.shutdown()
            thread.join()


@contextmanager
def cannot_be_deleted(name: str) -> Iterator[None]:
    """Makes the storage refuse to delete one whole file; a bucket deletes what else it is given."""

    def delete(store: ObjectStore, names: Sequence[str]) -> None:
        unpatched_delete(store, [each for each in names if each != name])
        if name in names:
            raise PermissionDeniedError("Access Denied")

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path.name == name:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        unpatched_unlink(path, missing_ok=missing_ok)

    unpatched_delete, unpatched_unlink = obstore.delete, Path.unlink
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(obstore, "delete", delete)
        patched.setattr(Path, "unlink", unlink)
        yield


def names_in(files: ExportFiles) -> list[str]:
    """The names of all whole files."""
    return sorted(meta["path"] for batch in obstore.list(files.store) for meta in batch)
