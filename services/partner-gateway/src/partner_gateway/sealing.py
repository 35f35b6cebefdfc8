"""Secrets at rest: partners' signing secrets and API tokens are stored sealed, never plain."""

import base64
import hashlib
from collections.abc import Sequence
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

_ID_DIGITS: Final = 16


class NotOpenedError(Exception):
    """No key that we have opens a sealed value: its key is missing, or the value was changed."""


class Seal:
    """Seals and opens texts with the service's encryption keys (Fernet: AES-128-CBC and HMAC).

    The first key seals, every key opens: a new key is put in front, and the old one is taken away
    once nothing is sealed with it any more (`partner-gateway reencrypt`).
    """

    def __init__(self, keys: Sequence[str]) -> None:
        """Take keys as `Fernet.generate_key()` makes them; raises `ValueError` for any other."""
        fernets = [Fernet(key) for key in keys]
        self._all = MultiFernet(fernets)
        self._first = fernets[0]
        self.key_id: Final = _id_of(keys[0])
        """Of the key that seals; stored beside each value, so that it is known which key it needs.

        The first 16 hexadecimal digits of the key's SHA-256: they tell nothing of the key.
        """

    def close(self, text: str) -> bytes:
        """Seal a text with the first key."""
        return self._first.encrypt(text.encode())

    def open(self, sealed: bytes) -> str:
        """Open what was sealed with any of the keys; raises `NotOpenedError`."""
        try:
            return self._all.decrypt(sealed).decode()
        except InvalidToken:
            raise NotOpenedError from None

    def renew(self, sealed: bytes) -> bytes:
        """Return a value as it is if the first key opens it, else sealed anew with that key.

        Raises `NotOpenedError`.
        """
        try:
            self._first.decrypt(sealed)
        except InvalidToken:
            return self.close(self.open(sealed))
        return sealed


def _id_of(key: str) -> str:
    return hashlib.sha256(base64.urlsafe_b64decode(key)).hexdigest()[:_ID_DIGITS]
