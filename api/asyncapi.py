"""`/asyncapi.json`: what is told by the log, by the stream and by webhooks, as one AsyncAPI 3 document."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi import APIRouter, Request
from pydantic import TypeAdapter

from api.announced import ANNOUNCED, EXAMPLES, NAMES, VALUES, names
from core import cloudevents
from core.cloudevents import JSON, STRUCTURED
from core.log.port import DIRECTIVES, EVENTS, PARTITIONS, QUARANTINE, TOPICS
from core.outbox import Announcement

TAKEN = (EVENTS, DIRECTIVES, QUARANTINE)
"""The topics that we read ourselves."""

_KEYS = {
    EVENTS: "Blind index of the best identifier",
    DIRECTIVES: "The same for all, so that they keep their order",
    QUARANTINE: "Who sent it",
}
_SUMMARIES = {
    EVENTS: "What happened, as a channel reports it",
    DIRECTIVES: "What somebody decided about identities",
    QUARANTINE: "What could not be taken, whole, with the reason",
}
_AT = datetime(2026, 11, 3, 12, 41, 9, 204518, tzinfo=UTC)

Document = dict[str, Any]

router = APIRouter()


@router.get("/asyncapi.json", include_in_schema=False)
async def described(request: Request) -> Document:
    """Return the description of all feeds."""
    return document(request.app.version)


def document(version: str) -> Document:
    """Return the description of all feeds of the API's *version*."""
    payloads, schemas = _schemas()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Siyu",
            "version": version,
            "description": "At least once: drop an id (`ce_id`) seen before, and a `version` not above the last; on"
            " `merged_from` move your rows. Within a version only optional fields are added.",
        },
        "defaultContentType": JSON,
        "servers": _SERVERS,
        "channels": {
            **{topic: _topic(topic) for topic in TOPICS},
            "stream": {
                "address": "/v1/stream",
                "summary": "Server-sent events: `id` is the place to resume from, `event` the name, `data` a CloudEvent.",
                "servers": [{"$ref": "#/servers/http"}],
                "messages": {
                    **{topic: _ref("messages", f"structured.{topic}") for topic in ANNOUNCED},
                    "reset": _ref("messages", "reset"),
                },
            },
            "webhook": {
                "address": None,
                "summary": "A subscriber's own address, to which we post as Standard Webhooks has it.",
                "servers": [{"$ref": "#/servers/subscriber"}],
                "messages": {topic: _ref("messages", f"posted.{topic}") for topic in ANNOUNCED},
            },
        },
        "operations": {
            **{f"send.{topic}": _operation("send", topic) for topic in TOPICS},
            **{f"receive.{topic}": _operation("receive", topic) for topic in TAKEN},
            "stream": {**_operation("send", "stream"), "bindings": {"http": _STREAMED}},
            "webhook": {**_operation("send", "webhook"), "bindings": {"http": _POSTED}},
        },
        "components": {
            "schemas": {
                **schemas,
                **{topic: {**payloads[topic], "examples": [EXAMPLES[topic]]} for topic in TOPICS},
                **{f"structured.{topic}": _envelope(topic) for topic in ANNOUNCED},
            },
            "messages": {
                **{f"binary.{topic}": _binary(topic) for topic in TOPICS},
                **{f"structured.{topic}": _structured(topic) for topic in ANNOUNCED},
                **{f"posted.{topic}": {**_structured(topic), "headers": _SIGNED} for topic in ANNOUNCED},
                "reset": {
                    "name": "reset",
                    "summary": "Some of it cannot be had any more: read anew what you keep, and go on from here.",
                    "contentType": JSON,
                    "payload": {"type": "object"},
                    "examples": [{"payload": {}}],
                },
            },
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key with the scope `people:read`."}
            },
        },
    }


_SERVERS: Document = {
    "kafka": {
        "host": "{brokers}",
        "protocol": "kafka",
        "description": "Where `SIYU_LOG_URL` names a Kafka.",
        "variables": {"brokers": {"default": "127.0.0.1:9092"}},
    },
    "http": {
        "host": "{host}",
        "protocol": "http",
        "variables": {"host": {"default": "127.0.0.1:8600"}},
        "security": [{"$ref": "#/components/securitySchemes/key"}],
    },
    "subscriber": {
        "host": "{host}",
        "protocol": "https",
        "description": "Whoever has asked to be told.",
        "variables": {"host": {"default": "example.com"}},
    },
}

