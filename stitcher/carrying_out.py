"""Directives carried out: recorded, and all that they are about read again, as if it had been decided from the beginning.

What a directive is about may be more than one transaction should hold (a whole source), so it is gone through in parts, each in a
transaction of its own; a directive that was not carried out to its end is carried out again from its beginning, which changes
nothing that is done already.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine

from core.database import transaction
from core.directive import Directive, Kind
from core.errors import NotFound, Refused
from core.event import EventUid
from core.identifier import BlindIndex, PersonId
from profiles import people, rereading, summaries, timeline
from profiles.people import Member
from stitcher import directives
from stitcher.difference import Change
from stitcher.rules import Rules
from stitcher.stitch import Settlement, read_again

PART_EVENTS_MAX = 1_000
PREVIEW_PEOPLE_MAX = 50

_BEGINNING = "00000000-0000-0000-0000-000000000000"


def carry_out(engine: Engine, directive: Directive, rules: Rules, index: BlindIndex, now: datetime) -> None:
    """Record *directive* and carry it out, unless that was done before. Raises `Contended`, after which it is tried again."""
    after: str | None = _BEGINNING
    while after is not None:
        with transaction(engine) as connection:
            if _record(connection, directive, index).carried_out_at:
                return
            _, after = _part(connection, directive, after, rules, index, now)
            if after is None:
                directives.carried_out(connection, directive.id, now)


@dataclass(frozen=True, slots=True)
class Part:
    """One person as a preview shows him: his identifiers, the canonical one first, and what stands under them."""

    person: PersonId
    members: Sequence[Member]
    events: int
    orders: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What a directive would change: the people concerned *before* and *after*, up to `PREVIEW_PEOPLE_MAX` of each, and what
    would be announced. *events* are read again; where not *is_complete*, only the first of many."""

    directive: Directive
    events: int
    before: Sequence[Part]
    after: Sequence[Part]
    changes: Sequence[Change]
    is_complete: bool


class _TakenBack(Exception):
    """Ends the transaction of a preview, so that nothing of it stays."""


def preview(engine: Engine, directive: Directive, rules: Rules, index: BlindIndex, now: datetime) -> Preview:
    """Say what *directive* would change, by carrying out its first part and taking that back."""
    try:
        with transaction(engine) as connection:
            _record(connection, directive, index)
            uids = _uids(connection, _target(connection, directive), index, _BEGINNING)
            settlement, further = _part(connection, directive, _BEGINNING, rules, index, now)
            changed = settlement.difference.people | {c.person for c in settlement.difference.changes}
            after = _parts(connection, changed & set(settlement.partition.person.values()))
            raise _TakenBack
    except _TakenBack:
        pass
    was = {m.person_id for m in settlement.region.members.values()}
    whose = {m.person_id for i, m in settlement.region.members.items() if settlement.partition.person.get(i) in changed}
    with transaction(engine) as connection:
        before = _parts(connection, was & (changed | whose))
    changes = settlement.difference.changes
    return Preview(directive, len(uids), before, after, changes, is_complete=further is None)


def check(connection: Connection, directive: Directive) -> None:
    """Raise `NotFound` where *directive* takes back one that nobody made, `Refused` where that does not stand any more.

    What it says of events, identifiers and sources that nobody has heard of yet holds as soon as they come.
    """
    if directive.directive:
        former = directives.found(connection, directive.directive)
        if not former.in_force:
            raise Refused("this directive has been taken back already")
    if directive.event and not timeline.taken(connection, [directive.event.uid]):
        raise NotFound("no event of this source has this id")


def _record(connection: Connection, directive: Directive, index: BlindIndex) -> directives.Recorded:
    directives.lock_exclusively(connection)
    return directives.record(connection, directive, index)


def _part(
    connection: Connection, directive: Directive, after: str, rules: Rules, index: BlindIndex, now: datetime
) -> tuple[Settlement, str | None]:
    """Carry out the part behind the event *after*, and return where the next one begins (`None`: there is none)."""
    target = _target(connection, directive)
    uids = _uids(connection, target, index, after)
    identifiers = target.identifiers if target else ()
    settlement = read_again(connection, uids, identifiers, rules, index, now, directive.id)
    return settlement, uids[-1] if len(uids) == PART_EVENTS_MAX else None


def _target(connection: Connection, directive: Directive) -> Directive | None:
    """Return what *directive* is about in the end: itself, or what it takes back; `None` where that is not known yet."""
    target = directive
    while target.directive:
        try:
            target = directives.found(connection, target.directive).directive
        except NotFound:
            return None
    return target


def _uids(connection: Connection, target: Directive | None, index: BlindIndex, after: str) -> Sequence[EventUid]:
    """Return which recorded events have to be read again, in order from behind *after*, up to `PART_EVENTS_MAX`."""
    if target is None or target.kind is not Kind.RETRACT:
        return []
    if target.event:
        return [target.event.uid]
    if target.source:
        return rereading.uids_of_source(connection, target.source, target.decided_at, after, PART_EVENTS_MAX)
    one, other = target.ends(index)
    return rereading.uids_naming_both(connection, one, other, target.decided_at, after, PART_EVENTS_MAX)


def _parts(connection: Connection, persons: Collection[PersonId]) -> list[Part]:
    shown = sorted(persons)[:PREVIEW_PEOPLE_MAX]
    parts = []
    for person in shown:
        members = people.of_person(connection, person)
        known = summaries.of_person(connection, [member.id for member in members])
        parts.append(Part(person, members, known.events, known.counts.get("orders", 0)))
    return [part for part in parts if part.members]
