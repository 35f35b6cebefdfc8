"""Events: names, topics, keys, and what readers accept and refuse."""

import inspect
import json
import typing
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

import contracts
from contracts import EVENTS, MAX_CLAIMS, TOPICS, Contract, Event, UnknownEventTypeError, parse
from contracts.event import class_name
from contracts.examples import load_examples

ALL_EVENTS = sorted(EVENTS.values(), key=lambda event: event.TYPE)


def parts_of(model: type[Contract]) -> set[type[Contract]]:
    """The model and all models within it."""
    found = {model}
    for field in model.model_fields.values():
        pending: list[Any] = [field.annotation]
        while pending:
            annotation = pending.pop()
            pending.extend(typing.get_args(annotation))
            if inspect.isclass(annotation) and issubclass(annotation, Contract):
                found |= parts_of(annotation)
    return found


def data_of(type_: str, name: str | None = None) -> dict[str, Any]:
    """The data of a golden example."""
    examples = load_examples(type_)
    return next(example.data for example in examples if name in (None, example.name))


def to_bytes(data: object) -> bytes:
    return json.dumps(data).encode()


@pytest.mark.parametrize("event", ALL_EVENTS, ids=lambda event: event.TYPE)
def test_every_model_and_every_field_says_what_it_means(event: type[Event]) -> None:
    for part in parts_of(event):
        assert part.__doc__, part
        for name, field in part.model_fields.items():
            assert field.description, f"{part.__name__}.{name}"


@pytest.mark.parametrize("event", ALL_EVENTS, ids=lambda event: event.TYPE)
def test_the_class_is_named_after_its_type(event: type[Event]) -> None:
    assert event.__name__ == class_name(event.TYPE)
    assert getattr(contracts, event.__name__) is event
    assert event.__name__ in contracts.__all__


def test_types_and_topics_name_each_other_and_the_same_key() -> None:
    """R60: another team finds every type by the topics alone."""
    in_topics = {type_: topic.name for topic in TOPICS.values() for type_ in topic.types}
    assert in_topics == {type_: event.TOPIC for type_, event in EVENTS.items()}
    assert sum(len(topic.types) for topic in TOPICS.values()) == len(EVENTS)
    for event in EVENTS.values():
        assert TOPICS[event.TOPIC].key == event.KEY
        assert set(event.KEY) <= event.model_fields.keys()


def test_the_last_field_of_a_key_is_never_none() -> None:
    for event in EVENTS.values():
        assert event.model_fields[event.KEY[-1]].is_required()


def test_an_answer_to_a_whole_run_is_keyed_by_the_run() -> None:
    case, run = (
        parse("report.accepted.v1", to_bytes(data_of("report.accepted.v1", name)))
        for name in ("one case with its file number", "the whole run")
    )
    assert case.key() == data_of("report.accepted.v1")["member_id"]
    assert run.key() == data_of("report.accepted.v1")["run_id"]


def test_an_answer_names_case_and_member_or_neither() -> None:
    data = data_of("report.rejected.v1") | {"member_id": None}
    with pytest.raises(ValidationError, match="both"):
        parse("report.rejected.v1", to_bytes(data))


def test_an_unknown_type_is_told_apart_from_bad_data() -> None:
    with pytest.raises(UnknownEventTypeError):
        parse("case.opened.v2", b"{}")
    with pytest.raises(ValidationError):
        parse("case.opened.v1", b"{}")


def test_readers_pass_over_fields_that_they_do_not_know() -> None:
    data = data_of("member.released.v1")
    event = parse("member.released.v1", to_bytes(data | {"colour": "blue"}))
    assert event == parse("member.released.v1", to_bytes(data))


def test_readers_do_without_optional_fields() -> None:
    data = data_of("partner.snapshot.v1")
    del data["file_number_pattern"]
    event = parse("partner.snapshot.v1", to_bytes(data))
    assert event.model_dump()["file_number_pattern"] is None


@pytest.mark.parametrize(
    ("type_", "field", "value"),
    [
        ("run.created.v1", "member_count", "2"),
        ("run.created.v1", "member_count", 2.5),
        ("run.created.v1", "member_count", -1),
        ("run.created.v1", "member_count", True),
        ("run.created.v1", "collection_date", 20260302),
        ("run.created.v1", "collection_date", "20260302"),
        ("run.created.v1", "collection_date", "2026-02-30"),
        ("run.created.v1", "collection_date", "2026-03-02T00:00:00Z"),
        ("run.created.v1", "created_at", "1772442900"),
        ("run.created.v1", "created_at", "2026-03-02T09:15:00"),
        ("run.created.v1", "created_at", "2026-03-02T09:15:00+01:00"),
        ("run.created.v1", "run_id", "no id"),
        ("run.created.v1", "booking_number", "1"),
        ("run.created.v1", "trigger", "WHIM"),
        ("run.created.v1", "studios", []),
        ("claim.snapshot.v1", "cancelled", "no"),
        ("claim.snapshot.v1", "sequence", 2**53),
        ("claim.snapshot.v1", "kind", "Beitrag"),
        ("claim.snapshot.v1", "designation", "Beitrag\x00"),
        ("claim.snapshot.v1", "designation", ""),
        ("claim.snapshot.v1", "designation", "x" * 201),
        ("claim.snapshot.v1", "paid_directly", {"amount": "0.00", "currency": "CHF"}),
        ("partner.snapshot.v1", "name", 7),
    ],
)
def test_what_breaks_the_contract_is_refused_by_the_name_of_the_field(
    type_: str, field: str, value: object
) -> None:
    data = data_of(type_) | {field: value}
    with pytest.raises(ValidationError) as refusal:
        parse(type_, to_bytes(data))
    (error,) = refusal.value.errors()
    assert error["loc"] in [(field,), ()]


