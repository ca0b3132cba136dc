"""Collecting over HTTP: `POST /v1/events`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter

from core.errors import InvalidEvent
from core.problems import OF_EVENTS, raises
from core.raw import RawRoute
from core.submission import Submission
from ingest import body
from ingest.auth import FindKey, secret_in, writer
from ingest.intake import Intake, Receipt
from ingest.proof import json_object

EVENTS_MAX = 500


def routes(intake: Intake, find_key: FindKey) -> APIRouter:
    """Return the routes that take events, for an application that knows how to answer our errors."""
    router = APIRouter(route_class=RawRoute, tags=["collecting"])

    @router.post("/v1/events", status_code=202, responses=_RESPONSES, openapi_extra=_request())
    @raises(*OF_EVENTS)
    async def collect_events(request: Request) -> Response:
        """Take one event, or up to 500 of them as `{"events": […]}`.

        202 means that the log has what is accepted. Of several events the bad ones are listed and the good ones taken;
        a bad event by itself is answered 400. The write key comes as Basic user name, as Bearer token, or as `writeKey`
        in the body. Sending an event again does no harm.
        """
        return await collected(request, intake, find_key)

    return router


async def collected(
    request: Request, intake: Intake, find_key: FindKey, amended: Callable[[object], object] | None = None
) -> Response:
    """Take the events in *request*, each as *amended* leaves it, and say which the log has."""
    secret = secret_in(request.headers)
    key = None if secret is None else await writer(secret, find_key)
    submitted = _submitted(await body.read(request))
    key = key or await writer(submitted.write_key, find_key)
    events = [amended(event) for event in submitted.events] if amended else submitted.events
    receipt = await intake.take(events, key)
    if receipt.rejected and not submitted.is_batch:
        fault = receipt.rejected[0]
        raise InvalidEvent(fault.code, fault.detail, fault.pointer)
    return Response(orjson.dumps(receipt), 202, media_type="application/json")


@dataclass(frozen=True, slots=True)
class _Submitted:
    events: Sequence[object]
    is_batch: bool
    write_key: str


def _submitted(content: bytes) -> _Submitted:
    document = json_object(content)
    write_key = document.pop("writeKey", "")
    if not isinstance(write_key, str):
        raise InvalidEvent("invalid_type", "a write key is text", "/writeKey")
    if "events" not in document:
        return _Submitted([document], False, write_key)
    return _Submitted(_batch(document), True, write_key)


def _batch(document: Mapping[str, object]) -> Sequence[object]:
    events = document["events"]
    if not isinstance(events, list):
        raise InvalidEvent("invalid_type", "the events are a list", "/events")
    if len(events) > EVENTS_MAX:
        raise InvalidEvent("too_many_events", f"a request has at most {EVENTS_MAX} events", "/events")
    if len(document) > 1:
        raise InvalidEvent("unexpected_field", "beside `events` there is nothing but `writeKey`")
    return events


_RESPONSES: dict[int | str, dict[str, Any]] = {
    202: {"model": Receipt, "description": "The log has the accepted events."}
}


def _request() -> dict[str, Any]:
    event = TypeAdapter(Submission).json_schema()
    event = _inlined(event, event.pop("$defs"))
    write_key = {"type": "string", "description": "The write key, where no header can be set."}
    event["properties"]["writeKey"] = write_key
    events = {"type": "array", "items": event, "maxItems": EVENTS_MAX}
    batch = {
        "type": "object",
        "title": "Events",
        "properties": {"events": events, "writeKey": write_key},
        "required": ["events"],
        "additionalProperties": False,
    }
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": {"oneOf": [event, batch]}}}}}


def _inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """Put each definition where it is named: within an OpenAPI document, `#/$defs` would lead nowhere."""
    match schema:
        case {"$ref": str(reference)}:
            return _inlined(definitions[reference.rpartition("/")[2]], definitions)
        case dict():
            return {name: _inlined(part, definitions) for name, part in schema.items()}
        case list():
            return [_inlined(part, definitions) for part in schema]
    return schema
