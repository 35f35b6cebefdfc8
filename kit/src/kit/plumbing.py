"""The tables that each service's database has besides its own: outbox, inbox, parked, keys.

The Tables say what is there today and serve the queries. The first migration of each service
calls `create_v1`, whose SQL is frozen: a later change to these tables comes as `create_v2`.
"""

from typing import Final

from alembic import op
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

plumbing = MetaData()

outbox: Final = Table(
    "outbox",
    plumbing,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("id", UUID(as_uuid=True), nullable=False),
    Column("aggregatetype", Text, nullable=False),
    Column("aggregateid", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("tenantid", UUID(as_uuid=True)),
    Column("correlationid", Text),
    Column("traceparent", Text),
    Column("time", DateTime(timezone=True), nullable=False),
    Column("headers", JSONB),
    comment="events that wait to be published, named as Debezium's outbox event router reads them",
)
"""`aggregatetype` is the topic, `aggregateid` the key. Only dead letters set `headers` (pairs of
name and value in base64): they keep those they came with, and have no tenant or correlation."""

inbox: Final = Table(
    "inbox",
    plumbing,
    Column("source", Text, nullable=False, primary_key=True),
    Column("id", Text, nullable=False, primary_key=True),
    Column("received_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Index("inbox_received_at", "received_at", postgresql_using="brin"),
    comment="ids of the messages whose effects are already here",
)

parked: Final = Table(
    "parked",
    plumbing,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("waits_for", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("key", LargeBinary),
    Column("value", LargeBinary, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("parked_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    Column("next_try_at", DateTime(timezone=True), nullable=False),
    Index("parked_waits_for", "waits_for"),
    Index("parked_next_try_at", "next_try_at"),
    Index("parked_key", "key"),
    comment="messages that came before the thing they speak of",
)

idempotency_keys: Final = Table(
    "idempotency_keys",
    plumbing,
    Column("tenant_id", UUID(as_uuid=True), nullable=False, primary_key=True),
    Column("scope", Text, nullable=False, primary_key=True),
    Column("key", Text, nullable=False, primary_key=True),
    Column("request_hash", LargeBinary, nullable=False),
    Column("status", Integer, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Index("idempotency_keys_created_at", "created_at", postgresql_using="brin"),
    comment="answers already given, for requests that are sent again",
)
"""`answer` keeps the bytes of the body: the same again is the same to the last byte."""

# The outbox is nearly empty all the time and yet every event passes through it: it is vacuumed by
# the number of dead rows, not by a share of the table.
_CREATE_V1: Final = (
    """
    CREATE TABLE outbox (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        id uuid NOT NULL,
        aggregatetype text NOT NULL,
        aggregateid text NOT NULL,
        type text NOT NULL,
        payload bytea NOT NULL,
        tenantid uuid,
        correlationid text,
        traceparent text,
        "time" timestamptz NOT NULL,
        headers jsonb
    ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)
    """,
    """
    COMMENT ON TABLE outbox IS
    'events that wait to be published, named as Debezium''s outbox event router reads them'
    """,
    """
    CREATE FUNCTION outbox_notify() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('outbox', '');
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER outbox_notify AFTER INSERT ON outbox
    FOR EACH STATEMENT EXECUTE FUNCTION outbox_notify()
    """,
    """
    CREATE TABLE inbox (
        source text NOT NULL,
        id text NOT NULL,
        received_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (id, source)
    )
    """,
    "COMMENT ON TABLE inbox IS 'ids of the messages whose effects are already here'",
    "CREATE INDEX inbox_received_at ON inbox USING brin (received_at)",
    """
    CREATE TABLE parked (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        waits_for text NOT NULL,
        topic text NOT NULL,
        partition integer NOT NULL,
        "offset" bigint NOT NULL,
        key bytea,
        value bytea NOT NULL,
        headers jsonb NOT NULL,
        parked_at timestamptz NOT NULL DEFAULT now(),
        tries integer NOT NULL DEFAULT 0,
        next_try_at timestamptz NOT NULL
    )
    """,
    "COMMENT ON TABLE parked IS 'messages that came before the thing they speak of'",
    "CREATE INDEX parked_waits_for ON parked (waits_for)",
    "CREATE INDEX parked_next_try_at ON parked (next_try_at)",
    "CREATE INDEX parked_key ON parked (key)",
    """
    CREATE TABLE idempotency_keys (
        tenant_id uuid NOT NULL,
        scope text NOT NULL,
        key text NOT NULL,
        request_hash bytea NOT NULL,
        status integer NOT NULL,
        answer bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, scope, key)
    )
    """,
    """
    COMMENT ON TABLE idempotency_keys IS
    'answers already given, for requests that are sent again'
    """,
    "CREATE INDEX idempotency_keys_created_at ON idempotency_keys USING brin (created_at)",
)

# Beyond 2 kB PostgreSQL would compress each payload and store it in another table, only for the
# relay to unpack it and delete it a moment later: a third of what it takes to add a handover.
_CREATE_V2: Final = ("ALTER TABLE outbox SET (toast_tuple_target = 8160)",)

_DROP_V1: Final = (
    "DROP TABLE idempotency_keys, parked, inbox, outbox",
    "DROP FUNCTION outbox_notify()",
)


def create_v1() -> None:
    """Create the plumbing's tables; called inside a migration."""
    for statement in _CREATE_V1:
        op.execute(statement)


def create_v2() -> None:
    """Keep events of up to 8 kB in one piece; called inside a migration, after `create_v1`."""
    for statement in _CREATE_V2:
        op.execute(statement)


def drop_v1() -> None:
    """Drop what `create_v1` made, with all that is in it; called inside a migration."""
    for statement in _DROP_V1:
        op.execute(statement)


def expect_new_tenants() -> None:
    """Let the planner expect rows of tenants that it has not seen; called last in a migration.

    With few tenants PostgreSQL knows each one's share of a table and takes a new one to have no
    row: it then reads all of the tenant for every single row of a join. Without statistics on the
    column it assumes a share of 1/200 for anyone, and looks rows up by their ids.
    """
    op.execute(
        """
        DO $$
        DECLARE
            found regclass;
        BEGIN
            FOR found IN
                SELECT attrelid FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
                WHERE attname = 'tenant_id' AND relkind = 'r'
                  AND relnamespace = current_schema()::regnamespace
            LOOP
                EXECUTE format('ALTER TABLE %s ALTER COLUMN tenant_id SET STATISTICS 0', found);
            END LOOP;
        END
        $$
        """
    )
