"""What each type of event says, and what it must say by history and entries; in SQL.

The names are columns of `audit_told` and `audit_moved` (`audit.events`) and of `cases`. An amount
is compared as the text that it is in events; what an event says of each claim as rows of the
claim's id and amounts, in the order of the ids.
"""

from typing import Final


def _noted(name: str) -> tuple[str, str]:
    """Compare with what the history noted under the same name."""
    return f"payload -> '{name}'", f"details -> '{name}'"


def _noted_amount(name: str) -> tuple[str, str]:
    return f"payload #> '{{{name},amount}}'", f"details -> '{name}'"


def _amount(name: str, recomputed: str) -> tuple[str, str]:
    return f"payload #> '{{{name},amount}}'", recomputed


def _claims(name: str, *amounts: str, recomputed: str = "claims") -> tuple[str, str]:
    parts = "".join(f", each #>> '{{{amount},amount}}'" for amount in amounts)
    published = f"""
        coalesce((
            SELECT jsonb_agg(jsonb_build_array(each ->> 'claim_id'{parts})
                             ORDER BY each ->> 'claim_id' COLLATE "C")
            FROM jsonb_path_query(payload, '$.{name}[*]') AS each
        ), '[]')
    """  # noqa: S608 - constants
    return published, recomputed


_CLAIM_IDS: Final = (
    # In whatever order they are.
    """CASE WHEN payload -> 'claims' @> claim_ids AND payload -> 'claims' <@ claim_ids
            THEN claim_ids ELSE payload -> 'claims' END""",
    "claim_ids",
)
_RELEASE_REASON: Final = """
    CASE WHEN kind <> 'CLOSED' THEN 'CASE_' || kind
         WHEN details ->> 'reason' = 'RUN_REVERSED' THEN 'RUN_REVERSED'
         ELSE 'CASE_CLOSED' END
"""
# NULL where one of them is no amount.
_TAKEN_BACK: Final = """
    CASE WHEN pg_input_is_valid(payload #>> '{amount_before,amount}', 'numeric')
          AND pg_input_is_valid(payload #>> '{amount_after,amount}', 'numeric')
         THEN CAST(CAST(payload #>> '{amount_before,amount}' AS numeric)
                   - CAST(payload #>> '{amount_after,amount}' AS numeric) AS text) END
"""
_CHANGED_CLAIM: Final = """
    jsonb_build_array(jsonb_build_array(
        payload -> 'claim_id', payload #> '{open_before,amount}', payload #> '{open,amount}'))
"""


def _currency(of: str) -> dict[str, tuple[str, str]]:
    """Compare one currency: an event with several cannot be parsed."""
    return {"currency": (f"payload #>> '{{{of},currency}}'", "currency")}


_FACTS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "case.opened.v1": {
        "open": _amount("open", "case_open"),
        "claims": _claims("claims", "open"),
        **_currency("open"),
    },
    "case.rejected.v1": {"reason_code": _noted("reason_code"), "claims": _CLAIM_IDS},
    "member.released.v1": {
        "reason": ("payload -> 'reason'", _RELEASE_REASON),
        "claims": _CLAIM_IDS,
    },
    "case.file-number-set.v1": {
        "file_number": _noted("file_number"),
        "previous": ("payload ->> 'previous'", "details ->> 'previous'"),
    },
    "case.payment-booked.v1": {
        "payment_id": _noted("payment_id"),
        "amount": _amount("amount", "collected"),
        "unallocated": _amount("unallocated", "unallocated"),
        "own_fees": _noted_amount("own_fees"),
        "booking_date": _noted("booking_date"),
        "shares": _claims("shares", "amount", "open"),
        "open": _amount("open", "case_open"),
        **_currency("amount"),
    },
    "case.payment-reduced.v1": {
        "payment_id": _noted("payment_id"),
        "amount_before": _noted_amount("amount_before"),
        "amount_after": _noted_amount("amount_after"),
        "difference": (_TAKEN_BACK, "part"),
        "shortfall": ("payload #>> '{shortfall,amount}'", "shortfall"),
        "booking_date": _noted("booking_date"),
        "shares": _claims("shares", "amount", "open"),
        "open": _amount("open", "case_open"),
        **_currency("open"),
    },
    "case.payment-reallocated.v1": {
        "payment_id": _noted("payment_id"),
        "reason": _noted("reason"),
        "taken": _claims(
            "taken",
            "amount",
            "open",
            recomputed="CASE details ->> 'reason' WHEN 'CLAIM_CHANGED' THEN claims ELSE '[]' END",
        ),
        "given": _claims(
            "given",
            "amount",
            "open",
            recomputed="CASE details ->> 'reason' WHEN 'SETTLED' THEN claims ELSE '[]' END",
        ),
        "unallocated": _amount("unallocated", "unallocated_then"),
        "open": _amount("open", "case_open"),
        **_currency("open"),
    },
    "case.unallocated-settled.v1": {
        "payment_id": _noted("payment_id"),
        "outcome": _noted("outcome"),
        "amount": _amount("amount", "paid_out"),
        "unallocated": _amount("unallocated", "unallocated_then"),
        **_currency("amount"),
    },
    "case.claim-changed.v1": {
        "claim": (_CHANGED_CLAIM, "claims"),
        "amount": _noted_amount("amount"),
        "paid_directly": _noted_amount("paid_directly"),
        "cancelled": ("payload ->> 'cancelled'", "lower(details ->> 'cancelled')"),
        "case_open": _amount("case_open", "case_open"),
        **_currency("open"),
    },
    "case.handed-over-again.v1": {
        "claims": _claims("claims", "open"),
        "amount": _amount("amount", "let_go"),
        "open": _amount("open", "case_open"),
        **_currency("open"),
    },
    "case.closed.v1": {
        "reason": _noted("reason"),
        "result": _noted("result"),
        "collected": _amount("collected", "case_collected"),
        "residual": _amount("residual", "let_go"),
        "claims": _claims("claims", "collected", "residual", "written_off"),
        **_currency("collected"),
    },
    "case.cancelled.v1": {"claims": _claims("claims", "collected", "residual", "written_off")},
    "member.dunning-level-reset.v1": {},
}
_OF_ALL: Final = {
    "member_id": ("payload -> 'member_id'", "member_id"),
    "studio_id": ("payload -> 'studio_id'", "studio_id"),
}
_OF_CASES: Final = {
    "partner_id": ("payload -> 'partner_id'", "partner_id"),
    "run_id": ("payload -> 'run_id'", "run_id"),
}


def _all_facts(side: int) -> str:
    cases = ""
    for type_, facts in _FACTS.items():
        all_facts = facts | _OF_ALL | (_OF_CASES if type_.startswith("case.") else {})
        pairs = ", ".join(f"'{name}', {both[side]}" for name, both in all_facts.items())
        cases += f" WHEN '{type_}' THEN jsonb_build_object({pairs})"
    return f"CASE type {cases} END"


PUBLISHED: Final = _all_facts(0)
"""An object of what an event says."""

RECOMPUTED: Final = _all_facts(1)
"""The same, as it must be."""
