"""Tokens: what is let in, and that all else looks the same from outside."""

import asyncio
import base64
import json
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi import APIRouter, FastAPI

from kit import auth
from kit.auth import InvalidToken, Principal, TokenVerifier, requires
from kit.http import build_app
from kit.problems import Problem
from tests.kit.conftest import TENANT, Issuer, client_of, no_lifespan

STUDIO = uuid4()

router = APIRouter()


@router.get("/v1/things")
async def things(reader: Annotated[Principal, requires("collection:read")]) -> dict[str, str]:
    return {"subject": reader.subject}


@router.get("/v1/more-things")
async def more_things(
    reader: Annotated[Principal, requires("collection:read", "partner:admin")],
) -> dict[str, str]:
    return {"subject": reader.subject}


@pytest.fixture
def app(verifier: TokenVerifier) -> FastAPI:
    app = build_app("auth", [router], no_lifespan)
    app.state.token_verifier = verifier
    return app


@pytest.mark.parametrize(
    ("kid", "algorithm"), [("rsa", "RS256"), ("rsa", "PS256"), ("ec", "ES256"), ("ed", "EdDSA")]
)
async def test_a_valid_token_says_who_is_asking(
    issuer: Issuer, verifier: TokenVerifier, kid: str, algorithm: str
) -> None:
    token = issuer.token(kid, algorithm, studio_ids=[str(STUDIO)])
    principal = await verifier.verify(token)
    assert principal == Principal(
        "staff-1", TENANT, frozenset({"collection:read"}), frozenset({STUDIO})
    )
    assert principal.may_see(STUDIO)
    assert not principal.may_see(uuid4())


async def test_without_studios_all_are_seen_and_with_an_empty_list_none(
    issuer: Issuer, verifier: TokenVerifier
) -> None:
    assert (await verifier.verify(issuer.token())).may_see(STUDIO)
    assert not (await verifier.verify(issuer.token(studio_ids=[]))).may_see(STUDIO)


async def test_clocks_may_differ_a_little(issuer: Issuer, verifier: TokenVerifier) -> None:
    await verifier.verify(
        issuer.token(
            exp=timedelta(seconds=-10), nbf=timedelta(seconds=10), iat=timedelta(seconds=10)
        )
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": timedelta(seconds=-60)},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": timedelta(seconds=120)},
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "other"},
        {"aud": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "a\x00b"},
        {"tenant_id": None},
        {"tenant_id": "1"},
        {"roles": None},
        {"roles": "collection:read"},
        {"roles": [1]},
        {"studio_ids": "all"},
        {"studio_ids": ["1"]},
    ],
)
async def test_a_wrong_claim_makes_the_token_invalid(
    issuer: Issuer, verifier: TokenVerifier, changed: dict[str, Any]
) -> None:
    with pytest.raises(InvalidToken):
        await verifier.verify(issuer.token(**changed))


def _segment(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


async def test_a_token_without_a_signature_is_invalid(
    issuer: Issuer, verifier: TokenVerifier
) -> None:
    algorithms: list[Any] = ["none", "None", "HS256", ["RS256"], {}, 1, None]
    for algorithm in algorithms:
        token = f"{_segment({'alg': algorithm, 'kid': 'rsa'})}.{_segment(issuer.claims())}."
        with pytest.raises(InvalidToken):
            await verifier.verify(token)


async def test_the_public_key_cannot_sign(issuer: Issuer, verifier: TokenVerifier) -> None:
    public: Any = issuer.keys["rsa"].public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signing = f"{_segment({'alg': 'HS256', 'kid': 'rsa'})}.{_segment(issuer.claims())}"
    digest = jwt.get_algorithm_by_name("HS256").sign(signing.encode(), pem)
    signature = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    with pytest.raises(InvalidToken):
        await verifier.verify(f"{signing}.{signature}")


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "....", "é", "eyJhbGciOiJSUzI1NiJ9.e30."])
async def test_any_other_text_is_invalid(verifier: TokenVerifier, token: str) -> None:
    with pytest.raises(InvalidToken):
        await verifier.verify(token)


async def test_a_key_of_another_kind_or_hand_does_not_do(
    issuer: Issuer, verifier: TokenVerifier
) -> None:
    stranger = rsa.generate_private_key(65537, 2048)
    other_curve = ec.generate_private_key(ec.SECP384R1())
    issuer.keys["p384"] = other_curve
    for key, kid, algorithm in (
        (stranger, "rsa", "RS256"),
        (stranger, "ec", "RS256"),
        (issuer.keys["rsa"], "rsa", "RS512"),
        (other_curve, "p384", "ES384"),
    ):
        token = jwt.encode(issuer.claims(), key, algorithm, headers={"kid": kid})
        with pytest.raises(InvalidToken):
            await verifier.verify(token)


async def test_the_issuer_is_not_asked_again_for_keys_that_are_known(
    issuer: Issuer, verifier: TokenVerifier
) -> None:
    await asyncio.gather(*(verifier.verify(issuer.token()) for _ in range(20)))
    await verifier.verify(issuer.token("ec", "ES256"))
    assert issuer.answers == 1


