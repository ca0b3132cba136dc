"""The spool: what nobody will send again, kept on this machine's disk while the log cannot be reached.

A click, a pixel or a wish to hear no more comes once, and whoever sent it is not to be kept waiting. Each process has a
file of its own, locked for as long as it lives; what is in it, or was left by a process that died, goes into the log once
that can be reached again. Doing that twice does no harm: events have their ids.
"""

import asyncio
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import orjson
import structlog

from core.errors import Overloaded, SiyuError, Unavailable
from core.metrics import EVENTS_SPOOLED
from ingest.callback import Document
from ingest.intake import Intake, sender

SPOOL_BYTES_MAX = 256 << 20
DRAIN_EVENTS_MAX = 500
DRAIN_SECONDS = 2.0

_log = structlog.get_logger()


class Spool:
    """Takes what *intake* cannot take now, in files in *folder*."""

    def __init__(self, intake: Intake, folder: Path) -> None:
        self._intake = intake
        self._folder = folder
        self._file: BinaryIO | None = None
        self._writing = asyncio.Lock()

    async def take(self, documents: Sequence[Document], source: str, patience_seconds: float = 1.0) -> None:
        """Bring *documents* into the log, or onto the disk where that takes longer than *patience_seconds*.

        Raises `Unavailable` where neither has them.
        """
        try:
            async with asyncio.timeout(patience_seconds):
                await self._intake.take_all(documents, sender(source), b"")
        except (Unavailable, TimeoutError):
            lines = [orjson.dumps({"source": source, "document": each}) + b"\n" for each in documents]
            async with self._writing:
                await asyncio.to_thread(self._write, b"".join(lines))
            EVENTS_SPOOLED.inc(len(documents))

    async def run(self) -> None:
        """Bring into the log what is in the folder, as often as there is something, until cancelled."""
        while True:
            await asyncio.sleep(DRAIN_SECONDS)
            try:
                await self.drain()
            except (SiyuError, OSError) as error:
                _log.warning("spool.waiting", cause=str(error))

    async def drain(self) -> None:
        """Bring into the log what is in the folder now. Raises `Unavailable` where that is not to be reached."""
        await self.close()
        for path in await asyncio.to_thread(lambda: sorted(self._folder.glob("*.ndjson"))):
            await self._drain(path)

    async def close(self) -> None:
        """Leave what is still on the disk to whoever comes next."""
        async with self._writing:
            self._release()

    async def _drain(self, path: Path) -> None:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # another process writes it
                return
            lines = await asyncio.to_thread(file.readlines)
            for first in range(0, len(lines), DRAIN_EVENTS_MAX):
                await self._bring(lines[first : first + DRAIN_EVENTS_MAX])
            path.unlink(missing_ok=True)

    async def _bring(self, lines: Sequence[bytes]) -> None:
        by_source: dict[str, list[Document]] = {}
        for line in lines:
            try:
                kept = orjson.loads(line)
            except orjson.JSONDecodeError:  # the process died while it wrote: nobody was told that we have it
                continue
            by_source.setdefault(kept["source"], []).append(kept["document"])
        for source, documents in by_source.items():
            await self._intake.take_all(documents, sender(source), b"")

    def _write(self, lines: bytes) -> None:
        try:
            if self._file is None:
                self._file = self._opened()
            if self._size() + len(lines) > SPOOL_BYTES_MAX:
                raise Overloaded("too many events are waiting on the disk")
            self._file.write(lines)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise Unavailable(f"neither the log nor the disk takes an event: {error.strerror}") from None

    def _opened(self) -> BinaryIO:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{uuid4().hex}.ndjson"
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        fcntl.flock(file, fcntl.LOCK_EX)
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # the name, too, is to be there after a crash
        finally:
            os.close(descriptor)
        return file

    def _size(self) -> int:
        return sum(path.stat().st_size for path in self._folder.glob("*.ndjson"))

    def _release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
