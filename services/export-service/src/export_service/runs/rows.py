"""A handover as rows of the export: one for each claim, the member's data repeated (R40).

They are stored without the repetition: the member's part is five sixths of each row.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from pydantic_core import from_json, to_json

from contracts import (
    BankAccount,
    HandoverClaim,
    HandoverDebtor,
    HandoverStudio,
    Mandate,
    MemberHandedOverV1,
)
from export_service.runs.checks import is_bic, is_iban, is_vat_number
from export_service.runs.columns import FORMAT_VERSION

Cells = tuple[str | date | Decimal | UUID, ...]
"""Values of `COLUMNS` that follow one another; JSON's writer gives all of them their texts.

A contract's amount has two decimals.
"""

_CLAIMS_OF_A_ROW: Final = 10
"""A row that is stored holds no more: so an export's batch has a bound, whoever is in it."""


class StoredRow(NamedTuple):
    """A member with some of its claims; `cells` followed by one of `claims` is an export's row."""

    claim_index: int
    """Of the first of the claims."""
    cells: str
    """A JSON list of texts: what all rows of the member begin with."""
    claims: str
    """A JSON list with a list of texts for each claim."""


Checked = tuple[str | None, str | None, str | None, str | None, str | None]
"""The texts of a handover that are checked, in the order of `_CHECKS`; None where there is none."""

_NO_ACCOUNT = BankAccount()

_CHECKS: Final[dict[str, Callable[[str], bool]]] = {
    "VATSerialNo": is_vat_number,
    "IBAN": is_iban,
    "BIC": is_bic,
    "DebtorIBAN": is_iban,
    "DebtorBIC": is_bic,
}


def rows_of(handover: MemberHandedOverV1) -> list[StoredRow]:
    """The rows to store: the member with all its claims in their order, some in each.

    Dates are written as 2026-03-01, amounts as 12.30, truth values as true and false; what is not
    known is "".
    """
    cells = _json(_member(handover))
    claims = [_claim(claim) for claim in handover.claims]
    return [
        StoredRow(first, cells, _json(claims[first : first + _CLAIMS_OF_A_ROW]))
        for first in range(0, len(claims), _CLAIMS_OF_A_ROW)
    ]


def texts_of(cells: str, claims: str) -> list[list[str]]:
    """The export's rows that a stored one stands for: a text for each of `COLUMNS`."""
    member = from_json(cells)
    return [member + claim for claim in from_json(claims)]


def checked_texts(handover: MemberHandedOverV1) -> Checked:
    """The bank details and the VAT number, for `wrong_columns`."""
    studio, debtor = handover.studio, handover.debtor
    studio_account = studio.bank_account or _NO_ACCOUNT
    debtor_account = debtor.bank_account or _NO_ACCOUNT
    return (
        studio.vat_number,
        studio_account.iban,
        studio_account.bic,
        debtor_account.iban,
        debtor_account.bic,
    )


def wrong_columns(checked: Iterable[Checked]) -> Counter[str]:
    """How many texts of each checked column are wrong; empty ones are not.

    Texts that handovers have in common, as a studio's, are checked once.
    """
    wrong: Counter[str] = Counter()
    columns = zip(*checked, strict=True)
    for (column, is_right), texts in zip(_CHECKS.items(), columns, strict=True):
        for text, times in Counter(texts).items():
            if text is not None and not is_right(text):
                wrong[column] += times
    return wrong


def _json(cells: Cells | list[Cells]) -> str:
    return to_json(cells).decode()


def _member(handover: MemberHandedOverV1) -> Cells:
    begins = handover.transfer_id, handover.collection_date, FORMAT_VERSION, handover.trigger
    return begins + _studio(handover.studio) + _debtor(handover.debtor) + (handover.case_id,)


def _studio(studio: HandoverStudio) -> Cells:
    account = studio.bank_account or _NO_ACCOUNT
    return (
        studio.studio_id,
        studio.match_code or "",
        studio.person_type,
        studio.name1,
        studio.name2 or "",
        studio.name3 or "",
        studio.tenant_name,
        studio.legal_form or "",
        _truth(studio.deducts_input_vat),
        studio.vat_number or "",
        studio.address.street,
        studio.address.postal_code,
        studio.address.city,
        studio.address.country_code,
        studio.address.country,
        account.iban or "",
        account.bic or "",
        account.bank_name or "",
        account.country_code or "",
        studio.email or "",
        ",".join(studio.phone_numbers),
    )


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _debtor(debtor: HandoverDebtor) -> Cells:
    address, account = debtor.address, debtor.bank_account or _NO_ACCOUNT
    return (
        debtor.debtor_id,
        debtor.membership_number,
        address.country_code if address else "",
        address.country if address else "",
        account.country_code or "",
        account.account_holder or "",
        debtor.identification_number or "",
        account.iban or "",
        account.bic or "",
        *_mandate(debtor.mandate),
        debtor.birth_date or "",
        debtor.maiden_name or "",
        debtor.first_name or "",
        debtor.name1,
        debtor.name2 or "",
        debtor.sex,
        address.street if address else "",
        address.postal_code if address else "",
        address.city if address else "",
        debtor.email or "",
        ",".join(debtor.phone_numbers),
    )


def _mandate(mandate: Mandate | None) -> Cells:
    if mandate is None:
        return ("",) * 5
    return (
        mandate.reference,
        mandate.signed_on or "",
        mandate.owner or "",
        mandate.creditor_id or "",
        mandate.creditor_name or "",
    )


def _claim(claim: HandoverClaim) -> Cells:
    period = claim.service_period
    return (
        claim.voucher_id,
        claim.voucher_date,
        claim.contract_started_on or "",
        claim.to_collect.amount,
        claim.to_collect.currency,
        claim.kind,
        claim.designation,
        period.starts_on if period else "",
        period.ends_on if period else "",
        claim.latest_rejection_reason or "",
    )
