"""What a person should look at: links that were refused though they may be right, and people who grew suspiciously fast.

A link is done with as soon as a directive says whether the two are one. A person stays listed with the time of his last growth.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, Connection, DateTime, Integer, Table, Uuid, text

from core.database import metadata, run
from core.identifier import Identifier, IdentifierId, PersonId
from stitcher.difference import Difference
from stitcher.graph import Evidence
from stitcher.resolve import Partition
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


def grown(partition: Partition, evidence: Evidence, difference: Difference, rules: Rules) -> Mapping[PersonId, int]:
    """Return who of those that changed has too many identifiers that first came within an hour, and how many. Pure."""
    sizes = Counter(partition.person.values())
    large = {person for person in difference.people if sizes[person] >= rules.growth_identifiers_max}
    times: dict[PersonId, list[datetime]] = defaultdict(list)
    for node_id, person in partition.person.items() if large else ():
        if person in large:
            times[person].append(evidence.nodes[node_id].first_at)
    most = {person: _most_within(sorted(own)) for person, own in times.items()}
    return {person: count for person, count in most.items() if count >= rules.growth_identifiers_max}


def _most_within(times: Sequence[datetime]) -> int:
    """The most of *times*, which are sorted, that lie within `GROWTH_MAX`."""
    most, begin = 0, 0
    for end, at in enumerate(times):
        while at - times[begin] > GROWTH_MAX:
            begin += 1
        most = max(most, end - begin + 1)
    return most


def record(connection: Connection, growing: Mapping[PersonId, int], now: datetime) -> None:
    """Write down who grew so fast."""
    run(
        connection,
        """
        INSERT INTO growth AS known (person_id, identifiers, at)
        SELECT person_id, identifiers, :now FROM json_to_recordset(:rows) AS r(person_id uuid, identifiers int)
         ORDER BY person_id
        ON CONFLICT (person_id) DO UPDATE SET identifiers = excluded.identifiers, at = excluded.at
         WHERE excluded.identifiers > known.identifiers
        """,
        [{"person_id": person, "identifiers": count} for person, count in growing.items()],
        now=now,
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
