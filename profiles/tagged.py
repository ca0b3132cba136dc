"""Which tags there are, and how many people bear each: counted from the events when asked for, as `profiles.tags` counts them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from core.errors import InvalidEvent
from core.event import Trust
from core.identifier import PersonId
from profiles import relations
from profiles.tags import SAYABLE, TAG_LENGTH_MAX, TYPE, Kind, expiry

DIFFERENT_MAX = 100_000  # kinds, names and ends of tags


@dataclass(frozen=True, slots=True, order=True)
class Borne:
    """How many *people* bear the tags of a kind and name."""

    kind: Kind
    name: str
    people: int


def counts(connection: Connection, kind: Kind | None, now: datetime) -> Sequence[Borne]:
    """Return how many people bear each tag (of *kind*) as of *now*, by kind and name.

    Raises `InvalidEvent` where more than `DIFFERENT_MAX` tags, or ends of tags, differ.
    """
    asked = {"kind": kind, "sayable": list(SAYABLE), "most": DIFFERENT_MAX + 1}
    rows = connection.execute(_COUNTS, asked).all()
    if len(rows) > DIFFERENT_MAX:
        raise InvalidEvent(
            "too_many", f"there are more than {DIFFERENT_MAX} different tags: ask for one kind", "/query/kind"
        )
    people: Counter[tuple[Kind, str]] = Counter()
    for kind_said, name, expires_at, number in rows:
        at = expiry(expires_at)
        if at is None or at > now:
            people[Kind(kind_said), name] += number
    if kind in (None, Kind.RULE):
        people.update({(Kind.RULE, name): number for name, number in connection.execute(_BY_RULE)})
    return [Borne(*named, number) for named, number in sorted(people.items())]


_TAG, _KIND, _ENDS = (relations.text_at(f"'{{properties,{name}}}'") for name in ("tag", "kind", "expires_at"))
_REMOVED = "coalesce(json_typeof(body #> '{properties,removed}') = 'boolean' AND body #>> '{properties,removed}' = 'true', false)"

# The last word on each tag of each person. What reads as a time is decided where events are read, so ends are told as they stand.
_LAST = f"""
    SELECT DISTINCT ON (person_id, kind, name) person_id, kind, name, ends, removed
      FROM (SELECT person_id, occurred_at, uid, {_TAG} AS name, {_ENDS} AS ends, {_REMOVED} AS removed,
                   CASE WHEN {_KIND} = ANY(:sayable) THEN {_KIND}
                        WHEN body ->> 'trust' = '{Trust.IMPORT}' THEN '{Kind.IMPORTED}' ELSE '{Kind.STATED}' END AS kind
              FROM {relations.OWN} WHERE type = '{TYPE}') AS told
     WHERE length(name) <= {TAG_LENGTH_MAX} AND (CAST(:kind AS text) IS NULL OR kind = CAST(:kind AS text))
     ORDER BY person_id, kind, name, occurred_at DESC, removed DESC, uid DESC
"""  # noqa: S608 - no value in it
_COUNTS = text(
    f"SELECT kind, name, ends, count(*) FROM ({_LAST}) AS last"  # noqa: S608 - no value in it
    " WHERE NOT removed GROUP BY kind, name, ends LIMIT :most"
)
_BY_RULE = text(
    "SELECT set_name, count(*) FROM membership JOIN rule_set ON rule_set.name = set_name"
    " WHERE kind = 'segment' AND NOT removed GROUP BY set_name"
)
_BEARERS = text(
    f"SELECT person_id::text, ends FROM ({_LAST}) AS last WHERE NOT removed AND name = :name"  # noqa: S608 - no value in it
)


def bearers(
    connection: Connection, name: str, kind: Kind | None, now: datetime
) -> Iterator[tuple[PersonId, datetime | None]]:
    """Yield who bears a tag (of *kind*) as of *now*, and until when (`None`: for good); of several kinds somebody comes often."""
    asked = {"kind": kind, "sayable": list(SAYABLE), "name": name}
    for person, ends in connection.execute(_BEARERS, asked):
        at = expiry(ends)
        if at is None or at > now:
            yield person, at
