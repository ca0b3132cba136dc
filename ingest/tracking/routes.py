"""The routes of the tracking API, as its SDKs call them and want to be answered.

They drop what is answered 4xx and send again what is answered 5xx, whatever was the matter; so nothing that may pass is
answered 4xx, and of a batch the good is taken and the bad kept in quarantine.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from core.errors import InvalidEvent, SiyuError
from core.http import answer_to
from core.keys import Key
from core.raw import RawRoute
from ingest import body
from ingest.auth import FindKey, secret_in, writer
from ingest.callback import Document
from ingest.intake import Intake, Refusal
from ingest.pixel import LOST_PICTURE, PICTURE, PIXEL
from ingest.proof import json_object
from ingest.tracking.messages import Sender, documents, within

MESSAGES_MAX = 500

_TYPES = ("identify", "track", "page", "screen", "group", "alias")
_SHORT = {"i": "identify", "t": "track", "p": "page", "s": "screen", "g": "group", "a": "alias"}
_BATCHES = ("/v1/batch", "/v1/import", "/v1/b", "/beacon/v1/batch")
_SETTINGS = "/v1/projects/{key}/settings"
_CONFIGURATIONS = (_SETTINGS, "/sourceConfig", "/sourceConfig/")
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Content-Encoding, AnonymousId, SentAt, "
    "X-Retry-Count, X-Requested-With",
    "Access-Control-Max-Age": "86400",
}


class TrackingRoute(RawRoute):
    """A route that answers pages of any origin, and errors as the SDKs read them: `code` and `message`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                response = await endpoint(request)
            except SiyuError as error:
                answer = answer_to(error)
                response = _json({"code": answer.code, "message": answer.detail}, answer.status)
                response.headers.update(answer.headers)
            except HTTPException as error:
                response = _json({"code": "refused", "message": error.detail}, error.status_code)
            response.headers.update(_CORS)
            return response

        return answered


def routes(intake: Intake, find_key: FindKey) -> APIRouter:
    """Return the routes of the tracking API."""
    router = APIRouter(tags=["tracking"], route_class=TrackingRoute)

    def single(kind: str) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def take(request: Request) -> Response:
            return await _take(request, intake, find_key, kind)

        take.__name__ = f"take_{kind}"
        take.__doc__ = f"Take one `{kind}` message."
        return take

    async def take_batch(request: Request) -> Response:
        """Take up to 500 messages, `{"batch": […]}`."""
        return await _take(request, intake, find_key, None)

    async def allow(_: Request) -> Response:
        return Response(status_code=204)

    for kind in _TYPES:
        router.add_api_route(f"/v1/{kind}", single(kind), methods=["POST"], responses=_ANSWERS)
    for short, kind in _SHORT.items():
        router.add_api_route(f"/v1/{short}", single(kind), methods=["POST"], include_in_schema=False)
    for path in _BATCHES:
        router.add_api_route(
            path, take_batch, methods=["POST"], include_in_schema=path == _BATCHES[0], responses=_ANSWERS
        )
    for path in (*(f"/v1/{name}" for name in (*_TYPES, *_SHORT)), *_BATCHES, *_CONFIGURATIONS):
        router.add_api_route(path, allow, methods=["OPTIONS"], include_in_schema=False)

    @router.get("/pixel/v1/{kind}", response_class=Response, responses={**PICTURE, **LOST_PICTURE})
    async def take_pixel(request: Request) -> Response:
        """Take a `track` or `page` message from the query, and answer a picture of one point whatever becomes of it.

        What is wrong with a message or its key makes no difference; where we cannot take it, the status says so.
        """
        try:
            key = await writer(request.query_params.get("writeKey", ""), find_key)
            message = _from_query(request)
            told = documents(message, _sender(request, key), intake.clock(), None)
            await intake.take(told, key)
        except SiyuError as error:
            status = answer_to(error).status
            return Response(PIXEL, status if status >= 500 else 200, media_type="image/gif")
        return Response(PIXEL, media_type="image/gif")

    @router.get(_SETTINGS)
    async def show_settings(request: Request) -> Response:
        """Tell analytics.js where to send to: here."""
        host = f"{request.url.netloc}/v1"
        there = {"apiKey": request.path_params["key"], "apiHost": host, "protocol": request.url.scheme}
        return _json({"integrations": {"Segment.io": there}, "plan": {"track": {}, "identify": {}, "group": {}}}, 200)

    @router.get("/sourceConfig", include_in_schema=False)
    @router.get("/sourceConfig/")
    async def show_source(request: Request) -> Response:
        """Tell RudderStack's script that it is on, and has nobody to send to but us."""
        key = request.query_params.get("writeKey") or secret_in(request.headers) or ""
        source = {"id": key, "name": "siyu", "writeKey": key, "enabled": True, "config": {}, "destinations": []}
        return _json({"source": source}, 200)

    @router.get("/health", include_in_schema=False)
    async def show_health(_: Request) -> Response:
        return _json({"server": "UP"}, 200)

    return router


