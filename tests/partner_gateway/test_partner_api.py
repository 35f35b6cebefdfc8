"""The Partner API is what its document in `contracts/partner-api` says (R50, R51, R52)."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import ValidationError
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from contracts import Money
from contracts.event import Contract
from kit.ids import new_id
from partner_gateway.adapters import standard
from partner_gateway.adapters.adapter import PAGE_SIZE, HandoverPage, Notice, UnreadableError
from partner_gateway.callbacks.api import MAX_BODY_BYTES
from partner_gateway.callbacks.receive_callbacks import Receipt
from partner_gateway.notices.claim_change import ClaimChange
from partner_gateway.statement import CaseAccepted, CaseRejected
from partner_simulator.partner_api import Notice as SimulatorNotice
from tests.partner_gateway.claims import euros
from tests.partner_gateway.world import Partner, handed_over

CONTRACTS = Path(__file__).parents[2] / "contracts"
DOCUMENT = json.loads((CONTRACTS / "partner-api" / "openapi.json").read_text())
BASE = "https://contracts.example/partner-api/openapi.json"


def _registry() -> Registry[Any]:
    handover = json.loads((CONTRACTS / "schemas" / "member.handed-over.v1.json").read_text())
    return Registry().with_resources(
        [
            (BASE, Resource.from_contents(DOCUMENT, default_specification=DRAFT202012)),
            (
                "https://contracts.example/schemas/member.handed-over.v1.json",
                Resource.from_contents(handover),
            ),
        ]
    )


REGISTRY = _registry()


def validator(name: str) -> Draft202012Validator:
    """Return what checks against a schema of the document, its formats too."""
    schema = {"$ref": f"{BASE}#/components/schemas/{name}"}
    formats = Draft202012Validator.FORMAT_CHECKER
    return Draft202012Validator(schema, registry=REGISTRY, format_checker=formats)


def test_the_document_is_openapi_3_1_with_schemas_that_are_schemas() -> None:
    address = (CONTRACTS / "partner-api" / "openapi.json").as_uri()
    OpenAPIV31SpecValidator(DOCUMENT, base_uri=address).validate()
    assert set(DOCUMENT["paths"]) == {
        "/v1/handovers",
        "/v1/notices",
        "/v1/partners/{partner_id}/callbacks",
    }
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_a_page_of_cases_is_as_documented() -> None:
    cases = handed_over(Partner(new_id(), ""), 3)
    items = [case.model_dump_json().encode() for case in cases]
    page = HandoverPage(cases[0].run_id, "2026-000001", date(2026, 3, 1), items)
    request = standard.handover_request(new_id(), page)
    assert request.path in DOCUMENT["paths"]
    validator("Handover").validate(json.loads(request.body))
    assert DOCUMENT["components"]["schemas"]["Handover"]["properties"]["items"]["maxItems"] == (
        PAGE_SIZE
    )


def test_a_notice_is_as_documented() -> None:
    request = standard.notice_request(new_id(), Notice(new_id(), "STOP", new_id()))
    assert request.path in DOCUMENT["paths"]
    validator("Notice").validate(json.loads(request.body))


CLAIM_CHANGE = ClaimChange(
    claim_id=new_id(),
    snapshot_sequence=7,
    amount=euros("50.00"),
    paid_directly=euros("20.00"),
    cancelled=False,
    paid=euros("20.00"),
    open_before=euros("50.00"),
    open=euros("30.00"),
    case_open=euros("42.50"),
)


@pytest.mark.parametrize("paid", [euros("20.00"), None])
def test_a_notice_on_a_claim_is_as_documented(paid: Money | None) -> None:
    """R27, R28: what is said of the claim, and nothing else; an example for each kind."""
    change = CLAIM_CHANGE.model_copy(update={"paid": paid})
    notice = Notice(new_id(), change.kind, new_id(), change)
    body = json.loads(standard.notice_request(new_id(), notice).body)
    validator("Notice").validate(body)
    content = DOCUMENT["paths"]["/v1/notices"]["post"]["requestBody"]["content"]
    examples = [each["value"] for each in content["application/json"]["examples"].values()]
    assert {each["kind"] for each in examples} == {"STOP", "STUDIO_PAYMENT", "CLAIM_CHANGED"}
    for example in examples:
        validator("Notice").validate(example)
        SimulatorNotice.model_validate(example)
        if example["kind"] == body["kind"]:
            assert example.keys() == body.keys()
            assert example["claim_change"].keys() == body["claim_change"].keys()


@pytest.mark.parametrize(
    ("kind", "left_out"),
    [("STUDIO_PAYMENT", "paid"), ("STUDIO_PAYMENT", None), ("CLAIM_CHANGED", None)],
)
def test_a_notice_without_what_changed_is_none(kind: str, left_out: str | None) -> None:
    body = json.loads(
        standard.notice_request(new_id(), Notice(new_id(), kind, new_id(), CLAIM_CHANGE)).body
    )
    del (body if left_out is None else body["claim_change"])[left_out or "claim_change"]
    assert not validator("Notice").is_valid(body)
    with pytest.raises(ValidationError):
        SimulatorNotice.model_validate(body)


def _examples() -> dict[str, Any]:
    operation = DOCUMENT["paths"]["/v1/partners/{partner_id}/callbacks"]["post"]
    examples: dict[str, Any] = operation["requestBody"]["content"]["application/json"]["examples"]
    return examples


@pytest.mark.parametrize("type_", sorted(standard.STATEMENTS))
def test_each_callback_is_documented_with_the_fields_that_are_read(type_: str) -> None:
    schemas = DOCUMENT["components"]["schemas"]
    name = schemas["Callback"]["discriminator"]["mapping"][type_].rpartition("/")[2]
    data = schemas[name]["properties"]["data"]
    model: type[Contract] = standard.STATEMENTS[type_]
    assert set(data["properties"]) == set(model.model_fields)
    assert set(data["required"]) == {
        field for field, info in model.model_fields.items() if info.is_required()
    }
    example = _examples()[type_]["value"]
    validator("Callback").validate(example)
    statement = standard.statement(json.dumps(example).encode())
    assert type(statement) is model


def test_only_documented_callbacks_are_read() -> None:
    mapping = DOCUMENT["components"]["schemas"]["Callback"]["discriminator"]["mapping"]
    assert set(mapping) == set(standard.STATEMENTS) == set(_examples())
    body = DOCUMENT["paths"]["/v1/partners/{partner_id}/callbacks"]["post"]["requestBody"]
    assert f"{MAX_BODY_BYTES:,}" in body["description"]


def test_a_callback_is_answered_as_documented() -> None:
    """The answers over HTTP are held against it in test_vectors.py."""
    schema = DOCUMENT["components"]["schemas"]["CallbackAnswer"]
    assert set(schema["properties"]) == set(Receipt.model_fields)
    parked = Receipt(status="PARKED", reason="data.case_id: missing")
    for receipt in (Receipt(), parked):
        validator("CallbackAnswer").validate(receipt.model_dump(exclude_none=True))


def test_results_are_read_as_documented() -> None:
    answers = DOCUMENT["paths"]["/v1/handovers"]["post"]["responses"]
    content = answers["200"]["content"]["application/json"]
    example = content["examples"]["results"]["value"]
    validator("HandoverAnswer").validate(example)
    accepted, rejected = standard.handover_answer(json.dumps(example).encode())
    assert isinstance(accepted, CaseAccepted)
    assert accepted.file_number == "AZ-2026-17"
    assert isinstance(rejected, CaseRejected)
    assert rejected.reason_code == "DEBTOR_UNKNOWN"


@pytest.mark.parametrize("body", [b"", b" \n", b"{}", b'{"results": null}', b'{"results": []}'])
def test_no_results_mean_later_by_callback(body: bytes) -> None:
    assert standard.handover_answer(body) == []


@pytest.mark.parametrize("body", [b"[]", b"ok", b'{"results": {}}', b'{"results": [{}]}'])
def test_an_answer_of_another_form_cannot_be_read(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        standard.handover_answer(body)


def test_only_true_acknowledges_a_notice() -> None:
    assert standard.notice_acknowledged(b'{"acknowledged": true}')
    for body in (b"", b"{}", b'{"acknowledged": false}'):
        assert not standard.notice_acknowledged(body)
    for body in (b'{"acknowledged": "yes"}', b"OK"):
        with pytest.raises(UnreadableError):
            standard.notice_acknowledged(body)


def test_what_cannot_be_read_is_told_without_its_values() -> None:
    body = json.dumps(
        {"type": "case.rejected", "data": {"case_id": "Erika", "reason_code": "Mustermann"}}
    ).encode()
    with pytest.raises(UnreadableError) as error:
        standard.statement(body)
    assert error.value.reason == (
        "data.case_id: uuid_parsing; data.reason_code: string_pattern_mismatch"
    )
