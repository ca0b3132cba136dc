"""The stream: what changes about people, as it is announced (server-sent events)."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from sse_starlette import EventSourceResponse, ServerSentEvent

from api.access import reader
from api.context import Here
from api.feed import Feed, Place, Reset, Told
from core import cloudevents

HEARTBEAT_SECONDS = 15
SEND_SECONDS_MAX = 30.0  # a reader who takes nothing for so long is sent away; he comes back where he was

router = APIRouter(prefix="/v1", tags=["stream"])

_EVENT_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Server-sent events", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}


@router.get("/stream", response_class=EventSourceResponse, responses=_EVENT_STREAM, dependencies=[Depends(reader)])
async def stream(
    here: Here,
    types: Annotated[
        str | None,
        Query(max_length=1_000, description="Names divided by commas: `profile.updated`, `person.merged`, …"),
    ] = None,
    last_event_id: Annotated[str | None, Header(description="Go on behind this event, without a gap.")] = None,
) -> EventSourceResponse:
    """Tell what changes about people. An event `reset` says that some of it cannot be had any more: begin anew."""
    here.feed.check_room()
    after = Place.read(last_event_id) if last_event_id else await here.feed.now()
    spoken = _Spoken(here.feed, after, frozenset(types.split(",")) if types else None)
    return EventSourceResponse(
        spoken.events(), ping=HEARTBEAT_SECONDS, ping_message_factory=spoken.heartbeat, send_timeout=SEND_SECONDS_MAX
    )


class _Spoken:
    """The stream to one reader, who hears of *types* only."""

    def __init__(self, feed: Feed, place: Place, types: frozenset[str] | None) -> None:
        self._feed = feed
        self._types = types
        self._place = place

    async def events(self) -> AsyncIterator[ServerSentEvent]:
        """Yield what is announced, and how far he has come."""
        async with aclosing(self._feed.follow(self._place)) as followed:
            async for told in followed:
                self._place = told.place
                if isinstance(told, Reset):
                    yield ServerSentEvent("{}", event="reset", id=str(told.place))
                elif self._types is None or cloudevents.name(told.announcement) in self._types:
                    yield _spoken(told)

    def heartbeat(self) -> ServerSentEvent:
        """Return a comment that no reader sees, with the place that he has come to, so that he resumes from there."""
        return ServerSentEvent(comment="heartbeat", id=str(self._place))


def _spoken(told: Told) -> ServerSentEvent:
    data = cloudevents.structured(told.announcement).decode()
    return ServerSentEvent(data, event=cloudevents.name(told.announcement), id=str(told.place))
