"""Group commit: many requests share one append, and each is answered when the log has what it brought."""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from core.errors import Overloaded, Unavailable
from core.log.port import Log, Position, Record

GROUP_EVENTS_MAX = 1_000
WAITING_BYTES_MAX = 64 << 20


@dataclass(frozen=True, slots=True)
class _Put:
    records: Sequence[Record]
    size_bytes: int
    answer: asyncio.Future[None]


class GroupCommit:
    """Appends to *topic*, one group at a time; while a group is on its way to the log, the next one gathers.

    At most *waiting_events_max* events (and `WAITING_BYTES_MAX` bytes) wait, those on their way included. It belongs to
    one event loop; the log works in a thread.
    """

    def __init__(
        self, log: Log, topic: str, waiting_events_max: int = 10_000, waiting_seconds_max: float = 4.0
    ) -> None:
        self._log = log
        self._topic = topic
        self._events_max = waiting_events_max
        self._seconds_max = waiting_seconds_max
        self._thread = ThreadPoolExecutor(1, "append")
        self._gathering: deque[_Put] = deque()
        self._events = 0
        self._bytes = 0
        self._is_closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def put(self, records: Sequence[Record]) -> None:
        """Return when all of *records* are on stable storage.

        Raises `Overloaded` when too much is waiting already: then none of them is stored. Raises `Unavailable` when the
        log fails or keeps us waiting too long: then it is not known. Whoever stops waiting leaves his records in the
        group.
        """
        if not records:
            return
        waiting = self._admitted(records)
        try:
            async with asyncio.timeout(self._seconds_max):
                await waiting.answer
        except TimeoutError:
            raise Unavailable("the log did not answer in time") from None

    async def close(self) -> None:
        """Take nothing more, and return when all that was taken is answered."""
        self._is_closed = True
        await self._idle.wait()
        self._thread.shutdown()

    def _admitted(self, records: Sequence[Record]) -> _Put:
        size_bytes = sum(len(record.value) for record in records)
        if self._is_closed:
            raise Unavailable("the collector is shutting down")
        if self._events + len(records) > self._events_max or self._bytes + size_bytes > WAITING_BYTES_MAX:
            raise Overloaded("too many events are waiting for the log")
        put = _Put(records, size_bytes, asyncio.get_running_loop().create_future())
        self._gathering.append(put)
        self._events += len(records)
        self._bytes += size_bytes
        if self._idle.is_set():
            self._idle.clear()
            asyncio.get_running_loop().call_soon(self._send)  # so that requests that came together go together
        return put

    def _send(self) -> None:
        group = self._group()
        records = [record for put in group for record in put.records]
        append = asyncio.get_running_loop().run_in_executor(self._thread, self._log.append, self._topic, records)
        append.add_done_callback(partial(self._answer, group))

    def _group(self) -> Sequence[_Put]:
        group = [self._gathering.popleft()]
        events = len(group[0].records)
        while self._gathering and events + len(self._gathering[0].records) <= GROUP_EVENTS_MAX:
            group.append(self._gathering.popleft())
            events += len(group[-1].records)
        return group

    def _answer(self, group: Sequence[_Put], append: "asyncio.Future[Sequence[tuple[int, Position]]]") -> None:
        failure = append.exception()
        for put in group:
            self._events -= len(put.records)
            self._bytes -= put.size_bytes
            if put.answer.done():  # he has gone; the log has his records all the same
                continue
            if failure is None:
                put.answer.set_result(None)
            else:
                put.answer.set_exception(failure)
        if self._gathering:
            self._send()
        else:
            self._idle.set()
