"""What a route stands on: who asks, the one state that he is answered from, and the person that an id leads to.

Only so many requests as there are connections for occupy threads; the others wait in the event loop, so that those who
hold a connection never wait for a thread.
"""

import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, cast
from uuid import UUID

import anyio
from fastapi import Depends, Request, Response
from fastapi.concurrency import contextmanager_in_threadpool, run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Connection, Engine

from api.feed import Feed
from api.paths import slashes
from api.reading import reading
from core import audit, database
from core.audit import Look
from core.clock import Clock
from core.errors import Forbidden, Overloaded, Unauthorized
from core.event import Event
from core.identifier import BlindIndex, PersonId
from core.keys import Key, Scope
from profiles import company_intent, description, frequency, intent, people
from profiles.description import Describing
from profiles.rollup import Judging
from profiles.scoring import Scoring
from stitcher.deciding import Publish
from stitcher.rules import Rules

KEYS_MAX = 1_000
KEYS_AGE_MAX = timedelta(seconds=10)  # for so long a key that was revoked may still be taken
READERS_MAX = database.POOL_SIZE_MAX - 4  # the others are for keys, probes, the feed and who else is in this process
READ_WAIT_SECONDS_MAX = 5.0
TURN_SECONDS_MAX = 20.0  # until one's question about everybody is looked at
WORDS_MAX = 20  # of an address, in what is written of a look
WORD_LENGTH_MAX = 256

FindKey = Callable[[Connection, str], Key]
"""Returns the key that a secret opens; raises `Unauthorized`. `core.keys.find` with the administrator's secret."""

Check = Callable[[], None]
"""Raises `Unavailable` when something that we need does not answer."""


Tell = Callable[[Mapping[str, object], Key], Event]
"""Brings what a sender would write, in the name of a key, into the log as an event; raises `InvalidEvent` and `Unavailable`."""


class Moved(Exception):
    """The id asked for was merged into *person*'s, or has become his."""

    def __init__(self, person: PersonId) -> None:
        super().__init__(person)
        self.person = person


@dataclass(frozen=True, slots=True)
class Context:
    """All that routes need; one for each app, at `app.state.context`."""

    engine: Engine
    keys: "Keys"
    index: BlindIndex
    rules: Rules
    intent_rules: intent.Rules
    frequency: frequency.Rules
    companies: company_intent.Rules
    description_rules: description.Rules
    feed: Feed
    audit: "Auditing"
    checks: Mapping[str, Check]
    reading: anyio.Semaphore
    deciding: anyio.Semaphore
    measuring: anyio.Semaphore
    publish: Publish
    tell: Tell
    clock: Clock

    @property
    def scoring(self) -> Scoring:
        """By which rules intent is judged, as of now."""
        return Scoring(self.intent_rules, self.clock())

    @property
    def judging(self) -> Judging:
        """By which rules companies are judged, as of now."""
        return Judging(self.scoring, self.companies)

    @property
    def describing(self) -> Describing:
        """By which rules people are described, as of now."""
        return Describing(self.description_rules, self.clock())


class Keys:
    """Finds keys, one at a time, and remembers those found for `KEYS_AGE_MAX`. Only a hash of the secret is kept."""

    def __init__(self, engine: Engine, find: FindKey, clock: Clock) -> None:
        self._engine = engine
        self._find = find
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[datetime, Key]] = OrderedDict()
        self._finding = anyio.Semaphore(1)

    async def __call__(self, secret: str) -> Key:
        """Return the key that *secret* opens. Raises `Unauthorized`."""
        digest = hashlib.sha256(secret.encode()).digest()
        if known := self._remembered(digest):
            return known
        async with self._finding:
            return self._remembered(digest) or await self._found(digest, secret)

    def _remembered(self, digest: bytes) -> Key | None:
        found_at, key = self._known.get(digest, (None, None))
        return key if found_at and self._clock() - found_at < KEYS_AGE_MAX else None

    async def _found(self, digest: bytes, secret: str) -> Key:
        key = await run_in_threadpool(self._looked_up, secret)
        self._known[digest] = self._clock(), key
        self._known.move_to_end(digest)
        if len(self._known) > KEYS_MAX:
            self._known.popitem(last=False)
        return key

    def _looked_up(self, secret: str) -> Key:
        with reading(self._engine) as connection:
            return self._find(connection, secret)


