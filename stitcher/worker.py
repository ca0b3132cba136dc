"""The stitcher's loop: a batch from the log, one transaction, then the log's position.

The database commits before the log's position, so a crash between the two reads the batch again, and the event ids make that
harmless. What is announced is written in the transaction that makes it so.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import Connection, Engine
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from core import metrics, outbox, quarantine
from core.clock import Clock
from core.database import transaction
from core.errors import Contended, InvalidEvent, Unavailable, Unstorable
from core.event import Event, EventUid, decode
from core.identifier import BlindIndex, IdentifierId, PersonId
from core.log.port import IDENTITY_CHANGED, Consumer, Position, Stored
from core.outbox import Announcement
from core.quarantine import Quarantined
from profiles import history, people, record, summary, timeline
from profiles.history import IdentityChange
from profiles.record import Update
from profiles.touchpoint import Touchpoint
from stitcher import graph, store
from stitcher.difference import Change, Difference, compare
from stitcher.graph import Evidence
from stitcher.resolve import Partition, resolve
from stitcher.rules import Rules
from stitcher.store import Region

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
        """Take batches until *stop* is set. What is under way is finished; an outage is waited out, never quarantined."""
        while not stop.is_set():
            try:
                with _timed("read"):
                    batch = consumer.read(batch_events_max, timeout_seconds=0.5)
                if batch:
                    self.take(batch)
                    with _timed("commit"):
                        # Only now: had the position been committed first, a crash would have lost the batch.
                        consumer.commit(_after(batch))
            except (Unavailable, Contended) as error:
                metrics.BATCHES_RETRIED.labels(type(error).__name__).inc()
                _log.warning("stitch.retry", cause=str(error))
                stop.wait(1.0)
                _rewind(consumer)

    def take(self, batch: Sequence[Stored]) -> Taken:
        """Take one batch, whole or not at all, as often as it was contended; what cannot be taken goes to quarantine."""
        with _timed("decode"):
            events, refused = self._decoded(batch)
        for attempt in Retrying(
            retry=retry_if_exception_type(Contended),
            stop=stop_after_attempt(ATTEMPTS_MAX),
            wait=wait_random_exponential(multiplier=0.02, max=1.0),
            reraise=True,
        ):
            with attempt:
                try:
                    taken = self._transact(events, refused)
                except Unstorable as error:
                    taken = self._in_halves(batch, error)
        return taken

    def _transact(self, events: Mapping[EventUid, Event], refused: Sequence[Quarantined]) -> Taken:
        with transaction(self._engine) as connection:
            taken = stitch(connection, events, self._rules, self._index, self._clock())
            quarantine.record(connection, refused)
            started = time.perf_counter()
        metrics.STITCH_SECONDS.labels("commit").inc(time.perf_counter() - started)
        return taken + Taken(quarantined=len(refused))

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


def stitch(
    connection: Connection, events: Mapping[EventUid, Event], rules: Rules, index: BlindIndex, now: datetime
) -> Taken:
    """Take *events* into the open transaction: evidence, people, profiles, and the announcement of what changed."""
    with _timed("look up"):
        known = timeline.taken(connection, events)
    with _timed("read evidence"):
        touchpoints, said = graph.read({uid: e for uid, e in events.items() if uid not in known}, rules, index)
    if touchpoints:
        region, evidence, partition = _settle(connection, said, rules)
        difference = compare(
            {i: m.person_id for i, m in region.members.items()},
            partition.person,
            {i for i in partition.contested if i in evidence.nodes and not _was_contested(i, region)},
        )
        with _timed("write people"):
            store.write(connection, region, evidence, partition)
        with _timed("write profiles"):
            record.record(connection, touchpoints, evidence.nodes.keys() - region.members.keys())
        with _timed("announce"):
            _announce(connection, touchpoints, region, partition, difference, now)
    _count(touchpoints, len(known))
    return Taken(applied=len(touchpoints), duplicates=len(known))


def _settle(connection: Connection, said: Evidence, rules: Rules) -> tuple[Region, Evidence, Partition]:
    """Resolve what *said* touches; look further, and again, where that takes away why something stood apart."""
    opened: set[IdentifierId] = set()
    while True:
        with _timed("look up"):
            region = store.load(connection, said, opened)
        with _timed("resolve"):
            evidence = region.evidence + said
            partition = resolve(evidence, rules, region.settled)
        with _timed("look up"):
            further = store.unsettled(connection, region, partition) - opened
        if not further:
            return region, evidence, partition
        opened |= further


def _was_contested(node_id: IdentifierId, region: Region) -> bool:
    member = region.members.get(node_id)
    return member is not None and member.standing is people.Standing.CONTESTED


def _announce(
    connection: Connection,
    touchpoints: Sequence[Touchpoint],
    region: Region,
    partition: Partition,
    difference: Difference,
    now: datetime,
) -> None:
    updates = record.updates(touchpoints, partition.person)
    for person in difference.people:
        updates.setdefault(person, Update()).changed.add("identifiers")
    for change in difference.changes:
        update = updates.setdefault(change.person, Update())
        if change.kind == "person.merged":
            update.merged_from = change.others
        elif change.kind == "person.split":
            for part in (change.person, *change.others):
                updates.setdefault(part, Update()).split = True
    causes = _Causes(touchpoints, region, partition)
    for person, update in updates.items():
        update.cause = update.cause or causes.of([person])
    born = [change.person for change in difference.changes if change.kind == "person.created"]
    versions = people.raise_versions(connection, updates.keys(), born, now)
    changed = [
        IdentityChange(c.person, versions[c.person], c.kind, c.others, c.identifiers, causes.of_change(c), now)
        for c in difference.changes
    ]
    history.record(connection, [change for change in changed if change.kind != "person.created"])
    as_of = summary.stamp(now)
    announced = [_identity_changed(change, as_of) for change in changed]
    outbox.enqueue(connection, announced + record.announcements(updates, versions, now))
    metrics.ANNOUNCEMENTS.labels("profile.updated").inc(len(updates))
    metrics.ANNOUNCEMENTS.labels("identity.changed").inc(len(changed))


class _Causes:
    """Which events of a batch brought about what became of somebody: those that named his identifiers, or else those that
    named any identifier of the neighbourhood in which he was or is."""

    def __init__(self, touchpoints: Sequence[Touchpoint], region: Region, partition: Partition) -> None:
        self._region = region
        self._partition = partition
        self._now = {i: at for at, members in enumerate(partition.neighbourhoods) for i in members}
        self._by_person: dict[str, list[str]] = defaultdict(list)
        self._by_place: dict[object, list[str]] = defaultdict(list)
        for touchpoint in touchpoints:
            for node_id in (touchpoint.anchor, *touchpoint.others):
                if node_id is not None:
                    self._by_person[partition.person[node_id]].append(touchpoint.event.id)
                    for place in self._places(node_id):
                        self._by_place[place].append(touchpoint.event.id)

    def of(self, persons: Iterable[PersonId]) -> list[str]:
        """Return the events that concern *persons*, in their order, up to `CAUSES_MAX`."""
        persons = list(persons)
        named = [event for person in persons for event in self._by_person.get(person, ())]
        around = (event for person in persons for place in self._places(person) for event in self._by_place[place])
        return list(dict.fromkeys(named or around))[: record.CAUSES_MAX]

    def of_change(self, change: Change) -> list[str]:
        """Return the events that brought *change* about."""
        return self.of([change.person, *change.others, *(self._partition.person[i] for i in change.identifiers)])

    def _places(self, node_id: IdentifierId) -> Iterator[object]:
        yield self._now.get(node_id)
        if node_id in self._region.members:
            yield self._region.members[node_id].component_id


def _identity_changed(change: IdentityChange, as_of: str) -> Announcement:
    return Announcement(
        topic=IDENTITY_CHANGED,
        key=change.person,
        id=f"{change.person}:{change.version}:{change.kind}",
        type="siyu.identity.changed.v1",
        time=change.at,
        value={
            "type": change.kind,
            "person_id": change.person,
            "version": change.version,
            "from": list(change.others) if change.kind == "person.merged" else [],
            "into": list(change.others) if change.kind == "person.split" else [],
            "identifiers": list(change.identifiers),
            "cause": list(change.cause),
            "as_of": as_of,
        },
    )


def _count(touchpoints: Sequence[Touchpoint], duplicates: int) -> None:
    metrics.EVENTS_STITCHED.labels("applied").inc(len(touchpoints))
    metrics.EVENTS_STITCHED.labels("duplicate").inc(duplicates)
    metrics.EVENTS_STITCHED.labels("ambiguous").inc(sum(t.ambiguous for t in touchpoints))


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


@contextmanager
def _timed(step: str) -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    finally:
        metrics.STITCH_SECONDS.labels(step).inc(time.perf_counter() - started)
