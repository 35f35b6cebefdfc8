"""Partners are set up per tenant; their secrets and tokens are seen once, or never (R50)."""

from uuid import UUID

import pytest
from pydantic import ValidationError

from contracts import PartnerSnapshotV1
from kit.ids import new_id
from partner_gateway.sealing import Seal
from tests.partner_gateway.world import KEY, Gateway, bearer, make_settings

BY_HAND = {"name": "Kanzlei Beispiel", "channel": "BY_HAND"}
API = {"name": "Beispiel Inkasso", "channel": "API", "base_url": "http://127.0.0.1:9/api/"}


async def test_a_partner_is_made_shown_listed_and_published(gateway: Gateway) -> None:
    made = await gateway.call("POST", "/v1/partners", {**BY_HAND, "file_number_pattern": "^A"})
    assert made.status_code == 201
    partner = made.json()
    assert partner["channel"] == "BY_HAND"
    assert partner["status"] == "ACTIVE"
    assert partner["base_url"] is None
    assert partner["has_api_token"] is False
    assert partner["created_by"] == "staff-1"
    shown = await gateway.call("GET", f"/v1/partners/{partner['partner_id']}")
    assert shown.json() == partner
    assert shown.headers["ETag"] == '"1"'
    assert (await gateway.call("GET", "/v1/partners")).json() == {
        "items": [partner],
        "next": None,
    }
    assert await gateway.published() == [
        PartnerSnapshotV1(
            partner_id=UUID(partner["partner_id"]),
            sequence=1,
            name="Kanzlei Beispiel",
            channel="BY_HAND",
            status="ACTIVE",
            file_number_pattern="^A",
        )
    ]


async def test_each_change_is_published_with_the_next_sequence(gateway: Gateway) -> None:
    made = (await gateway.call("POST", "/v1/partners", API)).json()
    path = f"/v1/partners/{made['partner_id']}"
    changed = await gateway.call("PATCH", path, {"status": "PAUSED"}, **{"If-Match": '"1"'})
    assert changed.status_code == 200
    assert changed.json()["status"] == "PAUSED"
    assert changed.json()["base_url"] == "http://127.0.0.1:9/api"
    assert changed.headers["ETag"] == '"2"'
    stale = await gateway.call("PATCH", path, {"name": "Anders"}, **{"If-Match": '"1"'})
    assert stale.status_code == 412
    wrong = await gateway.call("PATCH", path, {"file_number_pattern": "(?!A)"})
    assert [error["field"] for error in wrong.json()["errors"]] == ["file_number_pattern"]
    await gateway.call("PATCH", path, {"name": "Anders"})
    snapshots = await gateway.published("partner.snapshot.v1")
    assert [
        (event.sequence, event.name, event.status)
        for event in snapshots
        if isinstance(event, PartnerSnapshotV1)
    ] == [
        (1, "Beispiel Inkasso", "ACTIVE"),
        (2, "Beispiel Inkasso", "PAUSED"),
        (3, "Anders", "PAUSED"),
    ]


async def test_what_is_wrong_with_a_partner_is_named(gateway: Gateway) -> None:
    wrong: list[tuple[dict[str, object], str]] = [
        ({**BY_HAND, "base_url": "http://127.0.0.1/"}, "base_url"),
        ({**BY_HAND, "api_token": "secret-token"}, "api_token"),
        ({**BY_HAND, "api": "BALANCES"}, "api"),
        ({"name": "Ohne Adresse", "channel": "API"}, "base_url"),
        ({**API, "base_url": "ftp://127.0.0.1/"}, "base_url"),
        ({**API, "base_url": "http://user@127.0.0.1/"}, "base_url"),
        ({**API, "base_url": "http://127.0.0.1/api?"}, "base_url"),
        ({**API, "base_url": "http://127.0.0.1/api#"}, "base_url"),
        ({**API, "base_url": "http://10.0.0.1/"}, "base_url"),
        ({**API, "base_url": "https://10.0.0.1/"}, "base_url"),
        ({**API, "base_url": "https://127.0.0.1:x/"}, "base_url"),
        ({**API, "api_token": "two words"}, "api_token"),
        ({**API, "file_number_pattern": "("}, "file_number_pattern"),
        ({**API, "file_number_pattern": "a{1001}"}, "file_number_pattern"),
        ({**API, "file_number_pattern": "(?=A)A+"}, "file_number_pattern"),
        ({**API, "file_number_pattern": r"(A)\1"}, "file_number_pattern"),
        ({**API, "name": ""}, "name"),
        ({**API, "name": " \n"}, "name"),
        ({**API, "channel": "FAX"}, "channel"),
        ({**API, "unknown": 1}, "unknown"),
    ]
    for body, field in wrong:
        refused = await gateway.call("POST", "/v1/partners", body)
        assert refused.status_code == 422, body
        assert [error["field"] for error in refused.json()["errors"]] == [field]
        assert "secret-token" not in refused.text
    assert await gateway.rows("SELECT 1 FROM partners") == []


