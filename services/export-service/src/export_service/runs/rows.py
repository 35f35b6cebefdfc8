"""A handover as rows of the export: one for each claim, the member's data repeated (R40)."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from typing import Final
from uuid import UUID

from pydantic_core import to_json

from contracts import BankAccount, HandoverClaim, HandoverDebtor, HandoverStudio, MemberHandedOverV1
from export_service.runs.checks import is_bic, is_iban, is_vat_number
from export_service.runs.columns import FORMAT_VERSION

Value = str | date | Decimal | bool | None
"""What a cell may hold, by its column's kind; None where nothing is known."""

Row = tuple[str | date | UUID | None, ...]
"""Values of `COLUMNS` that follow one another; JSON's writer gives days their texts, and ids."""

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


def cells_of(handover: MemberHandedOverV1) -> list[str]:
    """One row for each claim, in their order, as it is stored: a JSON list of texts.

    The member's part, which is five sixths of each row, is made once.
    """
    member = _texts(_member(handover)).removesuffix("]")
    return [f"{member},{_texts(_claim(claim)).removeprefix('[')}" for claim in handover.claims]


def text_of(value: Value) -> str:
    """The value as it is stored and as CSV shows it.

    Dates as 2026-03-01, amounts as 12.30, truth values as true and false, nothing as "".
    """
    match value:
        case str():
            return value
        case None:
            return ""
        case date():
            return value.isoformat()
        case Decimal():
            return format(value, ".2f")
        case bool():
            return "true" if value else "false"


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


def _texts(row: Row) -> str:
    return to_json(["" if value is None else value for value in row]).decode()


def _member(handover: MemberHandedOverV1) -> Row:
    return (
        handover.transfer_id,
        handover.collection_date,
        FORMAT_VERSION,
        handover.trigger,
        *_studio(handover.studio),
        *_debtor(handover.debtor),
        handover.case_id,
    )


def _studio(studio: HandoverStudio) -> Row:
    account = studio.bank_account or _NO_ACCOUNT
    return (
        studio.studio_id,
        studio.match_code,
        studio.person_type,
        studio.name1,
        studio.name2,
        studio.name3,
        studio.tenant_name,
        studio.legal_form,
        text_of(studio.deducts_input_vat),
        studio.vat_number,
        studio.address.street,
        studio.address.postal_code,
        studio.address.city,
        studio.address.country_code,
        studio.address.country,
        account.iban,
        account.bic,
        account.bank_name,
        account.country_code,
        studio.email,
        ",".join(studio.phone_numbers),
    )


def _debtor(debtor: HandoverDebtor) -> Row:
    address, account, mandate = debtor.address, debtor.bank_account or _NO_ACCOUNT, debtor.mandate
    return (
        debtor.debtor_id,
        debtor.membership_number,
        address.country_code if address else None,
        address.country if address else None,
        account.country_code,
        account.account_holder,
        debtor.identification_number,
        account.iban,
        account.bic,
        mandate.reference if mandate else None,
        mandate.signed_on if mandate else None,
        mandate.owner if mandate else None,
        mandate.creditor_id if mandate else None,
        mandate.creditor_name if mandate else None,
        debtor.birth_date,
        debtor.maiden_name,
        debtor.first_name,
        debtor.name1,
        debtor.name2,
        debtor.sex,
        address.street if address else None,
        address.postal_code if address else None,
        address.city if address else None,
        debtor.email,
        ",".join(debtor.phone_numbers),
    )


def _claim(claim: HandoverClaim) -> Row:
    period = claim.service_period
    return (
        claim.voucher_id,
        claim.voucher_date,
        claim.contract_started_on,
        text_of(claim.to_collect.amount),
        claim.to_collect.currency,
        claim.kind,
        claim.designation,
        period.starts_on if period else None,
        period.ends_on if period else None,
        claim.latest_rejection_reason,
    )
