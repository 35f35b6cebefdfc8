"""When all rows of a file are read: which of them are new, and what would be applied (R53).

What makes two rows the same is written here, and kept for ever in `reported_rows`: it must not
change. A payment is its case and the partner's reference; without one the reference is made of
case, day, amount and how many such payments the file has up to it. Any other row is all that it
says.
"""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from partner_gateway.report_files.kinds import Field
from partner_gateway.report_files.report_file import ReportFile

OTHER_PAYMENT: Final = (
    "A payment of this case was reported under this reference with other values: if it was "
    "corrected, the row must say so"
)

_OF_FILE = "tenant_id = :tenant_id AND report_file_id = :report_file_id"

# Rows that were just added have no statistics: the planner takes a file for a handful of them, and
# would compare each of 200,000 with each other, or with all that was reported before.
_PLAN_FOR_MANY = text(
    "SELECT set_config('enable_nestloop', 'off', true), set_config('enable_seqscan', 'off', true)"
)
_MAKE_REFERENCES = text(
    f"""
    UPDATE report_rows
    SET partner_reference = 'FILE-' || encode(substr(sha256(convert_to(jsonb_build_array(
            report_rows.case_id, report_rows.day, report_rows.amount, report_rows.currency,
            counted.occurrence)::text, 'UTF8')), 1, 16), 'hex')
    FROM (
        SELECT row, row_number() OVER (
                   PARTITION BY case_id, day, amount, currency ORDER BY row) AS occurrence
        FROM report_rows
        WHERE {_OF_FILE} AND kind = 'payment.received' AND partner_reference IS NULL
    ) AS counted
    WHERE {_OF_FILE} AND report_rows.row = counted.row
    """  # noqa: S608 - constants
)
_CONTENT = """
    sha256(convert_to(jsonb_build_array(
        kind, case_id, amount, own_fees, currency, day, partner_reference, file_number, reason_code,
        reason_text, result_code)::text, 'UTF8'))
"""
_NAME = text(
    f"""
    UPDATE report_rows
    SET content = {_CONTENT},
        identity = CASE WHEN kind = 'payment.received' THEN sha256(convert_to(
            jsonb_build_array(kind, case_id, partner_reference)::text, 'UTF8'))
            ELSE {_CONTENT} END
    WHERE {_OF_FILE}
    """  # noqa: S608 - constants
)
_JUDGE = text(
    """
    UPDATE report_rows
    SET state = CASE WHEN earlier.content IS NULL THEN 'GOOD'
                     WHEN earlier.content = report_rows.content THEN 'KNOWN'
                     ELSE 'BAD' END
    FROM (
        SELECT row, coalesce(
            (SELECT content FROM reported_rows
             WHERE tenant_id = :tenant_id AND partner_id = :partner_id
               AND identity = said.identity),
            CASE WHEN lag(row) OVER same IS NOT NULL
                 THEN first_value(content) OVER same END) AS content
        FROM report_rows AS said
        WHERE tenant_id = :tenant_id AND report_file_id = :report_file_id
        WINDOW same AS (PARTITION BY identity ORDER BY row)
    ) AS earlier
    WHERE tenant_id = :tenant_id AND report_file_id = :report_file_id
      AND report_rows.row = earlier.row
    """
)
_ADD_ERRORS = text(
    f"""
    INSERT INTO report_file_errors (tenant_id, report_file_id, row, number, heading, message)
    SELECT tenant_id, report_file_id, row, 1, CAST(:heading AS text), :message
    FROM report_rows WHERE {_OF_FILE} AND state = 'BAD'
    """  # noqa: S608 - constants
)
_CHECKED = text(
    f"""
    UPDATE report_files
    SET status = 'CHECKED', good = counted.good, known = counted.known,
        bad = report_files.bad + counted.bad, to_apply = counted.to_apply
    FROM (
        SELECT coalesce(sum(rows) FILTER (WHERE state = 'GOOD'), 0) AS good,
               coalesce(sum(rows) FILTER (WHERE state = 'KNOWN'), 0) AS known,
               coalesce(sum(rows) FILTER (WHERE state = 'BAD'), 0) AS bad,
               coalesce(jsonb_agg(jsonb_build_object(
                   'kind', kind, 'rows', rows,
                   'amount', CASE WHEN currency IS NOT NULL THEN jsonb_build_object(
                       'amount', amount::text, 'currency', currency) END,
                   'own_fees', CASE WHEN currency IS NOT NULL THEN jsonb_build_object(
                       'amount', own_fees::text, 'currency', currency) END
               ) ORDER BY kind, currency) FILTER (WHERE state = 'GOOD'), '[]') AS to_apply
        FROM (
            SELECT state, kind, currency, count(*) AS rows, sum(amount) AS amount,
                   sum(own_fees) AS own_fees
            FROM report_rows WHERE {_OF_FILE}
            GROUP BY state, kind, currency
        ) AS sums
    ) AS counted
    WHERE {_OF_FILE}
    """  # noqa: S608 - constants
)


async def judge_rows(connection: AsyncConnection, file: ReportFile) -> None:
    """Tell new rows from known ones and from those that contradict them, and end the check.

    The caller holds the file.
    """
    heading = file.used_format.columns.get(Field.PARTNER_REFERENCE)
    await connection.execute(_PLAN_FOR_MANY)
    await connection.execute(_MAKE_REFERENCES, file.key)
    await connection.execute(_NAME, file.key)
    await connection.execute(_JUDGE, {**file.key, "partner_id": file.partner_id})
    await connection.execute(
        _ADD_ERRORS, {**file.key, "heading": heading, "message": OTHER_PAYMENT}
    )
    await connection.execute(_CHECKED, file.key)
