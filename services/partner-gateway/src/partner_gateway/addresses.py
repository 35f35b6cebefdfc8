"""Which addresses a partner may have: our service calls them, so not every one will do."""

import asyncio
import ipaddress
import socket
from collections.abc import Set as AbstractSet
from urllib.parse import urlsplit

from kit.problems import unprocessable

_FIELD = "base_url"
# What a NAT64 translates, and the compatible form of old; their last 32 bits are an IPv4 address.
_LEADING_TO_IPV4 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))


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
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = _carried(parsed) or parsed
    return parsed.is_global and not parsed.is_multicast


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the address of the older kind that is really reached through this one, if any."""
    if any(address in network for network in _LEADING_TO_IPV4):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour
