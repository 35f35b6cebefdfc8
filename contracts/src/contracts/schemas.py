"""JSON Schemas (2020-12) of the events, in two views.

The writer's view is closed: what our services write, with each field there and no other. It is
the one that is published. The reader's view is open: what our services accept.
"""

import copy
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from contracts.event import Event

Schema = dict[str, Any]


class _Untitled(GenerateJsonSchema):
    """Leaves out titles that only repeat the name of the field."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def writer_schema(event: type[Event]) -> Schema:
    """What is written: every field, and no other."""
    schema = closed(_schema(event, "serialization"))
    for part in _objects(schema):
        part["required"] = list(part["properties"])
    return schema


def reader_schema(event: type[Event]) -> Schema:
    """What is read: fields that are not known are passed over, optional ones may be missing."""
    return _schema(event, "validation")


def closed(schema: Schema) -> Schema:
    """The same schema without any field that it does not name."""
    result = copy.deepcopy(schema)
    for part in _objects(result):
        part["additionalProperties"] = False
    return result


def _objects(schema: Schema) -> list[Schema]:
    parts = (schema, *schema.get("$defs", {}).values())
    return [part for part in parts if "properties" in part]


def _schema(event: type[Event], mode: JsonSchemaMode) -> Schema:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **event.model_json_schema(mode=mode, schema_generator=_Untitled),
        "title": event.TYPE,
    }
