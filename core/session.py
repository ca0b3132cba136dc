"""A database connection of one's own: advisory locks that end with it, and news by LISTEN."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any, Self, cast
from zlib import crc32

import psycopg
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from core.errors import Unavailable

# When the other side's machine is gone without a word, its locks are free after about as many seconds as a dead member
# of a Kafka group needs to be noticed. A killed process is noticed at once.
_START = "SET tcp_keepalives_idle = 4; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3"

_GONE = (OperationalError, InterfaceError, NoConnectionFree, psycopg.OperationalError, psycopg.InterfaceError)


class Session:
    """A connection outside the pool, committing each statement by itself, that listens to *channel*.

    Whatever lock it holds, it holds exactly as long as the server knows it; so what is written through it is written by
    the holder of the lock. Once the server did not answer it is lost: every use raises `Unavailable`, and its owner
    opens another and begins anew.
    """

    def __init__(self, engine: Engine, channel: str) -> None:
        try:
            self._connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        except _GONE as error:
            raise Unavailable("the database did not answer") from error
        self._driver = cast("psycopg.Connection[Any]", self._connection.connection.dbapi_connection)
        self._connection.detach()
        self.is_lost = False
        with self.connection() as connection:
            connection.execute(text(f"{_START}; LISTEN {channel}"))

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend the connection. Raises `Unavailable` when the server is gone, and when it went while lent."""
        if self.is_lost:
            raise Unavailable("the database session is lost")
        try:
            yield self._connection
        except _GONE as error:
            self.close()
            raise Unavailable("the database session is lost") from error

    @contextmanager
    def driver(self) -> Iterator["psycopg.Connection[Any]"]:
        """Lend the driver's own connection, for what SQLAlchemy has no words for."""
        with self.connection():
            yield self._driver

    def try_lock(self, name: str, number: int = 0) -> bool:
        """Take the lock *number* of *name* unless another session has it. It counts: two takings need two releases."""
        with self.connection() as connection:
            statement = text("SELECT pg_try_advisory_lock(:key, :number)")
            return bool(connection.scalar(statement, {"key": lock_key(name), "number": number}))

    def wait(self, timeout_seconds: float) -> None:
        """Return at the next piece of news, at once when some came since the last call, or when the time is over."""
        with self.driver() as driver:
            deque(driver.notifies(timeout=timeout_seconds, stop_after=1), maxlen=0)

    def close(self) -> None:
        """Give the connection, and with it every lock, back at once."""
        if not self.is_lost:
            self.is_lost = True
            self._driver.close()
            self._connection.invalidate()
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()


def turns(session: Session, lock: str, stop: Event, wait_seconds: float) -> Iterator[int]:
    """Yield the number of each turn, from 0, of whoever alone does something: once no other session has *lock*, and then at every
    piece of news, or when the time is over, until *stop* is set.

    Whoever comes first keeps the lock for as long as *session* lives. Raises `Unavailable` when it is lost.
    """
    number = 0
    is_alone = False
    while not stop.is_set():
        is_alone = is_alone or session.try_lock(lock)
        if is_alone:
            yield number
            number += 1
        session.wait(wait_seconds)


def lock_key(name: str) -> int:
    """Return the number, signed and of 32 bits, under which PostgreSQL knows the advisory locks of *name*."""
    return crc32(name.encode()) - 2**31
