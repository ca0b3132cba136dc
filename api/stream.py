"""The stream: what changes about people, as it is announced (server-sent events)."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from sse_starlette import EventSourceResponse, ServerSentEvent

from api.access import reader
from api.choosing import Chosen, chosen
from api.context import Here
from api.feed import Feed, Place, Reset, Told

HEARTBEAT_SECONDS = 15
SEND_SECONDS_MAX = 30.0  # a reader who takes nothing for so long is sent away; he comes back where he was
CHUNK_BYTES_MAX = 256 << 10  # handed over at once: with what the socket holds, all that waits for one reader

router = APIRouter(prefix="/v1", tags=["stream"])

_EVENT_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Server-sent events", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}


@router.get("/stream", response_class=EventSourceResponse, responses=_EVENT_STREAM, dependencies=[Depends(reader)])
async def stream(
    here: Here,
    chosen: Annotated[Chosen, Depends(chosen)],
    last_event_id: Annotated[str | None, Header(description="Go on behind this event, without a gap.")] = None,
) -> EventSourceResponse:
    """Tell what changes about people. An event `reset` says that some of it cannot be had any more: begin anew."""
    here.feed.check_room()
    after = Place.read(last_event_id) if last_event_id else await here.feed.now()
    spoken = _Spoken(here.feed, chosen, after)
    return EventSourceResponse(
        spoken.chunks(), ping=HEARTBEAT_SECONDS, ping_message_factory=spoken.heartbeat, send_timeout=SEND_SECONDS_MAX
    )


@dataclass
class _Spoken:
    """The stream to one reader, who has come to *place* and hears what he has *chosen*."""

    feed: Feed
    chosen: Chosen
    place: Place

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield what is announced, and how far he has come."""
        async with aclosing(self.feed.follow(self.place)) as followed:
            async for news in followed:
                if isinstance(news, Reset):
                    self.place = news.place
                    yield _reset(news)
                elif news:
                    for chunk in _chunks(await self.chosen.of(news)):
                        yield chunk
                    self.place = news[-1].place

    def heartbeat(self) -> ServerSentEvent:
        """Return a comment that no reader sees, with the place that he has come to, so that he resumes from there."""
        return ServerSentEvent(comment="heartbeat", id=str(self.place))


def _reset(reset: Reset) -> bytes:
    return ServerSentEvent("{}", event="reset", id=str(reset.place)).encode()


def _chunks(told: Sequence[Told]) -> Iterator[bytes]:
    """Join what is *told*, as much as may be handed over at once."""
    chunk: list[bytes] = []
    size = 0
    for each in told:
        if chunk and size + len(each.wire) > CHUNK_BYTES_MAX:
            yield b"".join(chunk)
            chunk, size = [], 0
        chunk.append(each.wire)
        size += len(each.wire)
    if chunk:
        yield b"".join(chunk)
