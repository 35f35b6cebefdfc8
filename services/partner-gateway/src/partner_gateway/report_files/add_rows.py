"""Add rows that were read to what is kept of their file: whose cases are they? (R53)"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from partner_gateway.report_files.kinds import PAYMENTS, Field
from partner_gateway.report_files.reading import ReadRow
from partner_gateway.report_files.report_file import ReportFile

Fault = tuple[int, str | None, str]
"""Row, heading if it is about one column, and what is wrong."""

UNKNOWN_ID: Final = "No case of this partner has this id"
UNKNOWN_NUMBER: Final = "No case of this partner has this file number"
FROM_BALANCES: Final = (
    "Payments and corrections of this partner follow from the balances for which it is asked: what "
    "a file says of them would count twice"
)
REFERENCE_NEEDED: Final = (
    "A partner with an API must give its reference: only by that the same payment is known if it "
    "calls back, too"
)
OTHER_CURRENCY: Final = "The case is in another currency"
SEVERAL_CASES: Final = "Several cases have this file number: give the id of the case"

# A partner with an API speaks of what was sent to it; one by hand got its cases with an export.
_CASES = text(
    """
    SELECT case_id FROM cases
    WHERE tenant_id = :tenant_id AND partner_id = :partner_id
      AND case_id = ANY (CAST(:case_ids AS uuid[])) AND (:by_hand OR request_id IS NOT NULL)
    """
)
_CURRENCIES = text(
    """
    SELECT case_id, currency FROM cases
    WHERE tenant_id = :tenant_id AND case_id = ANY (CAST(:case_ids AS uuid[]))
    """
)
_CASES_BY_NUMBER = text(
    """
    SELECT number, array(
        SELECT case_id FROM cases
        WHERE tenant_id = :tenant_id AND partner_id = :partner_id AND file_number = number
          AND (:by_hand OR request_id IS NOT NULL)
        LIMIT 2
    ) AS case_ids
    FROM unnest(CAST(:numbers AS text[])) AS named (number)
    """
)
_ADD = text(
    """
    INSERT INTO report_rows (tenant_id, report_file_id, row, kind, case_id, amount, own_fees,
                             currency, day, partner_reference, file_number, reason_code,
                             reason_text, result_code)
    SELECT :tenant_id, :report_file_id, new.*
    FROM unnest(CAST(:rows AS integer[]), CAST(:kinds AS text[]), CAST(:case_ids AS uuid[]),
                CAST(:amounts AS numeric[]), CAST(:own_fees AS numeric[]),
                CAST(:currencies AS text[]), CAST(:days AS date[]),
                CAST(:partner_references AS text[]), CAST(:file_numbers AS text[]),
                CAST(:reason_codes AS text[]), CAST(:reason_texts AS text[]),
                CAST(:result_codes AS text[])) AS new
    """
)
_ADD_FAULTS = text(
    """
    INSERT INTO report_file_errors (tenant_id, report_file_id, row, number, heading, message)
    SELECT :tenant_id, :report_file_id, row, place, heading, message
    FROM unnest(CAST(:rows AS integer[]), CAST(:headings AS text[]), CAST(:messages AS text[]))
         WITH ORDINALITY AS new (row, heading, message, place)
    """
)


async def find_faults_and_cases(
    connection: AsyncConnection, file: ReportFile, rows: Sequence[ReadRow]
) -> tuple[list[Fault], Mapping[int, UUID]]:
    """Return what is wrong with rows, and the case of each row with which nothing is."""
    by_id = await _cases(connection, file, {row.case_id for row in rows if row.case_id})
    by_number = await _cases_by_number(
        connection, file, {row.named_by_number for row in rows if row.named_by_number}
    )
    columns = file.used_format.columns
    faults: list[Fault] = []
    cases: dict[int, UUID] = {}
    for row in rows:
        if row.faults:
            faults += [(row.row, heading, message) for heading, message in row.faults]
        elif (fault := _payment_fault(file, row)) is not None:
            faults.append(fault)
        elif row.case_id is not None:
            if row.case_id in by_id:
                cases[row.row] = row.case_id
            else:
                faults.append((row.row, columns[Field.CASE_ID], UNKNOWN_ID))
        else:
            found = by_number[row.named_by_number or ""]
            if len(found) == 1:
                cases[row.row] = found[0]
            else:
                message = SEVERAL_CASES if found else UNKNOWN_NUMBER
                faults.append((row.row, columns[Field.FILE_NUMBER], message))
    currencies = await _currencies(connection, file, set(cases.values()))
    for row in rows:
        if row.row not in cases or row.kind not in PAYMENTS:
            continue
        if currencies[cases[row.row]] not in (None, row.currency):
            faults.append((row.row, columns.get(Field.CURRENCY), OTHER_CURRENCY))
            del cases[row.row]
    return faults, cases


def _payment_fault(file: ReportFile, row: ReadRow) -> Fault | None:
    """Return what is wrong with a payment that the partner's API tells of, too."""
    columns = file.used_format.columns
    if row.kind in PAYMENTS and file.is_polled:
        return row.row, columns.get(Field.KIND), FROM_BALANCES
    if row.kind in PAYMENTS and not file.by_hand and row.partner_reference is None:
        return row.row, columns.get(Field.PARTNER_REFERENCE), REFERENCE_NEEDED
    return None


