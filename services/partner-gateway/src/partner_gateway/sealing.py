"""Secrets at rest: partners' signing secrets and API tokens are stored sealed, never plain."""

from collections.abc import Sequence

from cryptography.fernet import Fernet, MultiFernet


class Seal:
    """Seals and opens texts with the service's encryption keys (Fernet: AES-128-CBC and HMAC).

    The first key seals, every key opens: a new key is put in front, and the old one is taken away
    once nothing is sealed with it any more.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        """Take keys as `Fernet.generate_key()` makes them; raises `ValueError` for any other."""
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def close(self, text: str) -> bytes:
        """Seal a text."""
        return self._fernet.encrypt(text.encode())

    def open(self, sealed: bytes) -> str:
        """Open what was sealed; raises `InvalidToken` when no key fits or a bit was changed."""
        return self._fernet.decrypt(sealed).decode()
