"""Writes `test-vectors/`: signed messages of the Partner API, right and wrong ones.

Bodies are the examples of `openapi.json`. Run it after a change of those:
`python contracts/partner-api/make_test_vectors.py`.
"""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NOW = 1_772_704_800  # 2026-03-05 10:00 UTC
SECRET = "whsec_" + base64.b64encode(b"a secret for tests, 32 octets ok").decode()
NEXT_SECRET = "whsec_" + base64.b64encode(b"the next secret, also 32 octets!").decode()
CALLBACK_ID = "msg_2Lh9KRb0pzN4LePd3XiA4v12Axj"
CALLBACK_PATH = "/v1/partners/019cc2a1-74a8-7cce-9429-4aa8309fbed4/callbacks"

Case = dict[str, Any]


def signature(message_id: str, timestamp: int, body: str, secret: str = SECRET) -> str:
    """Return one signature after Standard Webhooks."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{message_id}.{timestamp}.{body}".encode()
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()


def headers(message_id: str, timestamp: int, signatures: str) -> dict[str, str]:
    """Return the three headers of a message."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signatures,
    }


def signed(message_id: str, body: str, *, at: int = NOW, secret: str = SECRET) -> dict[str, str]:
    """Return the headers of a message that is signed right."""
    return headers(message_id, at, signature(message_id, at, body, secret))


def examples(path: str) -> dict[str, Any]:
    """Return the examples of a request, by their names."""
    document = json.loads((HERE / "openapi.json").read_text(encoding="utf-8"))
    content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    return {name: example["value"] for name, example in content["examples"].items()}


def text(value: Any) -> str:
    """Return JSON as it travels."""
    return json.dumps(value, ensure_ascii=False)


def wrong_signatures(message_id: str, body: str) -> dict[str, tuple[dict[str, str], str]]:
    """Return headers and body of messages that nobody may take, by what is wrong."""
    right = signed(message_id, body)
    without = {name: value for name, value in right.items() if name != "webhook-signature"}
    other_version = right["webhook-signature"].replace("v1,", "v2,")
    return {
        "another secret": (signed(message_id, body, secret=NEXT_SECRET), body),
        "a blank more in the body": (right, body + " "),
        "another id": ({**right, "webhook-id": "msg_other"}, body),
        "another timestamp": ({**right, "webhook-timestamp": str(NOW + 1)}, body),
        "another version only": ({**right, "webhook-signature": other_version}, body),
        "an empty signature": ({**right, "webhook-signature": ""}, body),
        "no signature": (without, body),
        "301 seconds old": (signed(message_id, body, at=NOW - 301), body),
        "301 seconds ahead": (signed(message_id, body, at=NOW + 301), body),
    }


def right_signatures(message_id: str, body: str) -> dict[str, tuple[dict[str, str], str]]:
    """Return headers and body of messages that must be taken, by what is special."""
    both = " ".join(signature(message_id, NOW, body, key) for key in (NEXT_SECRET, SECRET))
    among = f"v1a,AAAA {signature(message_id, NOW, body)}"
    return {
        "one signature": (signed(message_id, body), body),
        "two signatures while secrets are exchanged": (headers(message_id, NOW, both), body),
        "among a signature of another version": (headers(message_id, NOW, among), body),
        "299 seconds old": (signed(message_id, body, at=NOW - 299), body),
        "299 seconds ahead": (signed(message_id, body, at=NOW + 299), body),
    }


def signatures() -> list[Case]:
    """Return what a receiver takes or not, judged by the signature alone."""
    body = text(examples("/v1/partners/{partner_id}/callbacks")["payment.received"])
    umlauts = text({"reason_text": "Unbekannt verzogen – Übersee"})

    def case(name: str, head: dict[str, str], content: str, valid: bool, *more: str) -> Case:
        secrets = [*more, SECRET]
        return {"name": name, "secrets": secrets, "headers": head, "body": content, "valid": valid}

    return [
        *(case(name, *it, True) for name, it in right_signatures(CALLBACK_ID, body).items()),
        case("two secrets at the receiver", signed(CALLBACK_ID, body), body, True, NEXT_SECRET),
        case("the body is UTF-8", signed("msg_utf8", umlauts), umlauts, True),
        *(case(name, *it, False) for name, it in wrong_signatures(CALLBACK_ID, body).items()),
    ]


def requests() -> list[Case]:
    """Return requests to an agency, to be sent in this order, and how it must answer."""
    page = examples("/v1/handovers")["page"]
    cases: list[Case] = []

    def send(name: str, path: str, head: dict[str, str], body: str, status: list[int]) -> None:
        cases.append({"name": name, "path": path, "headers": head, "body": body, "status": status})

    def right(name: str, path: str, value: Any, status: list[int], at: int = NOW) -> None:
        body = text(value)
        send(name, path, signed(value["request_id"], body, at=at), body, status)

    for name, (head, body) in wrong_signatures(page["request_id"], text(page)).items():
        send(f"handover, {name}", "/v1/handovers", head, body, [401])
    right("handover", "/v1/handovers", page, [200, 202])
    right("handover, the same again after 5 s", "/v1/handovers", page, [200, 202], NOW + 5)
    changed = {**page, "run": {**page["run"], "booking_number": "2026-000002"}}
    right("handover, another one under the same request_id", "/v1/handovers", changed, [409, 422])
    body = text({**page, "request_id": "019cc2ee-0000-7a21-8c11-70d2b3c4e5f6"})
    other = signed(page["request_id"], body)
    send("handover, webhook-id is not request_id", "/v1/handovers", other, body, [400, 422])
    for name, notice in examples("/v1/notices").items():
        right(f"notice, {name}", "/v1/notices", notice, [200])
    new = {**notice, "request_id": "019cc2f7-0000-7f37-92c4-816e3f405c33", "kind": "OF_LATER_DAYS"}
    del new["claim_change"]
    right("notice, of a kind that is not known yet", "/v1/notices", new, [200])
    more = {**new, "request_id": "019cc2f8-0000-7f37-92c4-816e3f405c33", "kind": "STOP", "new": 1}
    right("notice, with a field that is not known yet", "/v1/notices", more, [200])
    return cases