async def test_secrets_and_tokens_are_sealed_and_shown_once_at_most(gateway: Gateway) -> None:
    token = "token-that-nobody-sees"
    made = await gateway.call("POST", "/v1/partners", {**API, "api_token": token})
    path = f"/v1/partners/{made.json()['partner_id']}"
    key = {"Idempotency-Key": "secret-1"}
    first = await gateway.call("POST", f"{path}/secrets", **key)
    assert first.status_code == 201
    secret = first.json()["secret"]
    assert secret.startswith("whsec_")
    again = await gateway.call("POST", f"{path}/secrets", **key)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == {**first.json(), "secret": None}
    shown = await gateway.call("GET", path)
    assert [each["secret_id"] for each in shown.json()["secrets"]] == [first.json()["secret_id"]]
    assert shown.json()["has_api_token"] is True
    everything = made.text + shown.text + again.text
    for table in ("partners", "secrets", "idempotency_keys", "outbox"):
        query = f"SELECT {table}::text FROM {table}"
        everything += str([tuple(row) for row in await gateway.rows(query)])
    for hidden in (token, secret, secret.removeprefix("whsec_")):
        assert hidden not in everything
        assert hidden.encode().hex() not in everything
    (row,) = await gateway.rows("SELECT sealed_secret FROM secrets")
    assert Seal([KEY]).open(row.sealed_secret) == secret


