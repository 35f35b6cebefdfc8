"""aiokafka's connections, also where uvloop says that one is broken."""

from typing import Any

from aiokafka import conn
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError


class Connection(AIOKafkaConnection):  # type: ignore[misc]
    """A connection whose end is always told as an error of Kafka.

    uvloop raises RuntimeError for writing to a connection that has just been lost, asyncio never
    does. aiokafka expects OSError: its tasks would end, and whoever waits for them would for ever.
    """

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """Send a request; raises KafkaConnectionError when the connection is broken."""
        try:
            return super().send(request, expect_response)
        except RuntimeError as error:
            self.close(reason=conn.CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(str(error)) from error


def notice_broken_connections() -> None:
    """Make all aiokafka clients of this process use `Connection`."""
    conn.AIOKafkaConnection = Connection
