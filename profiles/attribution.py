"""Whose an event is that happened on a device which belongs to nobody. Pure.

An event anchored on a contested identifier belongs to the person who was authenticated on it in the same session, if
exactly one was; otherwise to the device itself. Never does the last login take all.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.event import EventUid
from core.identifier import PersonId

GAP_MAX = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Moment:
    """An event on one contested identifier, and who was authenticated by it (`None`: it is the device's alone)."""

    at: datetime
    uid: EventUid
    person: PersonId | None


def owners(moments: Iterable[Moment], since: datetime | None = None) -> Mapping[EventUid, PersonId]:
    """Say which of the events of one identifier belong to a person; those that are missing are the device's own.

    A function of the set of *moments*: neither their order nor how often one is named matters. Where not all moments
    before *since* are given, a session that may have begun before it is nobody's.
    """
    found: dict[EventUid, PersonId] = {}
    for session in _sessions(moments):
        if since is not None and session[0].at - since <= GAP_MAX:
            continue
        people = {moment.person for moment in session if moment.person is not None}
        if len(people) == 1:
            person = people.pop()
            found.update({moment.uid: person for moment in session if moment.person is None})
    return found


def _sessions(moments: Iterable[Moment]) -> Iterator[list[Moment]]:
    """Cut *moments* into runs in which none comes more than `GAP_MAX` after the one before."""
    session: list[Moment] = []
    for moment in sorted(moments, key=lambda moment: moment.at):
        if session and moment.at - session[-1].at > GAP_MAX:
            yield session
            session = []
        session.append(moment)
    if session:
        yield session
