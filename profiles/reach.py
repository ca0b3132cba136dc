"""By what ways people may be reached: the ledger of what they agreed to and refused, read from their events."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from core.identifier import PersonId
from profiles import consent, people, summaries, timeline
from profiles.consent import Consent, Way

LEDGER_LINES_MAX = 1_000  # of one person, the newest


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
    return Reach(consent.ways(held, known.said("follows/"), ledger, purpose), ledger)


def ledgers(connection: Connection, asked: Collection[PersonId]) -> Mapping[PersonId, Sequence[Consent]]:
    """Return what each of the people *asked* about (of present ids) agreed to and refused, the newest first, by one query."""
    found = timeline.of_types(connection, asked, consent.TYPES, None, LEDGER_LINES_MAX)
    return {
        person: [consent.line(entry.uid, entry.occurred_at, entry.body) for entry in own]
        for person, own in found.items()
    }
