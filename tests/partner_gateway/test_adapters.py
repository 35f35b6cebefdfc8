"""What holds for every kind of partner API, and what the second kind does in its own way (R50)."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import MemberHandedOverV1
from kit.ids import new_id
from partner_gateway.adapters import ADAPTERS, POLLED, Api, balances
from partner_gateway.adapters.adapter import HandoverPage, Notice, UnreadableError
from partner_gateway.notices.claim_change import ClaimChange
from partner_gateway.statement import CaseAccepted, CaseBalance, CaseRejected
from tests.partner_gateway.claims import claim_changed, studio_payment
from tests.partner_gateway.world import Partner, handed_over

CASE = "01980000-0000-7000-8000-000000000001"
ITEM = {
    "number": 17,
    "client_ref": CASE,
    "dossier_no": "D-000001",
    "as_of": "2026-03-05",
    "currency": "EUR",
    "paid_cents": 12000,
    "own_fees_cents": 2000,
    "state": "OPEN",
}
ACCEPTED: dict[Api, Callable[[str], object]] = {
    Api.STANDARD: lambda case_id: {
        "results": [{"case_id": case_id, "status": "ACCEPTED", "file_number": "AZ-1"}]
    },
    Api.BALANCES: lambda case_id: {"accepted": [{"client_ref": case_id, "dossier_no": "AZ-1"}]},
}
"""How each kind says at once that it takes a case."""
KIND_OF_NOTICE = {Api.STANDARD: "kind", Api.BALANCES: "instruction"}
ACKNOWLEDGED = {Api.STANDARD: b'{"acknowledged": true}', Api.BALANCES: b'{"done": true}'}

each_kind = pytest.mark.parametrize("api", list(Api))
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=10,
).map(lambda value: json.dumps(value).encode())


def page_of(cases: list[MemberHandedOverV1]) -> HandoverPage:
    """Return the page on which cases go out."""
    items = [case.model_dump_json().encode() for case in cases]
    return HandoverPage(cases[0].run_id, "2026-000001", date(2026, 3, 1), items)


@each_kind
def test_each_kind_of_api_has_its_adapter(api: Api) -> None:
    assert ADAPTERS[api] is POLLED.get(api, ADAPTERS[api])


@each_kind
def test_a_handover_names_every_case_and_is_the_same_again(api: Api) -> None:
    cases, request_id = handed_over(Partner(new_id(), ""), 3), new_id()
    first, again = (ADAPTERS[api].handover_request(request_id, page_of(cases)) for _ in range(2))
    assert first == again
    assert (first.method, first.path[0]) == ("POST", "/")
    text = json.dumps(json.loads(first.body))
    named = [request_id, cases[0].run_id, *(case.case_id for case in cases)]
    assert all(str(each) in text for each in named)
    assert all(str(case.claims[0].claim_id) in text for case in cases)


@each_kind
def test_a_yes_to_a_handover_is_read_with_its_number(api: Api) -> None:
    case_id = new_id()
    body = json.dumps(ACCEPTED[api](str(case_id))).encode()
    assert ADAPTERS[api].handover_answer(body) == [
        CaseAccepted(case_id=case_id, file_number="AZ-1")
    ]


@each_kind
@pytest.mark.parametrize("body", [b"", b" \n", b"{}"])
def test_an_empty_answer_means_later(api: Api, body: bytes) -> None:
    assert not ADAPTERS[api].handover_answer(body)
    assert not ADAPTERS[api].notice_acknowledged(body)


@each_kind
def test_each_kind_of_notice_has_a_request_that_is_acknowledged(api: Api) -> None:
    """R52."""
    (case,) = handed_over(Partner(new_id(), ""), 1)
    said = set()
    for event in (None, studio_payment(case), claim_changed(case)):
        change = None if event is None else ClaimChange.of(event)
        kind = "STOP" if change is None else change.kind
        notice = Notice(new_id(), kind, case.case_id, change)
        request = ADAPTERS[api].notice_request(new_id(), notice)
        assert (request.method, request.path[0]) == ("POST", "/")
        assert str(case.case_id) in request.body.decode()
        assert str(notice.notice_id) in request.body.decode()
        said.add(json.loads(request.body)[KIND_OF_NOTICE[api]])
    assert len(said) == 3
    assert ADAPTERS[api].notice_acknowledged(ACKNOWLEDGED[api])


@each_kind
@given(st.binary(max_size=200) | any_json)
def test_whatever_comes_is_read_or_unreadable(api: Api, body: bytes) -> None:
    adapter = ADAPTERS[api]
    readers: list[Callable[[bytes], object]] = [
        adapter.handover_answer,
        adapter.notice_acknowledged,
        adapter.statement,
    ]
    if api in POLLED:
        readers.append(POLLED[api].poll_answer)
    for read in readers:
        try:
            read(body)
        except UnreadableError as error:
            assert error.reason  # noqa: PT017 - most of it cannot be read


@each_kind
def test_what_cannot_be_read_is_told_without_its_values(api: Api) -> None:
    adapter = ADAPTERS[api]
    body = json.dumps(
        {"type": "case.accepted", "data": {"case_id": "Erika"}, "client_ref": "Erika"}
    ).encode()
    with pytest.raises(UnreadableError) as error:
        adapter.statement(body)
    assert "Erika" not in error.value.reason


def item(**changed: Any) -> bytes:
    """Return a balance of the agency."""
    return json.dumps({**ITEM, **changed}).encode()


def read(**changed: Any) -> CaseBalance:
    """Return what a balance says."""
    return balances.statement(item(**changed))


def test_cents_become_money() -> None:
    said = read(paid_cents=10**14 - 1, own_fees_cents=1)
    assert str(said.paid_so_far.amount) == "999999999999.99"
    assert str(said.own_fees_so_far.amount) == "0.01"
    assert (said.number, str(said.case_id), said.file_number) == (17, CASE, "D-000001")


@pytest.mark.parametrize(("code", "reason"), balances.REASONS.items())
def test_refusals_are_translated(code: int, reason: str) -> None:
    said = read(state="DECLINED", code=code, text="so ist es")
    assert (said.reason_code, said.reason_text) == (reason, "so ist es")
    answer = {"declined": [{"client_ref": CASE, "code": code}]}
    (rejected,) = balances.handover_answer(json.dumps(answer).encode())
    assert isinstance(rejected, CaseRejected)
    assert (rejected.reason_code, rejected.reason_text) == (reason, None)


@pytest.mark.parametrize(
    ("code", "text", "told"),
    [
        (99, None, "Code 99"),
        (99, "Hausverbot", "Code 99: Hausverbot"),
        (None, "Hausverbot", "Hausverbot"),
        (None, None, None),
        (99, "x" * 500, "Code 99: " + "x" * 491),
    ],
)
def test_a_refusal_that_we_do_not_know_keeps_what_was_said(
    code: int | None, text: str | None, told: str | None
) -> None:
    said = read(state="DECLINED", code=code, text=text)
    assert (said.reason_code, said.reason_text) == ("OTHER", told)


def test_results_of_closed_cases_are_translated() -> None:
    results = [read(state="CLOSED", result=result).result_code for result in (1, 2, 3, 9, None)]
    assert results == ["PAID", "PARTLY_PAID", "UNPAID", "OTHER", None]
    assert read(state="OPEN", result=1).result_code is None


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"own_fees_cents": 12001}, "own_fees_cents: more than paid_cents"),
        ({"paid_cents": 1.0}, "paid_cents: int_type"),
        ({"paid_cents": True}, "paid_cents: int_type"),
        ({"paid_cents": "1"}, "paid_cents: int_type"),
        ({"paid_cents": -1}, "paid_cents: greater_than_equal"),
        ({"paid_cents": 10**14}, "paid_cents: less_than"),
        ({"currency": "JPY"}, "currency: value_error"),
        ({"as_of": "5.3.2026"}, "as_of: string_pattern_mismatch"),
        ({"state": "LOST"}, "state: literal_error"),
        ({"number": None}, "number: int_type"),
    ],
)
def test_a_balance_that_is_none_is_not_read(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnreadableError) as error:
        read(**changed)
    assert error.value.reason == reason


def test_the_agency_is_asked_for_what_is_behind_its_cursor() -> None:
    assert balances.poll_request(None).path == "/balances?limit=500"
    asked = balances.poll_request("a&b=c/ä")
    assert asked.path == "/balances?limit=500&after=a%26b%3Dc%2F%C3%A4"
    assert (asked.method, asked.body) == ("GET", b"")


def test_items_are_told_apart_by_what_they_say() -> None:
    changed = {**ITEM, "paid_cents": 12001}
    turned = dict(reversed(ITEM.items()))
    page = {"items": [ITEM, changed, turned, None, float("nan")], "next": "17", "more": False}
    polled = balances.poll_answer(json.dumps(page).encode())
    first, other, same, nothing, not_a_number = polled.items
    assert first == same
    assert len({each.item_id for each in polled.items}) == 4
    assert balances.statement(first.body) == read()
    assert balances.statement(other.body).paid_so_far.amount > read().paid_so_far.amount
    for nonsense in (nothing, not_a_number):
        with pytest.raises(UnreadableError):
            balances.statement(nonsense.body)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"items": [], "more": false}',
        b'{"items": {}, "next": "1", "more": false}',
        b'{"items": [], "next": "", "more": false}',
        b'{"items": [], "next": "1\\u0000", "more": false}',
        b'{"items": [], "next": "1", "more": "no"}',
        b'{"items": [' + b"[" * 100_000,
        b'{"items": [' + b"9" * 5000 + b'], "next": "1", "more": false}',
    ],
)
def test_a_page_that_is_none_is_not_read(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        balances.poll_answer(body)
