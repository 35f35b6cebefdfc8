"""No connection leads into our own network, whatever a partner's address or its DNS says (R50)."""

import asyncio
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.problems import Problem
from partner_gateway.addresses import AddressNotAllowedError, check_base_url, find_addresses
from partner_gateway.exchange import NoReplyError, Reply, client, exchange
from tests.partner_gateway.network import Network, certificate, server
from tests.partner_gateway.waiting import until

NOBODY: frozenset[str] = frozenset()

SPELLINGS_OF_LOOPBACK = (
    "127.0.0.1 127.255.255.255 127.1 127.0.1 2130706433 0177.0.0.1 0177.1 017700000001 "
    "0x7f.0.0.1 0x7f.1 0x7f000001 0X7F.0x0.0x0.0x1"
)
NOT_PUBLIC = (
    "0 0.0.0.0 0.1.2.3 10.0.0.1 167772161 012.0.0.1 172.16.0.1 172.31.255.255 192.168.0.1 "
    "169.254.169.254 0xa9fea9fe 100.64.0.1 100.127.255.255 192.0.0.1 192.0.0.9 192.0.2.1 "
    "192.88.99.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 "
    "255.255.255.255"
)
NOT_PUBLIC_6 = (
    "[::1] [::] [0:0:0:0:0:0:0:1] [fe80::1] [fec0::1] [fc00::1] [fd00::1] [ff02::1] [100::1] "
    "[2001:db8::1] [3fff::1] [4000::1] [5f00::1] [2001:2::1] [64:ff9b:1::8.8.8.8]"
)
IPV4_WITHIN = (
    "[::ffff:127.0.0.1] [::ffff:7f00:1] [0:0:0:0:0:ffff:10.0.0.1] [::ffff:169.254.169.254] "
    "[::127.0.0.1] [::10.0.0.1] [::8.8.8.8] [64:ff9b::127.0.0.1] [64:ff9b::a9fe:a9fe] "
    "[2002:7f00:1::] [2002:808:808::] [2001:0:7f00:1::] [2001:0:808:808:0:0:80ff:fffe]"
)
FORMS = (
    "user@8.8.8.8 user:word@8.8.8.8 8.8.8.8@127.0.0.1 127.0.0.1\\@8.8.8.8 [fe80::1%25lo] "
    "[fe80::1%lo] [2001:4860:4860::8888%lo] %31%32%37.0.0.1 127%2e0%2e0%2e1 １２７.０.０.１ "
    "127。0。0。1 ⓛocalhost"
)
NAMES = {
    "localhost": ["127.0.0.1"],
    "localhost.": ["127.0.0.1"],
    "localhost.localdomain": ["::1"],
    "127.0.0.1.": ["127.0.0.1"],
    "127.0.0.1.sslip.example": ["127.0.0.1"],
    "xn--loclhost-4za.example": ["127.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "mapped.example": ["::ffff:10.0.0.1"],
    "zone.example": ["fe80::1%lo"],
    "first-good.example": ["8.8.8.8", "10.0.0.1"],
    "last-good.example": ["fd00::1", "8.8.8.8"],
}
TABLE = [
    *" ".join((SPELLINGS_OF_LOOPBACK, NOT_PUBLIC, NOT_PUBLIC_6, IPV4_WITHIN, FORMS)).split(),
    *NAMES,
    *(name.upper() for name in NAMES),
]


@pytest.fixture
async def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    """A network in which no name means anything yet."""
    return Network(monkeypatch)


async def call(url: str, trusted: frozenset[str] = NOBODY) -> Reply | str:
    """Return the answer to a request, or why there is none."""
    async with client(trusted) as http:
        try:
            return await exchange(http, "GET", url, {}, None, 5)
        except NoReplyError as error:
            return error.reason


@pytest.mark.parametrize("host", TABLE)
async def test_nothing_is_sent_to_what_is_not_public(network: Network, host: str) -> None:
    network.names = {name: [found] for name, found in NAMES.items()}
    async with server() as listening:
        url = f"https://{host}:{listening.port}/"
        assert str(await call(url)).startswith("address not allowed: Must ")
        assert network.called == []
        assert listening.connections == 0
        with pytest.raises(Problem) as refused:
            await check_base_url(url, NOBODY)
        assert [error.field for error in refused.value.errors] == ["base_url"]


async def test_without_tls_only_a_trusted_host_is_called(network: Network) -> None:
    network.names = {"inside.example": [["127.0.0.1"]], "agency.example": [["8.8.8.8"]]}
    trusted = frozenset({"127.0.0.1", "inside.example"})
    async with server() as listening:
        for host in ("127.0.0.1", "inside.example", "INSIDE.example"):
            assert await call(f"http://{host}:{listening.port}/", trusted) == Reply(200, b"", None)
        assert listening.connections == 3
        # Trust is for what the operator wrote, not for where it leads.
        for host in ("127.1", "2130706433", "inside.example.", "agency.example", "8.8.8.8"):
            refused = await call(f"http://{host}:{listening.port}/", trusted)
            assert refused == "address not allowed: Must begin with https://"
        assert listening.connections == 3
    for other in ("ftp://127.0.0.1/", "//127.0.0.1/", "https:///", "https://127.0.0.1:99999/"):
        assert str(await call(other, trusted)).startswith("address not allowed")


async def test_a_name_that_changes_its_answer_gains_nothing(network: Network) -> None:
    """What was checked is what is connected to: there is no second look at the name."""
    network.names = {"agency.example": [["8.8.8.8"], ["8.8.8.8"], ["127.0.0.1"]]}
    async with server() as listening:
        url = f"https://agency.example:{listening.port}/"
        await check_base_url(url, NOBODY)
        assert await call(url) == "connection: ConnectError"
        assert network.called == ["8.8.8.8"]
        assert len(network.lookups) == 2
        refused = await call(url)
        assert refused == "address not allowed: Must lead to public addresses only"
        assert network.called == ["8.8.8.8"]
        assert listening.connections == 0


async def test_the_next_address_is_tried_and_the_certificate_is_that_of_the_name(
    network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tls = certificate(monkeypatch, tmp_path, "agency.example")
    async with server(tls=tls) as agency:
        network.names = {
            "agency.example": [["8.8.8.8", "2001:4860:4860::8888", "1.1.1.1"]],
            "other.example": [["1.1.1.1"]],
        }
        network.servers = {"1.1.1.1": agency.port}
        assert await call("https://agency.example/cases;a?page=1") == Reply(200, b"", None)
        assert network.called == ["8.8.8.8", "2001:4860:4860::8888", "1.1.1.1"]
        assert agency.heard.startswith(b"GET /cases;a?page=1 HTTP/1.1\r\n")
        assert b"\r\nHost: agency.example\r\n" in agency.heard
        heard = agency.heard
        for trusted in (NOBODY, frozenset({"other.example"})):
            assert await call("https://other.example/", trusted) == "connection: ConnectError"
        assert agency.heard == heard, "whoever shows another name's certificate hears nothing"


async def test_a_redirect_to_loopback_is_not_followed(
    network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tls = certificate(monkeypatch, tmp_path, "agency.example")
    async with server() as inside:
        location = f"Location: http://127.0.0.1:{inside.port}/\r\n"
        async with server("302 Found", location, tls) as agency:
            network.names = {"agency.example": [["8.8.8.8"]]}
            network.servers = {"8.8.8.8": agency.port}
            assert await call("https://agency.example/") == Reply(302, b"", None)
        assert inside.connections == 0


async def test_a_connection_is_used_again_and_a_name_without_an_address_is_told(
    network: Network,
) -> None:
    trusted = frozenset({"127.0.0.1"})
    async with server() as listening, client(trusted) as http:
        for _ in range(3):
            await exchange(http, "GET", f"http://127.0.0.1:{listening.port}/", {}, None, 5)
        assert listening.connections == 1
    assert await call("https://nowhere.example/") == "host not found"
    assert await call(f"https://{'a' * 64}.example/") == "host not found"


async def test_a_silent_name_server_holds_up_its_own_partner_alone(network: Network) -> None:
    network.names = {"inside.example": [["127.0.0.1"]]}
    trusted = frozenset({"inside.example"})
    async with server() as listening, client(NOBODY) as http:
        with network.silent("slow.example"):
            slow = [exchange(http, "GET", "https://slow.example/", {}, None, 60) for _ in range(16)]
            waiting = asyncio.gather(*slow, return_exceptions=True)
            await until(lambda: network.lookups.count("slow.example") == 16)
            url = f"http://inside.example:{listening.port}/"
            assert await call(url, trusted) == Reply(200, b"", None)
            assert not waiting.done()
            with pytest.raises(NoReplyError, match="time-out"):
                await exchange(http, "GET", "https://slow.example/", {}, None, 0.5)
            assert not waiting.done()
            waiting.cancel()


async def test_a_public_address_or_a_trusted_host_is_taken(network: Network) -> None:
    network.names = {"localhost": [["127.0.0.1"]]}
    await check_base_url("https://8.8.8.8:8443/api", NOBODY)
    await check_base_url("https://134744072/", NOBODY)
    await check_base_url("https://[64:ff9b::8.8.8.8]/", NOBODY)
    await check_base_url("https://[2001:4860:4860::8888]/", NOBODY)
    await check_base_url("http://LocalHost:1/", frozenset({"localhost"}))


def spellings(address: IPv4Address) -> list[str]:
    """Return some of the ways in which an address can be written."""
    number = int(address)
    first, second, third, fourth = address.packed
    return [
        str(address),
        str(number),
        hex(number),
        f"0{number:o}",
        f"{first}.{number & 0xFF_FFFF}",
        f"{first:#x}.0{second:o}.{number & 0xFFFF}",
        f"0{first:o}.{second:#x}.{third}.{fourth:#x}",
        f"::ffff:{address}",
        str(IPv6Address((0x64_FF9B << 96) | number)),
    ]


def carriers(address: IPv4Address) -> list[str]:
    """Return addresses of IPv6 that carry it and that nobody needs any more."""
    number = int(address)
    return [
        f"::{address}" if number > 0xFFFF else "::1",
        str(IPv6Address((0x2002 << 112) | (number << 80))),
        str(IPv6Address((0x2001 << 112) | (number << 64))),
        str(IPv6Address((0x2001 << 112) | (~number & 0xFFFF_FFFF))),
    ]


def test_however_an_address_is_written_the_verdict_is_the_same() -> None:
    special = [IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24")]
    edges = [
        IPv4Address(int(end) + step)
        for network in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16")
        for end in (IPv4Network(network)[0], IPv4Network(network)[-1])
        for step in (-1, 0, 1)
    ]

    async def verdicts(hosts: list[str]) -> dict[str, bool]:
        found = {}
        for host in hosts:
            try:
                await find_addresses(host, 443, NOBODY)
            except AddressNotAllowedError:
                found[host] = False
            else:
                found[host] = True
        return found

    with asyncio.Runner() as runner:

        @given(st.integers(0, 2**32 - 1).map(IPv4Address) | st.sampled_from(edges))
        @settings(deadline=None, max_examples=100)
        def verdicts_agree(address: IPv4Address) -> None:
            is_public = (
                address.is_global
                and not address.is_multicast
                and not any(address in network for network in special)
            )
            found = runner.run(verdicts(spellings(address)))
            assert found == dict.fromkeys(found, is_public)
            found = runner.run(verdicts(carriers(address)))
            assert found == dict.fromkeys(found, False)

        verdicts_agree()
