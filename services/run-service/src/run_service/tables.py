"""The tables of run-service. Each row names its tenant, and each key begins with it."""

from typing import Final

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

AMOUNT: Final = Numeric(14, 2)
SUM: Final = Numeric(20, 2)
"""Sums over many members may be larger than any one amount."""
_SUPERSEDED: Final = text("superseded_at IS NOT NULL")


def _tenant() -> Column[object]:
    return Column("tenant_id", Uuid, primary_key=True)


def _key(name: str) -> Column[object]:
    return Column(name, Uuid, primary_key=True)


# Read models: the newest snapshot of each thing, with the columns that candidates are found by.

studios: Final = Table(
    "studios",
    metadata,
    _tenant(),
    _key("studio_id"),
    Column("sequence", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("snapshot", JSONB, nullable=False),
)

members: Final = Table(
    "members",
    metadata,
    _tenant(),
    _key("member_id"),
    # From the member's snapshot; none of it is there while only its claims have come.
    Column("sequence", BigInteger),
    Column("studio_id", Uuid),
    Column("membership_number", Text),
    Column("name", Text, comment="as staff read it: first name and surname"),
    Column("surname", Text, comment="without accents and capitals; what members are ordered by"),
    Column("search_text", Text, comment="what members are found by"),
    Column("last_level_passed_on", Date, comment="collection may begin from this day on"),
    Column("blocked_until", Date, comment="last day of a collection block; far off if it is open"),
    Column("of_age_on", Date, comment="day of coming of age; none if the birth date is unknown"),
    Column("has_guardian", Boolean),
    Column("has_address", Boolean, comment="whether letters reach the member"),
    Column("guardian_has_address", Boolean, comment="whether letters reach its legal guardian"),
    # From its claims that could be handed over, oldest due date first; see candidates/recount.py.
    Column("claim_ids", ARRAY(Uuid), nullable=False, server_default=text("'{}'")),
    Column("claim_sequences", ARRAY(BigInteger), nullable=False, server_default=text("'{}'")),
    Column("claim_amounts", ARRAY(AMOUNT), nullable=False, server_default=text("'{}'")),
    Column("disputed_count", Integer, nullable=False, server_default=text("0")),
    Column("currency", Text, comment="none without claims, and where they have several"),
    Column("total", SUM, comment="none where there is no one currency"),
    Column("arose_on", Date, comment="earliest voucher date of the claims"),
)

member_snapshots: Final = Table(
    "member_snapshots",
    metadata,
    _tenant(),
    _key("member_id"),
    Column("sequence", BigInteger, primary_key=True),
    Column("person", JSON, nullable=False, comment="PersonDetails of the contracts"),
    Column("legal_guardian", JSON, comment="LegalGuardian of the contracts"),
    Column("superseded_at", DateTime(timezone=True), comment="when a newer one came"),
    Index("member_snapshots_superseded", "superseded_at", postgresql_where=_SUPERSEDED),
    comment="each version that a preview may still show",
)

claims: Final = Table(
    "claims",
    metadata,
    _tenant(),
    _key("claim_id"),
    Column("sequence", BigInteger, nullable=False),
    Column("member_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("voucher_date", Date, nullable=False),
    Column("due_date", Date, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount", AMOUNT, nullable=False),
    Column("paid_directly", AMOUNT, nullable=False),
    Column("cancelled", Boolean, nullable=False),
    Column("disputed", Boolean, nullable=False),
    Column(
        "is_handover_fee",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="made for one handover; not known to the system that owns claims",
    ),
    Index("claims_member_id", "tenant_id", "member_id"),
)

claim_snapshots: Final = Table(
    "claim_snapshots",
    metadata,
    _tenant(),
    _key("claim_id"),
    Column("sequence", BigInteger, primary_key=True),
    Column("details", JSON, nullable=False, comment="ClaimDetails of the contracts"),
    Column("superseded_at", DateTime(timezone=True), comment="when a newer one came"),
    Index("claim_snapshots_superseded", "superseded_at", postgresql_where=_SUPERSEDED),
    comment="each version that a preview may still show",
)

partners: Final = Table(
    "partners",
    metadata,
    _tenant(),
    _key("partner_id"),
    Column("sequence", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("status", Text, nullable=False),
)

# What was paid through collection. Its owner is case-service; each share is counted once.

collected_shares: Final = Table(
    "collected_shares",
    metadata,
    _tenant(),
    _key("claim_id"),
    _key("booking_id"),
    Column("case_id", Uuid, nullable=False),
    Column("amount", AMOUNT, nullable=False, comment="below zero where a payment was reduced"),
    Index("collected_shares_case_id", "tenant_id", "case_id"),
)

collected: Final = Table(
    "collected",
    metadata,
    _tenant(),
    _key("claim_id"),
    Column("amount", AMOUNT, nullable=False, comment="sum of the claim's shares"),
)

# What a tenant wants of its runs; a tenant without a row has the defaults of settings.py there.

tenant_settings: Final = Table(
    "tenant_settings",
    metadata,
    _tenant(),
    Column("version", Integer, nullable=False),
    Column("minimum_amounts", JSONB, nullable=False, comment="amount by currency"),
    Column("excluded_kinds", ARRAY(Text), nullable=False, comment="claims that never go"),
    Column("disputed_claims_hold_member", Boolean, nullable=False),
    Column("time_zone", Text, comment="IANA name; none means the service's"),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Column("changed_by", Text, nullable=False),
)

# Previews. The rows below `previews` hold personal data, and go when they are not needed any more.

previews: Final = Table(
    "previews",
    metadata,
    _tenant(),
    _key("preview_id"),
    Column("partner_id", Uuid, nullable=False),
    Column("studio_ids", ARRAY(Uuid), comment="the studios asked for; none means all"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("run_id", Uuid, comment="the run that was made of it"),
    Column("discarded", Boolean, nullable=False, server_default=text("false")),
    Index("previews_kept", "expires_at", postgresql_where=text("NOT discarded")),
)

preview_studios: Final = Table(
    "preview_studios",
    metadata,
    _tenant(),
    _key("preview_id"),
    _key("studio_id"),
    Column("name", Text, nullable=False),
    Column("snapshot", JSONB, nullable=False),
)

preview_members: Final = Table(
    "preview_members",
    metadata,
    _tenant(),
    _key("preview_id"),
    _key("member_id"),
    Column("sequence", BigInteger, nullable=False, comment="version of the member's snapshot"),
    Column("studio_id", Uuid, nullable=False),
    Column("place", Integer, nullable=False, comment="from 1 on, by studio and name"),
    Column("name", Text, nullable=False),
    Column("surname", Text, nullable=False),
    Column("membership_number", Text, nullable=False),
    Column("search_text", Text, nullable=False),
    Column("claim_ids", ARRAY(Uuid), nullable=False),
    Column("claim_sequences", ARRAY(BigInteger), nullable=False),
    Column("claim_amounts", ARRAY(AMOUNT), nullable=False, comment="what is to be collected"),
    Column("currency", Text, comment="none where the claims have several"),
    Column("total", SUM),
    Column("minor", Boolean, nullable=False, comment="a minor without a legal guardian"),
    Column("came_of_age_on", Date, comment="if that was after the oldest claim arose"),
    Column("left_out", Boolean, nullable=False),
    Column("left_out_reason", Text),
    Column("decided_by", Text, comment="who left the member out or took it in"),
    Column("decided_as", ARRAY(Text), comment="the roles of who did"),
    Column("decision_reason", Text),
    Index("preview_members_place", "tenant_id", "preview_id", "place", unique=True),
    CheckConstraint("left_out = (left_out_reason IS NOT NULL)", name="left_out_has_reason"),
)

# Runs.

booking_numbers: Final = Table(
    "booking_numbers",
    metadata,
    _tenant(),
    Column("year", Integer, primary_key=True),
    Column("last", Integer, nullable=False),
)

runs: Final = Table(
    "runs",
    metadata,
    _tenant(),
    _key("run_id"),
    Column("booking_number", Text, nullable=False),
    Column("preview_id", Uuid, nullable=False),
    Column("partner_id", Uuid, nullable=False),
    Column("partner_channel", Text, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("collection_date", Date, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", Text, nullable=False),
    Column("correlation_id", Text, nullable=False),
    Column("traceparent", Text),
    Column("member_count", Integer, nullable=False),
    Column("published", Integer, nullable=False, comment="last booking number handed over"),
    Column("last_place", Integer, nullable=False, comment="its place in the preview"),
    Column("published_at", DateTime(timezone=True), comment="when the last member was"),
    Column("last_answer_at", DateTime(timezone=True)),
    Column("next_try_at", DateTime(timezone=True), comment="not before; set after a failure"),
    Column("next_settling_at", DateTime(timezone=True), comment="not before, in the same way"),
    Column("handed_over_at", DateTime(timezone=True)),
    Column("rejected_at", DateTime(timezone=True)),
    Column("reversal_requested_at", DateTime(timezone=True)),
    Column("reversal_requested_by", Text),
    Column("reversal_reason", Text),
    Column("reversal_correlation_id", Text),
    Column("reversal_traceparent", Text),
    Column("reversed_at", DateTime(timezone=True)),
    Index("runs_booking_number", "tenant_id", "booking_number", unique=True),
    Index("runs_collection_date", "tenant_id", "collection_date"),
    Index("runs_to_publish", "tenant_id", postgresql_where=text("published < member_count")),
    CheckConstraint(
        "status IN ('IN_PROGRESS', 'HANDED_OVER', 'REJECTED', 'CANCELLED')", name="status_known"
    ),
    CheckConstraint("published BETWEEN 0 AND member_count", name="published_in_bounds"),
)

run_studios: Final = Table(
    "run_studios",
    metadata,
    _tenant(),
    _key("run_id"),
    _key("studio_id"),
    Column("transfer_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("first_booking_number", Integer, nullable=False),
    Column("member_count", Integer, nullable=False),
    Column("claim_count", Integer, nullable=False),
    Column("accepted", Integer, nullable=False, server_default=text("0")),
    Column("rejected", Integer, nullable=False, server_default=text("0")),
    Column("unanswered", Integer, nullable=False, server_default=text("0")),
    Column("ended", Integer, nullable=False, server_default=text("0")),
    Column("reversed", Integer, nullable=False, server_default=text("0")),
    ForeignKeyConstraint(["tenant_id", "run_id"], ["runs.tenant_id", "runs.run_id"]),
    comment="a studio's part of a run; booking numbers of a studio's members follow each other",
)

run_studio_totals: Final = Table(
    "run_studio_totals",
    metadata,
    _tenant(),
    _key("run_id"),
    _key("studio_id"),
    Column("currency", Text, primary_key=True),
    Column("amount", SUM, nullable=False),
)

run_members: Final = Table(
    "run_members",
    metadata,
    _tenant(),
    _key("run_id"),
    _key("member_id"),
    Column("case_id", Uuid, nullable=False),
    Column("booking_number", Integer, nullable=False),
    Column("studio_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("membership_number", Text, nullable=False),
    Column("search_text", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("total", SUM, nullable=False),
    Column("case_status", Text, nullable=False),
    Column(
        "accepted",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="whether the partner took the member, whatever became of it",
    ),
    Column("reason_code", Text, comment="why the partner refused the member"),
    Column("taken_in_by", Text, comment="who took in a minor without a legal guardian"),
    Column("taken_in_as", ARRAY(Text), comment="the roles of who did"),
    Column("taken_in_reason", Text),
    Index("run_members_case_id", "tenant_id", "case_id", unique=True),
    Index("run_members_booking_number", "tenant_id", "run_id", "booking_number", unique=True),
    Index(
        "run_members_reason_code",
        "tenant_id",
        "run_id",
        "reason_code",
        postgresql_where=text("reason_code IS NOT NULL"),
    ),
    CheckConstraint(
        "case_status IN ('PENDING', 'OPEN', 'REJECTED', 'CLOSED', 'CANCELLED')",
        name="case_status_known",
    ),
    comment="a member of a run, from the moment it was handed over",
)

reservations: Final = Table(
    "reservations",
    metadata,
    _tenant(),
    _key("run_id"),
    _key("member_id"),
    _key("claim_id"),
    Column("voucher_id", Uuid, nullable=False, comment="id of the claim within the run"),
    Column("to_collect", AMOUNT, nullable=False),
    Column("released_at", DateTime(timezone=True)),
    # The invariant of the whole product: a claim stands in one handover at a time. The claim
    # comes first, so that nobody reads all of a tenant by this index.
    Index(
        "reservations_one_at_a_time",
        "claim_id",
        "tenant_id",
        unique=True,
        postgresql_where=text("released_at IS NULL"),
    ),
)

run_tallies: Final = Table(
    "run_tallies",
    metadata,
    Column("tally_id", BigInteger, Identity(always=True), primary_key=True),
    Column("tenant_id", Uuid, nullable=False),
    Column("run_id", Uuid, nullable=False),
    Column("studio_id", Uuid, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("unanswered", Integer, nullable=False),
    Column("ended", Integer, nullable=False),
    Column("reversed", Integer, nullable=False),
    Index("run_tallies_run_id", "tenant_id", "run_id"),
    comment="counts that wait to be added to run_studios: batches never wait for each other",
)
