"""Reads HTTP with httptools, within bounds: uvicorn leaves the size of headers, and the time that
a request takes to come, to whoever sends."""

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES: Final = 65_536
"""The most that a request line and its headers may have; a packet more may be read."""
PATIENCE_SECONDS: Final = 30.0
"""How long a request may take to come, however small it is. A connection without one goes, too."""
LEAST_BYTES_A_SECOND: Final = 1000
"""What must come of a larger one, on average."""
_LOOK_EVERY_SECONDS: Final = 5.0


class BoundedHttp(HttpToolsProtocol):
    """Refuses a request whose head does not end, and cuts off one that hardly comes.

    The size of bodies is bounded by each route.
    """

    _head_bytes = 0
    _is_in_head = True
    _waited = 0.0
    """Seconds for which the sender has kept us waiting for the request; what we do not read for
    lack of time of our own is not its fault."""
    _came = 0
    """Bytes of the request so far."""
    _is_awaited = True
    """Whether a request has begun, or the first one has not, and more of it has to come."""
    _next_look: asyncio.TimerHandle

    # asyncio says that it may be any transport; uvicorn, too, takes only those that read and write.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._next_look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what came; cut the connection when it is too much of a head."""
        self._came += len(data)
        super().data_received(data)
        if not self._is_in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The headers are too large.")

    def on_message_begin(self) -> None:
        """Begin to count, unless this is what the connection was made for."""
        self._head_bytes = 0
        self._is_in_head = True
        if not self._is_awaited:
            self._is_awaited = True
            self._waited, self._came = 0.0, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Count no more of the head."""
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait no more: the request is whole."""
        self._is_awaited = False
        super().on_message_complete()

    def _look_later(self) -> None:
        self._next_look = self.loop.call_later(_LOOK_EVERY_SECONDS, self._look)

    def _look(self) -> None:
        """Cut the connection when too little of a request came in the time that it took."""
        if self._is_awaited and not self.flow.read_paused:
            self._waited += _LOOK_EVERY_SECONDS
            if self._waited > PATIENCE_SECONDS + self._came / LEAST_BYTES_A_SECOND:
                self.transport.abort()
                return
        self._look_later()
