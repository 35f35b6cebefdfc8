"""The rows that case-service writes for a handover to a partner by hand, made without any rule."""

import json
import secrets
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from kit.ids import new_id

COLUMNS: Final = {
    "inbox": ("source", "id"),
    "members": (
        "tenant_id", "member_id", "studio_id", "name", "membership_number", "last_handed_over_on",
    ),
    "claims": (
        "tenant_id", "claim_id", "sequence", "amount", "paid_directly", "cancelled", "currency",
    ),
    "cases": (
        "tenant_id", "case_id", "run_id", "run_booking_number", "booking_number", "member_id",
        "studio_id", "partner_id", "partner_channel", "collection_date", "currency", "time_zone",
        "status", "handed_over", "collected", "open", "unallocated", "written_off", "created_at",
        "opened_at", "version",
    ),
    "case_claims": (
        "tenant_id", "case_id", "claim_id", "voucher_id", "snapshot_sequence", "kind",
        "designation", "voucher_date", "due_date", "amount", "paid_directly", "handed_over",
        "changed", "collected", "written_off", "released", "open",
    ),
    "entries": (
        "tenant_id", "posting_id", "case_id", "account", "claim_id", "kind", "amount", "currency",
        "booking_date", "recorded_at", "actor_kind", "actor", "correlation_id",
    ),
    "history": (
        "tenant_id", "case_id", "kind", "details", "posting_id", "event_ids", "recorded_at",
        "actor_kind", "actor", "correlation_id",
    ),
    "outbox": (
        "id", "aggregatetype", "aggregateid", "type", "payload", "tenantid", "correlationid",
        "traceparent", "time",
    ),
}  # fmt: skip

NOTHING = Decimal("0.00")

Rows = dict[str, list[tuple[Any, ...]]]
"""Rows to copy, by table."""


def add_rows(rows: Rows, headers: Mapping[str, str], event: Mapping[str, Any]) -> None:
    """Add the rows of one handover; ids stay text, as COPY takes them so."""
    tenant, correlation = headers["ce_tenantid"], headers["ce_correlationid"]
    case, member, studio = event["case_id"], event["member_id"], event["studio"]
    claims, day = event["claims"], date.fromisoformat(event["collection_date"])
    currency = claims[0]["amount"]["currency"]
    opens = [
        Decimal(claim["amount"]["amount"]) - Decimal(claim["paid_directly"]["amount"])
        for claim in claims
    ]
    total = sum(opens, NOTHING)
    now, posting, event_id = datetime.now(UTC), new_id(), new_id()
    done = (now, "SYSTEM", "run-service", correlation)
    rows["inbox"].append((headers["ce_source"], headers["ce_id"]))
    debtor = event["debtor"]
    name = f"{debtor['first_name'] or ''} {debtor['name1']}".strip()
    rows["members"].append(
        (tenant, member, studio["studio_id"], name, debtor["membership_number"], day)
    )
    rows["cases"].append(
        (
            tenant, case, event["run_id"], event["run_booking_number"], event["booking_number"],
            member, studio["studio_id"], event["partner_id"], event["partner_channel"], day,
            currency, studio["time_zone"], "OPEN", total, NOTHING, total, NOTHING, NOTHING,
            now, now, 1,
        )
    )  # fmt: skip
    for claim, left in zip(claims, opens, strict=True):
        id_, sequence = claim["claim_id"], claim["snapshot_sequence"]
        amount, paid = claim["amount"]["amount"], claim["paid_directly"]["amount"]
        rows["claims"].append((tenant, id_, sequence, amount, paid, False, currency))
        rows["case_claims"].append(
            (
                tenant, case, id_, claim["voucher_id"], sequence, claim["kind"],
                claim["designation"], date.fromisoformat(claim["voucher_date"]),
                date.fromisoformat(claim["due_date"]), amount, paid, left, NOTHING, NOTHING,
                NOTHING, NOTHING, left,
            )
        )  # fmt: skip
        rows["entries"].append(
            (tenant, posting, case, "CLAIM", id_, "HANDED_OVER", left, currency, day, *done)
        )
    rows["entries"].append(
        (tenant, posting, case, "RECEIVABLES", None, "HANDED_OVER", -total, currency, day, *done)
    )
    details = json.dumps({"open": str(total)})
    rows["history"].append((tenant, case, "HANDED_OVER", details, posting, [], *done))
    rows["history"].append((tenant, case, "OPENED", details, None, [event_id], *done))
    traceparent = f"{headers['ce_traceparent'][:36]}{secrets.token_hex(8)}-01"
    opened = _opened(event, opens, total, currency, now)
    rows["outbox"].append(
        (
            event_id, "collection.case.v1", member, "case.opened.v1", opened, tenant,
            correlation, traceparent, now,
        )
    )  # fmt: skip


def _opened(
    event: Mapping[str, Any], opens: list[Decimal], total: Decimal, currency: str, now: datetime
) -> bytes:
    """Write the event that the service publishes of it."""
    at = f"{now.replace(tzinfo=None).isoformat()}Z"
    opened = {
        "case_id": event["case_id"],
        "run_id": event["run_id"],
        "member_id": event["member_id"],
        "studio_id": event["studio"]["studio_id"],
        "partner_id": event["partner_id"],
        "occurred_at": at,
        "opened_at": at,
        "claims": [
            {"claim_id": claim["claim_id"], "open": {"amount": str(left), "currency": currency}}
            for claim, left in zip(event["claims"], opens, strict=True)
        ],
        "open": {"amount": str(total), "currency": currency},
    }
    return json.dumps(opened, separators=(",", ":")).encode()
