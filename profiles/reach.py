"""By what ways people may be reached: the ledger of what they agreed to and refused, read from their events."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from core.errors import NotFound
from core.identifier import PersonId
from profiles import consent, do_not_contact, frequency, people, summaries, summary, timeline
from profiles.consent import Consent, Way
from profiles.frequency import Decision
from profiles.people import Member

LEDGER_LINES_MAX = 1_000  # of one person, the newest
SENDINGS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Reach:
    """By what *ways* a person may be reached, and the whole *ledger* behind that, the newest first."""

    ways: Sequence[Way]
    ledger: Sequence[Consent]


def of_person(connection: Connection, person: PersonId, purpose: str = consent.MARKETING) -> Reach:
    """Return by what ways a person (of the present id) may be reached for *purpose*."""
    members = people.of_person(connection, person)
    known = summaries.of_person(connection, [member.id for member in members])
    ledger = ledgers(connection, [person])[person]
    held = [member.identifier for member in members]
    blocked = do_not_contact.among(connection, members)
    return Reach(consent.ways(held, known.said("follows/"), ledger, purpose, blocked=blocked), ledger)


def ways(
    connection: Connection, asked: Collection[PersonId], purpose: str = consent.MARKETING
) -> Mapping[PersonId, Sequence[Way]]:
    """Return by what ways each of the people *asked* about (of present ids) may be reached, by four queries however many."""
    members: dict[PersonId, list[Member]] = {person: [] for person in asked}
    everybody = people.of_people(connection, asked)
    for member in everybody:
        members[member.person_id].append(member)
    known = summaries.of_identifiers(connection, [each.id for own in members.values() for each in own])
    told = ledgers(connection, asked)
    blocked = do_not_contact.among(connection, everybody)
    return {
        person: consent.ways(
            sorted(each.identifier for each in own),
            summary.total(known[each.id] for each in own if each.id in known).said("follows/"),
            told[person],
            purpose,
            blocked=blocked,
        )
        for person, own in members.items()
    }


def may_send(
    connection: Connection, person: PersonId, channel: str, purpose: str, rules: frequency.Rules, now: datetime
) -> Decision:
    """Say whether a person (of the present id) may be sent a message for *purpose* on *channel* now. Raises `NotFound`."""
    way = next((each for each in of_person(connection, person, purpose).ways if each.channel == channel), None)
    if way is None:
        raise NotFound("no messages are sent on this channel")
    types, since = frequency.SENDING[channel], now - rules.horizon
    told = timeline.of_types(connection, [person], types, since, SENDINGS_MAX)[person]
    sent = [frequency.message(each.uid, each.occurred_at, each.body) for each in told]
    return frequency.decide(way, sent, rules, purpose, now)


def ledgers(connection: Connection, asked: Collection[PersonId]) -> Mapping[PersonId, Sequence[Consent]]:
    """Return what each of the people *asked* about (of present ids) agreed to and refused, the newest first, by one query."""
    found = timeline.of_types(connection, asked, consent.TYPES, None, LEDGER_LINES_MAX)
    return {
        person: [consent.line(entry.uid, entry.occurred_at, entry.body) for entry in own]
        for person, own in found.items()
    }
