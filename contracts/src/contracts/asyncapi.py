"""The AsyncAPI 3 document: channels, messages, and who sends and receives them."""

from typing import Any

from contracts.event import Event
from contracts.topics import Topic

Document = dict[str, Any]

_HEADERS: Document = {
    "type": "object",
    "description": "CloudEvents 1.0, Kafka protocol binding, binary content mode.",
    "required": [
        "ce_specversion",
        "ce_id",
        "ce_source",
        "ce_type",
        "ce_time",
        "ce_subject",
        "ce_tenantid",
        "ce_correlationid",
    ],
    "properties": {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": {
            "type": "string",
            "description": "Unique for its source; the same when the message is published again.",
        },
        "ce_source": {
            "type": "string",
            "format": "uri-reference",
            "description": "Who published it, such as /case-service.",
        },
        "ce_type": {"type": "string", "description": "Type of the event: the message's name."},
        "ce_time": {
            "type": "string",
            "format": "date-time",
            "description": "When the event was published, in UTC.",
        },
        "ce_subject": {"type": "string", "description": "The Kafka key."},
        "ce_tenantid": {
            "type": "string",
            "format": "uuid",
            "description": "Tenant whose event it is.",
        },
        "ce_correlationid": {
            "type": "string",
            "description": "Id of the request that caused the event, over all that followed.",
        },
        "ce_traceparent": {"type": "string", "description": "W3C trace context."},
        "content-type": {"type": "string", "const": "application/json"},
    },
}


def document(events: dict[str, type[Event]], topics: dict[str, Topic]) -> Document:
    """The AsyncAPI document of all events and topics."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Collection handover",
            "version": "1.0.0",
            "description": "Events of the collection services, and those that they read.",
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(topic) for name, topic in topics.items()},
        "operations": {
            f"{program}.{action}.{topic.name}": _operation(topic, program, action)
            for topic in topics.values()
            for action, programs in (("send", topic.writers), ("receive", topic.readers))
            for program in programs
        },
        "components": {
            "messages": {type_: _message(event) for type_, event in events.items()},
            "messageTraits": {
                "cloudevent": {
                    "headers": _HEADERS,
                    "correlationId": {"location": "$message.header#/ce_correlationid"},
                }
            },
        },
    }


def _channel(topic: Topic) -> Document:
    configuration = topic.configuration
    return {
        "address": topic.name,
        "description": f"Dead letters are in {topic.dead_letter_name}.",
        "messages": {type_: {"$ref": f"#/components/messages/{type_}"} for type_ in topic.types},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {
                    "cleanup.policy": [configuration["cleanup.policy"]],
                    "retention.ms": int(configuration["retention.ms"]),
                    "max.message.bytes": int(configuration["max.message.bytes"]),
                },
                "bindingVersion": "0.5.0",
            }
        },
        "x-owner": topic.owner,
        "x-personal-data": topic.personal_data,
    }


def _operation(topic: Topic, program: str, action: str) -> Document:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "tags": [{"name": program}],
        "messages": [
            {"$ref": f"#/channels/{topic.name}/messages/{type_}"} for type_ in topic.types
        ],
    }


def _message(event: type[Event]) -> Document:
    key = " or, where that is null, ".join(event.KEY)
    return {
        "name": event.TYPE,
        "summary": (event.__doc__ or "").partition("\n")[0],
        "traits": [{"$ref": "#/components/messageTraits/cloudevent"}],
        "payload": {
            "schemaFormat": "application/schema+json;version=2020-12",
            "schema": {"$ref": f"./schemas/{event.TYPE}.json"},
        },
        "bindings": {
            "kafka": {"key": {"type": "string", "description": key}, "bindingVersion": "0.5.0"}
        },
        "x-examples": f"./examples/{event.TYPE}.json",
    }
