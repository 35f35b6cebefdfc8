"""The golden examples: each event as it stands in Kafka (R60)."""

import json
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from jsonschema import Draft202012Validator

from contracts import EVENTS, TOPICS, Envelope, parse
from contracts.examples import FOLDER, Example, load_examples

EXAMPLES = [example for type_ in EVENTS for example in load_examples(type_)]

pytestmark = pytest.mark.parametrize(
    "example", EXAMPLES, ids=lambda example: f"{example.type}: {example.name}"
)


def test_it_follows_the_committed_schema(example: Example) -> None:
    schema = json.loads((FOLDER / "schemas" / f"{example.type}.json").read_text("utf-8"))
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    validator.check_schema(schema)
    validator.validate(_as_written_today(example))


def test_it_means_the_same_after_reading_and_writing(example: Example) -> None:
    written = _as_written_today(example)
    assert parse(example.type, json.dumps(written).encode()) == parse(example.type, example.value)
    added_since = written.keys() - example.data.keys()
    assert {name: written[name] for name in example.data} == example.data
    assert all(written[name] is None for name in added_since)


def _as_written_today(example: Example) -> dict[str, Any]:
    """Return the data of an example, which is never edited, with the fields added since."""
    written: dict[str, Any] = json.loads(parse(example.type, example.value).model_dump_json())
    return written


def test_its_envelope_is_whole_and_names_type_source_and_key(example: Example) -> None:
    envelope = Envelope.from_headers(example.kafka_headers)
    event = parse(envelope.type, example.value)
    assert envelope.type == example.type
    assert envelope.subject == event.key()
    assert envelope.source.removeprefix("/") in TOPICS[event.TOPIC].writers
    assert dict(envelope.to_headers()) == {
        name: value.encode() for name, value in example.headers.items()
    }


def test_any_cloudevents_library_reads_it(example: Example) -> None:
    headers = {name: value.encode() for name, value in example.headers.items()}
    message = KafkaMessage(headers, example.headers["ce_subject"].encode(), example.value)
    cloudevent = from_binary(message, JSONFormat())
    envelope = Envelope.from_headers(example.kafka_headers)
    assert cloudevent.get_specversion() == "1.0"
    assert cloudevent.get_id() == envelope.id
    assert cloudevent.get_source() == envelope.source
    assert cloudevent.get_type() == envelope.type
    assert cloudevent.get_time() == envelope.time
    assert cloudevent.get_subject() == envelope.subject
    assert cloudevent.get_datacontenttype() == "application/json"
    assert cloudevent.get_extension("tenantid") == str(envelope.tenant_id)
    assert cloudevent.get_extension("correlationid") == envelope.correlation_id
    assert cloudevent.get_data() == example.data
