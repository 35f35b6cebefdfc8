"""Signatures are those of Standard Webhooks, and nothing else counts as one (R51)."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from partner_gateway.standard_webhooks import TOLERANCE, new_secret, sign, verify

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
OTHER = "whsec_" + base64.b64encode(b"another secret of some length 24").decode()

ids = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60)
bodies = st.text().map(str.encode)
secrets = st.binary(min_size=24, max_size=64).map(
    lambda key: "whsec_" + base64.b64encode(key).decode()
)


@given(ids, bodies, secrets)
def test_the_library_accepts_what_we_sign(message_id: str, body: bytes, secret: str) -> None:
    headers = sign([secret], message_id, datetime.now(UTC), body)
    Webhook(secret).verify(body, headers, json_parse=False)


@given(ids, bodies, secrets)
def test_we_accept_what_the_library_signs(message_id: str, body: bytes, secret: str) -> None:
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(NOW.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, NOW, body.decode()),
    }
    assert verify([secret], headers, body, NOW)


@given(
    st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]),
        st.one_of(
            st.text(),
            st.sampled_from(["", "v1,", "v1", ",", "v1,!!", "v1,YQ==", "v2,YQ==", "v1,a v1,b"]),
            st.sampled_from(["9" * 400, "-1", "+1", "1e9", "٣", " 1 ", "nan", "inf", "1_0"]),
        ),
    ),
    st.binary(),
)
def test_malformed_headers_are_wrong_and_never_an_error(
    headers: dict[str, str], body: bytes
) -> None:
    assert verify([SECRET], headers, body, NOW) is False


def test_the_vector_of_the_standard_is_ours() -> None:
    """The message with which the libraries of Standard Webhooks test their signatures."""
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    at = datetime.fromtimestamp(1_614_265_330, UTC)
    headers = sign([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", at, body)
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-signature"] == expected
    assert Webhook(secret).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, body.decode()) == expected
    assert verify([secret], headers, body, at)


def library_accepts(headers: dict[str, str], body: bytes) -> bool:
    """Ask the library."""
    try:
        Webhook(SECRET).verify(body, headers, json_parse=False)
    except (WebhookVerificationError, ValueError):
        return False
    return True


def signed_with(parts: list[str], body: bytes) -> tuple[dict[str, str], datetime]:
    """Return headers whose signature is made of these parts; `{}` stands for the right one."""
    now = datetime.now(UTC)
    headers = sign([SECRET], "msg_1", now, body)
    right = headers["webhook-signature"]
    headers["webhook-signature"] = "".join(parts).replace("{}", right)
    return headers, now


@given(st.lists(st.sampled_from(["{}", "v1,AAAA", "v1a,AAAA", "v2,AAAA"]), min_size=1), bodies)
def test_of_several_signatures_we_accept_what_the_library_accepts(
    signatures: list[str], body: bytes
) -> None:
    headers, now = signed_with([" ".join(signatures)], body)
    assert verify([SECRET], headers, body, now) is library_accepts(headers, body)


@given(st.lists(st.sampled_from(["{}", "v1,", "v1", "v2,", ",", " ", "AAAA", "="])), bodies)
def test_we_accept_nothing_that_the_library_refuses(parts: list[str], body: bytes) -> None:
    headers, now = signed_with(parts, body)
    assert library_accepts(headers, body) or not verify([SECRET], headers, body, now)


@given(st.text(), bodies)
def test_the_library_never_accepts_a_signature_that_we_refuse(signature: str, body: bytes) -> None:
    now = datetime.now(UTC)
    headers = {**sign([SECRET], "msg_1", now, body), "webhook-signature": signature}
    if verify([SECRET], headers, body, now):
        return
    with pytest.raises((WebhookVerificationError, ValueError)):
        Webhook(SECRET).verify(body, headers, json_parse=False)


@given(bodies, bodies)
def test_a_changed_body_is_wrong(body: bytes, other: bytes) -> None:
    headers = sign([SECRET], "msg_1", NOW, body)
    assert verify([SECRET], headers, other, NOW) is (body == other)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_each_header_is_needed_and_signed(name: str) -> None:
    headers = sign([SECRET], "msg_1", NOW, b"{}")
    assert verify([SECRET], headers, b"{}", NOW)
    assert not verify([SECRET], {**headers, name: headers[name] + "1"}, b"{}", NOW)
    del headers[name]
    assert not verify([SECRET], headers, b"{}", NOW)


@pytest.mark.parametrize(
    ("shift", "fits"),
    [
        (timedelta(), True),
        (TOLERANCE, True),
        (-TOLERANCE, True),
        (TOLERANCE + timedelta(seconds=1), False),
        (-TOLERANCE - timedelta(seconds=1), False),
    ],
)
def test_a_timestamp_counts_for_five_minutes_before_and_after(shift: timedelta, fits: bool) -> None:
    headers = sign([SECRET], "msg_1", NOW + shift, b"{}")
    assert verify([SECRET], headers, b"{}", NOW) is fits


def test_any_of_several_secrets_and_signatures_may_fit() -> None:
    old = sign([OTHER], "msg_1", NOW, b"{}")
    assert verify([SECRET, OTHER], old, b"{}", NOW)
    assert not verify([SECRET], old, b"{}", NOW)
    both = sign([OTHER, SECRET], "msg_1", NOW, b"{}")
    assert verify([SECRET], both, b"{}", NOW)
    Webhook(SECRET).sign("msg_1", NOW, "{}")
    assert not verify([], both, b"{}", NOW)


def test_a_signature_of_another_version_does_not_count() -> None:
    headers = sign([SECRET], "msg_1", NOW, b"{}")
    signature = headers["webhook-signature"]
    wrong = {**headers, "webhook-signature": signature.replace("v1,", "v1a,")}
    assert not verify([SECRET], wrong, b"{}", NOW)
    among_others = {**headers, "webhook-signature": f"v1a,AAAA {signature} v2,BBBB"}
    assert verify([SECRET], among_others, b"{}", NOW)


def test_a_body_need_not_be_text() -> None:
    headers = sign([SECRET], "msg_1", NOW, b"\xff\x00")
    assert verify([SECRET], headers, b"\xff\x00", NOW)


def test_new_secrets_differ_and_have_32_octets() -> None:
    made = {new_secret() for _ in range(10)}
    assert len(made) == 10
    assert all(len(base64.b64decode(secret.removeprefix("whsec_"))) == 32 for secret in made)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!", "whsec_a", "whsec_YQ==x"])
def test_a_secret_that_is_none_signs_nothing(secret: str) -> None:
    with pytest.raises(ValueError, match="must be whsec_"):
        sign([secret], "msg_1", NOW, b"{}")