class Trouble(BaseModel):
    """An error, as the SDKs read it."""

    code: str
    message: str


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The log has it.", "content": {"application/json": {"schema": {"type": "object"}}}},
    **{
        status: {"model": Trouble, "description": description}
        for status, description in (
            (400, "This is no message, or not JSON."),
            (401, "There is no write key, or an unknown one."),
            (403, "The key may not write events."),
            (413, "The body is larger than 1 MiB, as it came or decompressed."),
            (415, "The body is compressed in an unknown way."),
            (503, "The log cannot be reached, or too much is waiting: send it again after `Retry-After`."),
        )
    },
}


async def _take(request: Request, intake: Intake, find_key: FindKey, kind: str | None) -> Response:
    secret = secret_in(request.headers) or request.query_params.get("writeKey")
    key = None if secret is None else await writer(secret, find_key)
    content = await body.read(request)
    sent = json_object(content)
    key = key or await writer(str(sent.get("writeKey") or ""), find_key)
    messages = _messages(sent, kind)
    told, refused = _told(messages, _sender(request, key), intake, sent.get("sentAt"))
    if refused and kind is not None:
        raise refused[0][1]
    await intake.keep([Refusal(each, error.code, error.detail) for each, error in refused], key.source, content)
    await intake.take_all(told, key, content)
    return _json({"success": True}, 200)


def _told(
    messages: Sequence[object], sender: Sender, intake: Intake, sent_at: object
) -> tuple[list[Document], list[tuple[object, InvalidEvent]]]:
    told: list[Document] = []
    refused = []
    for message in messages:
        try:
            if not isinstance(message, Mapping):
                raise InvalidEvent("invalid_type", "a message is a JSON object")
            told += documents(message, sender, intake.clock(), sent_at)
        except InvalidEvent as error:
            refused.append((message, error))
    return told, refused


def _messages(sent: Mapping[str, Any], kind: str | None) -> Sequence[object]:
    if kind is not None:
        return [{**sent, "type": kind}]
    messages = sent.get("batch")
    if not isinstance(messages, list):
        raise InvalidEvent("invalid_type", "a batch is a list", "/batch")
    if len(messages) > MESSAGES_MAX:
        raise InvalidEvent("too_many_messages", f"a batch has at most {MESSAGES_MAX} messages", "/batch")
    context = sent.get("context")
    return [within(each, context) for each in messages] if isinstance(context, Mapping) else messages


def _from_query(request: Request) -> Mapping[str, Any]:
    """RudderStack's pixel writes nested fields with dots: `properties.path`, `context.page.url`."""
    message: dict[str, Any] = {"type": request.path_params["kind"]}
    for name, value in request.query_params.items():
        *above, last = name.split(".")
        at = message
        for step in above[:4]:
            inner = at.setdefault(step, {})
            at = inner if isinstance(inner, dict) else {}
        if last not in ("type", "writeKey"):
            at[last] = value
    return message


def _sender(request: Request, key: Key) -> Sender:
    ip = request.client.host if request.client else ""
    return Sender(key.source, key.trust, ip, request.headers.get("user-agent", ""))


def _json(content: object, status: int) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
