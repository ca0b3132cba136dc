"""The keys that requests are made with, found once and remembered for a while."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

import anyio
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Connection, Engine

from api.reading import reading
from core.clock import Clock
from core.keys import Key

KEYS_MAX = 1_000
KEYS_AGE_MAX = timedelta(seconds=10)  # for so long a key that was revoked may still be taken

FindKey = Callable[[Connection, str], Key]
"""Returns the key that a secret opens; raises `Unauthorized`. `core.keys.find` with the administrator's secret."""


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
