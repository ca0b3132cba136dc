"""What events would do to people, without doing it: they are stitched, looked at, and taken back."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine

from core.database import transaction
from core.event import Event, EventUid
from core.identifier import BlindIndex, IdentifierId, PersonId
from profiles import people
from profiles.people import Standing
from stitcher.rules import Rules
from stitcher.stitch import stitch
from stitcher.worker import BATCH_EVENTS_MAX, again_where_contended

_SOMEBODYS = (Standing.OWNED, Standing.PRESUMED)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What *events* would come to, of which so many are *known* already.

    People that would be *created*, people there are that events would stand under (*touched*), and how many of those
    would be one with another (*merged*).
    """

    events: int
    known: int
    created: int
    touched: int
    merged: int


class _TakenBack(Exception):
    """Ends the transaction of a rehearsal, so that nothing of it stays."""


def rehearse(
    engine: Engine, events: Mapping[EventUid, Event], rules: Rules, index: BlindIndex, now: datetime
) -> Rehearsal:
    """Say what *events* would do to people, by stitching them in a transaction that is taken back.

    While it runs, stitchers wait where they meet the same people, so *events* are to be some thousands at most. Raises
    `Contended` where it does not get its turn.
    """
    for attempt in again_where_contended():
        with attempt:
            told = _rehearsed(engine, events, rules, index, now)
    return told


def _rehearsed(
    engine: Engine, events: Mapping[EventUid, Event], rules: Rules, index: BlindIndex, now: datetime
) -> Rehearsal:
    ids = {index(mention.identifier) for event in events.values() for mention in event.identifiers}
    uids = list(events)
    try:
        with transaction(engine) as connection:
            before = _whose(connection, ids)
            taken = 0
            for at in range(0, len(uids), BATCH_EVENTS_MAX):
                batch = {uid: events[uid] for uid in uids[at : at + BATCH_EVENTS_MAX]}
                taken += len(stitch(connection, batch, rules, index, now))
            after = _whose(connection, ids)
            raise _TakenBack
    except _TakenBack:
        pass
    former: dict[PersonId, set[PersonId]] = defaultdict(set)
    for each, person in after.items():
        former[person].update({before[each]} if each in before else ())
    return Rehearsal(
        events=len(events),
        known=len(events) - taken,
        created=sum(not were for were in former.values()),
        touched=len(set(before.values())),
        merged=sum(len(were) - 1 for were in former.values() if were),
    )


def _whose(connection: Connection, ids: Iterable[IdentifierId]) -> Mapping[IdentifierId, PersonId]:
    found = people.members(connection, sorted(ids))
    return {member.id: member.person_id for member in found if member.standing in _SOMEBODYS}