class Auditing:
    """Writes looks at personal data down before they are answered: those that wait for one another by one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: list[Look] = []
        self._writing = anyio.Semaphore(1)

    async def __call__(self, look: Look) -> None:
        """Return once *look* is on the disk. Raises `Unavailable` and `Overloaded`."""
        self._waiting.append(look)
        async with self._writing:
            if look in self._waiting:  # else somebody before has written it with his own
                await self._write_all(look)

    async def _write_all(self, own: Look) -> None:
        looks, gone = [*self._waiting], [own]
        try:
            await run_in_threadpool(self._write, looks)
            gone = looks
        finally:  # where it failed, those behind try by themselves
            for look in gone:
                self._waiting.remove(look)

    def _write(self, looks: Sequence[Look]) -> None:
        with database.transaction(self._engine) as connection:
            audit.record(connection, looks)


# What needs no database is a coroutine, though it awaits nothing: FastAPI sends every function through a thread.


async def context(request: Request) -> Context:
    """Return what the app of this request was created with."""
    return cast("Context", request.app.state.context)


Here = Annotated[Context, Depends(context)]

_bearer = HTTPBearer(auto_error=False, description="An API key (`siyu keys create`)")


async def key(here: Here, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Key:
    """Return the key by which this request is made. Raises `Unauthorized`."""
    if given is None:
        raise Unauthorized("this needs an API key: Authorization: Bearer …")
    return await here.keys(given.credentials)


async def reader(key: Annotated[Key, Depends(key)]) -> Key:
    """Return the key of one who may read of people. Raises `Forbidden`."""
    return _reaching(key, Scope.PEOPLE_READ)


async def writer(key: Annotated[Key, Depends(key)]) -> Key:
    """Return the key of one who may decide about people. Raises `Forbidden`."""
    return _reaching(key, Scope.PEOPLE_WRITE)


async def administrator(key: Annotated[Key, Depends(key)]) -> Key:
    """Return the key of one who may do everything. Raises `Forbidden`."""
    return _reaching(key, Scope.ADMIN)


def _reaching(key: Key, scope: Scope) -> Key:
    if not key.may(scope):
        raise Forbidden(f"this needs a key with the scope {scope}")
    return key


async def definer(key: Annotated[Key, Depends(key)]) -> Key:
    """Return the key of one who may define segments, layers and stages. Raises `Forbidden`."""
    return _reaching(key, Scope.SEGMENTS_WRITE)


Reader = Annotated[Key, Depends(reader)]
Writer = Annotated[Key, Depends(writer)]
Definer = Annotated[Key, Depends(definer)]


async def clear(request: Request, here: Here, key: Reader) -> bool:
    """Whether this reader may see identifiers and traits unmasked; that he looks is written down."""
    if not key.may(Scope.PEOPLE_READ_PII):
        return False
    await here.audit(look(request, here, key))
    return True


def look(request: Request, here: Context, key: Key) -> Look:
    """Return that the owner of *key* looks at what this request asks for: the route, and the words of its address."""
    path = [(name, slashes(value)) for name, value in request.path_params.items()]
    asked = [*path, *request.query_params.multi_items()][:WORDS_MAX]
    words = {name[:WORD_LENGTH_MAX]: value[:WORD_LENGTH_MAX] for name, value in asked}
    return Look(here.clock(), key.id, f"{request.method} {request.scope['route'].path}", words)


Clear = Annotated[bool, Depends(clear)]


async def snapshot(here: Here, _: Reader) -> AsyncIterator[Connection]:
    """Open the transaction that answers this request. Raises `Overloaded` when none gets free."""
    async with turn(here), contextmanager_in_threadpool(reading(here.engine)) as connection:
        yield connection


@asynccontextmanager
async def turn(here: Context) -> AsyncIterator[None]:
    """Wait until one more may hold a connection. Raises `Overloaded` when none gets free."""
    try:
        with anyio.fail_after(READ_WAIT_SECONDS_MAX):
            await here.reading.acquire()
    except TimeoutError:
        raise Overloaded("too many requests are being answered") from None
    try:
        yield
    finally:
        here.reading.release()


# Of scope "function", so that the connection is free before a slow reader has taken his answer.
Snapshot = Annotated[Connection, Depends(snapshot, scope="function")]


async def writing(here: Here, _: Writer) -> AsyncIterator[Connection]:
    """Open the transaction in which this request writes: committed before it is answered."""
    async with turn(here), contextmanager_in_threadpool(database.transaction(here.engine)) as connection:
        yield connection


Writing = Annotated[Connection, Depends(writing, scope="function")]


async def defining(here: Here, _: Definer) -> AsyncIterator[Connection]:
    """Open the transaction in which this request defines something: committed before it is answered."""
    async with turn(here), contextmanager_in_threadpool(database.transaction(here.engine)) as connection:
        yield connection


Defining = Annotated[Connection, Depends(defining, scope="function")]


@asynccontextmanager
async def one_at_a_time(here: Context) -> AsyncIterator[None]:
    """Wait for one's turn to ask about everybody. Raises `Overloaded` where others take too long."""
    try:
        with anyio.fail_after(TURN_SECONDS_MAX):
            await here.measuring.acquire()
    except TimeoutError:
        raise Overloaded("other figures are being worked out", retry_after_seconds=10) from None
    try:
        yield
    finally:
        here.measuring.release()


async def alone(here: Here, _: Reader) -> AsyncIterator[Connection]:
    """Open the transaction that answers a question about everybody, one at a time. Raises `Overloaded`."""
    async with one_at_a_time(here), turn(here), contextmanager_in_threadpool(reading(here.engine)) as connection:
        yield connection


Alone = Annotated[Connection, Depends(alone, scope="function")]


def person(connection: Snapshot, person_id: UUID) -> PersonId:
    """Return the person that the id in the path names. Raises `NotFound`, and `Moved` where he bears another id now."""
    return present_person(connection, person_id)


def present_person(connection: Connection, person_id: UUID) -> PersonId:
    """Return the same, for those who cannot keep a transaction open until they answer."""
    present = people.survivor(connection, str(person_id))
    if present != str(person_id):
        raise Moved(present)
    return present


Person = Annotated[PersonId, Depends(person, scope="function")]


async def on_moved(request: Request, moved: Exception) -> Response:
    """Send the reader on to where the person is now, to the same question about him."""
    assert isinstance(moved, Moved)
    path = request.url.path.replace(str(request.path_params["person_id"]), moved.person, 1)
    query = f"?{request.url.query}" if request.url.query else ""
    return Response(status_code=308, headers={"Location": f"{path}{query}"})
