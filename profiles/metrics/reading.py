"""What metrics are made of, as it stands in touchpoints, summaries and articles. Whose it is is asked when reading.

Deeds come by one statement, whose rows become columns; a fit of a million of them is a matter of seconds.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np
import pyarrow
from pyarrow import csv
from sqlalchemy import Connection, text

from core.database import copied_csv
from core.errors import InvalidEvent
from profiles import sharetree
from profiles.metrics.deeds import NOBODY, NOTHING, Told, Whole, Words, in_order
from profiles.metrics.spread import Spread, spread
from profiles.purchases import LeftOut, number_of
from profiles.relations import SUMMARIES, is_as
from profiles.sharetree import Touch
from profiles.summary import stamp
from profiles.values import Value

DEEDS_MAX = 2_000_000
ARTICLES_MAX = 100

# What may be asked for beside who, when and of what type.
WORDS: Mapping[str, str] = {
    "type": "type",
    "channel": "channel",
    "campaign": "coalesce(body #>> '{campaign,id}', body #>> '{campaign,name}')",
    "article": "body #>> '{article,id}'",
    "account": "(SELECT one ->> 'scope' FROM json_array_elements(body -> 'identifiers') AS one"
    " WHERE one ->> 'namespace' = 'wechat_openid' LIMIT 1)",
    "order": "body #>> '{order,id}'",
    "currency": "body #>> '{order,currency}'",
}
NUMBERS: Mapping[str, str] = {"amount": "coalesce(CAST(body #>> '{order,amount}' AS bigint), 0)"}


@dataclass(frozen=True, slots=True)
class Step:
    """Events of one of *types* whose fields are as *where* says, by their paths."""

    types: frozenset[str]
    where: Mapping[str, Value] = field(default_factory=dict)


def told(
    connection: Connection,
    types: Collection[str],
    since: datetime | None,
    until: datetime,
    *,
    words: Collection[str] = (),
    numbers: Collection[str] = (),
) -> Told:
    """Return all events of *types* with *since* ≤ time < *until*, each with its type, and the *words* and *numbers*
    asked for.

    Raises `InvalidEvent` where there are more than `DEEDS_MAX`.
    """
    named = {name: WORDS[name] for name in sorted({"type", *words})}
    return _events(connection, types, since, until, named, {name: NUMBERS[name] for name in sorted(numbers)}, {})


def steps(connection: Connection, wanted: Sequence[Step], since: datetime, until: datetime) -> Told:
    """Return all events that are one of the steps *wanted* at least: `numbers["steps"]` has bit n set for the nth.

    Raises `InvalidEvent` where there are more than `DEEDS_MAX`.
    """
    types = frozenset().union(*(step.types for step in wanted))
    given: dict[str, object] = {}
    return _events(connection, types, since, until, {"type": "type"}, {"steps": _bits(wanted, given)}, given)


def days(connection: Connection, begins: Collection[str], types: Collection[str], since: date, until: datetime) -> Told:
    """Return a row for each person and day before *until*, whose zone says where days end, on which he did one of *begins* or
    *types*; all days before *since* are one, the last of them.

    Of each row `numbers` say the `day` (from 1970), how many `events` there were, whether any `begins`, and whether he `acts`.
    Raises `InvalidEvent` where there are more than `DEEDS_MAX`.
    """
    asked = {"begins": sorted(begins), "types": sorted(types), "either": sorted({*begins, *types})}
    times = {"since": number_of(since), "until": until, "zone": until.utcoffset(), "most": DEEDS_MAX + 1}
    return _read(connection, _DAYS, {**asked, **times}, [], ["day", "events", "begins", "acts"])


def left_out(connection: Connection, since: datetime, until: datetime) -> LeftOut:
    """Return how many events of all types with *since* ≤ time < *until* are in no figure of people."""
    row = connection.execute(_LEFT_OUT, {"since": since, "until": until}).one()
    return LeftOut(row.robots, row.nobody)


def entrances(connection: Connection, since: datetime, until: datetime) -> Sequence[tuple[str, str]]:
    """Return, for each person whose first event was with *since* ≤ time < *until*, its channel, and that of his last one."""
    asked = {"since": stamp(since), "until": stamp(until)}
    return [(row[0], row[1]) for row in connection.execute(_ENTRANCES, asked)]


def spreads(connection: Connection, since: datetime, until: datetime, only: str | None) -> Sequence[Spread]:
    """Return how the articles spread that were first touched with *since* ≤ time < *until*, the newest first and at
    most `ARTICLES_MAX`; or *only* the one of this id, whenever that was (none where nobody did)."""
    articles = connection.execute(_ARTICLES, {"since": since, "until": until, "only": only, "most": ARTICLES_MAX}).all()
    touches: dict[str, list[Touch]] = {row.id: [] for row in articles}
    for row in connection.execute(_TOUCHES, {"ids": list(touches)}):
        touches[row.article_id].append(Touch(row.person, row.entered_at, row.sharer))
    return [
        Spread(
            row.id,
            row.title,
            row.first_at,
            *spread(sharetree.grow(touches[row.id])),
            LeftOut(row.bot_reads, row.nameless_reads),
        )
        for row in articles
    ]


_DAYS = """
    SELECT person, day * CAST(86400000000 AS bigint), robot, day, count(*), max(begins), max(acts)
      FROM (SELECT owner.person_id AS person, CAST(verdict IS NOT NULL AS int) AS robot,
                   greatest(CAST(occurred_at AT TIME ZONE CAST(%(zone)s AS interval) AS date) - DATE '1970-01-01',
                            %(since)s - 1) AS day,
                   CAST(type = ANY(%(begins)s) AS int) AS begins, CAST(type = ANY(%(types)s) AS int) AS acts
              FROM touchpoint LEFT JOIN identifier AS owner ON owner.id = touchpoint.anchor AND owner.standing IN (0, 3)
             WHERE type = ANY(%(either)s) AND NOT void AND occurred_at < %(until)s) AS done
     GROUP BY person, robot, day LIMIT %(most)s
