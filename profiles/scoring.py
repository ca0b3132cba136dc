"""The intent of people in the database: their signals, read when it is asked for, and judged."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from core.identifier import PersonId
from profiles import intent, timeline
from profiles.intent import Intent, Rules, Signal
from profiles.timeline import Entry

SIGNALS_MAX = 1_000  # of one person, the newest


@dataclass(frozen=True, slots=True)
class Scoring:
    """By which *rules* intent is judged, and as of when."""

    rules: Rules
    now: datetime

    def of_person(self, connection: Connection, person: PersonId) -> Intent:
        """Return the intent of a person (of the present id)."""
        return self.of_people(connection, [person])[person]

    def of_people(self, connection: Connection, people: Collection[PersonId]) -> Mapping[PersonId, Intent]:
        """Return the intent of each of *people* (of present ids), by one query."""
        since = self.now - intent.horizon(self.rules)
        found = timeline.of_types(connection, people, intent.types(self.rules), since, SIGNALS_MAX)
        return {
            person: intent.judge([signal(each) for each in own], self.rules, self.now) for person, own in found.items()
        }


def signal(entry: Entry) -> Signal:
    """Return *entry* as that by which people are judged."""
    return Signal(entry.uid, entry.body["type"], entry.body["channel"], entry.occurred_at, entry.body)