def test_a_refusal_never_shows_the_value() -> None:
    """R63: what is refused may be personal data."""
    data = data_of("member.snapshot.v1") | {"membership_number": 4711, "birth_date": "29.2.1984"}
    data["first_name"] = ["Jörg-Peter"]
    with pytest.raises(ValidationError) as refusal:
        parse("member.snapshot.v1", to_bytes(data))
    assert refusal.value.error_count() == 3
    for secret in ("4711", "29.2.1984", "Jörg"):
        assert secret not in str(refusal.value)


def test_an_event_from_python_is_as_strict_but_takes_any_sequence() -> None:
    data = parse("member.released.v1", to_bytes(data_of("member.released.v1"))).model_dump()
    ids = [UUID(int=1), UUID(int=2)]
    event = contracts.MemberReleasedV1(**data | {"claims": ids})
    assert event.claims == tuple(ids)
    assert hash(event) == hash(contracts.MemberReleasedV1(**data | {"claims": tuple(ids)}))
    with pytest.raises(ValidationError):
        contracts.MemberReleasedV1(**data | {"case_id": str(UUID(int=1))})
    with pytest.raises(ValidationError):
        contracts.ServicePeriod.model_validate(
            {"starts_on": date(2026, 1, 1), "ends_on": "2026-01-31"}
        )


@pytest.mark.parametrize("zone", [None, timezone(timedelta(hours=1))])
def test_an_instant_from_python_is_in_utc(zone: timezone | None) -> None:
    data = parse("run.created.v1", to_bytes(data_of("run.created.v1"))).model_dump()
    assert contracts.RunCreatedV1(**data).created_at.utcoffset() == timedelta(0)
    with pytest.raises(ValidationError, match="must be in UTC"):
        contracts.RunCreatedV1(**data | {"created_at": datetime(2026, 3, 2, 9, 15, tzinfo=zone)})


def test_an_event_cannot_be_changed() -> None:
    event = contracts.Money(amount=Decimal("1.00"), currency="EUR")
    with pytest.raises(ValidationError, match="frozen"):
        event.currency = "CHF"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("type_", "path"),
    [
        ("member.handed-over.v1", "claims.1.amount claims.1.paid_directly claims.1.to_collect"),
        ("case.opened.v1", "claims.0.open"),
        ("case.payment-booked.v1", "own_fees"),
        ("case.payment-booked.v1", "shares.1.open"),
        ("case.payment-reduced.v1", "shares.0.amount"),
        ("case.claim-changed.v1", "case_open"),
        ("case.closed.v1", "claims.0.written_off"),
        ("case.closed.v1", "residual"),
        ("report.payment-received.v1", "own_fees"),
        ("report.payment-corrected.v1", "amount"),
    ],
)
def test_all_amounts_of_an_event_have_one_currency(type_: str, path: str) -> None:
    data = data_of(type_)
    for amount in path.split():
        *steps, last = [int(step) if step.isdigit() else step for step in amount.split(".")]
        target: Any = data
        for step in steps:
            target = target[step]
        target[last]["currency"] = "CHF"
    with pytest.raises(ValidationError, match="same currency"):
        parse(type_, to_bytes(data))


def test_totals_are_sorted_and_name_each_currency_once() -> None:
    data = data_of("run.created.v1", "two currencies")
    for totals in (data["totals"][::-1], data["totals"][:1] * 2):
        with pytest.raises(ValidationError, match="each currency must stand once"):
            parse("run.created.v1", to_bytes(data | {"totals": totals}))


def test_the_largest_handover_fits_its_topic() -> None:
    """With texts at their limit in letters of two bytes."""
    data = data_of("member.handed-over.v1")
    longest = {"designation": "ü" * 200, "latest_rejection_reason": "ü" * 200, "kind": "X" * 40}
    data["claims"] = [data["claims"][0] | longest] * MAX_CLAIMS
    event = parse("member.handed-over.v1", to_bytes(data))
    size = len(event.model_dump_json().encode())
    assert size < TOPICS[event.TOPIC].max_message_bytes
    data["claims"] *= 2
    with pytest.raises(ValidationError, match="at most 500"):
        parse("member.handed-over.v1", to_bytes(data))


def test_the_largest_run_fits_its_topic() -> None:
    data = data_of("run.created.v1")
    data["studios"] = data["studios"][:1] * contracts.MAX_STUDIOS
    event = parse("run.created.v1", to_bytes(data))
    size = len(event.model_dump_json().encode())
    assert size < TOPICS[event.TOPIC].max_message_bytes


def test_the_largest_closing_fits_its_topic() -> None:
    data = data_of("case.closed.v1")
    data["claims"] = data["claims"][:1] * MAX_CLAIMS
    event = parse("case.closed.v1", to_bytes(data))
    size = len(event.model_dump_json().encode())
    assert size < TOPICS[event.TOPIC].max_message_bytes
