"""Standard Webhooks, both ways, as an agency would write it for itself."""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping

TOLERANCE_SECONDS = 300


def sign(secret: str, message_id: str, body: bytes, age: int = 0) -> dict[str, str]:
    """Return the headers that sign a message, as of so many seconds ago."""
    timestamp = str(int(time.time()) - age)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": _signature(secret, message_id, timestamp, body),
    }


def verify(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Say whether one of the signatures in the headers is right and not too old."""
    return is_recent(headers) and is_signed(secret, headers, body)


def is_recent(headers: Mapping[str, str]) -> bool:
    """Say whether the timestamp is near enough to our clock."""
    timestamp = headers.get("webhook-timestamp", "")
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        return False
    return abs(int(timestamp) - time.time()) <= TOLERANCE_SECONDS


def is_signed(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Say whether one of the signatures in the headers is right, whatever its age."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    expected = _signature(secret, message_id, timestamp, body).encode()
    given = headers.get("webhook-signature", "").encode().split(b" ")
    return any(hmac.compare_digest(expected, signature) for signature in given)


def _signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
