"""Stitching: events into people, in one open transaction. And its reverse: events read again under what was decided since.

Either way the neighbourhoods that are touched are looked at, locked; what is new is put to what is known, `resolve` is asked, and
the difference is written and announced.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from core import metrics
from core.errors import Contended
from core.event import Event, EventUid
from core.identifier import BlindIndex, Identifier, IdentifierId, PersonId
from profiles import consented, record, rereading, timeline
from profiles.people import Standing
from profiles.record import Update
from profiles.touchpoint import Touchpoint
from stitcher import directives, graph, large, reviewing, robot_evidence, store
from stitcher.announce import Causes, announce
from stitcher.decisions import Pair
from stitcher.difference import Difference, compare
from stitcher.graph import Change, Evidence, pair
from stitcher.resolve import Partition, resolve
from stitcher.robot_evidence import Signs
from stitcher.rules import Rules
from stitcher.store import Reading, Region


@dataclass(frozen=True, slots=True)
class Settlement:
    """What putting a change to what was known came to: the *region* before, the *evidence* and the *partition* after."""

    region: Region
    evidence: Evidence
    partition: Partition

    @property
    def difference(self) -> Difference:
        """What is different among people, and who is nobody's from now on."""
        before = {i: m.person_id for i, m in self.region.members.items() if m.standing is not Standing.VOID}
        contested = {i for i in self.partition.contested if not self._stood(i, Standing.CONTESTED)}
        return compare(before, self.partition.person, contested)

    @property
    def confirmed(self) -> set[PersonId]:
        """The people of whom an identifier was presumed to be theirs and now is, or the other way round."""
        return {
            person
            for i, person in self.partition.person.items()
            if i in self.region.members
            and self.region.members[i].person_id == person
            and self._stood(i, Standing.PRESUMED) != (i in self.partition.presumed)
        }

    def grown(self, most: int) -> set[PersonId]:
        """The people who changed and may have *most* identifiers or more."""
        changed = self.difference.people
        if not self.region.is_whole:
            return set(changed)
        sizes = Counter(person for person in self.partition.person.values() if person in changed)
        return {person for person, size in sizes.items() if size >= most}

    def whose(self, touchpoint: Touchpoint) -> PersonId | None:
        """Return whose a touchpoint is, or last was; `None` where it stands nowhere."""
        if touchpoint.anchor is None:
            return None
        was = self.region.members.get(touchpoint.anchor)
        return self.partition.person.get(touchpoint.anchor) or (was.person_id if was else None)

    def _stood(self, node_id: IdentifierId, standing: Standing) -> bool:
        member = self.region.members.get(node_id)
        return member is not None and member.standing is standing


def stitch(
    connection: Connection, events: Mapping[EventUid, Event], rules: Rules, index: BlindIndex, now: datetime
) -> list[Touchpoint]:
    """Take those of *events* that were not taken before: evidence, people, profiles, and the announcement of what changed.

    Returns the touchpoints of those taken.
    """
    with metrics.timed("look up"):
        messages = robot_evidence.said_by(events, index)
        is_alone = _lock(connection, messages, rules)
        known = timeline.taken(connection, events)
        new = {uid: event for uid, event in events.items() if uid not in known}
        decided = directives.on_events(connection, new.items(), index)
        beside, otherwise = robot_evidence.add(connection, robot_evidence.only(messages, new, decided), rules.robots)
    if otherwise and not is_alone:
        raise Contended("what another worker recorded has to be read again")
    with metrics.timed("read evidence"):
        touchpoints, said = graph.read(new, rules, index, decided, beside)
    if touchpoints:
        settlement = _settle(connection, said, rules, index)
        region, partition = settlement.region, settlement.partition
        with metrics.timed("write people"):
            store.write(connection, region, settlement.evidence, partition)
            reviewing.record(connection, settlement.grown(rules.growth_identifiers_max), rules, now)
        with metrics.timed("write profiles"):
            record.record(connection, touchpoints, settlement.evidence.nodes.keys() - region.members.keys())
        with metrics.timed("announce"):
            updates = record.updates(touchpoints, partition.person, index)
            _announce(connection, settlement, updates, Causes(touchpoints, region.members, partition), now)
    if otherwise:
        read_again(connection, otherwise, (), rules, index, now, min(event.id for event in new.values()))
    return touchpoints


def _lock(connection: Connection, messages: Signs, rules: Rules) -> bool:
    """Keep directives out; where recorded events have to be read again for what is said of *messages*, other stitchers too.

    Return whether it was so. Taking the one lock and then the other would end in a deadlock.
    """
    if robot_evidence.concerned(connection, messages, rules.robots):
        directives.lock_exclusively(connection)
        return True
    directives.lock_shared(connection)
    return False