async def add_rows(
    connection: AsyncConnection,
    file: ReportFile,
    rows: Sequence[ReadRow],
    faults: Sequence[Fault],
    cases: Mapping[int, UUID],
) -> None:
    """Store the rows that have a case, and what is wrong with the others."""
    good = [row for row in rows if row.row in cases]
    await connection.execute(
        _ADD,
        {
            **file.key,
            "rows": [row.row for row in good],
            "kinds": [row.kind for row in good],
            "case_ids": [cases[row.row] for row in good],
            "amounts": [row.amount for row in good],
            "own_fees": [row.own_fees for row in good],
            "currencies": [row.currency for row in good],
            "days": [row.day for row in good],
            "partner_references": [row.partner_reference for row in good],
            "file_numbers": [row.file_number for row in good],
            "reason_codes": [row.reason_code for row in good],
            "reason_texts": [row.reason_text for row in good],
            "result_codes": [row.result_code for row in good],
        },
    )
    if faults:
        numbers, headings, messages = (list(column) for column in zip(*faults, strict=True))
        await connection.execute(
            _ADD_FAULTS,
            {**file.key, "rows": numbers, "headings": headings, "messages": messages},
        )


async def _cases(
    connection: AsyncConnection, file: ReportFile, case_ids: Collection[UUID]
) -> set[UUID]:
    parameters = {
        "tenant_id": file.tenant_id,
        "partner_id": file.partner_id,
        "by_hand": file.by_hand,
        "case_ids": list(case_ids),
    }
    return set(await connection.scalars(_CASES, parameters))


async def _currencies(
    connection: AsyncConnection, file: ReportFile, case_ids: Collection[UUID]
) -> dict[UUID, str | None]:
    parameters = {"tenant_id": file.tenant_id, "case_ids": list(case_ids)}
    rows = await connection.execute(_CURRENCIES, parameters)
    return {row.case_id: row.currency for row in rows}


async def _cases_by_number(
    connection: AsyncConnection, file: ReportFile, numbers: Collection[str]
) -> Mapping[str, Sequence[UUID]]:
    """Return the cases that have each number: one, none, or two where there are more."""
    parameters = {
        "tenant_id": file.tenant_id,
        "partner_id": file.partner_id,
        "by_hand": file.by_hand,
        "numbers": list(numbers),
    }
    rows = await connection.execute(_CASES_BY_NUMBER, parameters)
    return {row.number: row.case_ids for row in rows}
