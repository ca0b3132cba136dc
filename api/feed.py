"""The feed: what is announced, from the outbox to any number of readers, by one database session for each process.

Every reader keeps his own place. The feed holds the newest rows, written out once for all, so that readers who keep up cost
the database nothing and the process little; one who is behind reads the outbox himself. So nothing is buffered for anybody
and nobody misses anything: what is not held is read, and what is gone is said to be gone (`Reset`).
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain, takewhile
from threading import Event, Thread

import anyio
import structlog
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from api.reading import reading
from core import cloudevents, outbox
from core.errors import InvalidEvent, Overloaded, Unavailable
from core.identifier import IdentifierId, PersonId
from core.outbox import Announcement, Cursor, Row
from core.session import Session

READERS_MAX = 2_000
CATCHING_UP_MAX = 2  # readers that use a database connection at a time
HELD_ANNOUNCEMENTS_MAX = 10_000
READ_ROWS_MAX = 100
NOTHING_SECONDS = (
    3.0  # after so long a reader is told that there is nothing, so that whoever answers him can look about
)
WAIT_SECONDS = 0.5  # for rows whose notice came before an older transaction let them be read
RETRY_SECONDS = 1.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in the stream: all rows up to *cursor* have been delivered, and *passed* announcements of the next row.

    No row ever appears behind a cursor, so which is the next one does not change.
    """

    cursor: Cursor
    passed: int = 0

    @classmethod
    def read(cls, written: str) -> "Place":
        """Read what `str` wrote. Raises `InvalidEvent` for anything else."""
        numbers = written.split("-")
        if len(numbers) != 3 or not all(n.isascii() and n.isdecimal() and len(n) <= 18 for n in numbers):
            raise InvalidEvent("invalid_event_id", "this is not the id of an event here", "/header/last-event-id")
        xid, row, passed = map(int, numbers)
        return cls(Cursor(xid, row), passed)

    def __str__(self) -> str:
        return f"{self.cursor.xid}-{self.cursor.id}-{self.passed}"


@dataclass(frozen=True, slots=True)
class Told:
    """One announcement, as every reader gets it: the place behind it, what he chooses by, and what goes over the wire."""

    place: Place
    name: str
    person: PersonId
    segment: str | None  # that he has entered or left
    wire: bytes

    @classmethod
    def of(cls, place: Place, announcement: Announcement) -> "Told":
        """Write *announcement* out."""
        name = cloudevents.name(announcement)
        head = f"id: {place}\r\nevent: {name}\r\ndata: ".encode()
        wire = head + cloudevents.structured(announcement) + b"\r\n\r\n"
        return cls(place, name, PersonId(IdentifierId(announcement.key)), announcement.value.get("segment"), wire)


@dataclass(frozen=True, slots=True)
class Reset:
    """What lay between the reader's place and this one cannot be had any more: he has to begin anew."""

    place: Place


@dataclass(frozen=True, slots=True)
class _Said:
    """One row, written out, and the cursor behind it."""

    cursor: Cursor
    told: Sequence[Told]


