"""The intent of people in the database: their signals, read when it is asked for, and judged."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from core.database import array
from core.identifier import PersonId
from profiles import intent
from profiles.intent import Intent, Rules, Signal

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
        signals = self._signals(connection, people)
        return {person: intent.judge(signals[person], self.rules, self.now) for person in people}

    def _signals(self, connection: Connection, people: Collection[PersonId]) -> Mapping[PersonId, list[Signal]]:
        found: dict[PersonId, list[Signal]] = {person: [] for person in people}
        asked = {
            "people": array(people),
            "types": array(sorted(intent.types(self.rules))),
            "since": self.now - intent.horizon(self.rules),
            "most": SIGNALS_MAX,
        }
        for row in connection.execute(_SIGNALS, asked) if found else ():
            found[row[0]].append(Signal(row[1], row[2], row[3], row[4], row[5]))
        return found


# Events of robots, and those taken back, stand under nobody.
_SIGNALS = text(
    """
    SELECT asked.person::text, own.uid::text, own.type, own.channel, own.occurred_at, own.body
      FROM unnest(CAST(:people AS uuid[])) AS asked(person)
     CROSS JOIN LATERAL (
       SELECT uid, type, channel, occurred_at, body
         FROM identifier JOIN touchpoint ON touchpoint.anchor = identifier.id
        WHERE identifier.person_id = asked.person AND occurred_at >= :since AND type = ANY (CAST(:types AS text[]))
        ORDER BY occurred_at DESC, uid DESC LIMIT :most
     ) AS own
    """
)
