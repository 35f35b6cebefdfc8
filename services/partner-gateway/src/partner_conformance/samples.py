"""Synthetic requests: nobody in them exists, and each has ids of its own."""

import secrets
import time
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

Body = dict[str, Any]

_ADDRESS: Final = {
    "street": "Musterweg 1",
    "postal_code": "12345",
    "city": "Musterstadt",
    "country_code": "DE",
    "country": "Deutschland",
}

# Often nothing is known of these: they are null then.
_UNKNOWN_OF_STUDIO: Final = [
    "match_code",
    "name2",
    "name3",
    "legal_form",
    "vat_number",
    "bank_account",
    "email",
]
_UNKNOWN_OF_DEBTOR: Final = [
    "name2",
    "maiden_name",
    "birth_date",
    "identification_number",
    "email",
    "bank_account",
    "mandate",
    "represented_member_name",
]
_UNKNOWN_OF_CLAIM: Final = ["contract_started_on", "service_period", "latest_rejection_reason"]


def new_id() -> str:
    """Return a new UUIDv7, as ours are."""
    bits = int(time.time() * 1000) << 80 | secrets.randbits(80)
    bits = bits & ~(0xF << 76) | 0x7 << 76
    return str(UUID(int=bits & ~(0x3 << 62) | 0x2 << 62))


def page(count: int) -> Body:
    """Return a handover of so many cases, one claim over 50.00 EUR in each."""
    run_id = new_id()
    return {
        "request_id": new_id(),
        "run": {
            "run_id": run_id,
            "booking_number": "2026-000001",
            "collection_date": "2026-03-02",
        },
        "items": [_case(run_id, number) for number in range(1, count + 1)],
    }


def case_ids(request: Body) -> list[str]:
    """Return the cases of a handover."""
    return [item["case_id"] for item in request["items"]]


def notice(case: Body, kind: str) -> Body:
    """Return a notice about a case of a handover."""
    said = {
        "request_id": new_id(),
        "notice_id": new_id(),
        "kind": kind,
        "case_id": case["case_id"],
    }
    if kind not in ("STUDIO_PAYMENT", "CLAIM_CHANGED"):
        return said
    paid = kind == "STUDIO_PAYMENT"
    change = {
        "claim_id": case["claims"][0]["claim_id"],
        "snapshot_sequence": 2,
        "amount": _euros("50.00" if paid else "45.00"),
        "paid_directly": _euros("20.00" if paid else "0.00"),
        "cancelled": False,
        "open_before": _euros("50.00"),
        "open": _euros("30.00" if paid else "45.00"),
        "case_open": _euros("30.00" if paid else "45.00"),
    }
    if paid:
        change["paid"] = _euros("20.00")
    return {**said, "claim_change": change}


def with_unknown_fields(request: Body) -> Body:
    """Return a handover with fields that a later version may have."""
    items: Sequence[Body] = [{**item, "of_later_days": {"a": [1]}} for item in request["items"]]
    run = {**request["run"], "of_later_days": None}
    return {**request, "run": run, "items": items, "of_later_days": "new"}


def _case(run_id: str, number: int) -> Body:
    member_id = new_id()
    return {
        "run_id": run_id,
        "case_id": new_id(),
        "transfer_id": new_id(),
        "run_booking_number": "2026-000001",
        "booking_number": number,
        "partner_id": new_id(),
        "partner_channel": "API",
        "trigger": "RUN",
        "collection_date": "2026-03-02",
        "member_id": member_id,
        "studio": _studio(),
        "debtor": _debtor(member_id, number),
        "claims": [_claim()],
    }


def _studio() -> Body:
    return {
        **dict.fromkeys(_UNKNOWN_OF_STUDIO),
        "studio_id": new_id(),
        "person_type": "COMPANY",
        "name1": "Probestudio",
        "tenant_name": "Probestudio GmbH",
        "deducts_input_vat": True,
        "address": _ADDRESS,
        "phone_numbers": [],
        "time_zone": "Europe/Berlin",
    }


def _debtor(member_id: str, number: int) -> Body:
    return {
        **dict.fromkeys(_UNKNOWN_OF_DEBTOR),
        "debtor_id": member_id,
        "liable_person": "MEMBER",
        "membership_number": f"PROBE-{number}",
        "first_name": "Test",
        "name1": "Niemand",
        "sex": "FEMALE",
        "address": _ADDRESS,
        "phone_numbers": [],
    }


def _claim() -> Body:
    return {
        **dict.fromkeys(_UNKNOWN_OF_CLAIM),
        "claim_id": new_id(),
        "snapshot_sequence": 1,
        "voucher_id": new_id(),
        "voucher_date": "2026-01-01",
        "due_date": "2026-01-15",
        "kind": "CLAIM",
        "designation": "Beitrag Januar",
        "amount": _euros("50.00"),
        "paid_directly": _euros("0.00"),
        "to_collect": _euros("50.00"),
    }


def _euros(amount: str) -> Body:
    return {"amount": amount, "currency": "EUR"}