def read_again(
    connection: Connection,
    uids: Collection[EventUid],
    identifiers: Collection[Identifier],
    rules: Rules,
    index: BlindIndex,
    now: datetime,
    cause: str,
) -> Settlement:
    """Read the recorded events *uids* again under what is decided by now, look again at *identifiers*, and let people and
    profiles be as if it had always been so. *Cause* is the id of the directive, or of the event, for which this is done.

    The caller holds the exclusive lock of directives. The cost depends on the neighbourhoods that are touched and on the events
    under the identifiers named, not on how much there is beside.
    """
    before = rereading.recorded(connection, {*uids, *_otherwise(connection, uids, rules, index)})
    events = {t.uid: t.event for t in before}
    decided = directives.on_events(connection, events.items(), index)
    beside = robot_evidence.beside(connection, events, rules.robots, index, decided)
    after = graph.read(events, rules, index, decided, beside)[0]
    moved = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    record.replace(connection, [old for old, _ in moved], [new for _, new in moved])
    named = {index(each): each for each in identifiers} | _named((old.event for old, _ in moved), rules, index)
    reading = _reading((t for both in moved for t in both), named)
    correction = store.stated(connection, named, reading, rules, index)
    settlement = _settle(connection, correction, rules, index, store.closed_around(connection, named))
    store.write(connection, settlement.region, settlement.evidence, settlement.partition)
    updates = _updates(moved, settlement, index, cause)
    _announce(connection, settlement, updates, Causes((), settlement.region.members, settlement.partition, cause), now)
    return settlement


def _otherwise(connection: Connection, uids: Collection[EventUid], rules: Rules, index: BlindIndex) -> set[EventUid]:
    """Let what the events *uids* say for the verdict on others count, or not, as is decided by now, and return those others."""
    events = {t.uid: t.event for t in rereading.recorded(connection, uids)}
    decided = directives.on_events(connection, events.items(), index)
    void = {uid: event for uid, event in events.items() if decided.is_void(event, uid)}
    gone = robot_evidence.take_back(connection, robot_evidence.said_by(void, index), rules.robots)
    return gone | robot_evidence.add(connection, robot_evidence.said_by(events, index, decided), rules.robots)[1]


def _settle(
    connection: Connection,
    change: Change,
    rules: Rules,
    index: BlindIndex,
    opened: Collection[IdentifierId] = (),
) -> Settlement:
    """Resolve what *change* touches; look further, and again, where that takes away why something stood apart (of *opened* it is
    known), or where somebody is missing on whom something depends."""
    opened, missing = set(opened), set[IdentifierId]()
    while True:
        with metrics.timed("look up"):
            grown = None if opened or missing else large.region(connection, change, rules, index)
            region = grown or store.load(connection, change, index, opened=opened, missing=missing)
        with metrics.timed("resolve"):
            evidence = change.onto(region.evidence)
            partition = resolve(evidence, rules, region.settled)
        with metrics.timed("look up"):
            further = store.unsettled(connection, region, partition) - opened
        beyond = partition.missing - missing
        if not further and not beyond:
            return Settlement(region, evidence, partition)
        opened |= further
        missing |= beyond


def _announce(
    connection: Connection, settlement: Settlement, updates: dict[PersonId, Update], causes: Causes, now: datetime
) -> None:
    for person in settlement.confirmed:
        updates.setdefault(person, Update()).changed.add("identifiers")
    announce(connection, updates, settlement.difference, settlement.region.members, causes, now)


def _updates(
    moved: Iterable[tuple[Touchpoint, Touchpoint]], settlement: Settlement, index: BlindIndex, cause: str
) -> dict[PersonId, Update]:
    """Return what is another of whose profile when touchpoints stand elsewhere than before, because of *cause*."""
    updates: dict[PersonId, Update] = {}
    living = set(settlement.partition.person.values())
    difference = settlement.difference
    for person in {*difference.people, *(change.person for change in difference.changes)}:
        updates[person] = Update(otherwise="manual")
    for old, new in moved:
        if (old.anchor, old.void) == (new.anchor, new.void):
            continue
        before, after = settlement.whose(old), settlement.whose(new)
        for touchpoint, whose in ((old, before), (new, after)):
            if whose in living:
                update = updates.setdefault(whose, Update(otherwise="manual"))
                update.changed |= record.parts(touchpoint)
                said = consented.said(touchpoint, index, cause, retracted=touchpoint is old)
                if said and before != after:
                    update.consents.append(said)
    return updates


def _named(events: Iterable[Event], rules: Rules, index: BlindIndex) -> dict[IdentifierId, Identifier]:
    """Return the identifiers that *events* name, but for the hints among them."""
    return {
        index(mention.identifier): mention.identifier
        for event in events
        for mention in event.identifiers
        if mention.namespace in rules.namespaces and rules.namespaces[mention.namespace].kind != "hint"
    }


def _reading(touchpoints: Iterable[Touchpoint], named: Collection[IdentifierId]) -> Reading:
    ids: set[IdentifierId] = set()
    pairs: set[Pair] = set()
    tokens: set[IdentifierId] = set()
    for touchpoint in touchpoints:
        if touchpoint.anchor is not None:
            ids |= {touchpoint.anchor, *touchpoint.others}
            ids.update(i for i in touchpoint.beside if i in named)
            tokens.update(i for i in touchpoint.beside if i not in named)
            pairs.update(pair(touchpoint.anchor, other) for other in touchpoint.others)
    return Reading(frozenset(ids), frozenset(pairs), frozenset(tokens))
