"""Standard Webhooks, both ways: right signatures, and wrong ones on purpose."""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Final

TOLERANCE_SECONDS: Final = 300


def sign(secret: str, message_id: str, body: bytes, age: int = 0) -> dict[str, str]:
    """Return the headers that sign a message, as of so many seconds ago."""
    timestamp = str(int(time.time()) - age)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": _signature(secret, message_id, timestamp, body),
    }


def fault(secret: str, headers: Mapping[str, str], body: bytes) -> str | None:
    """Say what is wrong with the signature of a message; None if nothing is."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "").encode().split(b" ")
    if not message_id or not timestamp or given == [b""]:
        return "webhook-id, webhook-timestamp or webhook-signature is missing"
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        return "webhook-timestamp is not in seconds"
    if abs(int(timestamp) - time.time()) > TOLERANCE_SECONDS:
        return "webhook-timestamp is more than 300 seconds off"
    expected = _signature(secret, message_id, timestamp, body).encode()
    if not any(hmac.compare_digest(expected, signature) for signature in given):
        return "no signature fits the secret and the body"
    return None


def _signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    content = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
