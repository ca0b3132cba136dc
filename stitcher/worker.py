"""The stitcher's loop: a batch from the log, one transaction, then the log's position.

The database commits before the log's position, so a crash between the two reads the batch again, and the event ids make that
harmless. What is announced is written in the transaction that makes it so.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import Engine
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from core import directive as directive_language
from core import metrics, quarantine
from core.clock import Clock
from core.database import transaction
from core.errors import Contended, InvalidEvent, Unavailable, Unstorable
from core.event import Event, EventUid, decode
from core.identifier import BlindIndex
from core.log.port import Consumer, Position, Stored
from core.quarantine import Quarantined
from profiles.touchpoint import Touchpoint, Verdict
from stitcher.carrying_out import carry_out
from stitcher.refusals import quarantined
from stitcher.rules import Rules
from stitcher.stitch import stitch

GROUP = "siyu.stitcher"
BATCH_EVENTS_MAX = 1_000
ATTEMPTS_MAX = 20

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch, in events."""

    applied: int = 0
    duplicates: int = 0
    quarantined: int = 0

    def __add__(self, other: "Taken") -> "Taken":
        return Taken(
            self.applied + other.applied,
            self.duplicates + other.duplicates,
            self.quarantined + other.quarantined,
        )


class Stitcher:
    """Takes batches of the events topic into the database. Any number of them may run, in any number of processes."""

    def __init__(self, engine: Engine, rules: Rules, index: BlindIndex, clock: Clock) -> None:
        self._engine = engine
        self._rules = rules
        self._index = index
        self._clock = clock

    def run(self, consumer: Consumer, stop: threading.Event, batch_events_max: int = BATCH_EVENTS_MAX) -> None:
        """Take batches of events until *stop* is set. What is under way is finished; an outage is waited out."""
        self._run(consumer, stop, batch_events_max, self.take)

    def run_directives(self, consumer: Consumer, stop: threading.Event) -> None:
        """Carry out directives, one by one, until *stop* is set."""
        self._run(consumer, stop, 1, self.take_directives)

    def run_refusals(self, consumer: Consumer, stop: threading.Event) -> None:
        """Keep in quarantine what the collectors could not take, until *stop* is set."""
        self._run(consumer, stop, BATCH_EVENTS_MAX, self.take_refusals)

    def _run(
        self,
        consumer: Consumer,
        stop: threading.Event,
        records_max: int,
        take: Callable[[Sequence[Stored]], object],
    ) -> None:
        while not stop.is_set():
            try:
                with metrics.timed("read"):
                    batch = consumer.read(records_max, timeout_seconds=0.5)
                if batch:
                    take(batch)
                    with metrics.timed("commit"):
                        # Only now: had the position been committed first, a crash would have lost the batch.
                        consumer.commit(_after(batch))
            except (Unavailable, Contended) as error:
                metrics.BATCHES_RETRIED.labels(type(error).__name__).inc()
                _log.warning("stitch.retry", cause=str(error))
                stop.wait(1.0)
                _rewind(consumer)

    def take(self, batch: Sequence[Stored]) -> Taken:
        """Take one batch, whole or not at all, as often as it was contended; what cannot be taken goes to quarantine."""
        with metrics.timed("decode"):
            events, refused = self._decoded(batch)
        for attempt in again_where_contended():
            with attempt:
                try:
                    taken = self._transact(events, refused)
                except Unstorable as error:
                    taken = self._in_halves(batch, error)
        return taken

    def take_directives(self, batch: Sequence[Stored]) -> None:
        """Carry out the directives in *batch*; what is none goes to quarantine."""
        for stored in batch:
            try:
                directive = directive_language.decode(stored.record.value)
            except InvalidEvent as error:
                with transaction(self._engine) as connection:
                    quarantine.record(connection, [_refused(stored, error.code, str(error), self._clock())])
                continue
            for attempt in again_where_contended():
                with attempt:
                    carry_out(self._engine, directive, self._rules, self._index, self._clock())
            _log.info("directive.carried_out", id=directive.id, kind=directive.kind, by=directive.by)

    def take_refusals(self, batch: Sequence[Stored]) -> None:
        """Write one batch of what the collectors refused; reading it again does no harm."""
        with transaction(self._engine) as connection:
            quarantine.record(connection, quarantined(batch, self._clock()))

    def _transact(self, events: Mapping[EventUid, Event], refused: Sequence[Quarantined]) -> Taken:
        with transaction(self._engine) as connection:
            touchpoints = stitch(connection, events, self._rules, self._index, self._clock())
            quarantine.record(connection, refused)
            started = time.perf_counter()
        metrics.STITCH_SECONDS.labels("commit").inc(time.perf_counter() - started)
        _count(touchpoints, len(events) - len(touchpoints))
        return Taken(len(touchpoints), len(events) - len(touchpoints), len(refused))

    def _in_halves(self, batch: Sequence[Stored], error: Unstorable) -> Taken:
        """Find the event that the database cannot hold, so that it alone is kept back."""
        if len(batch) > 1:
            middle = len(batch) // 2
            return self.take(batch[:middle]) + self.take(batch[middle:])
        refused = _refused(batch[0], "unstorable", str(error), self._clock())
        with transaction(self._engine) as connection:
            quarantine.record(connection, [refused])
        return Taken(quarantined=1)

    def _decoded(self, batch: Sequence[Stored]) -> tuple[dict[EventUid, Event], list[Quarantined]]:
        events: dict[EventUid, Event] = {}
        refused = []
        for stored in batch:
            try:
                event = decode(stored.record.value)
            except InvalidEvent as error:
                refused.append(_refused(stored, error.code, str(error), self._clock()))
            else:
                events.setdefault(event.uid, event)
        return events, refused


def again_where_contended(attempts_max: int = ATTEMPTS_MAX) -> Retrying:
    """Return the attempts at what may be contended; the last one raises `Contended` itself."""
    return Retrying(
        retry=retry_if_exception_type(Contended),
        stop=stop_after_attempt(attempts_max),
        wait=wait_random_exponential(multiplier=0.02, max=1.0),
        reraise=True,
    )


def _count(touchpoints: Sequence[Touchpoint], duplicates: int) -> None:
    metrics.EVENTS_STITCHED.labels("applied").inc(len(touchpoints))
    metrics.EVENTS_STITCHED.labels("duplicate").inc(duplicates)
    metrics.EVENTS_STITCHED.labels("ambiguous").inc(sum(t.ambiguous for t in touchpoints))
    for verdict in (Verdict.SUSPECTED, Verdict.BOT):
        metrics.EVENTS_STITCHED.labels(verdict.value).inc(sum(t.verdict is verdict for t in touchpoints))
    metrics.EVENTS_STITCHED.labels("void").inc(sum(t.void for t in touchpoints))


def _refused(stored: Stored, code: str, detail: str, now: datetime) -> Quarantined:
    kept = stored.record
    return Quarantined(stored.topic, stored.partition, stored.position, code, detail, kept.key, kept.value, now)


def _after(batch: Sequence[Stored]) -> dict[int, Position]:
    return {stored.partition: Position(stored.position + 1) for stored in batch}


def _rewind(consumer: Consumer) -> None:
    try:
        consumer.rewind()
    except Unavailable as error:
        _log.warning("stitch.rewind", cause=str(error))
