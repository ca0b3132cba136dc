"""Group commit: who waits for what, and what an accident does to whom."""

import asyncio
from collections.abc import Iterator

import pytest

from core.errors import Overloaded, Unavailable
from core.log.port import EVENTS, Record
from ingest.commit import GROUP_EVENTS_MAX, GroupCommit
from tests.ingest.given import MemoryLog


@pytest.fixture
def log() -> Iterator[MemoryLog]:
    log = MemoryLog()
    yield log
    log.free.set()


def records(events: int) -> list[Record]:
    return [Record(f"key {number}", b'{"id": "1"}') for number in range(events)]


def test_nobody_is_answered_before_the_log_has_acknowledged(log: MemoryLog) -> None:
    async def story() -> None:
        commit = GroupCommit(log, EVENTS)
        log.free.clear()
        put = asyncio.create_task(commit.put(records(1)))
        await asyncio.to_thread(log.reached.wait)
        await asyncio.sleep(0.05)
        assert not put.done()

        log.free.set()
        await put
        await commit.close()

    asyncio.run(story())

    assert len(log.records) == 1


def test_what_comes_while_an_append_is_on_its_way_goes_together(log: MemoryLog) -> None:
    async def story() -> None:
        commit = GroupCommit(log, EVENTS)
        log.free.clear()
        first = asyncio.create_task(commit.put(records(1)))
        await asyncio.to_thread(log.reached.wait)
        others = [asyncio.create_task(commit.put(records(3))) for _ in range(100)]
        await asyncio.sleep(0)
        log.free.set()
        await asyncio.gather(first, *others)
        await commit.close()

    asyncio.run(story())

    assert [len(group) for group in log.appends] == [1, 300]


def test_a_group_is_not_larger_than_a_batch(log: MemoryLog) -> None:
    async def story() -> None:
        commit = GroupCommit(log, EVENTS)
        await asyncio.gather(*(commit.put(records(300)) for _ in range(10)))
        await commit.close()

    asyncio.run(story())

    assert len(log.records) == 3_000
    assert max(len(group) for group in log.appends) <= GROUP_EVENTS_MAX


def test_more_than_may_wait_is_refused_and_not_stored(log: MemoryLog) -> None:
    async def story() -> None:
        commit = GroupCommit(log, EVENTS, waiting_events_max=10)
        log.free.clear()
        waiting = [asyncio.create_task(commit.put(records(5))) for _ in range(2)]
        await asyncio.to_thread(log.reached.wait)

        with pytest.raises(Overloaded):
            await commit.put(records(1))

        log.free.set()
        await asyncio.gather(*waiting)
        await commit.put(records(10))
        await commit.close()

    asyncio.run(story())

    assert len(log.records) == 20


def test_a_failure_is_told_to_all_of_its_group_and_to_nobody_else(log: MemoryLog) -> None:
    async def story() -> list[object]:
        commit = GroupCommit(log, EVENTS)
        log.failures = [Unavailable("no broker")]
        log.free.clear()
        first = asyncio.create_task(commit.put(records(1)))
        await asyncio.to_thread(log.reached.wait)
        others = [asyncio.create_task(commit.put(records(1))) for _ in range(3)]
        await asyncio.sleep(0)
        log.free.set()
        outcomes = await asyncio.gather(first, *others, return_exceptions=True)
        await commit.close()
        return [*outcomes]

    failed, *others = asyncio.run(story())

    assert isinstance(failed, Unavailable)
    assert others == [None, None, None]


def test_an_error_that_nobody_foresaw_leaves_nobody_waiting(log: MemoryLog) -> None:
    async def story() -> None:
        commit = GroupCommit(log, EVENTS)
        log.failures = [ZeroDivisionError()]
        with pytest.raises(ZeroDivisionError):
            await commit.put(records(1))

        await commit.put(records(2))
        await commit.close()

    asyncio.run(story())

    assert len(log.records) == 2


def test_who_stops_waiting_breaks_nothing_for_the_others(log: MemoryLog) -> None:
    async def story() -> None:
        commit = GroupCommit(log, EVENTS, waiting_events_max=4)
        log.free.clear()
        puts = [asyncio.create_task(commit.put(records(1))) for _ in range(4)]
        await asyncio.to_thread(log.reached.wait)
        puts[0].cancel()
        puts[2].cancel()
        log.free.set()
        outcomes = await asyncio.gather(*puts, return_exceptions=True)
        assert [isinstance(outcome, asyncio.CancelledError) for outcome in outcomes] == [True, False, True, False]

        await commit.put(records(4))
        await commit.close()

    asyncio.run(story())

    assert len(log.records) == 8


def test_a_log_that_hangs_is_unavailable(log: MemoryLog) -> None:
    async def story() -> None:
        commit = GroupCommit(log, EVENTS, waiting_seconds_max=0.05)
        log.free.clear()
        with pytest.raises(Unavailable, match="in time"):
            await commit.put(records(1))
        log.free.set()
        await commit.close()

    asyncio.run(story())


def test_closing_answers_all_that_was_taken_and_takes_no_more(log: MemoryLog) -> None:
    async def story() -> None:
        commit = GroupCommit(log, EVENTS)
        log.free.clear()
        puts = [asyncio.create_task(commit.put(records(400))) for _ in range(5)]
        await asyncio.to_thread(log.reached.wait)
        closing = asyncio.create_task(commit.close())
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="shutting down"):
            await commit.put(records(1))
        log.free.set()
        await closing
        await asyncio.gather(*puts)

    asyncio.run(story())

    assert len(log.records) == 2_000


def test_nothing_is_put_without_asking_the_log(log: MemoryLog) -> None:
    async def story() -> None:
        commit = GroupCommit(log, EVENTS)
        await commit.put([])
        await commit.close()

    asyncio.run(story())

    assert log.appends == []
