"""The adapter for an agency that tells sums instead of events, and only when it is asked.

The agency takes `POST /assignments` and `POST /instructions`, and answers `GET /balances` with how
each case stands whenever that has changed: what was paid so far, what of it are its own fees, and
whether the case is open, declined or closed. Amounts are whole cents. Refusals and results are
numbers of its own.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode
from uuid import UUID

from pydantic import Field

from contracts import MemberHandedOverV1, Money
from contracts.event import Contract, ListOf
from contracts.handover import HandoverClaim, HandoverDebtor, HandoverStudio
from contracts.money import Currency
from contracts.parts import Address, Day, LongText, ShortText
from contracts.parts import Sequence as Number
from partner_gateway.adapters.adapter import (
    PAGE_SIZE,
    HandoverPage,
    Notice,
    Polled,
    PolledItem,
    Request,
    UnreadableError,
)
from partner_gateway.adapters.reading import read
from partner_gateway.notices.claim_change import ClaimChange
from partner_gateway.statement import CaseAccepted, CaseBalance, CaseRejected

POLL_LIMIT: Final = 500
"""Items that we ask for at once."""

REASONS: Final[Mapping[int, str]] = {
    11: "DEBTOR_UNKNOWN",
    12: "ABROAD",
    13: "DECEASED",
    20: "INSOLVENT",
    30: "CLAIM_TOO_SMALL",
    31: "TIME_BARRED",
    40: "DISPUTED",
}
"""Why the agency declines a case. What it adds to its list is OTHER, until it stands here."""

RESULTS: Final[Mapping[int, str]] = {1: "PAID", 2: "PARTLY_PAID", 3: "UNPAID"}
"""What came of a case that the agency closed; others are OTHER."""

_OTHER: Final = "OTHER"
_INSTRUCTIONS: Final[Mapping[str, str]] = {
    "STOP": "HALT",
    "STUDIO_PAYMENT": "CREDIT",
    "CLAIM_CHANGED": "CORRECTION",
}
_LONGEST_TEXT: Final = 500

_Cents = Annotated[int, Field(ge=0, lt=10**14)]


class _Accepted(Contract):
    client_ref: UUID
    dossier_no: ShortText | None = None


class _Declined(Contract):
    client_ref: UUID
    code: int
    text: LongText | None = None


class _AssignmentAnswer(Contract):
    accepted: Annotated[ListOf[_Accepted], Field(max_length=PAGE_SIZE)] = ()
    declined: Annotated[ListOf[_Declined], Field(max_length=PAGE_SIZE)] = ()


class _InstructionAnswer(Contract):
    done: bool = False


class _Page(Contract):
    items: ListOf[Any]
    next: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,500}$")]
    more: bool


class _Item(Contract):
    number: Number
    client_ref: UUID
    dossier_no: ShortText | None = None
    as_of: Day
    currency: Currency
    paid_cents: _Cents
    own_fees_cents: _Cents
    state: Literal["OPEN", "DECLINED", "CLOSED"]
    code: int | None = None
    text: LongText | None = None
    result: int | None = None


def handover_request(request_id: UUID, page: HandoverPage) -> Request:
    """Return `POST /assignments`: a dossier for each case, which the agency names by `client_ref`.

    The batch id is the request's.
    """
    body = {
        "batch_id": str(request_id),
        "order_ref": str(page.run_id),
        "order_no": page.booking_number,
        "order_date": page.collection_date.isoformat(),
        "dossiers": [_dossier(MemberHandedOverV1.model_validate_json(item)) for item in page.items],
    }
    return Request("/assignments", json.dumps(body).encode())


def handover_answer(body: bytes) -> Sequence[CaseAccepted | CaseRejected]:
    """Read what the agency takes and declines at once; of all others the balances will tell."""
    if not body.strip():
        return []
    answer = read(_AssignmentAnswer, body)
    accepted: list[CaseAccepted | CaseRejected] = [
        CaseAccepted(case_id=each.client_ref, file_number=each.dossier_no)
        for each in answer.accepted
    ]
    return accepted + [_rejected(each) for each in answer.declined]


def notice_request(request_id: UUID, notice: Notice) -> Request:
    """Return `POST /instructions`: HALT, CREDIT or CORRECTION."""
    body: dict[str, Any] = {
        "batch_id": str(request_id),
        "instruction_id": str(notice.notice_id),
        "instruction": _INSTRUCTIONS[notice.kind],
        "client_ref": str(notice.case_id),
    }
    if notice.claim_change is not None:
        body["position"] = _changed_position(notice.claim_change)
        body["dossier_remaining_cents"] = _cents(notice.claim_change.case_open)
    return Request("/instructions", json.dumps(body).encode())


def notice_acknowledged(body: bytes) -> bool:
    """Read `done`; an empty body acknowledges nothing."""
    return bool(body.strip()) and read(_InstructionAnswer, body).done


def poll_request(cursor: str | None) -> Request:
    """Return `GET /balances`, of what changed since the cursor was given out."""
    after = {} if cursor is None else {"after": cursor}
    return Request(f"/balances?{urlencode({'limit': POLL_LIMIT, **after})}", method="GET")


def poll_answer(body: bytes) -> Polled:
    """Tell the items of a page apart.

    The id of an item is that of its content: so the same item is known again, also when the agency
    sends a page twice, and another item under a number that was used is not taken for the first.
    """
    page = read(_Page, body)
    bodies = [json.dumps(item, sort_keys=True).encode() for item in page.items]
    items = [PolledItem(f"sha256:{hashlib.sha256(body).hexdigest()}", body) for body in bodies]
    return Polled(items, page.next, page.more)


def statement(body: bytes) -> CaseBalance:
    """Read one item of a page; fields that we do not know are left alone."""
    item = read(_Item, body)
    if item.own_fees_cents > item.paid_cents:
        raise UnreadableError("own_fees_cents: more than paid_cents")
    reason_code, reason_text = _reason(item.code, item.text)
    declined = item.state == "DECLINED"
    return CaseBalance(
        case_id=item.client_ref,
        number=item.number,
        as_of=item.as_of,
        paid_so_far=_money(item.paid_cents, item.currency),
        own_fees_so_far=_money(item.own_fees_cents, item.currency),
        status=item.state,
        file_number=item.dossier_no,
        reason_code=reason_code if declined else None,
        reason_text=reason_text if declined else None,
        result_code=_result(item) if item.state == "CLOSED" else None,
    )


def _dossier(case: MemberHandedOverV1) -> dict[str, Any]:
    return {
        "client_ref": str(case.case_id),
        "position_in_order": case.booking_number,
        "creditor": _creditor(case.studio),
        "debtor": _debtor(case.debtor),
        "currency": case.claims[0].to_collect.currency,
        "positions": [_position(claim) for claim in case.claims],
        "total_cents": sum(_cents(claim.to_collect) for claim in case.claims),
    }


def _creditor(studio: HandoverStudio) -> dict[str, Any]:
    account = studio.bank_account
    return _without_none(
        creditor_ref=str(studio.studio_id),
        client=studio.tenant_name,
        legal_form=studio.legal_form,
        vat_deductible=studio.deducts_input_vat,
        vat_no=studio.vat_number,
        names=_names(studio.name1, studio.name2, studio.name3),
        address=_address(studio.address),
        iban=None if account is None else account.iban,
        mail=studio.email,
        phones=list(studio.phone_numbers),
    )


def _debtor(debtor: HandoverDebtor) -> dict[str, Any]:
    birth_date = debtor.birth_date
    return _without_none(
        debtor_ref=str(debtor.debtor_id),
        customer_no=debtor.membership_number,
        is_guardian=debtor.liable_person == "LEGAL_GUARDIAN",
        ward=debtor.represented_member_name,
        sex=debtor.sex,
        names=_names(debtor.first_name, debtor.name1, debtor.name2),
        born_as=debtor.maiden_name,
        born_on=None if birth_date is None else birth_date.isoformat(),
        address=None if debtor.address is None else _address(debtor.address),
        mail=debtor.email,
        phones=list(debtor.phone_numbers),
    )


def _position(claim: HandoverClaim) -> dict[str, Any]:
    return {
        "position_ref": str(claim.claim_id),
        "revision": claim.snapshot_sequence,
        "kind": claim.kind,
        "text": claim.designation,
        "voucher_date": claim.voucher_date.isoformat(),
        "due_date": claim.due_date.isoformat(),
        "principal_cents": _cents(claim.amount),
        "credited_cents": _cents(claim.paid_directly),
        "remaining_cents": _cents(claim.to_collect),
    }


def _changed_position(change: ClaimChange) -> dict[str, Any]:
    return _without_none(
        position_ref=str(change.claim_id),
        revision=change.snapshot_sequence,
        void=change.cancelled,
        principal_cents=_cents(change.amount),
        credited_cents=_cents(change.paid_directly),
        credit_cents=None if change.paid is None else _cents(change.paid),
        remaining_cents=_cents(change.open),
    )


def _address(address: Address) -> dict[str, str]:
    return {
        "street": address.street,
        "zip": address.postal_code,
        "town": address.city,
        "country": address.country_code,
    }


def _names(*names: str | None) -> list[str]:
    return [name for name in names if name is not None]


def _without_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _rejected(declined: _Declined) -> CaseRejected:
    reason_code, reason_text = _reason(declined.code, declined.text)
    return CaseRejected(
        case_id=declined.client_ref, reason_code=reason_code, reason_text=reason_text
    )


def _reason(code: int | None, text: str | None) -> tuple[str, str | None]:
    """Return code and text of a refusal; what the agency said stays readable under OTHER."""
    if code is not None and code in REASONS:
        return REASONS[code], text
    said = [f"Code {code}"] if code is not None else []
    said += [text] if text is not None else []
    return _OTHER, ": ".join(said)[:_LONGEST_TEXT] or None


def _result(item: _Item) -> str | None:
    return None if item.result is None else RESULTS.get(item.result, _OTHER)


def _cents(money: Money) -> int:
    return int(money.amount * 100)


def _money(cents: int, currency: str) -> Money:
    return Money(amount=Decimal(cents).scaleb(-2), currency=currency)
