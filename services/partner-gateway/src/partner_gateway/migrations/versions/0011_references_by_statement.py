"""Partners are looked up once for each statement, not once for each row.

A foreign key looks for the row of each new one alone, and locks it, as it could be deleted
meanwhile: a third of what it took to write a case. Partners are never deleted, nor do they change
their ids: the database holds to that from now on. What was there once is there for good, so nothing
must be locked, and one look at all rows of a statement sees the same.

Cases and notices of partners by hand are in no request, and few of them have a file number: the
indexes over these leave out the others. And the primary key of notices is the index by which those
of a tenant are listed, too.

Revision ID: 0011
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_TABLES = ("cases", "notices", "claim_changes")

# First all that is changed, in the order in which rows are written: else a transaction that is
# under way, and has read one of these and goes on to write it or the next, would wait for this one,
# and this one for it. What refers to partners looks them up last.
_LOCK = "LOCK TABLE cases, claim_changes, notices, partners IN ACCESS EXCLUSIVE MODE"
_CREATE: tuple[str, ...] = (
    _LOCK,
    """
    CREATE FUNCTION refuse_change_of_partner() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'rows of % stay at their partner: % is not allowed', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'restrict_violation';
    END
    $$
    """,
    """
    CREATE FUNCTION refuse_without_partner() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (
            SELECT FROM (SELECT DISTINCT tenant_id, partner_id FROM added) AS child
            WHERE NOT EXISTS (
                SELECT FROM partners
                WHERE partners.tenant_id = child.tenant_id
                  AND partners.partner_id = child.partner_id
            )
        ) THEN
            RAISE EXCEPTION 'a row of % has no partner', TG_TABLE_NAME
                USING ERRCODE = 'foreign_key_violation', TABLE = TG_TABLE_NAME;
        END IF;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER partners_stay
    BEFORE DELETE OR TRUNCATE OR UPDATE OF tenant_id, partner_id ON partners
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_partner()
    """,
    *(
        f"""
        CREATE TRIGGER {table}_stay BEFORE UPDATE OF tenant_id, partner_id ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_partner()
        """
        for table in _TABLES
    ),
    *(
        f"""
        CREATE TRIGGER {table}_of_partner AFTER INSERT ON {table} REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_without_partner()
        """
        for table in _TABLES
    ),
    # The references stay declared, for whoever reads the tables.
    *(
        f"ALTER TABLE {table} ALTER CONSTRAINT {table}_tenant_id_partner_id_fkey NOT ENFORCED"
        for table in _TABLES
    ),
    "DROP INDEX cases_request, cases_file_number, notices_request",
    """
    CREATE INDEX cases_request ON cases (tenant_id, request_id, booking_number)
    WHERE request_id IS NOT NULL
    """,
    """
    CREATE INDEX cases_file_number ON cases (tenant_id, partner_id, file_number)
    WHERE file_number IS NOT NULL
    """,
    """
    CREATE UNIQUE INDEX notices_request ON notices (tenant_id, request_id)
    WHERE request_id IS NOT NULL
    """,
    "ALTER TABLE notices DROP CONSTRAINT notices_pkey, ADD PRIMARY KEY (tenant_id, notice_id)",
    "DROP INDEX notices_tenant",
)
_TAKE_BACK: tuple[str, ...] = (
    _LOCK,
    "CREATE INDEX notices_tenant ON notices (tenant_id, notice_id)",
    "ALTER TABLE notices DROP CONSTRAINT notices_pkey, ADD PRIMARY KEY (notice_id)",
    "DROP INDEX cases_request, cases_file_number, notices_request",
    "CREATE INDEX cases_request ON cases (tenant_id, request_id, booking_number)",
    "CREATE INDEX cases_file_number ON cases (tenant_id, partner_id, file_number)",
    "CREATE UNIQUE INDEX notices_request ON notices (tenant_id, request_id)",
    *(
        f"ALTER TABLE {table} ALTER CONSTRAINT {table}_tenant_id_partner_id_fkey ENFORCED"
        for table in _TABLES
    ),
    "DROP FUNCTION refuse_without_partner, refuse_change_of_partner CASCADE",
)


def upgrade() -> None:
    """Hold the new rules, then let go of the old ones."""
    for statement in _CREATE:
        op.execute(statement)


def downgrade() -> None:
    """Take the changes back."""
    for statement in _TAKE_BACK:
        op.execute(statement)
