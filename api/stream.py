"""The stream: what changes about people, as it is announced (server-sent events)."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from random import uniform
from time import monotonic
from typing import Annotated, Any

import anyio
import structlog
from fastapi import APIRouter, Depends, Header
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.types import Receive, Scope, Send

from api.access import Asker, asker, reader
from api.choosing import Chosen, chosen
from api.context import Here
from api.feed import NOTHING_SECONDS, Feed, Place, Reset, Told
from core.errors import Forbidden, Unauthorized, Unavailable
from core.problems import raises

HEARTBEAT_SECONDS = 15
KEY_SECONDS = 3.0  # after so long his key is looked at again: with how long keys are remembered, less than 10 s
RETRY_SECONDS = (1.0, 5.0)  # after so long he is to come back, if he is sent away: not everybody at once
SEND_SECONDS_MAX = 30.0  # a reader who takes nothing for so long is sent away; he comes back where he was
CHUNK_BYTES_MAX = 256 << 10  # handed over at once: with what the socket holds, all that waits for one reader

router = APIRouter(prefix="/v1", tags=["stream"])
_log = structlog.get_logger(__name__)

_EVENT_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Server-sent events", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}


@router.get("/stream", response_class=EventSourceResponse, responses=_EVENT_STREAM, dependencies=[Depends(reader)])
@raises("overloaded", "invalid_event_id", "unavailable")
async def stream(
    here: Here,
    asker: Annotated[Asker, Depends(asker)],
    chosen: Annotated[Chosen, Depends(chosen)],
    last_event_id: Annotated[str | None, Header(description="Go on behind this event, without a gap.")] = None,
) -> EventSourceResponse:
    """Tell what changes about people. An event `reset` says that some of it cannot be had any more: begin anew."""
    here.feed.check_room()
    after = Place.read(last_event_id) if last_event_id else await here.feed.now()
    spoken = _Spoken(here.feed, asker, chosen, after)
    return _Stream(
        spoken.chunks(),
        ping=HEARTBEAT_SECONDS,
        ping_message_factory=spoken.heartbeat,
        send_timeout=SEND_SECONDS_MAX,
        shutdown_event=spoken.ending,
        shutdown_grace_period=NOTHING_SECONDS + 1,
    )


class _Stream(EventSourceResponse):
    """The answer that does not end; that somebody takes nothing is no fault of ours, and not told as one."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            _log.info("stream.reader_sent_away", reason="he takes nothing")


@dataclass
class _Spoken:
    """The stream to one reader, who has come to *place* and hears what he has *chosen*."""

    feed: Feed
    asker: Asker
    chosen: Chosen
    place: Place
    looked_at: float = field(default_factory=monotonic)
    ending: anyio.Event = field(default_factory=anyio.Event)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield what is announced, and how far he has come, until his key lets him read no more or the process ends."""
        yield _beginning(self.place)
        try:
            async with aclosing(self.feed.follow(self.place)) as followed:
                async for news in followed:
                    for chunk in await self._told(news):
                        await self._check()
                        yield chunk
                    await self._check()
                    self.place = news.place if isinstance(news, Reset) else news[-1].place if news else self.place
                    if self.ending.is_set():
                        return
        except (Unauthorized, Forbidden, Unavailable) as error:
            _log.info("stream.reader_sent_away", reason=str(error))

    async def _told(self, news: Sequence[Told] | Reset) -> Iterable[bytes]:
        return [_reset(news)] if isinstance(news, Reset) else _chunks(await self.chosen.of(news))

    async def _check(self) -> None:
        """Raise `Unauthorized` or `Forbidden` where his key was revoked, has expired, or may not read any more."""
        if monotonic() - self.looked_at > KEY_SECONDS:
            await reader(await self.asker.key())
            self.looked_at = monotonic()

    def heartbeat(self) -> ServerSentEvent:
        """Return a comment that no reader sees, with the place that he has come to, so that he resumes from there."""
        return ServerSentEvent(comment="heartbeat", id=str(self.place))


def _beginning(place: Place) -> bytes:
    """Return where he is, so that he misses nothing if he is sent away before anything is told, and when to come back then."""
    return ServerSentEvent(id=str(place), retry=round(1_000 * uniform(*RETRY_SECONDS))).encode()  # noqa: S311 - no secret


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
