"""Who is sending: the secret in a request, and the key that it opens."""

import asyncio
import binascii
import hashlib
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic

from core.errors import Forbidden, Unauthorized
from core.keys import UNKNOWN, Key, Scope

FindKey = Callable[[str], Awaitable[Key]]

REMEMBERED_SECONDS = 10.0
REMEMBERED_MAX = 1_000
SECRET_LENGTH_MAX = 256


class KeyCache:
    """Finds keys by *find*, in a thread, and remembers the answer for ten seconds: a revoked key works so long.

    However many ask for one key at the same time, it is looked up once. Secrets that open nothing are remembered apart, so that
    guessing drives no good key out. *used* is told of each use.
    """

    def __init__(
        self,
        find: Callable[[str], Key],
        now: Callable[[], float] = monotonic,
        used: Callable[[Key], None] = lambda _: None,
    ) -> None:
        self._find = find
        self._used = used
        self._now = now
        self._keys: dict[bytes, tuple[float, Key | None]] = {}
        self._refused: dict[bytes, tuple[float, Key | None]] = {}
        self._asking: dict[bytes, asyncio.Task[Key | None]] = {}

    async def __call__(self, secret: str) -> Key:
        """Return the key that *secret* opens; raises `Unauthorized` where there is none."""
        digest = hashlib.sha256(secret.encode()).digest()
        until_seconds, key = self._keys.get(digest) or self._refused.get(digest) or (0.0, None)
        if until_seconds <= self._now():
            key = await asyncio.shield(self._asked(digest, secret))
        if key is None:
            raise Unauthorized(UNKNOWN)
        self._used(key)
        return key

    def _asked(self, digest: bytes, secret: str) -> "asyncio.Task[Key | None]":
        if digest not in self._asking:
            self._asking[digest] = asyncio.create_task(self._ask(digest, secret))
        return self._asking[digest]

    async def _ask(self, digest: bytes, secret: str) -> Key | None:
        try:
            key = await asyncio.to_thread(self._found, secret)
            self._remember(digest, key)
        finally:
            del self._asking[digest]
        return key

    def _found(self, secret: str) -> Key | None:
        try:
            return self._find(secret)
        except Unauthorized:
            return None

    def _remember(self, digest: bytes, key: Key | None) -> None:
        self._keys.pop(digest, None)
        self._refused.pop(digest, None)
        known = self._refused if key is None else self._keys
        if len(known) >= REMEMBERED_MAX:
            del known[next(iter(known))]
        known[digest] = (self._now() + REMEMBERED_SECONDS, key)


async def writer(secret: str, find_key: FindKey) -> Key:
    """Return the key that *secret* opens; raises `Unauthorized`, and `Forbidden` when it may not write events."""
    if not 0 < len(secret) <= SECRET_LENGTH_MAX:
        raise Unauthorized(UNKNOWN)
    key = await find_key(secret)
    if not key.may(Scope.EVENTS_WRITE):
        raise Forbidden("this key may not write events")
    return key


def secret_in(headers: Mapping[str, str]) -> str | None:
    """Return the write key in the headers of a request: the user name of Basic, or Bearer's token; `None` without one.

    Raises `Unauthorized` for an `Authorization` that is neither.
    """
    authorization = headers.get("authorization")
    if authorization is None:
        return None
    scheme, _, credentials = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            return credentials.strip()
        case "basic":
            return _user_name(credentials)
        case _:
            raise Unauthorized("a write key comes by Basic or Bearer")


def _user_name(credentials: str) -> str:
    try:
        return b64decode(credentials, validate=True).decode().partition(":")[0]
    except (binascii.Error, ValueError):
        raise Unauthorized("these Basic credentials cannot be read") from None
