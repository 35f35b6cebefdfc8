"""Valid callbacks, mutated in whatever way: none breaks us, none is taken that is not signed (R51).

MUTATIONS: how many are tried; `make misbehave` tries 10,000. The judge is the library of Standard
Webhooks, on what went over the wire.
"""

import asyncio
import base64
import gzip
import hmac
import json
import os
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from urllib.parse import urlsplit

from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook

from kit.clock import now
from kit.ids import new_id
from partner_gateway.callbacks.api import MAX_BODY_BYTES
from partner_gateway.standard_webhooks import new_secret, sign
from tests.partner_gateway.saying import NOWHERE, said
from tests.partner_gateway.world import Gateway, Partner

MUTATIONS = int(os.environ.get("MUTATIONS", "200"))
ALLOWED = {202, 400, 401, 404, 405, 413, 422}
SIGNED_WITH = ("webhook-id", "webhook-timestamp", "webhook-signature")


@dataclass(frozen=True)
class Sent:
    """A request as it goes over the wire."""

    partner: Partner
    headers: list[tuple[bytes, bytes]]
    body: bytes
    method: str = "POST"
    partner_in_path: str = ""
    chunked: bool = False
    harmless: bool = True
    """Whether no mutation has changed what it means."""

    def mutated(self, **changes: object) -> "Sent":
        """Return it with changes that must not be taken, unless the library says so."""
        return replace(self, **{"harmless": False, **changes})  # type: ignore[arg-type]

    def having(self, name: str, value: bytes) -> "Sent":
        """Return it with another value of a header."""
        others = [(each, old) for each, old in self.headers if each.decode() != name]
        return self.mutated(headers=[*others, (name.encode(), value)])

    def signed(self, body: bytes, seconds: float = 0, webhook_id: str = "") -> "Sent":
        """Return it with another body, or time, or id, signed by the partner."""
        return replace(self, headers=signed(self.partner, body, seconds, webhook_id), body=body)

    def value(self, name: str) -> bytes:
        """Return the value of a header as HTTP has it; empty without one."""
        values = [value.strip() for each, value in self.headers if each.decode().lower() == name]
        return b", ".join(values)

    def wire(self) -> bytes:
        """Return its bytes."""
        path = f"/v1/partners/{self.partner_in_path or self.partner.partner_id}/callbacks"
        framing = (b"Content-Length", str(len(self.body)).encode())
        body = self.body
        if self.chunked:
            framing = (b"Transfer-Encoding", b"chunked")
            parts = [body[at : at + 70_000] for at in range(0, len(body), 70_000)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])
        lines = [f"{self.method} {path} HTTP/1.1".encode(), b"Host: gateway", b"Connection: close"]
        lines += [name + b": " + value for name, value in [*self.headers, framing]]
        return b"\r\n".join([*lines, b"", body])


@dataclass
class Judge:
    """What was taken so far, and what may be taken."""

    secrets: list[str]
    taken: dict[bytes, tuple[bytes, bytes]] = field(default_factory=dict)
    """Body and answer, by webhook id."""

    def may_take(self, sent: Sent) -> bool:
        """Say whether the library would take it from this partner."""
        if sent.method != "POST" or sent.partner_in_path or len(sent.body) > MAX_BODY_BYTES:
            return False
        headers = {name: sent.value(name).decode("latin-1") for name in SIGNED_WITH}
        return any(_verifies(secret, sent.body, headers) for secret in self.secrets)

    def check(self, sent: Sent, status: int, answer: bytes) -> None:
        """Check the answer to it."""
        assert status in ALLOWED, (status, sent)
        webhook_id = sent.value("webhook-id")
        body, first = self.taken.get(webhook_id, (sent.body, answer))
        if status == 202:
            assert self.may_take(sent), sent
            assert (sent.body, answer) == (body, first), sent
            self.taken[webhook_id] = (sent.body, answer)
        elif sent.harmless and len(sent.body) <= MAX_BODY_BYTES:
            assert status == 422, (status, sent)
            assert sent.body != body, sent
        elif sent.harmless:
            assert status == 413, (status, sent)


