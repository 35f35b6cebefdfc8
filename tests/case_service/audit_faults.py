"""What is planted straight into the tables of case-service, and what the audit says of it."""

FIRST = "(SELECT payment_id FROM payments ORDER BY payment_id LIMIT 1)"
"""5.00, that is all on one claim; nothing happened to it since."""
DOUBLE = "ffffffff-0000-7000-8000-000000000001"

FAULTS = {
    "a changed amount": (
        [
            (
                "UPDATE entries SET amount = amount - 0.01"
                f" WHERE payment_id = {FIRST} AND account = 'COLLECTED'"
            )
        ],
        ["sum: is -0.01, should be 0.00", "amount: is 5.00, should be 4.99"],
    ),
    "a deleted share": (
        [f"DELETE FROM entries WHERE payment_id = {FIRST} AND account = 'CLAIM'"],
        ["sum: is 5.00, should be 0.00", " collected: is 28.00, should be 23.00"],
    ),
    "a doubled payment": (
        [
            f"""
            INSERT INTO payments (tenant_id, payment_id, case_id, amount, unallocated, own_fees,
                booked_amount, booked_own_fees, currency, booking_date, allocation, booked_by,
                recorded_at)
            SELECT tenant_id, '{DOUBLE}', case_id, amount, unallocated, own_fees, booked_amount,
                booked_own_fees, currency, booking_date, allocation, booked_by, recorded_at
            FROM payments WHERE payment_id = {FIRST}
            """,
            f"""
            INSERT INTO entries (tenant_id, posting_id, case_id, account, claim_id, payment_id,
                kind, amount, currency, booking_date, recorded_at, actor_kind, actor,
                correlation_id)
            SELECT tenant_id, '{DOUBLE}', case_id, account, claim_id, '{DOUBLE}', kind, amount,
                currency, booking_date, recorded_at, actor_kind, actor, correlation_id
            FROM entries WHERE payment_id = {FIRST}
            """,
        ],
        [
            f"payment {DOUBLE} times booked: is 0, should be 1",
            f"posting {DOUBLE} of PAYMENT_SHARE: is not in the history, should be in it",
        ],
    ),
    "a wrong balance": (
        [
            (
                "UPDATE case_claims SET open = open + 1, collected = collected - 1"
                " WHERE collected = 4.00"
            ),
            "UPDATE cases SET unallocated = unallocated + 1 WHERE unallocated > 0",
        ],
        [
            " open: is 1.00, should be 0.00",
            " collected: is 3.00, should be 4.00",
            " unallocated: is 80.00, should be 79.00",
        ],
    ),
    "a lost event": (
        ["DELETE FROM outbox WHERE type = 'case.payment-reduced.v1'"],
        ["event case.payment-reduced.v1", ": is not published, should be published"],
    ),
    "a case without claims": (
        ["DELETE FROM case_claims WHERE case_id = (SELECT case_id FROM cases WHERE open = 11.00)"],
        [" claims: is none, should be at least one", "rows in the case: is 0, should be 1"],
    ),
    "a status without its entry": (
        [
            (
                "UPDATE cases SET status = 'CLOSED', close_reason = 'COMPLETED', result = 'UNPAID',"
                " ended_at = now(), residual = 11.00 WHERE open = 11.00"
            )
        ],
        [
            " status: is CLOSED, should be OPEN",
            " residual: is 11.00, should be None",
            " result: is UNPAID, should be None",
        ],
    ),
    "a moved claim": (
        [
            (
                "UPDATE case_claims SET case_id = (SELECT case_id FROM cases WHERE open = 11.00)"
                " WHERE handed_over = 12.00"
            )
        ],
        ["rows in the case: is 0, should be 1", "rows in the case: is 1, should be 0"],
    ),
    "an event with another amount": (
        [
            (
                "UPDATE outbox SET payload = convert_to(replace(convert_from(payload, 'UTF8'),"
                " '5.00', '6.00'), 'UTF8') WHERE type = 'case.payment-booked.v1'"
                " AND convert_from(payload, 'UTF8') LIKE '%\"amount\":\"5.00\"%'"
            )
        ],
        ["event case.payment-booked.v1", " amount: is 6.00, should be 5.00", " shares: is "],
    ),
    "a history item less": (
        ["DELETE FROM history WHERE kind = 'CANCELLED'"],
        [
            " status: is CANCELLED, should be OPEN",
            "event case.cancelled.v1",
            "event member.released.v1",
            ": is published, should be in the history",
            " of RELEASED: is not in the history, should be in it",
        ],
    ),
    "a claim that does not follow receivables": (
        ["UPDATE claims SET amount = 12.00, sequence = 2 WHERE amount = 11.00"],
        [" open by what receivables says: is 11.00, should be 12.00"],
    ),
    "a claim in two cases": (
        [
            (
                "INSERT INTO case_claims SELECT tenant_id, (SELECT case_id FROM cases"
                " WHERE handed_over = 42.00), claim_id, voucher_id, snapshot_sequence, kind,"
                " designation, voucher_date, due_date, amount, paid_directly, handed_over, changed,"
                " collected, written_off, released, open FROM case_claims WHERE amount = 11.00"
            )
        ],
        [" stands in: is 2 cases that have not ended, should be at most one"],
    ),
    "other fees of the partner": (
        [f"UPDATE payments SET own_fees = 1, booked_own_fees = 2 WHERE payment_id = {FIRST}"],
        [" own fees: is 1.00, should be 0.00", " booked own fees: is 2.00, should be 0.00"],
    ),
    "another currency": (
        ["UPDATE cases SET currency = 'CHF' WHERE open = 11.00"],
        [" currency: is CHF, should be EUR", " currency: is EUR, should be CHF"],
    ),
}
