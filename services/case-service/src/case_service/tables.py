"""The tables of case-service; `store.py` and `queries.py` hold the SQL on them."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Identity,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

metadata = MetaData()

_ID: Final = UUID(as_uuid=True)
_MONEY: Final = Numeric(14, 2)
_SUM: Final = Numeric(20, 2)
_INSTANT: Final = DateTime(timezone=True)

runs: Final = Table(
    "runs",
    metadata,
    Column("tenant_id", _ID, primary_key=True),
    Column("run_id", _ID, primary_key=True),
    Column("reversal_reason", Text),
    Column("reversal_requested_by", Text),
    Column("reversal_requested_at", _INSTANT),
    Column("reversal_correlation_id", Text),
    Column("reversal_traceparent", Text),
    Column("reversal_done_at", _INSTANT),
)
"""What was said of a run as a whole. Its row is locked by whoever opens cases of the run or says
something of the whole run, so that neither misses the other."""

run_answers: Final = Table(
    "run_answers",
    metadata,
    Column("tenant_id", _ID, primary_key=True),
    Column("run_id", _ID, primary_key=True),
    Column("partner_id", _ID, primary_key=True),
    Column("accepted", Boolean, nullable=False),
    Column("file_number", Text),
    Column("reason_code", Text),
    Column("reason_text", Text),
    Column("answered_at", _INSTANT, nullable=False),
    Column("correlation_id", Text, nullable=False),
    Column("traceparent", Text),
    Column("done_at", _INSTANT),
)
"""A partner's answer to a whole run: the first counts. Kept by partner, so that no partner can
answer for another."""

members: Final = Table(
    "members",
    metadata,
    Column("tenant_id", _ID, primary_key=True),
    Column("member_id", _ID, primary_key=True),
    Column("studio_id", _ID, nullable=False),
    Column("name", Text, nullable=False),
    Column("membership_number", Text, nullable=False),
    Column("last_handed_over_on", Date, nullable=False),
    Column("search_text", Text, nullable=False),
    Column("search_keys", ARRAY(Integer), nullable=False),
)
"""Everyone ever handed over, as at the latest handover. Personal data: it stays in this database.
Its row is locked by whoever closes cases of the member, so that one of them closes the last."""

cases: Final = Table(
    "cases",
    metadata,
    Column("tenant_id", _ID, primary_key=True),
    Column("case_id", _ID, primary_key=True),
    Column("run_id", _ID, nullable=False),
    Column("run_booking_number", Text, nullable=False),
    Column("booking_number", Integer, nullable=False),
    Column("member_id", _ID, nullable=False),
    Column("studio_id", _ID, nullable=False),
    Column("partner_id", _ID, nullable=False),
    Column("partner_channel", Text, nullable=False),
    Column("collection_date", Date, nullable=False),
    Column("currency", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("handed_over", _MONEY, nullable=False),
    Column("collected", _MONEY, nullable=False),
    Column("open", _MONEY, nullable=False),
    Column("unallocated", _SUM, nullable=False),
    Column("residual", _MONEY),
    Column("written_off", _MONEY, nullable=False),
    Column("file_number", Text(collation="C")),
    Column("reason_code", Text),
    Column("close_reason", Text),
    Column("result", Text),
    Column("created_at", _INSTANT, nullable=False),
    Column("opened_at", _INSTANT),
    Column("ended_at", _INSTANT),
    Column("version", Integer, nullable=False),
)
"""Its amounts follow from the entries and stand here for speed; audit compares. `residual` is what
was open when the case ended; what is `open` on a case that has ended is open again."""

is_live: Final = text("cases.status IN ('PENDING', 'OPEN')")
"""The case has not ended. Written out, so that the index on such cases is used."""

case_claims: Final = Table(
    "case_claims",
    metadata,
    Column("tenant_id", _ID, primary_key=True),
    Column("case_id", _ID, primary_key=True),
    Column("claim_id", _ID, primary_key=True),
    Column("voucher_id", _ID, nullable=False),
    Column("snapshot_sequence", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("designation", Text, nullable=False),
    Column("voucher_date", Date, nullable=False),
    Column("due_date", Date, nullable=False),
    Column("amount", _MONEY, nullable=False),
    Column("paid_directly", _MONEY, nullable=False),
    Column("handed_over", _MONEY, nullable=False),
    Column("changed", _MONEY, nullable=False),
    Column("collected", _MONEY, nullable=False),
    Column("written_off", _MONEY, nullable=False),
    Column("released", _MONEY, nullable=False),
    Column("open", _MONEY, nullable=False),
)
"""`amount` and `paid_directly` as at the handover; all from `handed_over` on follow from the
entries."""

claims: Final = Table(
    "claims",
    metadata,
    Column("tenant_id", _ID, primary_key=True),
    Column("claim_id", _ID, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("amount", _MONEY, nullable=False),
    Column("paid_directly", _MONEY, nullable=False),
    Column("cancelled", Boolean, nullable=False),
    Column("currency", Text, nullable=False),
)
"""What receivables says of each claim, handed over or not: the newest sequence. Its row is locked
by whoever opens a case with the claim and by whoever takes in a change, so that neither misses the
other."""

partners: Final = Table(
    "partners",
    metadata,
    Column("tenant_id", _ID, primary_key=True),
    Column("partner_id", _ID, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("file_number_pattern", Text),
)
"""Partners as partner-gateway has them: the newest sequence."""

notices: Final = Table(
    "notices",
    metadata,
    Column("tenant_id", _ID, primary_key=True),
    Column("notice_id", _ID, primary_key=True),
    Column("case_id", _ID, nullable=False),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("due_on", Date),
    Column("changed_at", _INSTANT, nullable=False),
    Column("overdue_since", _INSTANT),
)
"""What partners must be told of cases, as partner-gateway says."""

tenant_settings: Final = Table(
    "tenant_settings",
    metadata,
    Column("tenant_id", _ID, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("residual_on_closing", Text, nullable=False),
    Column("allocation_order", Text, nullable=False),
    Column("changed_at", _INSTANT, nullable=False),
    Column("changed_by", Text, nullable=False),
)
"""What each tenant wants of its cases; a tenant that said nothing has no row."""

payments: Final = Table(
    "payments",
    metadata,
    Column("tenant_id", _ID, primary_key=True),
    Column("payment_id", _ID, primary_key=True),
    Column("case_id", _ID, nullable=False),
    Column("amount", _MONEY, nullable=False),
    Column("unallocated", _MONEY, nullable=False),
    Column("own_fees", _MONEY, nullable=False),
    Column("booked_amount", _MONEY, nullable=False),
    Column("booked_own_fees", _MONEY, nullable=False),
    Column("paid_out", _MONEY, nullable=False),
    Column("shortfall", _MONEY, nullable=False),
    Column("currency", Text, nullable=False),
    Column("booking_date", Date, nullable=False),
    Column("allocation", Text, nullable=False),
    Column("booked_by", Text, nullable=False),
    Column("partner_reference", Text),
    Column("corrects", _ID),
    Column("recorded_at", _INSTANT, nullable=False),
)
"""`amount`, `unallocated` and `own_fees` as they are now, `booked_…` as they were booked first."""

entries: Final = Table(
    "entries",
    metadata,
    Column("entry_number", BigInteger, Identity(always=True), primary_key=True),
    Column("tenant_id", _ID, nullable=False),
    Column("posting_id", _ID, nullable=False),
    Column("case_id", _ID, nullable=False),
    Column("account", Text, nullable=False),
    Column("claim_id", _ID),
    Column("payment_id", _ID),
    Column("kind", Text, nullable=False),
    Column("amount", _MONEY, nullable=False),
    Column("currency", Text, nullable=False),
    Column("booking_date", Date, nullable=False),
    Column("recorded_at", _INSTANT, nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("why", Text),
    Column("correlation_id", Text, nullable=False),
)
"""The ledger. Triggers refuse every change and removal, and entries of one posting that do not add
up to 0.00."""

history: Final = Table(
    "history",
    metadata,
    Column("item_number", BigInteger, Identity(always=True), primary_key=True),
    Column("tenant_id", _ID, nullable=False),
    Column("case_id", _ID, nullable=False),
    Column("kind", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    Column("posting_id", _ID),
    Column("event_ids", ARRAY(_ID), nullable=False),
    Column("recorded_at", _INSTANT, nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("why", Text),
    Column("correlation_id", Text, nullable=False),
)
"""What happened to each case, who did it, and which events told it. Triggers refuse every change
and removal."""

audits: Final = Table(
    "audits",
    metadata,
    Column("audit_id", _ID, primary_key=True),
    Column("started_at", _INSTANT, nullable=False),
    Column("finished_at", _INSTANT, nullable=False),
)
"""The last audit that was finished."""

audit_differences: Final = Table(
    "audit_differences",
    metadata,
    Column("tenant_id", _ID, primary_key=True),
    Column("audit_id", _ID, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("case_id", _ID, nullable=False),
    Column("what", Text, nullable=False),
    Column("kept", Text),
    Column("recomputed", Text),
)
"""What it found: the first differences of each tenant."""