_STREAMED: Document = {
    "method": "GET",
    "query": {
        "type": "object",
        "properties": {
            "types": {"type": "string", "description": f"Names divided by commas, of: {', '.join(sorted(NAMES))}"},
            "segment": {"type": "string", "description": "Only of people who are in this segment."},
        },
    },
    "bindingVersion": "0.3.0",
}
_POSTED: Document = {"method": "POST", "bindingVersion": "0.3.0"}
_SIGNED: Document = {
    "type": "object",
    "required": ["webhook-id", "webhook-timestamp", "webhook-signature"],
    "properties": {
        "webhook-id": {"type": "string", "description": "The same however often it is delivered."},
        "webhook-timestamp": {"type": "string", "pattern": "^[0-9]+$", "description": "Seconds since 1970."},
        "webhook-signature": {"type": "string", "description": "`v1,` and a signature; several, by blanks."},
    },
}


def _schemas() -> tuple[Mapping[str, Document], Document]:
    """Return the schema of the values of each topic, and those that they refer to."""
    inputs: list[tuple[str, Any, TypeAdapter[Any]]] = [(topic, "validation", VALUES[topic]) for topic in TOPICS]
    made, others = TypeAdapter.json_schemas(inputs, ref_template="#/components/schemas/{model}")
    return {topic: {"allOf": [schema]} for (topic, _), schema in made.items()}, others["$defs"]


def _topic(topic: str) -> Document:
    return {
        "address": topic,
        "summary": _summary(topic),
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": {topic: _ref("messages", f"binary.{topic}")},
        "bindings": {"kafka": {"topic": topic, "partitions": PARTITIONS, "bindingVersion": "0.5.0"}},
    }


def _operation(action: str, channel: str) -> Document:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}}


def _binary(topic: str) -> Document:
    headers = cloudevents.binary(_example(topic)).headers
    if topic == QUARANTINE:
        headers = {**headers, "ce_code": "missing", "ce_detail": "occurred_at: Field required"}
    key = {"type": "string", "description": _KEYS.get(topic, "The person")}
    return {
        "name": topic,
        "summary": _summary(topic),
        "contentType": JSON,
        "headers": _headers(topic),
        "payload": _ref("schemas", topic),
        "bindings": {"kafka": {"key": key, "bindingVersion": "0.5.0"}},
        "examples": [{"headers": {**headers}, "payload": EXAMPLES[topic]}],
    }


def _headers(topic: str) -> Document:
    text: Document = {"type": "string"}
    properties: dict[str, Document] = {
        "ce_id": {**text, "description": "The same however often it is delivered."},
        "ce_source": {**text, "format": "uri-reference"},
        "ce_type": {**text, "const": topic},
        "ce_specversion": {**text, "const": "1.0"},
        "ce_time": {**text, "format": "date-time"},
        "ce_subject": {**text, "description": "The key."},
        "content-type": text,
    }
    required = [*properties]
    if topic == QUARANTINE:
        properties |= {"ce_code": {**text, "description": "Why"}, "ce_detail": {**text, "description": "In words"}}
    return {"type": "object", "required": required, "properties": properties}


def _structured(topic: str) -> Document:
    return {
        "name": topic,
        "title": ", ".join(names(topic)),
        "summary": _summary(topic),
        "contentType": STRUCTURED,
        "payload": _ref("schemas", f"structured.{topic}"),
        "examples": [{"payload": orjson.loads(cloudevents.structured(_example(topic)))}],
    }


def _envelope(topic: str) -> Document:
    properties = {
        "specversion": {"type": "string", "const": "1.0"},
        "id": {"type": "string"},
        "source": {"type": "string", "format": "uri-reference"},
        "type": {"type": "string", "const": topic},
        "subject": {"type": "string", "description": "The person"},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"type": "string", "const": JSON},
        "data": _ref("schemas", topic),
    }
    return {"type": "object", "required": [*properties], "properties": properties}


def _example(topic: str) -> Announcement:
    value = EXAMPLES[topic]
    return Announcement(topic, value.get("person_id", "k"), "e-1", topic, _AT, value)


def _summary(topic: str) -> str:
    """Return in one line what a topic is about."""
    return _SUMMARIES.get(topic) or str(VALUES[topic].json_schema()["description"])


def _ref(kind: str, name: str) -> Document:
    return {"$ref": f"#/components/{kind}/{name}"}
