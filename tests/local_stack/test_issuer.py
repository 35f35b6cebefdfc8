"""Tokens of the local issuer, as a service checks them."""

from uuid import UUID

import httpx
import jwt
import pytest

from kit.auth import InvalidToken, TokenVerifier
from local_stack.issuer import AUDIENCE, ROLES, Issuer

TENANT = UUID("7d1f9c66-0b0f-4d3c-8a55-3a3f6b1d9e11")


async def test_a_service_accepts_its_tokens() -> None:
    studio = UUID(int=7)
    with Issuer() as issuer:
        verifier = TokenVerifier(issuer.url, AUDIENCE, issuer.jwks_url)
        token = issuer.token(TENANT, ROLES, subject="clerk", studio_ids=[studio])
        principal = await verifier.verify(token)
        await verifier.close()
    assert principal.tenant_id == TENANT
    assert principal.roles == set(ROLES)
    assert principal.subject == "clerk"
    assert principal.studio_ids == frozenset({studio})


async def test_a_service_refuses_expired_tokens_and_those_of_another_issuer() -> None:
    with Issuer() as issuer, Issuer() as stranger:
        verifier = TokenVerifier(issuer.url, AUDIENCE, issuer.jwks_url)
        for token in (
            issuer.token(TENANT, ROLES, expires_in=-3600),
            stranger.token(TENANT, ROLES),
        ):
            with pytest.raises(InvalidToken):
                await verifier.verify(token)
        await verifier.close()


def test_only_the_public_key_is_published() -> None:
    with Issuer() as issuer:
        (key,) = httpx.get(issuer.jwks_url).json()["keys"]
        assert httpx.get(f"{issuer.url}/anything").status_code == 404
    assert key["alg"] == "ES256"
    assert "d" not in key
    assert jwt.PyJWK.from_dict(key).key_id == key["kid"]
