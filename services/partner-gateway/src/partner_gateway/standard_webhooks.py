"""Signatures after Standard Webhooks (https://www.standardwebhooks.com), symmetric scheme `v1`.

What is signed is `{webhook-id}.{webhook-timestamp}.{body}`, by HMAC-SHA256, over the body's bytes
as they travel. A header may hold several signatures and a receiver several secrets, so that a
secret can be replaced without a moment in which nothing fits. Whatever is malformed is simply
wrong: no input makes `verify` raise.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

TOLERANCE: Final = timedelta(minutes=5)
"""How far a timestamp may lie from our clock, in either direction."""

ID_HEADER: Final = "webhook-id"
TIMESTAMP_HEADER: Final = "webhook-timestamp"
SIGNATURE_HEADER: Final = "webhook-signature"

_PREFIX: Final = "whsec_"
_SECRET_OCTETS: Final = 32  # the standard asks for 24 to 64
_VERSION: Final = b"v1,"
_ID: Final = re.compile(r"[\x21-\x7e]{1,255}")
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")


def new_secret() -> str:
    """Return a new random secret as partners write it: `whsec_` and base64."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_OCTETS)).decode()


def sign(
    shared_secrets: Sequence[str], message_id: str, timestamp: datetime, body: bytes
) -> dict[str, str]:
    """Return the three headers of a message, with one signature for each secret.

    Raises `ValueError` for a secret that is none; its text is not repeated.
    """
    seconds = str(int(timestamp.timestamp()))
    signatures = [
        _signature(secret, message_id, seconds, body).decode() for secret in shared_secrets
    ]
    return {
        ID_HEADER: message_id,
        TIMESTAMP_HEADER: seconds,
        SIGNATURE_HEADER: " ".join(signatures),
    }


def verify(
    shared_secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime
) -> bool:
    """Say whether one of the secrets signed this body, within the tolerance around `now`.

    `headers` finds names in lower case. Every secret is compared with every signature, each in
    constant time, so that the time it takes tells nothing about which one fits.
    """
    message_id = headers.get(ID_HEADER, "")
    seconds = headers.get(TIMESTAMP_HEADER, "")
    if not _ID.fullmatch(message_id) or not _TIMESTAMP.fullmatch(seconds):
        return False
    if abs(int(seconds) - now.timestamp()) > TOLERANCE.total_seconds():
        return False
    given = headers.get(SIGNATURE_HEADER, "").encode().split(b" ")
    if any(signature.count(b",") != 1 for signature in given):
        return False  # not what the standard asks for, or two headers that were joined by a comma
    fits = False
    for secret in shared_secrets:
        expected = _signature(secret, message_id, seconds, body)
        for signature in given:
            fits |= hmac.compare_digest(expected, signature)
    return fits


def _signature(secret: str, message_id: str, seconds: str, body: bytes) -> bytes:
    content = f"{message_id}.{seconds}.".encode() + body
    digest = hmac.digest(_key(secret), content, hashlib.sha256)
    return _VERSION + base64.b64encode(digest)


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError("a webhook secret must be whsec_ and base64")
    return key
