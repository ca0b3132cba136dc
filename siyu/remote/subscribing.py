"""Hearing what changes: events as they are announced, from where the caller was, whatever breaks in between."""

import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import orjson
from httpx_sse import EventSource, ServerSentEvent
from pydantic import BaseModel, ConfigDict
from standardwebhooks import Webhook, WebhookVerificationError

from siyu.remote.errors import TryLater, Unauthorized, Unreachable
from siyu.remote.transport import Transport, backoff_seconds

BEGINNING = "0-0-0"


class Event(BaseModel):
    """A CloudEvent: what changed about whom. *id* is the same however often it is delivered; *place* is set on the stream."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: str
    type: str
    subject: str
    time: datetime
    data: Mapping[str, Any]
    place: str | None = None

    @classmethod
    def read(cls, body: bytes | str, place: str | None = None) -> "Event":
        """Read a structured CloudEvent."""
        return cls(**orjson.loads(body), place=place)


class Reset(BaseModel):
    """Some of what lay before *place* cannot be had any more: read the present state anew, and go on from there."""

    model_config = ConfigDict(frozen=True)

    place: str


def follow(transport: Transport, wanted: Mapping[str, str], after: str | None) -> Iterator[Event | Reset]:
    """Yield what is announced behind the place *after* (`None`: from now on), without end.

    A stream that breaks off is opened again where it was. Raises `Unauthorized`, `Forbidden`, `Invalid` and `NotFound`.
    """
    place, failures = after, 0
    while True:
        try:
            headers = {"Last-Event-ID": place} if place else {}
            with transport.stream("/v1/stream", wanted, headers) as answer:
                for told in EventSource(answer).iter_sse():
                    failures = 0
                    place = told.id or place
                    if told.data:  # else a heartbeat, which says how far we have come
                        yield _heard(told)
        except (TryLater, Unreachable) as problem:
            failures += 1
            time.sleep((problem.retry_after or 0.0) + backoff_seconds(failures))


def verify(body: bytes, headers: Mapping[str, str], secret: str) -> Event:
    """Return the event that a webhook brought. Raises `Unauthorized` where it is not signed by *secret*, or long ago."""
    try:
        Webhook(secret).verify(body, dict(headers))
    except WebhookVerificationError as error:
        raise Unauthorized(f"this webhook is not ours: {error}") from error
    return Event.read(body)


def _heard(told: ServerSentEvent) -> Event | Reset:
    return Reset(place=told.id) if told.event == "reset" else Event.read(told.data, told.id)
