"""Console sessions: who has signed in with a key, so that his browser need not keep it.

A session stands for the very secret that it was opened with, and is good for as long as that opens its key: it ends when the
key is revoked or expires, and when that secret is over after a rotation. It also ends when it was not used for a while
(*idle*), after `AGE_MAX`, and when somebody ends it.
"""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Column, Connection, DateTime, Index, LargeBinary, Select, Table, Text, delete, insert, select

from core import keys
from core.database import metadata
from core.errors import NotFound, Unauthorized
from core.keys import Key

IDLE = timedelta(hours=8)
AGE_MAX = timedelta(days=7)
SESSIONS_MAX = 100  # of one key: it is one person's, or few people's
UNKNOWN = "this session is over: sign in again"

session_table = Table(
    "console_session",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hash", LargeBinary, nullable=False, unique=True, comment="of the random value in the cookie"),
    Column("key_id", Text, nullable=False),
    Column("proof", LargeBinary, nullable=False, comment="of the secret it was opened with, under that random value"),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("last_used_at", DateTime(timezone=True), nullable=False, comment="a minute late at most"),
    Index("console_session_key_idx", "key_id"),
)


@dataclass(frozen=True, slots=True)
class ConsoleSession:
    """One who has signed in."""

    id: str
    key_id: str
    opened_at: datetime
    last_used_at: datetime


def begin(connection: Connection, key: Key, secret: str, now: datetime) -> tuple[str, ConsoleSession]:
    """Open a session for who showed the *secret* of *key*; return the value of its cookie, kept nowhere, and the session.

    Those that are past their age are forgotten by the way, and those of the key beyond `SESSIONS_MAX`, the least used first.
    """
    latest = (
        select(session_table.c.id)
        .where(session_table.c.key_id == key.id)
        .order_by(session_table.c.last_used_at.desc(), session_table.c.id)
        .limit(SESSIONS_MAX - 1)
    )
    beyond = (session_table.c.key_id == key.id) & session_table.c.id.not_in(latest)
    connection.execute(delete(session_table).where((session_table.c.opened_at <= now - AGE_MAX) | beyond))
    cookie = secrets.token_urlsafe(32)
    session = ConsoleSession(secrets.token_hex(8), key.id, now, now)
    connection.execute(
        insert(session_table).values(
            id=session.id,
            hash=keys.hashed(cookie),
            key_id=key.id,
            proof=_proof(cookie, keys.hashed(secret)),
            opened_at=now,
            last_used_at=now,
        )
    )
    return cookie, session


@dataclass(frozen=True, slots=True)
class Sessions:
    """What sessions there are: those used within *idle*. Without *admin_secret* none is the administrator's."""

    idle: timedelta = IDLE
    admin_secret: str | None = field(default=None, repr=False)

    def find(self, connection: Connection, cookie: str, now: datetime) -> Key:
        """Return the key that the session of *cookie* stands for, with the session named in it. Raises `Unauthorized`."""
        row = connection.execute(self._going_on(now).where(session_table.c.hash == keys.hashed(cookie))).one_or_none()
        if row is None:
            raise Unauthorized(UNKNOWN)
        key, marks = keys.live(connection, row.key_id, now, self.admin_secret)
        if not any(hmac.compare_digest(row.proof, _proof(cookie, mark)) for mark in marks):
            raise Unauthorized(UNKNOWN)
        return replace(key, session=row.id)

    def listing(self, connection: Connection, key_id: str, now: datetime) -> Sequence[ConsoleSession]:
        """Return the sessions of a key that are not over by themselves, the latest used first."""
        own = self._going_on(now).where(session_table.c.key_id == key_id)
        rows = connection.execute(own.order_by(session_table.c.last_used_at.desc(), session_table.c.id))
        return [ConsoleSession(row.id, row.key_id, row.opened_at, row.last_used_at) for row in rows]

    def _going_on(self, now: datetime) -> Select[tuple[Any, ...]]:
        return select(session_table).where(
            session_table.c.opened_at > now - AGE_MAX, session_table.c.last_used_at > now - self.idle
        )


def end(connection: Connection, key_id: str, session_id: str) -> None:
    """End a session of a key. Raises `NotFound`."""
    ended = connection.execute(
        delete(session_table).where(session_table.c.id == session_id, session_table.c.key_id == key_id)
    )
    if ended.rowcount == 0:
        raise NotFound("there is no such session")


def sign_out(connection: Connection, cookie: str) -> None:
    """End the session of *cookie*, if there is one."""
    connection.execute(delete(session_table).where(session_table.c.hash == keys.hashed(cookie)))


def _proof(cookie: str, mark: bytes) -> bytes:
    """Whoever reads the table has no cookie, so he cannot even guess a weak secret of an administrator by this."""
    return hmac.digest(cookie.encode(), mark, sha256)
