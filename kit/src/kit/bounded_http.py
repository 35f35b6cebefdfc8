"""Reads HTTP with httptools, within bounds: uvicorn leaves the size of headers to whoever sends."""

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES: Final = 65_536
"""The most that a request line and its headers may have; a packet more may be read."""


class BoundedHttp(HttpToolsProtocol):
    """Refuses a request whose head does not end; bodies are bounded by each route."""

    _head_bytes = 0
    _is_in_head = True

    def data_received(self, data: bytes) -> None:
        """Read what came; cut the connection when it is too much of a head."""
        super().data_received(data)
        if not self._is_in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The headers are too large.")

    def on_message_begin(self) -> None:
        """Begin to count."""
        self._head_bytes = 0
        self._is_in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Count no more."""
        self._is_in_head = False
        super().on_headers_complete()
