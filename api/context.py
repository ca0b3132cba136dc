"""What a route stands on: who asks, the one state that he is answered from, and the person that an id leads to.

Only so many requests as there are connections for occupy threads; the others wait in the event loop, so that those who
hold a connection never wait for a thread.
"""

import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
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
from api.reading import reading
from core import database
from core.clock import Clock
from core.errors import Forbidden, Overloaded, Unauthorized
from core.identifier import BlindIndex, PersonId
from core.keys import Key, Scope
from profiles import company_intent, frequency, intent, people
from profiles.rollup import Judging
from profiles.scoring import Scoring
from stitcher.deciding import Publish
from stitcher.rules import Rules

KEYS_MAX = 1_000
KEYS_AGE_MAX = timedelta(seconds=10)  # for so long a key that was revoked may still be taken
READERS_MAX = database.POOL_SIZE_MAX - 4  # the others are for keys, probes, the feed and who else is in this process
READ_WAIT_SECONDS_MAX = 5.0

FindKey = Callable[[Connection, str], Key]
"""Returns the key that a secret opens; raises `Unauthorized`. `core.keys.find` with the administrator's secret."""

Check = Callable[[], None]
"""Raises `Unavailable` when something that we need does not answer."""


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
    feed: Feed
    checks: Mapping[str, Check]
    reading: anyio.Semaphore
    deciding: anyio.Semaphore
    measuring: anyio.Semaphore
    publish: Publish
    clock: Clock

    @property
    def scoring(self) -> Scoring:
        """By which rules intent is judged, as of now."""
        return Scoring(self.intent_rules, self.clock())

    @property
    def judging(self) -> Judging:
        """By which rules companies are judged, as of now."""
        return Judging(self.scoring, self.companies)


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


Reader = Annotated[Key, Depends(reader)]
Writer = Annotated[Key, Depends(writer)]


async def clear(key: Reader) -> bool:
    """Whether this reader may see identifiers and traits unmasked."""
    return key.may(Scope.PEOPLE_READ_PII)


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
