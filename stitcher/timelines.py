"""A person's timeline: what happened to him on all channels, and as a person.

Nothing here decides or writes: who is whose is read as the stitcher has left it, without locks.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints
from sqlalchemy import Connection, text

from core.database import array
from core.event import EventUid
from core.identifier import IdentifierId, PersonId
from profiles import history, people, timeline
from profiles.history import IdentityChange
from profiles.people import Member
from profiles.timeline import Entry, Filter, Span
from stitcher import whose

CHANGES_MAX = 1_000  # to a person that are looked through for one page of his timeline

# A place comes back from outside as a cursor, so it says what it can hold.
_Time = Annotated[AwareDatetime, Field(lt=datetime.max.replace(year=9000, tzinfo=UTC))]
_Uid = Annotated[EventUid, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


@dataclass(frozen=True, slots=True)
class Place:
    """How far a timeline has been read: the last event; the time of the last change, and how many of that time."""

    event: tuple[_Time, _Uid] | None = None
    change: tuple[_Time, int] | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """That a link which was sent to this person was opened by somebody else: *by* whom (`None`: on a device of nobody's), and by
    how many people the link was opened so far (*fan_out*)."""

    entry: Entry
    by: PersonId | None
    fan_out: int

    @property
    def occurred_at(self) -> datetime:
        """When it was opened."""
        return self.entry.occurred_at

    @property
    def uid(self) -> EventUid:
        """The uid of the event."""
        return self.entry.uid


Line = Entry | Opened | IdentityChange


@dataclass(frozen=True, slots=True)
class Page:
    """Lines of a timeline, the newest first, and the place behind them (`None`: there are no more)."""

    lines: Sequence[Line]
    next: Place | None


def timeline_of(
    connection: Connection,
    person_id: PersonId,
    wanted: Filter,
    after: Place,
    most: int,
    *,
    reassignable: Collection[str] = (),
) -> Page:
    """Return up to *most* lines of a person's timeline, the newest first, from behind *after*.

    Besides what stands under his identifiers it has what belongs to him on devices that he shares, what was sent to a phone or
    mailbox (of a *reassignable* namespace) while he had it, and what happened to him as a person. Every event is on one
    timeline only; whose link it opened may be told on that of the other.
    """
    members = people.of_person(connection, person_id)
    also, without = whose.on_shared_devices(connection, person_id, members)
    spans = _spans(connection, person_id, members, reassignable)
    entries = timeline.entries(connection, spans, wanted, after.event, most + 1, also=also, without=without)
    opened = _opened(connection, members, wanted, after.event, most + 1, also)
    changes = _changes(connection, person_id, wanted, after.change, most + 1)
    together: list[Line] = [*changes, *entries, *opened]
    lines = sorted(together, key=_order, reverse=True)[:most]
    return Page(lines, _behind(lines, after) if len(together) > most else None)


def fan_out(connection: Connection, tokens: Collection[IdentifierId]) -> Mapping[IdentifierId, int]:
    """Return by how many people each of the links *tokens* was opened."""
    rows = connection.execute(
        text(
            "SELECT asked.token::text, count(DISTINCT opener.person_id)"
            "  FROM unnest(CAST(:tokens AS uuid[])) AS asked(token)"
            "  JOIN touchpoint ON touchpoint.beside @> ARRAY[asked.token]"
            "  JOIN identifier AS opener ON opener.id = touchpoint.anchor GROUP BY asked.token"
        ),
        {"tokens": array(tokens)},
    )
    return {row[0]: row[1] for row in rows}


def _spans(
    connection: Connection, person_id: PersonId, members: Sequence[Member], reassignable: Collection[str]
) -> Sequence[Span]:
    """Return what stands under whose name of all that is his, and for how long."""
    strong = [member.id for member in members if not member.is_weak]
    own = {member.id for member in members if member.identifier.namespace in reassignable}
    had = whose.had(connection, own | whose.once_had(connection, strong, reassignable))
    his = [Span(member.id) for member in members if member.id not in had]
    return his + [Span(s.anchor, s.since, s.until) for each in had.values() for s in each if s.person == person_id]


def _opened(
    connection: Connection,
    members: Sequence[Member],
    wanted: Filter,
    after: tuple[datetime, EventUid] | None,
    most: int,
    also: Collection[EventUid],
) -> Sequence[Opened]:
    own = [member.id for member in members]
    strong = [member.id for member in members if not member.is_weak]
    entries = timeline.delivered_to(connection, strong, wanted, after, most, but=own, without=also)
    known = {m.id: m for m in people.members(connection, {entry.anchor for entry, _ in entries})}
    fans = fan_out(connection, {token for _, tokens in entries for token in tokens}) if entries else {}
    found = []
    for entry, tokens in entries:
        opener = known[entry.anchor]
        by = opener.person_id if opener.standing.is_somebodys else None
        found.append(Opened(entry, by, max((fans.get(token, 0) for token in tokens), default=0)))
    return found


def _changes(
    connection: Connection, person_id: PersonId, wanted: Filter, after: tuple[datetime, int] | None, most: int
) -> Sequence[IdentityChange]:
    if wanted.channel is not None:
        return []
    until, passed = wanted.until, 0
    if after is not None:
        at, passed = after
        until = min(at + timedelta(microseconds=1), until) if until else at + timedelta(microseconds=1)
    changes = history.of_person(connection, person_id, wanted.since, until, CHANGES_MAX)
    return [change for change in changes if wanted.type in (None, change.kind)][passed : passed + most]


def _order(line: Line) -> tuple[datetime, bool, str]:
    if isinstance(line, IdentityChange):
        return line.at, True, ""
    return line.occurred_at, False, line.uid


def _behind(lines: Iterable[Line], after: Place) -> Place:
    event, change = after.event, after.change
    for line in lines:
        if isinstance(line, IdentityChange):
            change = (line.at, change[1] + 1 if change and change[0] == line.at else 1)
        else:
            event = (line.occurred_at, line.uid)
    return Place(event, change)
