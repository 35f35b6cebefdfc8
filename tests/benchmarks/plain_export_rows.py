"""The rows that export-service writes for a handover, made without any rule."""

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

from tests.benchmarks.plain_case_rows import Rows

COLUMNS: Final = {
    "inbox": ("source", "id"),
    "cases": (
        "tenant_id", "case_id", "run_id", "run_booking_number", "booking_number", "member_id",
        "studio_id", "studio_name", "partner_id", "name", "membership_number", "search_text",
        "collection_date", "currency", "handed_over", "status",
    ),
    "handover_rows": (
        "tenant_id", "run_id", "studio_id", "booking_number", "claim_index", "cells", "claims",
    ),
}  # fmt: skip

_VERSION = "1.0"
_CLAIMS_OF_A_ROW = 10
_STUDIO = (
    "studio_id", "match_code", "person_type", "name1", "name2", "name3", "tenant_name",
    "legal_form", "deducts_input_vat", "vat_number",
)  # fmt: skip
_MANDATE = ("reference", "signed_on", "owner", "creditor_id", "creditor_name")
_NOTHING: Mapping[str, Any] = {}


def add_rows(rows: Rows, headers: Mapping[str, str], event: Mapping[str, Any]) -> None:
    """Add the rows of one handover; ids stay text, as COPY takes them so."""
    studio, claims = event["studio"], event["claims"]
    place = (headers["ce_tenantid"], event["run_id"], studio["studio_id"], event["booking_number"])
    rows["inbox"].append((headers["ce_source"], headers["ce_id"]))
    rows["cases"].append(_case(headers["ce_tenantid"], event))
    member = [
        event["transfer_id"],
        event["collection_date"],
        _VERSION,
        event["trigger"],
        *_studio(studio),
        *_debtor(event["debtor"]),
        event["case_id"],
    ]
    cells = _json([_text(value) for value in member])
    for first in range(0, len(claims), _CLAIMS_OF_A_ROW):
        some = claims[first : first + _CLAIMS_OF_A_ROW]
        of_each = _json([[_text(value) for value in _claim(claim)] for claim in some])
        rows["handover_rows"].append((*place, first, cells, of_each))


def _case(tenant: str, event: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return a row of the overview, as it is once the case is open."""
    studio, debtor, claims = event["studio"], event["debtor"], event["claims"]
    name = f"{debtor['first_name'] or ''} {debtor['name1']}".strip()
    number = debtor["membership_number"]
    return (
        tenant, event["case_id"], event["run_id"], event["run_booking_number"],
        event["booking_number"], event["member_id"], studio["studio_id"], studio["name1"],
        event["partner_id"], name, number, f"{name} {number}".lower(),
        date.fromisoformat(event["collection_date"]), claims[0]["to_collect"]["currency"],
        sum(Decimal(claim["to_collect"]["amount"]) for claim in claims), "OPEN",
    )  # fmt: skip


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _text(value: Any) -> str:
    """Return a value as a cell holds it."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _studio(studio: Mapping[str, Any]) -> list[Any]:
    address, account = studio["address"], studio["bank_account"] or _NOTHING
    return [
        *(studio[name] for name in _STUDIO),
        *(address[name] for name in ("street", "postal_code", "city", "country_code", "country")),
        *(account.get(name) for name in ("iban", "bic", "bank_name", "country_code")),
        studio["email"],
        ",".join(studio["phone_numbers"]),
    ]


def _debtor(debtor: Mapping[str, Any]) -> list[Any]:
    address, account = debtor["address"] or _NOTHING, debtor["bank_account"] or _NOTHING
    mandate = debtor["mandate"] or _NOTHING
    return [
        debtor["debtor_id"],
        debtor["membership_number"],
        *(address.get(name) for name in ("country_code", "country")),
        *(account.get(name) for name in ("country_code", "account_holder")),
        debtor["identification_number"],
        *(account.get(name) for name in ("iban", "bic")),
        *(mandate.get(name) for name in _MANDATE),
        *(debtor[name] for name in ("birth_date", "maiden_name", "first_name", "name1", "name2")),
        debtor["sex"],
        *(address.get(name) for name in ("street", "postal_code", "city")),
        debtor["email"],
        ",".join(debtor["phone_numbers"]),
    ]


def _claim(claim: Mapping[str, Any]) -> list[Any]:
    period, owed = claim["service_period"] or _NOTHING, claim["to_collect"]
    return [
        *(claim[name] for name in ("voucher_id", "voucher_date", "contract_started_on")),
        *(owed[name] for name in ("amount", "currency")),
        *(claim[name] for name in ("kind", "designation")),
        *(period.get(name) for name in ("starts_on", "ends_on")),
        claim["latest_rejection_reason"],
    ]