def _verifies(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    try:
        Webhook(secret).verify(body, headers, json_parse=False)
    except UnicodeDecodeError:  # the library takes text only
        key = base64.b64decode(secret.removeprefix("whsec_"))
        said = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        signature = base64.b64encode(hmac.digest(key, said, "sha256")).decode()
        seconds = headers["webhook-timestamp"]
        is_of_now = seconds.isdecimal() and abs(int(seconds) - now().timestamp()) < 301
        return is_of_now and f"v1,{signature}" in headers["webhook-signature"].split(" ")
    except Exception:
        return False
    return True


def signed(
    partner: Partner, body: bytes, seconds: float = 0, webhook_id: str = ""
) -> list[tuple[bytes, bytes]]:
    """Return the headers of a callback that is signed so many seconds from now."""
    at = now() + timedelta(seconds=seconds)
    headers = sign([partner.secret], webhook_id or str(new_id()), at, body)
    return [(name.encode(), value.encode()) for name, value in headers.items()]


Mutation = Callable[[Sent], Sent]

names = st.sampled_from(SIGNED_WITH)
visible = st.binary(max_size=80).map(lambda value: re.sub(rb"[\x00-\x1f\x7f]", b"", value))
values = st.one_of(
    visible,
    st.sampled_from(
        [b"", b" ", b"v1,", b"v1", b"v1,AAAA v1,", b"v2,AAAA", b"9" * 400, b"-1", b"+1", b"1e9"]
    ),
    st.sampled_from([b"nan", b"inf", b"0x10", b"1_0", b"1.0", b"a b", b"\xff\xfe", b"x" * 300]),
)
bodies = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=100).map(lambda text: json.dumps({"type": text, "data": {}}).encode()),
    st.sampled_from(["case.accepted", "payment.received", "run.rejected"]).map(said),
    st.sampled_from([b"[" * 5000, b'{"a":' * 5000, b"1e999999", b'"\\ud800"', b"\xef\xbb\xbf{}"]),
)


def _drop(name: str) -> Mutation:
    def apply(sent: Sent) -> Sent:
        return sent.mutated(headers=[each for each in sent.headers if each[0].decode() != name])

    return apply


def _double(name: str, value: bytes | None) -> Mutation:
    def apply(sent: Sent) -> Sent:
        twice = sent.value(name) if value is None else value
        return sent.mutated(headers=[*sent.headers, (name.encode(), twice)])

    return apply


def _spelled(style: Callable[[str], str]) -> Mutation:
    def apply(sent: Sent) -> Sent:
        return replace(
            sent, headers=[(style(name.decode()).encode(), value) for name, value in sent.headers]
        )

    return apply


def _around_signature(before: bytes, after: bytes) -> Mutation:
    return lambda sent: sent.having(SIGNED_WITH[2], before + sent.value(SIGNED_WITH[2]) + after)


def _changed_signature(change: Callable[[bytes], bytes]) -> Mutation:
    return lambda sent: sent.having(SIGNED_WITH[2], change(sent.value(SIGNED_WITH[2])))


def _stranger(partner: Partner) -> Partner:
    return replace(partner, secret=new_secret())


def _flipped(at: int) -> Mutation:
    def apply(sent: Sent) -> Sent:
        if not sent.body:
            return sent
        changed = bytearray(sent.body)
        changed[at % len(changed)] ^= 1 + at % 255
        return sent.mutated(body=bytes(changed))

    return apply


