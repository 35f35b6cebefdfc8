"""A network under the test's control: what names mean, which addresses answer, who was called."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kit.clock import now
from partner_gateway import addresses, exchange


class Network:
    """Names mean what the test says; an address answers if, and as, the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: dict[str, list[Sequence[str]]] = {}
        """What each name means the first time, the second time …; the last one stays."""
        self.servers: dict[str, int] = {}
        """The port of this machine that stands for all ports of an address elsewhere."""
        self.lookups: list[str] = []
        self.called: list[str] = []
        """Addresses that a connection to was begun."""
        self._silent: str | None = None
        self._speaks = threading.Event()
        self._real_lookup = socket.getaddrinfo
        loop = asyncio.get_running_loop()
        self._real_connection = loop.create_connection
        monkeypatch.setattr(addresses, "getaddrinfo", self._look_up)
        monkeypatch.setattr(loop, "create_connection", self._connect)

    @contextmanager
    def silent(self, name: str) -> Iterator[None]:
        """Let nobody who asks for a name get an answer within this block."""
        self._silent, self._speaks = name, threading.Event()
        try:
            yield
        finally:
            self._speaks.set()

    def _look_up(self, host: str, port: int, **given: Any) -> list[Any]:
        self.lookups.append(host)
        if host == self._silent:
            self._speaks.wait()
        if host not in self.names:  # whatever the system takes for an address, it asks nobody
            return self._real_lookup(host, port, flags=socket.AI_NUMERICHOST, **given)
        answers = self.names[host]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_UNSPEC, socket.SOCK_STREAM, 0, "", (each, port)) for each in found]

    async def _connect(self, protocol: Any, host: str, port: int, **given: Any) -> Any:
        self.called.append(host)
        if host in self.servers:
            return await self._real_connection(protocol, "127.0.0.1", self.servers[host], **given)
        if host == "127.0.0.1":
            return await self._real_connection(protocol, host, port, **given)
        raise ConnectionRefusedError


class Server:
    """Answers every request in the same way, and remembers all that it heard."""

    def __init__(self, status: str, header: str) -> None:
        self._answer = f"HTTP/1.1 {status}\r\n{header}Content-Length: 0\r\n\r\n".encode()
        self.port = 0
        self.connections = 0
        self.heard = b""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it ends."""
        self.connections += 1
        try:
            while received := await reader.read(65_536):
                self.heard += received
                if self.heard.endswith(b"\r\n\r\n"):
                    writer.write(self._answer)
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def server(
    status: str = "200 OK", header: str = "", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """Listen on 127.0.0.1, on a free port."""
    made = Server(status, header)
    listening = await asyncio.start_server(made.answer, "127.0.0.1", 0, ssl=tls)
    made.port = listening.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listening.close()


@asynccontextmanager
async def server_with_bad_records(tls: ssl.SSLContext) -> AsyncIterator[int]:
    """Listen on 127.0.0.1; take TLS, and answer with what nobody can decrypt. Yields the port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        peer = tls.wrap_bio(incoming, outgoing, server_side=True)
        for step in (peer.do_handshake, lambda: peer.read(65_536)):
            while True:
                try:
                    step()
                    break
                except ssl.SSLWantReadError:
                    writer.write(outgoing.read())
                    incoming.write(await reader.read(65_536))
        application_data = b"\x17\x03\x03\x00\x20" + bytes(32)
        writer.write(outgoing.read() + application_data)
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


def certificate(monkeypatch: pytest.MonkeyPatch, directory: Path, name: str) -> ssl.SSLContext:
    """Return TLS for a server of that name, and let our side know who signed it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - timedelta(days=1))
        .not_valid_after(now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = directory / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = made.public_bytes(serialization.Encoding.PEM)
    file.write_bytes(private + public)
    ours = ssl.create_default_context(cadata=public.decode())
    monkeypatch.setattr(exchange, "_trusted_certificates", lambda: ours)
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(file)
    return theirs
