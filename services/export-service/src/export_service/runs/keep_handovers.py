"""Keep members that were handed over, as rows that are ready to be written."""

from collections.abc import Sequence
from typing import Final

from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import MemberHandedOverV1
from export_service.runs import store
from export_service.runs.rows import rows_of, text_of, wrong_columns
from kit.messages import Message
from kit.metrics import registry

wrong_details_total: Final = Counter(
    "export_wrong_details",
    "Bank details and VAT numbers that were wrong and kept as they are, by column.",
    ("column",),
    registry=registry,
)


async def keep_handovers(
    connection: AsyncConnection, messages: Sequence[Message[MemberHandedOverV1]]
) -> None:
    """Keeps one row for each claim; a wrong IBAN, BIC or VAT number is counted, and kept."""
    await store.insert_handovers(
        connection,
        [
            (message, [[text_of(value) for value in row] for row in rows_of(message.event)])
            for message in messages
        ],
    )
    for message in messages:
        for column in wrong_columns(message.event):
            wrong_details_total.labels(column).inc()
