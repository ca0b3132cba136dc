"""What is announced of a change among people: whom it is about, what brought it about, and in which version."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from core import metrics, outbox
from core.identifier import IdentifierId, PersonId
from core.log.port import IDENTITY_CHANGED
from core.outbox import Announcement
from profiles import history, people, record, summary
from profiles.history import IdentityChange
from profiles.people import Member
from profiles.record import Update
from profiles.touchpoint import Touchpoint
from stitcher.difference import Change, Difference
from stitcher.resolve import Partition


def announce(
    connection: Connection,
    updates: dict[PersonId, Update],
    difference: Difference,
    known: Mapping[IdentifierId, Member],
    causes: "Causes",
    now: datetime,
) -> None:
    """Announce *difference*, and whatever else *updates* says to have happened to profiles, in the open transaction.

    *Known* are the identifiers as they were before. Nothing is announced where nothing is different.
    """
    for person in difference.people:
        updates.setdefault(person, Update()).changed.add("identifiers")
    for change in difference.changes:
        update = updates.setdefault(change.person, Update())
        if change.kind == "person.merged":
            update.merged_from = change.others
        elif change.kind == "person.split":
            for part in (change.person, *change.others):
                updates.setdefault(part, Update()).split = True
    for person, update in updates.items():
        update.cause = update.cause or causes.of([person])
    born = [c.person for c in difference.changes if c.kind == "person.created" and c.person not in known]
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


class Causes:
    """Which events of a batch brought about what became of somebody: those that named his identifiers, or else those that
    named any identifier of the neighbourhood in which he was or is. A *directive* is the cause of all that follows from it."""

    def __init__(
        self,
        touchpoints: Sequence[Touchpoint],
        known: Mapping[IdentifierId, Member],
        partition: Partition,
        directive: str | None = None,
    ) -> None:
        self._directive = directive
        self._known = known
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
        if self._directive:
            return [self._directive]
        persons = list(persons)
        named = [event for person in persons for event in self._by_person.get(person, ())]
        around = (event for person in persons for place in self._places(person) for event in self._by_place[place])
        return list(dict.fromkeys(named or around))[: record.CAUSES_MAX]

    def of_change(self, change: Change) -> list[str]:
        """Return the events that brought *change* about."""
        return self.of([change.person, *change.others, *(self._partition.person[i] for i in change.identifiers)])

    def _places(self, node_id: IdentifierId) -> Iterator[object]:
        yield self._now.get(node_id)
        if node_id in self._known:
            yield self._known[node_id].component_id


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
