"""The runs and members of cases are checked once for each statement, as cases of entries are.

A third of what it took to enter cases went into looking for the run and the member of each, and
into locking both. Neither is ever deleted nor gets another id, nor does a case get another run or
member: the database holds to that from now on. An entry on a claim needs no look for its case: the
claim has it.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Who opens cases reads them before it enters their runs and members: were those locked first, both
# would wait in a circle.
_CASES_FIRST = "LOCK TABLE cases IN ACCESS EXCLUSIVE MODE"

_THERE_FOR_GOOD = (
    """
    CREATE TRIGGER runs_stay BEFORE DELETE OR TRUNCATE OR UPDATE OF tenant_id, run_id ON runs
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_removal()
    """,
    """
    CREATE TRIGGER members_stay
    BEFORE DELETE OR TRUNCATE OR UPDATE OF tenant_id, member_id ON members
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_removal()
    """,
    """
    CREATE TRIGGER cases_keep_run_and_member BEFORE UPDATE OF run_id, member_id ON cases
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_removal()
    """,
)

_BY_STATEMENT = (
    """
    CREATE FUNCTION refuse_without_run_or_member() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (
            SELECT FROM (SELECT DISTINCT tenant_id, run_id FROM added) AS child
            WHERE NOT EXISTS (
                SELECT FROM runs
                WHERE runs.tenant_id = child.tenant_id AND runs.run_id = child.run_id
            )
        ) OR EXISTS (
            SELECT FROM added AS child
            WHERE NOT EXISTS (
                SELECT FROM members
                WHERE members.tenant_id = child.tenant_id AND members.member_id = child.member_id
            )
        ) THEN
            RAISE EXCEPTION 'a case has no run or no member'
                USING ERRCODE = 'foreign_key_violation', TABLE = TG_TABLE_NAME;
        END IF;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER cases_of_run_and_member AFTER INSERT ON cases REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_without_run_or_member()
    """,
    """
    CREATE OR REPLACE FUNCTION refuse_without_account() RETURNS trigger LANGUAGE plpgsql AS $$
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
            WHERE claim_id IS NULL AND NOT EXISTS (
                SELECT FROM cases
                WHERE cases.tenant_id = child.tenant_id AND cases.case_id = child.case_id
            )
        ) OR EXISTS (
            SELECT FROM added AS child
            WHERE payment_id IS NOT NULL AND NOT EXISTS (
                SELECT FROM payments
                WHERE payments.tenant_id = child.tenant_id
                  AND payments.payment_id = child.payment_id
            )
        ) THEN
            RAISE EXCEPTION 'an entry has no case, no claim or no payment'
                USING ERRCODE = 'foreign_key_violation', TABLE = TG_TABLE_NAME;
        END IF;
        RETURN NULL;
    END
    $$
    """,
    "DROP TRIGGER entries_of_case ON entries",
    # Rows are looked up by their ids: a plan made while the tables were small would read all of
    # them for ever. To replace a function also takes its settings away.
    *(
        f"ALTER FUNCTION {function} SET {way} = off"
        for function in ("refuse_without_run_or_member()", "refuse_without_account()")
        for way in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin")
    ),
)

# The references stay declared, for whoever reads the tables.
_NOT_BY_ROW = (
    "ALTER TABLE cases ALTER CONSTRAINT cases_tenant_id_run_id_fkey NOT ENFORCED",
    "ALTER TABLE cases ALTER CONSTRAINT cases_tenant_id_member_id_fkey NOT ENFORCED",
)


def upgrade() -> None:
    """Hold the new rules, then let go of the old ones."""
    for statement in (_CASES_FIRST, *_THERE_FOR_GOOD, *_BY_STATEMENT, *_NOT_BY_ROW):
        op.execute(statement)


def downgrade() -> None:
    """There is no way back: revision 0007, on which this builds, has none either."""
    raise NotImplementedError
