"""When keys and console sessions were last used: noted in memory, and written by and by, so that no request waits for it."""

import asyncio
from collections.abc import Mapping
from datetime import datetime

import structlog
from sqlalchemy import Connection, Engine

from core import database
from core.clock import Clock
from core.errors import Contended, Unavailable
from core.keys import Key

INTERVAL_SECONDS = 60.0

_log = structlog.get_logger()


class KeyUses:
    """The latest use of each key and session since they were last written. A crash loses a minute of it."""

    def __init__(self, engine: Engine, clock: Clock, interval_seconds: float = INTERVAL_SECONDS) -> None:
        self._engine = engine
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._keys: dict[str, datetime] = {}
        self._sessions: dict[str, datetime] = {}

    def note(self, key: Key) -> None:
        """Note that *key* is used now."""
        self._keys[key.id] = self._clock()

    def note_session(self, key: Key) -> None:
        """Note that somebody asks by the session of *key* now, if it is by one."""
        if key.session is not None:
            self._sessions[key.session] = self._clock()

    async def run(self) -> None:
        """Write what was noted once an interval, until cancelled."""
        while True:
            await asyncio.sleep(self._interval_seconds)
            await self.write()

    async def write(self) -> None:
        """Write what was noted; where the database does not answer, it is noted still."""
        used, self._keys = self._keys, {}
        seen, self._sessions = self._sessions, {}
        try:
            await asyncio.to_thread(self._write, used, seen)
        except (Unavailable, Contended):
            self._keys, self._sessions = used | self._keys, seen | self._sessions
            _log.warning("keys.uses_unwritten", keys=len(self._keys))

    def _write(self, used: Mapping[str, datetime], seen: Mapping[str, datetime]) -> None:
        if used or seen:
            with database.transaction(self._engine) as connection:
                _write(connection, "api_key", used)
                _write(connection, "console_session", seen)


def _write(connection: Connection, table: str, used: Mapping[str, datetime]) -> None:
    """Several processes write: the latest stays. In one order, so that they never wait for one another in a circle."""
    database.run(
        connection,
        f"""
        WITH used AS (SELECT id, at FROM json_to_recordset(:rows) AS r(id text, at timestamptz)),
             mine AS (SELECT {table}.id FROM {table} JOIN used USING (id) ORDER BY {table}.id FOR UPDATE OF {table})
        UPDATE {table} SET last_used_at = greatest(last_used_at, used.at)
          FROM used JOIN mine USING (id) WHERE {table}.id = used.id
        """,  # noqa: S608 - the name of one of our tables
        [{"id": each, "at": at} for each, at in used.items()],
    )
