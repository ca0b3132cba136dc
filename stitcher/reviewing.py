"""What a person should look at: links that were refused though they may be right, and people who grew suspiciously fast.

A link is done with as soon as a directive says whether the two are one. A person stays listed with the time of his last growth.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, Connection, DateTime, Integer, Table, Uuid, text

from core.database import array, metadata
from core.identifier import Identifier, IdentifierId, PersonId
from stitcher.rules import Rules

GROWTH_MAX = timedelta(hours=1)  # within which so many new identifiers, by event time, are too many

growth_table = Table(
    "growth",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("identifiers", Integer, nullable=False, comment="the most that came to be within an hour"),
    Column("at", DateTime(timezone=True), nullable=False),
)


_NOBODY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Review:
    """Two identifiers (`vouching`, `size`: why their link was refused), or the canonical one of a person who grew by so many
    *identifiers* within an hour (`growth`)."""

    kind: str
    at: datetime
    one: tuple[IdentifierId, Identifier]
    other: tuple[IdentifierId, Identifier] | None
    identifiers: int | None

    @property
    def place(self) -> "Place":
        """Where it stands in the list."""
        return self.at, self.one[0], self.other[0] if self.other else None


def record(connection: Connection, changed: Collection[PersonId], rules: Rules, now: datetime) -> None:
    """Write down who of those that *changed*, as the tables have them by now, has too many identifiers that first came within
    an hour of event time."""
    if changed:
        asked = {"people": array(changed), "most": rules.growth_identifiers_max, "hour": GROWTH_MAX, "now": now}
        connection.execute(_RECORD, asked)


_RECORD = text(
    """
    INSERT INTO growth AS known (person_id, identifiers, at)
    SELECT person_id, max(within), :now
      FROM (
        SELECT person_id, count(*) OVER (
                 PARTITION BY person_id ORDER BY first_at RANGE BETWEEN CAST(:hour AS interval) PRECEDING AND CURRENT ROW
               ) AS within
          FROM identifier
         WHERE component_id IN (SELECT component_id FROM identifier WHERE id = ANY(CAST(:people AS uuid[])))
           AND person_id = ANY(CAST(:people AS uuid[]))
      ) AS counted
     GROUP BY person_id HAVING max(within) >= :most ORDER BY person_id
    ON CONFLICT (person_id) DO UPDATE SET identifiers = excluded.identifiers, at = excluded.at
     WHERE excluded.identifiers > known.identifiers
    """
)


Place = tuple[datetime, IdentifierId, IdentifierId | None]
"""Where one stands in the list: its time, and the ids of its identifiers."""


def waiting(connection: Connection, after: Place | None, most: int) -> list[Review]:
    """Return up to *most* of what is to be looked at, the latest first, from behind *after*."""
    at, one, other = after or (None, None, None)
    asked = {"at": at, "one": one, "other": other or _NOBODY, "nobody": _NOBODY, "most": most}
    return [
        Review(
            row.kind,
            row.at,
            (row.one, Identifier(*row[3:6])),
            (row.other, Identifier(*row[7:10])) if row.other else None,
            row.identifiers,
        )
        for row in connection.execute(_WAITING, asked)
    ]


_WAITING = text(
    """
    SELECT listed.kind, listed.at, listed.one::text AS one, first.namespace, first.scope, first.value,
           listed.other::text AS other, second.namespace, second.scope, second.value, listed.identifiers
      FROM (
        SELECT refused AS kind, last_at AS at, one, other, NULL::int AS identifiers FROM link
         WHERE refused = ANY (ARRAY['vouching', 'size']) AND NOT EXISTS (
           SELECT FROM directive_subject AS one_of JOIN directive_subject AS other_of USING (directive_id)
             JOIN directive ON directive.id = directive_id
            WHERE one_of.subject = link.one AND other_of.subject = link.other AND directive.in_force)
        UNION ALL
        SELECT 'growth', at, person_id, NULL, identifiers FROM growth
      ) AS listed
      JOIN identifier AS first ON first.id = listed.one
      LEFT JOIN identifier AS second ON second.id = listed.other
     WHERE CAST(:at AS timestamptz) IS NULL OR (listed.at, listed.one, coalesce(listed.other, CAST(:nobody AS uuid)))
         < (CAST(:at AS timestamptz), CAST(:one AS uuid), CAST(:other AS uuid))
     ORDER BY listed.at DESC, listed.one DESC, coalesce(listed.other, CAST(:nobody AS uuid)) DESC LIMIT :most
    """
)
