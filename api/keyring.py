"""The keys that requests are made with, found once and remembered for a while."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

import anyio
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Connection, Engine

from api.reading import reading
from core.clock import Clock
from core.key_uses import KeyUses
from core.keys import Key, hashed

KEYS_MAX = 1_000
KEYS_AGE_MAX = timedelta(seconds=5)  # for so long a key that was revoked, or a session that ended, may still be taken

FindKey = Callable[[Connection, str, datetime], Key]
"""Returns the key that a secret opens, or that the session of a cookie stands for, at a time; raises `Unauthorized`."""


class Keys:
    """Finds keys by *find* and *find_session*, one at a time, and remembers those found for `KEYS_AGE_MAX`.

    Only a hash of what was shown is kept. Each use is noted in *uses*.
    """

    def __init__(self, engine: Engine, find: FindKey, find_session: FindKey, clock: Clock, uses: KeyUses) -> None:
        self._engine = engine
        self._find = find
        self._find_session = find_session
        self._clock = clock
        self._uses = uses
        self._known: OrderedDict[bytes, tuple[datetime, Key]] = OrderedDict()
        self._finding = anyio.Semaphore(1)

    async def __call__(self, secret: str) -> Key:
        """Return the key that *secret* opens. Raises `Unauthorized`."""
        return await self._key(_mark_of_secret(secret), self._find, secret)

    async def of_session(self, cookie: str) -> Key:
        """Return the key that the session of *cookie* stands for. Raises `Unauthorized`."""
        return await self._key(_mark_of_cookie(cookie), self._find_session, cookie)

    def is_remembered(self, secret: str) -> bool:
        """Whether *secret* opened a key just now."""
        return self._remembered(_mark_of_secret(secret)) is not None

    def forget_session(self, cookie: str) -> None:
        """Let the session of *cookie* be looked up at its next use."""
        self._known.pop(_mark_of_cookie(cookie), None)

    async def _key(self, mark: bytes, find: FindKey, shown: str) -> Key:
        key = self._remembered(mark)
        if key is None:
            async with self._finding:
                key = self._remembered(mark) or await self._found(mark, find, shown)
        self._uses.note(key)
        return key

    def _remembered(self, mark: bytes) -> Key | None:
        found_at, key = self._known.get(mark, (None, None))
        return key if found_at and self._clock() - found_at < KEYS_AGE_MAX else None

    async def _found(self, mark: bytes, find: FindKey, shown: str) -> Key:
        key = await run_in_threadpool(self._looked_up, find, shown)
        self._known[mark] = self._clock(), key
        self._known.move_to_end(mark)
        if len(self._known) > KEYS_MAX:
            self._known.popitem(last=False)
        return key

    def _looked_up(self, find: FindKey, shown: str) -> Key:
        with reading(self._engine) as connection:
            return find(connection, shown, self._clock())


def _mark_of_secret(secret: str) -> bytes:
    return b"key" + hashed(secret)


def _mark_of_cookie(cookie: str) -> bytes:
    return b"session" + hashed(cookie)
