"""Which addresses a partner may have: our service calls them, so not every one will do.

What is checked is where a connection would lead, never how it is spelled: `127.1`, `0x7f.0.0.1`, a
name that means 127.0.0.1 and `::ffff:127.0.0.1` are all the same address once they are looked up.
"""

import asyncio
import functools
import ipaddress
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from socket import SOCK_STREAM, getaddrinfo
from typing import Final
from urllib.parse import SplitResult, urlsplit

from kit.problems import unprocessable

_FIELD: Final = "base_url"
_PORTS: Final = {"http": 80, "https": 443}

# Beside what `is_global` excludes: protocols' own addresses, and relays of the 6to4 of old.
_SPECIAL: Final = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"))
# All that is given out of IPv6. Outside lie loopback, private, link-local, multicast and reserved
# addresses, and the compatible form of old that carries an IPv4 address.
_GIVEN_OUT: Final = IPv6Network("2000::/3")
# Within: protocols' own (Teredo among them) and 6to4, which both carry an IPv4 address and are used
# by nobody any more; and what is set aside for documentation.
_SPECIAL_6: Final = (
    IPv6Network("2001::/23"),
    IPv6Network("2001:db8::/32"),
    IPv6Network("2002::/16"),
    IPv6Network("3fff::/20"),
)
# A network without IPv4 reaches IPv4 addresses through these; the last 32 bits are the address.
_NAT64: Final = IPv6Network("64:ff9b::/96")

# Threads of our own: a name whose servers are silent holds one for half a minute, and the few that
# the event loop has for all names would leave none to the other partners.
_LOOKUPS: Final = ThreadPoolExecutor(32, thread_name_prefix="lookup")


class AddressNotAllowedError(Exception):
    """An address must not be called; the text says what it must be, for staff."""


class HostNotFoundError(Exception):
    """A name leads to no address at all, for now."""


async def check_base_url(base_url: str, trusted_hosts: AbstractSet[str]) -> None:
    """Refuse, with a 422 naming `base_url`, what must not be called.

    Every connection is checked again when it is opened: this only tells staff early. Asks the DNS,
    so it is called outside transactions.
    """
    # Also empty ones: what is put behind the address would become a part of them.
    if "?" in base_url or "#" in base_url:
        raise unprocessable(_FIELD, "Must not hold a query or a fragment")
    try:
        parts = split_url(base_url, trusted_hosts)
        await find_addresses(host_of(parts), port_of(parts), trusted_hosts)
    except AddressNotAllowedError as error:
        raise unprocessable(_FIELD, str(error)) from None
    except HostNotFoundError:
        raise unprocessable(_FIELD, "Must have a host that can be found") from None


def split_url(url: str, trusted_hosts: AbstractSet[str]) -> SplitResult:
    """Return the parts of an address; a trusted host may do without TLS.

    Raises `AddressNotAllowedError` for what is not an address of HTTP, for one with a user or a
    zone (`%eth0`) in it, and for one without TLS.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise AddressNotAllowedError("Must be a URL") from None
    if parts.scheme not in _PORTS or not host:
        raise AddressNotAllowedError("Must begin with https:// and a host")
    if "@" in parts.netloc or "%" in parts.netloc or not url.isascii():
        raise AddressNotAllowedError("Must hold no user, no zone and no letter beyond ASCII")
    if parts.scheme != "https" and host not in trusted_hosts:
        raise AddressNotAllowedError("Must begin with https://")
    return parts


def host_of(parts: SplitResult) -> str:
    """Return the name or address in what `split_url` returned, in small letters."""
    assert parts.hostname, "split_url refuses what has none"
    return parts.hostname


def port_of(parts: SplitResult) -> int:
    """Return the port in what `split_url` returned, or that of its scheme."""
    return parts.port if parts.port is not None else _PORTS[parts.scheme]


async def find_addresses(host: str, port: int, trusted_hosts: AbstractSet[str]) -> Sequence[str]:
    """Return the addresses that a host has now; a trusted host may have any.

    Every other one must have public addresses only: else a partner's setting, or its DNS, would
    open our own network to whoever may change it. Raises `AddressNotAllowedError` when one of them
    is not public, `HostNotFoundError` when there is none.
    """
    lookup = functools.partial(getaddrinfo, host, port, type=SOCK_STREAM)
    try:
        found = await asyncio.get_running_loop().run_in_executor(_LOOKUPS, lookup)
    except (OSError, UnicodeError):
        raise HostNotFoundError from None
    addresses = [str(entry[4][0]) for entry in found]
    if host not in trusted_hosts and not all(map(is_public, addresses)):
        raise AddressNotAllowedError("Must lead to public addresses only")
    return addresses


def is_public(address: str) -> bool:
    """Say whether an address, in its usual form, is one that anybody in the world may have."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address):
        carried = _carried(parsed)
        if carried is None:
            return parsed in _GIVEN_OUT and not any(parsed in network for network in _SPECIAL_6)
        parsed = carried
    return (
        parsed.is_global
        and not parsed.is_multicast
        and not any(parsed in network for network in _SPECIAL)
    )


def _carried(address: IPv6Address) -> IPv4Address | None:
    """Return the address of the older kind that is really reached through this one, if any."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped
