"""Words of report files that the service and its reader process share."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What a row says; named as the callbacks that say the same."""

    CASE_ACCEPTED = "case.accepted"
    CASE_REJECTED = "case.rejected"
    FILE_NUMBER_ASSIGNED = "file-number.assigned"
    PAYMENT_RECEIVED = "payment.received"
    PAYMENT_CORRECTED = "payment.corrected"
    CASE_CLOSED = "case.closed"


PAYMENTS: Final = frozenset({Kind.PAYMENT_RECEIVED, Kind.PAYMENT_CORRECTED})
"""What says how much was paid."""


class Field(StrEnum):
    """What a column holds; the values are the headings of our own format."""

    CASE_ID = "case_id"
    FILE_NUMBER = "file_number"
    KIND = "kind"
    AMOUNT = "amount"
    OWN_FEES = "own_fees"
    CURRENCY = "currency"
    DAY = "day"
    PARTNER_REFERENCE = "partner_reference"
    REASON_CODE = "reason_code"
    REASON_TEXT = "reason_text"
    RESULT_CODE = "result_code"


FIELDS: Final[Mapping[Kind, Mapping[Field, bool]]] = {
    Kind.CASE_ACCEPTED: {Field.FILE_NUMBER: False},
    Kind.CASE_REJECTED: {Field.REASON_CODE: True, Field.REASON_TEXT: False},
    Kind.FILE_NUMBER_ASSIGNED: {Field.FILE_NUMBER: True, Field.DAY: False},
    Kind.PAYMENT_RECEIVED: {
        Field.AMOUNT: True,
        Field.OWN_FEES: False,
        Field.CURRENCY: False,
        Field.DAY: True,
        Field.PARTNER_REFERENCE: False,
    },
    Kind.PAYMENT_CORRECTED: {
        Field.AMOUNT: True,
        Field.OWN_FEES: False,
        Field.CURRENCY: False,
        Field.DAY: True,
        Field.PARTNER_REFERENCE: True,
    },
    Kind.CASE_CLOSED: {Field.DAY: True, Field.RESULT_CODE: False},
}
"""The columns that count for each kind of row, and whether a cell must be there."""

BY_ID_ONLY: Final = frozenset({Kind.CASE_ACCEPTED, Kind.FILE_NUMBER_ASSIGNED})
"""Where the file number is what is told of the case, it cannot name the case as well."""


class Numbers(StrEnum):
    """How amounts are written in texts; AUTO refuses what the two read differently."""

    GERMAN = "GERMAN"
    """1.234,56"""
    ENGLISH = "ENGLISH"
    """1,234.56"""
    AUTO = "AUTO"


class Days(StrEnum):
    """How days are written in texts; AUTO takes both."""

    GERMAN = "GERMAN"
    """31.12.2026"""
    ISO = "ISO"
    """2026-12-31"""
    AUTO = "AUTO"


class Status(StrEnum):
    """Where a report file is.

    RECEIVED, CHECKING, then CHECKED, or REFUSED when the file cannot be read at all. From CHECKED
    on APPLYING, then APPLIED. WITHDRAWN by staff, EXPIRED when nobody applied it in time.
    """

    RECEIVED = "RECEIVED"
    CHECKING = "CHECKING"
    CHECKED = "CHECKED"
    REFUSED = "REFUSED"
    APPLYING = "APPLYING"
    APPLIED = "APPLIED"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"