"""
_LEFT_OUT = text(
    """
    SELECT count(*) FILTER (WHERE verdict IS NOT NULL) AS robots, count(*) FILTER (WHERE verdict IS NULL) AS nobody
      FROM touchpoint LEFT JOIN identifier AS owner ON owner.id = touchpoint.anchor AND owner.standing IN (0, 3)
     WHERE (verdict IS NOT NULL OR owner.id IS NULL) AND NOT void AND occurred_at >= :since AND occurred_at < :until
    """
)
# A stamp is a time that sorts as text where texts are compared byte by byte; behind it stands what it is the time of.
_ENTRANCES = text(
    f"""
    SELECT split_part(min(first), ' ', 3), substr(split_part(max(last.told), ' ', 2), 9)
      FROM (SELECT person_id, body -> 'lasts' AS lasts, concat_ws(' ', body #>> '{{entry,0}}', body #>> '{{entry,1}}',
                   body #>> '{{entry,2,channel}}') COLLATE "C" AS first FROM {SUMMARIES}) AS known
     CROSS JOIN LATERAL (SELECT max(concat(value, ' ', key) COLLATE "C") AS told FROM json_each_text(lasts)
                          WHERE starts_with(key, 'channel/')) AS last
     GROUP BY person_id HAVING min(first) >= :since AND min(first) < :until
    """  # noqa: S608 - no value in it
)
# When an article was first heard of is asked of those who touched it: its own row does not take back what is retracted.
_ARTICLES = text(
    """
    SELECT id, title, touched.first_at, bot_reads, nameless_reads
      FROM (SELECT article_id, min(entered_at) AS first_at FROM article_touch
             WHERE CAST(:only AS text) IS NULL OR article_id = :only GROUP BY article_id) AS touched
      JOIN article ON article.id = touched.article_id
     WHERE id = :only OR (touched.first_at >= :since AND touched.first_at < :until)
     ORDER BY touched.first_at DESC, id DESC LIMIT :most
    """
)
# Who touched them, and by whose links: as `profiles.audience` has it for one.
_TOUCHES = text(
    """
    SELECT touch.article_id, reader.person_id::text AS person, sharer.person_id::text AS sharer, touch.entered_at
      FROM article_touch AS touch
      JOIN identifier AS reader ON reader.id = touch.anchor
      LEFT JOIN (SELECT DISTINCT ON (article_id, token) article_id, token, anchor FROM share
                  WHERE article_id = ANY(:ids) ORDER BY article_id, token, shared_at, anchor) AS link
             ON link.article_id = touch.article_id AND link.token = touch.token
      LEFT JOIN identifier AS sharer ON sharer.id = link.anchor
     WHERE touch.article_id = ANY(:ids)
    """
)


def _events(
    connection: Connection,
    types: Collection[str],
    since: datetime | None,
    until: datetime,
    words: Mapping[str, str],
    numbers: Mapping[str, str],
    given: Mapping[str, object],
) -> Told:
    columns = ", ".join(f'{column} AS "{name}"' for name, column in {**words, **numbers}.items())
    statement = f"""
        SELECT * FROM (
          SELECT owner.person_id AS person, CAST(extract(epoch FROM occurred_at) * 1000000 AS bigint) AS at,
                 CAST(verdict IS NOT NULL AS int) AS robot, {columns}
            FROM touchpoint LEFT JOIN identifier AS owner ON owner.id = touchpoint.anchor AND owner.standing IN (0, 3)
           WHERE type = ANY(%(types)s) AND NOT void AND occurred_at < %(until)s
             AND (CAST(%(since)s AS timestamptz) IS NULL OR occurred_at >= CAST(%(since)s AS timestamptz))
        ) AS told {"WHERE steps <> 0" if "steps" in numbers else ""} LIMIT %(most)s
    """  # noqa: S608 - columns of ours, and no value in it
    asked = {"types": sorted(types), "since": since, "until": until, "most": DEEDS_MAX + 1, **given}
    return _read(connection, statement, asked, list(words), list(numbers))


def _bits(wanted: Sequence[Step], named: dict[str, object]) -> str:
    """Return the number in which bit n says that an event is the nth step *wanted*; values that it needs are put into *named*."""

    def given(value: object) -> str:
        named[name := f"given_{len(named)}"] = value
        return f"%({name})s"

    bits = []
    for place, step in enumerate(wanted):
        said = [f"type = ANY({given(sorted(step.types))})"]
        for path, value in sorted(step.where.items()):
            said.append(is_as(f"(body #> CAST({given(path.split('.'))} AS text[]))", value, given))
        bits.append(f"CASE WHEN {' AND '.join(said)} THEN {1 << place} ELSE 0 END")
    return " + ".join(bits)


def _read(
    connection: Connection, statement: str, asked: Mapping[str, object], words: Sequence[str], numbers: Sequence[str]
) -> Told:
    table = _table(copied_csv(connection, statement, asked), words, numbers)
    if table.num_rows > DEEDS_MAX:
        raise InvalidEvent("too_many_events", f"more than {DEEDS_MAX:,} events are too many: ask for less time")
    whose = _words(table, "person")
    everything = in_order(
        whose.names,
        whose.code,
        _whole(table, "at"),
        {name: _words(table, name) for name in words},
        {name: _whole(table, name) for name in [*numbers, "robot"]},
    )
    is_robot = everything.numbers["robot"] == 1
    is_somebodys = everything.person != NOBODY
    return Told(
        deeds=everything.kept(is_somebodys & ~is_robot),
        robots=everything.kept(is_robot),
        nobodys=everything.kept(~is_somebodys & ~is_robot),
    )


def _table(rows: bytes, words: Sequence[str], numbers: Sequence[str]) -> pyarrow.Table:
    word = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    kinds = {"person": word, "at": pyarrow.int64(), "robot": pyarrow.int64()}
    kinds |= dict.fromkeys(words, word) | dict.fromkeys(numbers, pyarrow.int64())
    if not rows:
        return pyarrow.schema(kinds.items()).empty_table()
    return csv.read_csv(
        pyarrow.BufferReader(rows),
        csv.ReadOptions(column_names=list(kinds)),
        csv.ParseOptions(newlines_in_values=True),
        csv.ConvertOptions(
            column_types=kinds, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )


def _whole(table: pyarrow.Table, name: str) -> Whole:
    column: Whole = table.column(name).to_numpy()
    return column


def _words(table: pyarrow.Table, name: str) -> Words:
    """Return a column with its words sorted, so that codes do not depend on the order in which rows came."""
    column = pyarrow.concat_arrays(table.column(name).unify_dictionaries().chunks or [_NO_WORDS])
    written = column.dictionary.to_pylist()
    order = sorted(range(len(written)), key=written.__getitem__)
    place = np.full(len(written) + 1, NOTHING, dtype=np.int64)  # the last is where nothing leads to
    place[order] = np.arange(len(written))
    return Words(place[column.indices.fill_null(NOTHING).to_numpy()], [written[each] for each in order])


_NO_WORDS = pyarrow.array([], pyarrow.dictionary(pyarrow.int32(), pyarrow.string()))
