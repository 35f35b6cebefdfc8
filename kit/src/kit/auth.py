"""Who is asking: bearer tokens (JWT) checked against the issuer's published keys."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

import httpx
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field, ValidationError

from kit.problems import FORBIDDEN, UNAUTHORIZED, Problem, problem, unavailable

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

_LEEWAY_SECONDS: Final = 30
_FETCH_SECONDS: Final = 3
_FRESH_SECONDS: Final = 300
"""After this time the keys are fetched anew in the background, so that a withdrawn key goes."""
_RETRY_SECONDS: Final = 10
"""The issuer is asked at most this often, whatever key ids strangers make up."""
_MIN_RSA_BITS: Final = 2048

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking, and what they may do."""

    subject: str
    tenant_id: UUID
    roles: frozenset[str]
    studio_ids: frozenset[UUID] | None
    """The studios whose data is seen; None means all of the tenant's."""

    def may_see(self, studio_id: UUID) -> bool:
        """Say whether the data of a studio is to be shown."""
        return self.studio_ids is None or studio_id in self.studio_ids


class InvalidToken(Exception):  # noqa: N818
    """The token is not valid, or no longer; which check failed is nobody's business."""


@dataclass(frozen=True, slots=True)
class _SigningKey:
    key: PublicKey
    algorithms: frozenset[str]


class _Claims(BaseModel):
    sub: str = Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f]*$")
    tenant_id: UUID
    roles: list[str]
    studio_ids: list[UUID] | None = None


class TokenVerifier:
    """Checks tokens with keys it holds already; asks the issuer only for keys it does not know."""

    def __init__(self, issuer: str, audience: str, jwks_url: str) -> None:
        self._issuer = issuer
        self._audience = audience
        self._jwks_url = jwks_url
        self._http = httpx.AsyncClient(timeout=_FETCH_SECONDS)
        self._keys: Mapping[str, _SigningKey] = {}
        self._asked_at = -float("inf")
        self._fetching = asyncio.Lock()
        self._background: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Stop what runs in the background and close the connections to the issuer."""
        if self._background is not None:
            self._background.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._background
        await self._http.aclose()

    async def refresh(self) -> None:
        """Fetch the issuer's keys, unless that was tried just now.

        Keeps the last ones while the issuer is away. Several callers at once share one request.
        """
        async with self._fetching:
            if time.monotonic() - self._asked_at < _RETRY_SECONDS:
                return
            self._asked_at = time.monotonic()
            try:
                response = await self._http.get(self._jwks_url)
                response.raise_for_status()
                self._keys = _read_keys(response.json())
            except (httpx.HTTPError, ValueError) as error:
                log.warning("jwks-not-fetched", error=error)

    async def verify(self, token: str) -> Principal:
        """Return whose token it is.

        Raises `InvalidToken`; the 503 when the issuer has never been reached, for then nobody can
        tell whether the token is valid.
        """
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            raise InvalidToken from None
        signing = await self._key(header.get("kid"))
        algorithm = header.get("alg")
        if signing is None or not isinstance(algorithm, str):
            raise InvalidToken
        if algorithm not in signing.algorithms:
            raise InvalidToken
        try:
            claims = jwt.decode(
                token,
                signing.key,
                algorithms=[algorithm],
                issuer=self._issuer,
                audience=self._audience,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
            return _principal(_Claims.model_validate(claims))
        except (jwt.InvalidTokenError, ValidationError):
            raise InvalidToken from None

    async def _key(self, key_id: object) -> _SigningKey | None:
        if not isinstance(key_id, str):
            return None
        if key_id not in self._keys:
            await self.refresh()
            if not self._keys:
                raise unavailable()
        elif time.monotonic() - self._asked_at > _FRESH_SECONDS and self._is_idle():
            self._background = asyncio.create_task(self.refresh())
        return self._keys.get(key_id)

    def _is_idle(self) -> bool:
        return self._background is None or self._background.done()


def requires(*roles: str) -> Any:
    """Return the dependency that lets only callers in who have one of the roles.

    Use: `reader: Annotated[Principal, requires("collection:read")]`.
    """
    needed = f"the role {roles[0]}" if len(roles) == 1 else f"one of the roles {', '.join(roles)}"

    async def check(principal: Annotated[Principal, Depends(_principal_of)]) -> Principal:
        if principal.roles.isdisjoint(roles):
            raise problem(FORBIDDEN, f"This needs {needed}.")
        return principal

    return Depends(check)


_bearer = HTTPBearer(bearerFormat="JWT", auto_error=False)


async def _principal_of(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Principal:
    if credentials is None:
        raise _unauthorized()
    verifier: TokenVerifier = request.app.state.token_verifier
    try:
        return await verifier.verify(credentials.credentials)
    except InvalidToken:
        raise _unauthorized() from None


def _unauthorized() -> Problem:
    detail = "The token is missing, invalid or expired."
    return problem(UNAUTHORIZED, detail, headers={"WWW-Authenticate": "Bearer"})


def _principal(claims: _Claims) -> Principal:
    studio_ids = None if claims.studio_ids is None else frozenset(claims.studio_ids)
    return Principal(claims.sub, claims.tenant_id, frozenset(claims.roles), studio_ids)


def _read_keys(jwks: Any) -> dict[str, _SigningKey]:
    """Return the usable keys of a JWKS by their id; a key that is not understood is left out.

    Raises ValueError when it is no JWKS at all, or holds no usable key.
    """
    if not isinstance(jwks, dict) or not isinstance(jwks.get("keys"), list):
        raise ValueError("not a JWKS")
    keys = {}
    for entry in jwks["keys"]:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK.from_dict(entry).key
        except jwt.PyJWTError:
            continue
        algorithms = _algorithms_of(key)
        if "alg" in entry:
            algorithms &= {entry["alg"]}
        if isinstance(entry.get("kid"), str) and algorithms:
            keys[entry["kid"]] = _SigningKey(key, algorithms)
    if not keys:
        raise ValueError("no usable key in the JWKS")
    return keys


def _algorithms_of(key: Any) -> frozenset[str]:
    """Return the algorithms that go with the type of a public key; none for a weak or other key."""
    match key:
        case RSAPublicKey() if key.key_size >= _MIN_RSA_BITS:
            return frozenset({"RS256", "PS256"})
        case EllipticCurvePublicKey() if isinstance(key.curve, SECP256R1):
            return frozenset({"ES256"})
        case Ed25519PublicKey():
            return frozenset({"EdDSA"})
        case _:
            return frozenset()