def callbacks() -> list[Case]:
    """Return callbacks, to be sent in this order, and how they are answered."""
    said = examples("/v1/partners/{partner_id}/callbacks")
    first = text(said["payment.received"])
    cases: list[Case] = []

    def send(name: str, head: dict[str, str], body: str, status: int, **more: Any) -> None:
        cases.append({"name": name, "headers": head, "body": body, "status": status, **more})

    for name, (head, body) in wrong_signatures(CALLBACK_ID, first).items():
        send(name, head, body, 401)
    for type_, value in said.items():
        body = text(value)
        send(type_, signed(f"msg_{type_}", body), body, 202, answer="RECEIVED", says=type_)
    again = signed("msg_payment.received", first, at=NOW + 5)
    send("the same again", again, first, 202, answer="RECEIVED", says="payment.received")
    other = text(said["payment.corrected"])
    send("another one under a used id", signed("msg_payment.received", other), other, 422)
    payment = said["payment.received"]
    incomplete = {key: value for key, value in payment["data"].items() if key != "amount"}
    for name, value in {
        "of a type that is not known": {**payment, "type": "payment.forgotten"},
        "without an amount": {**payment, "data": incomplete},
        "of another form": ["payment.received"],
    }.items():
        body = text(value)
        send(name, signed(f"msg_{len(cases)}", body), body, 202, answer="PARKED")
    send("not JSON", signed("msg_not_json", "paid!"), "paid!", 202, answer="PARKED")
    return cases


def answers() -> list[Case]:
    """Return answers of an agency, and what they mean to us."""
    page, stop = "/v1/handovers", "/v1/notices"
    case_id = examples(page)["page"]["items"][0]["case_id"]
    accepted = {"case_id": case_id, "status": "ACCEPTED", "file_number": "AZ-2026-17"}
    rejected = {"case_id": case_id, "status": "REJECTED", "reason_code": "DEBTOR_UNKNOWN"}
    cases: list[Case] = []

    def answer(name: str, to: str, status: int, body: str, means: str, **more: Any) -> None:
        cases.append(
            {"name": name, "to": to, "status": status, "body": body, "means": means, **more}
        )

    def results(name: str, *said: Any) -> None:
        answer(name, page, 200, text({"results": said}), "ANSWERED", results=said)

    results("accepted", accepted)
    results(
        "accepted, the file number comes later", {k: accepted[k] for k in ("case_id", "status")}
    )
    results("refused", rejected)
    for body in ("", "{}", text({"results": None}), text({"results": []})):
        answer(f"later, by callback: {body!r}", page, 202, body, "ANSWERED", results=[])
    for body in ("OK", "[]", text({"results": [{"case_id": case_id}]})):
        answer(f"cannot be read: {body!r}", page, 200, body, "TRY_AGAIN")
    answer("acknowledged", stop, 200, text({"acknowledged": True}), "ANSWERED")
    for body in ("", text({"acknowledged": False}), "OK"):
        answer(f"not acknowledged: {body!r}", stop, 200, body, "TRY_AGAIN")
    for status in (301, 302, 307, 408, 425, 429, 500, 502, 503, 504):
        answer(f"status {status}", page, status, "", "TRY_AGAIN")
    for status in (400, 401, 403, 404, 409, 410, 413, 422):
        answer(f"status {status}", page, status, "", "REFUSED")
    for pause, seconds in (("120", 120), ("Thu, 05 Mar 2026 10:01:00 GMT", 60), ("soon", 0)):
        name, head = f"Retry-After: {pause}", {"Retry-After": pause}
        answer(name, page, 429, "", "TRY_AGAIN", headers=head, at_least_seconds=seconds)
    return cases


def files() -> dict[str, str]:
    """Return what the files hold, by their names."""
    common = {"clock": NOW, "secrets": [SECRET]}
    content = {
        "signatures": {
            "description": "`valid`: whether a receiver with these secrets takes the message.",
            "clock": NOW,
            "cases": signatures(),
        },
        "requests": {
            "description": "Requests to an agency, in this order; `status`: what it may answer.",
            **common,
            "cases": requests(),
        },
        "answers": {
            "description": "Answers of an agency, and what they mean to us.",
            "clock": NOW,
            "cases": answers(),
        },
        "callbacks": {
            "description": "Callbacks to us, in this order, and how we answer them.",
            **common,
            "path": CALLBACK_PATH,
            "cases": callbacks(),
        },
    }
    return {
        f"{name}.json": json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        for name, value in content.items()
    }


if __name__ == "__main__":
    for file_name, file_content in files().items():
        (HERE / "test-vectors" / file_name).write_text(file_content, encoding="utf-8")