harmless: list[st.SearchStrategy[Mutation]] = [
    st.sampled_from([str.upper, str.title, str.swapcase]).map(_spelled),
    bodies.map(lambda body: lambda sent: sent.signed(body)),
    st.sampled_from([-290, -1, 1, 290]).map(
        lambda seconds: lambda sent: sent.signed(sent.body, seconds)
    ),
    st.integers(1, 6).map(
        lambda number: lambda sent: sent.signed(sent.body, webhook_id=f"again_{number}")
    ),
    st.just(lambda sent: replace(sent, chunked=True)),
    st.permutations([0, 1, 2]).map(
        lambda order: (
            lambda sent: (
                replace(sent, headers=[sent.headers[at] for at in order])
                if len(sent.headers) == 3
                else sent
            )
        )
    ),
    st.sampled_from([-1, 0, 1]).map(
        lambda more: lambda sent: sent.signed(sent.body.ljust(MAX_BODY_BYTES + more))
    ),
    st.sampled_from([b"text/plain", b"application/json; charset=utf-16", b"", b"multipart/x"]).map(
        lambda kind: lambda sent: replace(sent, headers=[*sent.headers, (b"Content-Type", kind)])
    ),
]
harmful: list[st.SearchStrategy[Mutation]] = [
    names.map(_drop),
    st.builds(_double, names, st.one_of(st.none(), values)),
    st.builds(lambda name, value: lambda sent: sent.having(name, value), names, values),
    st.builds(_around_signature, visible, visible),
    st.sampled_from(
        [
            bytes.lower,
            lambda value: value[:-1],
            lambda value: value.replace(b"v1", b"v2"),
            lambda value: value.replace(b"=", b""),
            lambda value: value.translate(bytes.maketrans(b"+/", b"-_")),
            lambda value: b"v1," + base64.b64encode(value),
        ]
    ).map(_changed_signature),
    st.sampled_from([-(10**9), -310, 310, 10**9]).map(
        lambda seconds: lambda sent: replace(sent.signed(sent.body, seconds), harmless=False)
    ),
    st.integers(0, 2**16).map(_flipped),
    st.sampled_from([b" ", b"\n", b"\x00", b"}"]).map(
        lambda more: lambda sent: sent.mutated(body=sent.body + more)
    ),
    st.sampled_from(["utf-16", "utf-32", "cp037"]).map(
        lambda code: lambda sent: sent.mutated(body=sent.body.decode("latin-1").encode(code))
    ),
    st.just(
        lambda sent: sent.mutated(
            body=gzip.compress(sent.body), headers=[*sent.headers, (b"Content-Encoding", b"gzip")]
        )
    ),
    st.just(lambda sent: sent.mutated(headers=signed(_stranger(sent.partner), sent.body))),
    st.sampled_from(["GET", "PUT", "DELETE", "PATCH"]).map(
        lambda method: lambda sent: sent.mutated(method=method)
    ),
    st.sampled_from([str(new_id()), "1", "%00", "%ff", "..", "a" * 300]).map(
        lambda path: lambda sent: sent.mutated(partner_in_path=path)
    ),
]
mutations = st.lists(st.one_of(*harmless, *harmful), min_size=1, max_size=3)


async def test_no_mutation_of_a_callback_breaks_us_or_is_taken_unsigned(gateway: Gateway) -> None:
    partner = await gateway.set_up(NOWHERE)
    judge = Judge([partner.secret])
    place = urlsplit(gateway.url)
    assert place.hostname is not None
    assert place.port is not None
    address = (place.hostname, place.port)

    @settings(max_examples=MUTATIONS, deadline=None, database=None)
    @given(mutations)
    def check(chosen: list[Mutation]) -> None:
        body = said("case.accepted", case_id=str(new_id()))
        sent = Sent(partner, signed(partner, body), body)
        for mutation in chosen:
            sent = mutation(sent)
        judge.check(sent, *exchange(address, sent.wire()))

    await asyncio.to_thread(check)
    rows = await gateway.rows("SELECT webhook_id, body, status FROM callbacks")
    kept = {row.webhook_id.encode(): row.body for row in rows if row.status != "CONFLICT"}
    assert kept == {webhook_id: body for webhook_id, (body, _) in judge.taken.items()}


def exchange(address: tuple[str, int], request: bytes) -> tuple[int, bytes]:
    """Send bytes; return the status and the body of the answer."""
    answer = b""
    with socket.create_connection(address, timeout=10) as connection:
        with suppress(OSError):  # refused before it was read to the end: the answer is there
            connection.sendall(request)
        with suppress(ConnectionResetError):
            while part := connection.recv(65_536):
                answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body
