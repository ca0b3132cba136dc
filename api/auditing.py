"""Writing down who looks at whom, before he is answered."""

from collections.abc import Sequence

import anyio
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Engine

from core import audit, database
from core.audit import Look


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
