"""Which addresses a partner may have: our service calls them, so not every one will do."""

import asyncio
import ipaddress
import socket
from collections.abc import Set as AbstractSet
from urllib.parse import urlsplit

from kit.problems import unprocessable

_FIELD = "base_url"


async def check_base_url(base_url: str, trusted_hosts: AbstractSet[str]) -> None:
    """Refuse, with a 422 naming `base_url`, what must not be called.

    A trusted host may be anything. Every other one must speak https and have public addresses
    only: else a partner's setting would open our own network to whoever may change it. Asks the
    DNS, so it is called outside transactions.
    """
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise unprocessable(_FIELD, "Must be a URL") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise unprocessable(_FIELD, "Must begin with https:// and a host")
    # Also empty ones: what is put behind the address would become a part of them.
    if parts.username is not None or "?" in base_url or "#" in base_url:
        raise unprocessable(_FIELD, "Must not hold a user, a query or a fragment")
    if host in trusted_hosts:
        return
    if parts.scheme != "https":
        raise unprocessable(_FIELD, "Must begin with https://")
    if not all(_is_public(address) for address in await _addresses(host, port or 443)):
        raise unprocessable(_FIELD, "Must lead to a public address")


async def _addresses(host: str, port: int) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise unprocessable(_FIELD, "Must have a host that can be found") from None
    return [str(entry[4][0]) for entry in found]


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return parsed.is_global and not parsed.is_multicast