async def test_made_up_key_ids_ask_the_issuer_once_in_a_while_only(
    issuer: Issuer, verifier: TokenVerifier
) -> None:
    issuer.keys["made-up"] = issuer.keys["rsa"]
    token = issuer.token("made-up")
    del issuer.keys["made-up"]
    for _ in range(5):
        with pytest.raises(InvalidToken):
            await verifier.verify(token)
    assert issuer.answers == 1


async def test_a_new_key_is_fetched_when_a_token_names_it(
    issuer: Issuer, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    await verifier.verify(issuer.token())
    issuer.keys["new"] = rsa.generate_private_key(65537, 2048)
    with pytest.raises(InvalidToken):  # asked just now
        await verifier.verify(issuer.token("new"))
    monkeypatch.setattr(auth, "_RETRY_SECONDS", 0)
    assert (await verifier.verify(issuer.token("new"))).subject == "staff-1"


async def test_the_last_keys_are_kept_while_the_issuer_is_away(
    issuer: Issuer, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    await verifier.verify(issuer.token())
    issuer.is_away = True
    monkeypatch.setattr(auth, "_RETRY_SECONDS", 0)
    await verifier.refresh()
    await verifier.verify(issuer.token())
    assert issuer.answers == 2


async def test_a_withdrawn_key_goes_without_anybody_waiting_for_it(
    issuer: Issuer, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = issuer.token()
    await verifier.verify(token)
    del issuer.keys["rsa"]
    monkeypatch.setattr(auth, "_FRESH_SECONDS", 0)
    monkeypatch.setattr(auth, "_RETRY_SECONDS", 0)
    await verifier.verify(token)  # answered with the keys at hand
    async with asyncio.timeout(60):
        while issuer.answers < 2:
            await asyncio.sleep(0.01)
        await verifier.refresh()
    with pytest.raises(InvalidToken):
        await verifier.verify(token)


async def test_while_no_key_is_known_nobody_can_tell(
    issuer: Issuer, verifier: TokenVerifier
) -> None:
    issuer.is_away = True
    with pytest.raises(Problem) as caught:
        await verifier.verify(issuer.token())
    assert caught.value.status == 503


async def test_weak_private_and_foreign_keys_are_left_out(issuer: Issuer) -> None:
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505
    issuer.keys["weak"] = weak
    jwks = issuer.jwks()
    entry = next(key for key in jwks["keys"] if key["kid"] == "rsa")
    jwks["keys"] += [
        {**entry, "kid": "for-encryption", "use": "enc"},
        {**entry, "kid": "only-ps", "alg": "PS256"},
        {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"},
        {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
        {"kty": "new", "kid": "unknown"},
        {key: value for key, value in entry.items() if key != "kid"},
        "nonsense",
    ]
    keys = auth._read_keys(jwks)
    assert sorted(keys) == ["ec", "ed", "only-ps", "rsa"]
    assert keys["only-ps"].algorithms == {"PS256"}


@pytest.mark.parametrize("jwks", [None, [], {}, {"keys": None}, {"keys": []}])
def test_what_is_no_key_set_is_refused(jwks: Any) -> None:
    with pytest.raises(ValueError, match="JWKS"):
        auth._read_keys(jwks)


async def test_with_the_role_the_request_is_answered(app: FastAPI, issuer: Issuer) -> None:
    async with client_of(app) as client:
        answer = await client.get("/v1/things", headers=issuer.bearer())
    assert answer.json() == {"subject": "staff-1"}


async def test_every_bad_token_gets_one_and_the_same_401(app: FastAPI, issuer: Issuer) -> None:
    """What fails is not told, so that nobody can feel their way."""
    tokens = [
        None,
        "",
        "Bearer",
        "Basic dXNlcjpwYXNz",
        "Bearer nonsense",
        issuer.bearer(exp=timedelta(seconds=-60))["Authorization"],
        issuer.bearer(aud="other")["Authorization"],
        issuer.bearer(tenant_id="1")["Authorization"],
    ]
    answers = set()
    async with client_of(app) as client:
        for token in tokens:
            headers = {"X-Request-Id": "1"} | ({"Authorization": token} if token else {})
            answer = await client.get("/v1/things", headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            answers.add(answer.text)
    assert len(answers) == 1
    assert json.loads(answers.pop())["type"] == "urn:collection:problem:unauthorized"


async def test_without_the_role_it_is_403(app: FastAPI, issuer: Issuer) -> None:
    async with client_of(app) as client:
        answer = await client.get("/v1/things", headers=issuer.bearer(roles=["collection:manage"]))
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:collection:problem:forbidden"
    assert answer.json()["detail"] == "This needs the role collection:read."


async def test_where_several_roles_do_each_of_them_is_enough(app: FastAPI, issuer: Issuer) -> None:
    async def asked_with(*roles: str) -> Any:
        headers = issuer.bearer(roles=list(roles))
        return await client.get("/v1/more-things", headers=headers)

    async with client_of(app) as client:
        assert (await asked_with("collection:read")).is_success
        assert (await asked_with("collection:manage", "partner:admin")).is_success
        refused = await asked_with("collection:manage")
    assert refused.status_code == 403
    assert refused.json()["detail"] == (
        "This needs one of the roles collection:read, partner:admin."
    )


def test_the_tenant_is_a_uuid_whatever_the_token_writes() -> None:
    claims = {"sub": "a", "tenant_id": str(TENANT).upper(), "roles": []}
    assert auth._Claims.model_validate(claims).tenant_id == UUID(str(TENANT))
