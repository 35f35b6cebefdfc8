"""Tokens: good ones, and all that are not. Only the issuer and these tests have its key."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm

from local_stack.issuer import AUDIENCE, ROLES, Issuer
from local_stack.stack import Stack


def claims(stack: Stack, **changed: Any) -> dict[str, Any]:
    """Return the claims of a good token, with some of them changed or (None) left out."""
    now = int(time.time())
    good = {
        "iss": stack.issuer.url,
        "aud": AUDIENCE,
        "sub": "staff",
        "iat": now,
        "exp": now + 600,
        "tenant_id": str(uuid4()),
        "roles": ROLES,
    }
    return {name: value for name, value in (good | changed).items() if value is not None}


def signed(stack: Stack, *, key: Any = None, header: Mapping[str, Any] = {}, **changed: Any) -> str:
    """Return a token with the issuer's signature, unless another key is given.

    Header fields and claims that are None are left out.
    """
    fields = {"kid": stack.issuer._key_id, **header}
    return "Bearer " + jwt.encode(
        claims(stack, **changed),
        key or stack.issuer._key,
        "ES256",
        headers={name: value for name, value in fields.items() if value is not None},
    )


def handmade(stack: Stack, algorithm: str, sign: Callable[[bytes], bytes]) -> str:
    """Return a token that names the issuer's key, and is signed in a way that no library does."""
    header = {"alg": algorithm, "typ": "JWT", "kid": stack.issuer._key_id}
    content = b".".join(encoded(json.dumps(part).encode()) for part in (header, claims(stack)))
    return f"Bearer {(content + b'.' + encoded(sign(content))).decode()}"


def encoded(content: bytes) -> bytes:
    """Return Base64 as a JWT has it."""
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def hs256(stack: Stack, secret: bytes) -> str:
    """Return a token that is signed with a public text as a shared secret."""
    return handmade(stack, "HS256", lambda content: hmac.digest(secret, content, hashlib.sha256))


def with_the_issuers_signature_of_another(stack: Stack) -> str:
    """Return a token whose claims were exchanged after it was signed."""
    header, _, signature = signed(stack).split(".")
    _, other, _ = signed(stack, sub="admin").split(".")
    return f"{header}.{other}.{signature}"


def with_a_key_of_its_own(stack: Stack) -> str:
    """Return a token that brings the key along that it is to be checked with."""
    own = ec.generate_private_key(ec.SECP256R1())
    brought = ECAlgorithm.to_jwk(own.public_key(), as_dict=True)
    return signed(stack, key=own, header={"jwk": brought, "jku": "http://127.0.0.1:1/jwks.json"})


def from_another_issuer(_: Stack) -> str:
    """Return a good token of an issuer that nobody here trusts."""
    other = Issuer()
    try:
        return f"Bearer {other.token(uuid4(), ROLES)}"
    finally:
        other.stop()


def pem(stack: Stack) -> bytes:
    """Return the issuer's public key as PEM."""
    public_key = stack.issuer._key.public_key()
    return public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def jwk(stack: Stack) -> bytes:
    """Return the issuer's public key as the JWKS has it."""
    (key,) = httpx.get(stack.issuer.jwks_url, trust_env=False).json()["keys"]
    return json.dumps(key).encode()


NOT_VALID: dict[str, Callable[[Stack], str | None]] = {
    "no token": lambda _: None,
    "no scheme": lambda stack: signed(stack).removeprefix("Bearer "),
    "another scheme": lambda _: "Basic c3RhZmY6c2VjcmV0",
    "garbage": lambda _: "Bearer garbage",
    "garbage in three parts": lambda _: "Bearer a.b.c",
    "expired": lambda stack: signed(stack, exp=int(time.time()) - 60),
    "never expires": lambda stack: signed(stack, exp=None),
    "not valid yet": lambda stack: signed(stack, nbf=int(time.time()) + 600),
    "other issuer": lambda stack: signed(stack, iss="https://login.example.org"),
    "other issuer and key": from_another_issuer,
    "other audience": lambda stack: signed(stack, aud="billing"),
    "no audience": lambda stack: signed(stack, aud=None),
    "alg none": lambda stack: handmade(stack, "none", lambda _: b""),
    "alg None": lambda stack: handmade(stack, "None", lambda _: b""),
    "HS256 with the PEM": lambda stack: hs256(stack, pem(stack)),
    "HS256 with the JWK": lambda stack: hs256(stack, jwk(stack)),
    "HS256 with nothing": lambda stack: hs256(stack, b""),
    "unknown kid": lambda stack: signed(stack, header={"kid": "another"}),
    "no kid": lambda stack: signed(stack, header={"kid": None}),
    "known kid, other key": lambda stack: signed(
        stack, key=ec.generate_private_key(ec.SECP256R1())
    ),
    "a key of its own": with_a_key_of_its_own,
    "exchanged claims": with_the_issuers_signature_of_another,
    "no tenant": lambda stack: signed(stack, tenant_id=None),
    "a tenant that is no id": lambda stack: signed(stack, tenant_id="*"),
    "no subject": lambda stack: signed(stack, sub=None),
    "no roles": lambda stack: signed(stack, roles=None),
}
