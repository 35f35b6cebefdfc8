"""References to cases are checked once for each statement, not once for each row.

A foreign key looks for the row of each new one alone, and locks it, as it could be deleted
meanwhile. Two thirds of what it took to write entries went there. Cases, their claims and payments
are never deleted, nor do they change their ids (R30): the database holds to that from now on. What
was there once is there for good, so nothing must be locked, and one look at all rows of a statement
sees the same.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# The references stay declared, for whoever reads the tables.
_NOT_BY_ROW = (
    "ALTER TABLE case_claims ALTER CONSTRAINT case_claims_tenant_id_case_id_fkey NOT ENFORCED",
    "ALTER TABLE history ALTER CONSTRAINT history_tenant_id_case_id_fkey NOT ENFORCED",
    "ALTER TABLE entries ALTER CONSTRAINT entries_tenant_id_case_id_fkey NOT ENFORCED",
    "ALTER TABLE entries ALTER CONSTRAINT entries_tenant_id_case_id_claim_id_fkey NOT ENFORCED",
    "ALTER TABLE entries ALTER CONSTRAINT entries_tenant_id_payment_id_fkey NOT ENFORCED",
)

_THERE_FOR_GOOD = (
    """
    CREATE FUNCTION refuse_removal() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'rows of % are there for good: % is not allowed', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'restrict_violation';
    END
    $$
    """,
    """
    CREATE TRIGGER cases_stay BEFORE DELETE OR TRUNCATE OR UPDATE OF tenant_id, case_id ON cases
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_removal()
    """,
    """
    CREATE TRIGGER case_claims_stay
    BEFORE DELETE OR TRUNCATE OR UPDATE OF tenant_id, case_id, claim_id ON case_claims
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_removal()
    """,
    """
    CREATE TRIGGER payments_stay
    BEFORE DELETE OR TRUNCATE OR UPDATE OF tenant_id, payment_id ON payments
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_removal()
    """,
)

_BY_STATEMENT = (
    """
    CREATE FUNCTION refuse_without_case() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (
            SELECT FROM (SELECT DISTINCT tenant_id, case_id FROM added) AS child
            WHERE NOT EXISTS (
                SELECT FROM cases
                WHERE cases.tenant_id = child.tenant_id AND cases.case_id = child.case_id
            )
        ) THEN
            RAISE EXCEPTION 'a row of % has no case', TG_TABLE_NAME
                USING ERRCODE = 'foreign_key_violation', TABLE = TG_TABLE_NAME;
        END IF;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE FUNCTION refuse_without_account() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (
            SELECT FROM added AS child
            WHERE claim_id IS NOT NULL AND NOT EXISTS (
                SELECT FROM case_claims AS claim
                WHERE claim.tenant_id = child.tenant_id AND claim.case_id = child.case_id
                  AND claim.claim_id = child.claim_id
            )
        ) OR EXISTS (
            SELECT FROM added AS child
            WHERE payment_id IS NOT NULL AND NOT EXISTS (
                SELECT FROM payments
                WHERE payments.tenant_id = child.tenant_id
                  AND payments.payment_id = child.payment_id
            )
        ) THEN
            RAISE EXCEPTION 'an entry has no claim or no payment'
                USING ERRCODE = 'foreign_key_violation', TABLE = TG_TABLE_NAME;
        END IF;
        RETURN NULL;
    END
    $$
    """,
    # Rows are looked up by their ids: a plan made while the tables were small would read all of
    # them for ever.
    *(
        f"ALTER FUNCTION {function} SET {way} = off"
        for function in ("refuse_without_case()", "refuse_without_account()")
        for way in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin")
    ),
    *(
        f"""
        CREATE TRIGGER {table}_of_case AFTER INSERT ON {table} REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_without_case()
        """
        for table in ("case_claims", "entries", "history")
    ),
    """
    CREATE TRIGGER entries_of_account AFTER INSERT ON entries REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_without_account()
    """,
)


def upgrade() -> None:
    """Hold the new rules, then let go of the old ones."""
    for statement in (*_THERE_FOR_GOOD, *_BY_STATEMENT, *_NOT_BY_ROW):
        op.execute(statement)


def downgrade() -> None:
    """There is no way back: the release before has none either."""
    raise NotImplementedError
