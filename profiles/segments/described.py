"""Who has which traits and tags, of all people: read from what was stated, in the order of people, since no SQL can read it.

What a statement says depends on the forms and ranks of `profiles.traits`, which are functions; so they are asked.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import groupby

from sqlalchemy import Connection, text

from core.identifier import PersonId
from profiles import relations, tagged, tags, traits
from profiles.intent import Signal
from profiles.segments.conditions import Condition, Tagged, Trait, leaves
from profiles.segments.judging import Measure, soonest
from profiles.traits import Statement

BATCH_ROWS = 5_000


def described(
    connection: Connection, conditions: Iterable[Condition], by: Measure
) -> Mapping[str, Mapping[PersonId, datetime | None]]:
    """Return, for each trait and tag that *conditions* ask about (by its JSON), of whom it holds, and until when.

    Statements are read in a stream, once for all traits.
    """
    asked = {leaf.model_dump_json(): leaf for each in conditions for leaf in leaves(each)}
    found: dict[str, dict[PersonId, datetime | None]] = {
        name: _bearers(connection, leaf, by) for name, leaf in asked.items() if isinstance(leaf, Tagged)
    }
    wanted = {name: leaf for name, leaf in asked.items() if isinstance(leaf, Trait)}
    found |= {name: {} for name in wanted}
    for person, stated in _stated(connection, by) if wanted else ():
        for name, leaf in wanted.items():
            own = [each for each in stated if each.trait == leaf.name]
            if own and leaf.value.holds(traits.survivor(own, by.traits.traits[leaf.name]).value):
                found[name][person] = None
    return found


def _bearers(connection: Connection, leaf: Tagged, by: Measure) -> dict[PersonId, datetime | None]:
    kind = tags.Kind(leaf.tag_kind) if leaf.tag_kind else None
    found: dict[PersonId, datetime | None] = {}
    for person, until in tagged.bearers(connection, leaf.name, kind, by.now):
        found[person] = soonest([until, found.get(person)])
    return found


def _stated(connection: Connection, by: Measure) -> Iterator[tuple[PersonId, list[Statement]]]:
    rows = connection.execute(_STATED, {"types": sorted(by.traits.types)}, execution_options={"yield_per": BATCH_ROWS})
    for person, own in groupby(rows, key=lambda row: row.person):
        signals = [Signal(row.uid, row.type, row.channel, row.occurred_at, row.body) for row in own]
        yield PersonId(person), list(traits.statements(signals, by.traits))


_STATED = text(
    "SELECT person_id::text AS person, uid::text, type, channel, occurred_at, body"  # noqa: S608 - no value in it
    f" FROM {relations.OWN} WHERE type = ANY(:types) ORDER BY person_id"
)
