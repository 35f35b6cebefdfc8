"""Calls the services as a member of staff would."""

import ssl
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import httpx

from local_stack.processes import LocalStackError

Answer = Mapping[str, Any]

_PAGE = 500
_PAUSE = 0.1
# The stack speaks plain HTTP; to read the machine's certificates takes each client 30 ms.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class RefusedError(LocalStackError):
    """The service did not do what it was asked."""


class ServiceClient:
    """A client of one service; an answer that is not a success is an error that tells all."""

    def __init__(self, url: str, token: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=30, verify=_NO_TLS)

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()

    def get(self, path: str, **parameters: str) -> Answer:
        return self._json("GET", path, params=parameters)

    def post(self, path: str, body: Answer | None = None, **parameters: str) -> Answer:
        """Sends it once, with an idempotency key of its own."""
        key = {"Idempotency-Key": str(uuid.uuid4())}
        return self._json("POST", path, json=body or {}, params=parameters, headers=key)

    def put(self, path: str, body: Answer) -> Answer:
        return self._json("PUT", path, json=body)

    def file(self, path: str) -> bytes:
        return self._send("GET", path).content

    def file_at_once(self, path: str, body: Answer) -> bytes:
        """Orders a file that is so small that it comes with the answer."""
        headers = {"Idempotency-Key": str(uuid.uuid4()), "Prefer": "wait"}
        response = self._send("POST", path, json=body, headers=headers)
        if response.status_code != HTTPStatus.OK:
            raise RefusedError(f"POST {response.url} was to answer with a file: {response.text}")
        return response.content

    def all(self, path: str, **parameters: str) -> Iterator[Answer]:
        """Every item of a list, page after page."""
        cursor: dict[str, str] = {}
        while True:
            page = self.get(path, limit=str(_PAGE), **parameters, **cursor)
            yield from page["items"]
            if page["next"] is None:
                return
            cursor = {"cursor": page["next"]}

    def _json(self, method: str, path: str, **request: Any) -> Answer:
        answer: Answer = self._send(method, path, **request).json()
        return answer

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **request)
        except httpx.TransportError as error:
            what = f"{method} {self._http.base_url.join(path)}"
            raise LocalStackError(f"{what} was not answered: {error!r}") from error
        if not response.is_success:
            raise RefusedError(
                f"{method} {response.url} was answered {response.status_code}: {response.text}"
            )
        return response


def until(
    ask: Callable[[], Answer], is_right: Callable[[Answer], bool], *, limit: float, what: str
) -> Answer:
    """Asks again and again until the answer is right, at most `limit` seconds."""
    ends_at = time.monotonic() + limit
    while not is_right(answer := ask()):
        if time.monotonic() > ends_at:
            raise LocalStackError(
                f"{what}: not after {limit:.0f} seconds; the last answer: {answer}"
            )
        time.sleep(_PAUSE)
    return answer