async def test_a_contact_is_for_staff_alone(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    contact = {
        "name": "Frau Sommer",
        "email": "sommer@agentur.example",
        "phone": "+49 711 12345-67",
        "address": ["Agentur Süd GmbH", "Königstraße 1", "70173 Stuttgart"],
    }
    made = await gateway.call("POST", "/v1/partners", {**BY_HAND, "contact": contact})
    path = f"/v1/partners/{made.json()['partner_id']}"
    assert made.json()["contact"] == contact
    renamed = await gateway.call("PATCH", path, {"name": "Anders"})
    assert renamed.json()["contact"] == contact
    changed = await gateway.call("PATCH", path, {"contact": {"phone": " 0711 1 "}})
    only_phone = {"name": None, "email": None, "phone": "0711 1", "address": None}
    assert changed.json()["contact"] == only_phone
    assert (await gateway.call("GET", path)).json()["contact"] == only_phone
    gone = await gateway.call("PATCH", path, {"contact": None})
    assert gone.json()["contact"] is None
    said = caplog.text + str(await gateway.rows("SELECT convert_from(payload, 'UTF8') FROM outbox"))
    assert "Anders" in said
    assert not [each for each in ("Sommer", "agentur.example", "711", "König") if each in said]


async def test_what_is_wrong_with_a_contact_is_named(gateway: Gateway) -> None:
    wrong: list[tuple[dict[str, object], str]] = [
        ({}, "contact"),
        ({"name": None}, "contact"),
        ({"name": " "}, "contact.name"),
        ({"name": "x" * 201}, "contact.name"),
        ({"email": "sommer-at-agentur"}, "contact.email"),
        ({"email": f"{'x' * 250}@a.example"}, "contact.email"),
        ({"phone": "1" * 41}, "contact.phone"),
        ({"address": []}, "contact.address"),
        ({"address": ["x"] * 7}, "contact.address"),
        ({"address": ["x", ""]}, "contact.address.1"),
        ({"address": ["x" * 101]}, "contact.address.0"),
        ({"fax": "1"}, "contact.fax"),
    ]
    for contact, field in wrong:
        refused = await gateway.call("POST", "/v1/partners", {**BY_HAND, "contact": contact})
        assert refused.status_code == 422, contact
        assert [error["field"] for error in refused.json()["errors"]] == [field]
        assert "sommer" not in refused.text


async def test_what_must_not_go_away_is_named(gateway: Gateway) -> None:
    made = (await gateway.call("POST", "/v1/partners", API)).json()
    for field in ("name", "status", "base_url"):
        path = f"/v1/partners/{made['partner_id']}"
        refused = await gateway.call("PATCH", path, {field: None})
        assert refused.status_code == 422
        assert [error["field"] for error in refused.json()["errors"]] == [field]


async def test_a_partner_by_hand_gets_no_secret(gateway: Gateway) -> None:
    made = (await gateway.call("POST", "/v1/partners", BY_HAND)).json()
    refused = await gateway.call("POST", f"/v1/partners/{made['partner_id']}/secrets")
    assert refused.status_code == 409


async def test_the_same_order_makes_one_partner(gateway: Gateway) -> None:
    key = {"Idempotency-Key": "partner-1"}
    first = await gateway.call("POST", "/v1/partners", {**API, "api_token": "one"}, **key)
    again = await gateway.call("POST", "/v1/partners", {**API, "api_token": "one"}, **key)
    assert again.json() == first.json()
    other = await gateway.call("POST", "/v1/partners", {**API, "api_token": "two"}, **key)
    assert other.status_code == 422
    assert len(await gateway.rows("SELECT 1 FROM partners")) == 1


async def test_a_partner_of_another_tenant_is_not_found(gateway: Gateway) -> None:
    """R63."""
    made = (await gateway.call("POST", "/v1/partners", API)).json()
    stranger = bearer(new_id())
    path = f"/v1/partners/{made['partner_id']}"
    for method, address, body in (
        ("GET", path, None),
        ("PATCH", path, {"name": "Fremd"}),
        ("POST", f"{path}/secrets", None),
        ("GET", f"{path}/deliveries", None),
    ):
        refused = await gateway.call(method, address, body, **stranger)
        assert refused.status_code == 404, (method, address)
    assert (await gateway.call("GET", "/v1/partners", **stranger)).json()["items"] == []


async def test_only_administrators_of_partners_may_change_them(gateway: Gateway) -> None:
    """R63."""
    reader = bearer(roles="collection:read collection:manage")
    assert (await gateway.call("POST", "/v1/partners", API, **reader)).status_code == 403
    made = (await gateway.call("POST", "/v1/partners", API)).json()
    path = f"/v1/partners/{made['partner_id']}"
    for role in ("collection:read", "collection:finance"):
        reader = bearer(roles=role)
        assert (await gateway.call("GET", "/v1/partners", **reader)).json()["items"] == [made]
        assert (await gateway.call("GET", path, **reader)).json() == made
        assert (await gateway.call("PATCH", path, {"name": "x"}, **reader)).status_code == 403
    nobody = {"Authorization": "Bearer x"}
    assert (await gateway.call("GET", "/v1/partners", **nobody)).status_code == 401


async def test_partners_come_in_pages(gateway: Gateway) -> None:
    made = [(await gateway.call("POST", "/v1/partners", BY_HAND)).json() for _ in range(3)]
    first = (await gateway.call("GET", "/v1/partners?limit=2")).json()
    rest = (await gateway.call("GET", f"/v1/partners?limit=2&cursor={first['next']}")).json()
    assert first["items"] + rest["items"] == made
    assert rest["next"] is None


@pytest.mark.parametrize("keys", ["", "short", "short,,"])
def test_a_wrong_encryption_key_stops_the_start_and_is_not_repeated(keys: str) -> None:
    with pytest.raises(ValidationError) as error:
        make_settings("postgresql+asyncpg://x", encryption_keys=keys)
    assert "encryption_keys" in str(error.value)
    assert "short" not in str(error.value)


async def test_a_token_does_not_go_to_another_host(gateway: Gateway) -> None:
    """Whoever may change the address would else read a token that is never shown again."""
    made = await gateway.call("POST", "/v1/partners", {**API, "api_token": "one"})
    path = f"/v1/partners/{made.json()['partner_id']}"
    elsewhere = {"base_url": "http://127.0.0.1:2/api"}
    refused = await gateway.call("PATCH", path, elsewhere)
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == ["api_token"]
    given = await gateway.call("PATCH", path, {**elsewhere, "api_token": "two"})
    assert (given.status_code, given.json()["has_api_token"]) == (200, True)
    taken = await gateway.call("PATCH", path, {"base_url": API["base_url"], "api_token": None})
    assert (taken.status_code, taken.json()["has_api_token"]) == (200, False)