class Feed:
    """Follows the outbox of *engine* as long as there is a reader. Used in one event loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._readers = 0
        self._catching_up = anyio.Semaphore(CATCHING_UP_MAX)
        self._begin_anew()

    async def now(self) -> Place:
        """Return the place of one who wants to hear only what is announced from now on."""
        return Place(await run_in_threadpool(self._latest))

    async def follow(self, after: Place) -> AsyncGenerator[Sequence[Told] | Reset, None]:
        """Yield what is announced behind *after*, as much at a time as is there: nothing, where there is nothing for a while.

        Ends only when the database does not answer: the reader comes back with the last place that he was told.
        """
        async with self._counted():
            try:
                async for news in self._told(after):
                    yield news
            except Unavailable as error:
                _log.warning("feed.reader_sent_away", reason=str(error))

    def check_room(self) -> None:
        """Raise `Overloaded` when there are as many readers as there may be."""
        if self._readers >= READERS_MAX:
            raise Overloaded("too many are reading the stream", retry_after_seconds=10)

    async def _told(self, place: Place) -> AsyncIterator[Sequence[Told] | Reset]:
        while True:
            news = self._news
            said, end = self._held_behind(place.cursor), place
            if said is None:
                async with self._catching_up:
                    said, end = await run_in_threadpool(self._read, place)
            if said is None:
                place = end
                yield Reset(place)
            elif said:
                [first, *others] = said
                yield [*first.told[place.passed :], *chain.from_iterable(each.told for each in others)]
                place = Place(said[-1].cursor)
            else:
                place = max(place, end)
                try:
                    async with asyncio.timeout(NOTHING_SECONDS):
                        await news.wait()
                except TimeoutError:
                    yield []

    def _held_behind(self, cursor: Cursor) -> Sequence[_Said] | None:
        """Return what is held behind *cursor*, or `None` where that does not reach back to it."""
        if self._since is None or cursor < self._since:
            return None
        return list(takewhile(lambda said: said.cursor > cursor, reversed(self._held)))[::-1]

    def _read(self, place: Place) -> tuple[Sequence[_Said] | None, Place]:
        """Return the next rows behind *place*, `None` where some are gone, and up to where there is nothing else."""
        with reading(self._engine) as connection:
            latest = outbox.latest(connection)
            if outbox.trimmed(connection) > place.cursor or place.cursor.xid > latest.xid:
                return None, Place(latest)
            rows = outbox.read(connection, place.cursor, READ_ROWS_MAX)
        return _said(rows), Place(latest)

    def _latest(self) -> Cursor:
        with reading(self._engine) as connection:
            return outbox.latest(connection)

    @asynccontextmanager
    async def _counted(self) -> AsyncIterator[None]:
        self._readers += 1
        if self._readers == 1:
            self._begin_anew()
            Thread(target=self._run, args=(self._stop, asyncio.get_running_loop()), name="feed", daemon=True).start()
        try:
            yield
        finally:
            self._readers -= 1
            if self._readers == 0:
                self._stop.set()

    def _begin_anew(self) -> None:
        self._stop = Event()
        self._news = asyncio.Event()
        self._held: deque[_Said] = deque()
        self._size = 0
        self._since: Cursor | None = None  # all that was announced behind it, and has been read, is held

    def _run(self, stop: Event, loop: asyncio.AbstractEventLoop) -> None:
        cursor: Cursor | None = None
        while not stop.is_set():
            try:
                with Session(self._engine, outbox.CHANNEL) as session:
                    for since, rows in self._follow_outbox(session, cursor, stop):
                        cursor = rows[-1].cursor if rows else since
                        loop.call_soon_threadsafe(self._hold, stop, since, _said(rows))
            except Unavailable as error:
                _log.warning("feed.unavailable", reason=str(error))
                stop.wait(RETRY_SECONDS)

    def _follow_outbox(
        self, session: Session, cursor: Cursor | None, stop: Event
    ) -> Iterator[tuple[Cursor, Sequence[Row]]]:
        """Yield rows with the cursor that they lie behind; first, where there is no cursor yet, the one to start at."""
        if cursor is None:
            with session.connection() as connection:
                cursor = outbox.latest(connection)
            yield cursor, []
        while not stop.is_set():
            with session.connection() as connection:
                rows = outbox.read(connection, cursor, READ_ROWS_MAX)
            if rows:
                yield cursor, rows
                cursor = rows[-1].cursor
            else:
                session.wait(WAIT_SECONDS)

    def _hold(self, stop: Event, since: Cursor, said: Sequence[_Said]) -> None:
        """Take what is *said* over from the session's thread; runs in the event loop, like all that touches what is held."""
        if stop is not self._stop:
            return
        if self._since is None:
            self._since = since
        self._held += said
        self._size += sum(len(each.told) for each in said)
        while self._size > HELD_ANNOUNCEMENTS_MAX:
            oldest = self._held.popleft()
            self._size -= len(oldest.told)
            self._since = oldest.cursor
        self._news.set()
        self._news = asyncio.Event()


def _said(rows: Sequence[Row]) -> Sequence[_Said]:
    """Write *rows* out. The places within a row are the same for whoever reads it, from wherever he has come."""
    said = []
    for row in rows:
        last, before = len(row.announcements), Cursor(row.cursor.xid, row.cursor.id - 1)
        told = [
            Told.of(Place(before, number) if number < last else Place(row.cursor), announcement)
            for number, announcement in enumerate(row.announcements, 1)
        ]
        said.append(_Said(row.cursor, told))
    return said
