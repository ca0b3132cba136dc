"""The audience of an article: who read it, by whose link he came, and how it travelled."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from core.database import AnyRow, array
from core.identifier import IdentifierId, PersonId
from profiles import articles, official, sharetree
from profiles.official import OfficialCounts
from profiles.people import Standing
from profiles.sharetree import Touch, Tree
from profiles.summary import Statement


@dataclass(frozen=True, slots=True)
class Reader:
    """A person who read an article: all his reads together, over all his identifiers. *is_presumed*: over those only that are
    presumed to be his."""

    person: PersonId
    is_anonymous: bool
    is_presumed: bool
    first_read_at: datetime
    last_read_at: datetime
    reads: int
    dwell_ms: int
    scroll: float
    scene: str | None
    generation: int
    came_from: PersonId | None


_TOUCHES = text(
    """
    SELECT reader.person_id::text AS person, sharer.person_id::text AS sharer, touch.entered_at, touch.reads,
           touch.first_read_at, touch.last_read_at, touch.dwell_ms, touch.scroll, touch.scene,
           reader.weak AND NOT EXISTS (
             SELECT FROM identifier AS own
              WHERE own.component_id = reader.component_id AND own.person_id = reader.person_id AND NOT own.weak
           ) AS anonymous, reader.standing = :presumed AS presumed
      FROM article_touch AS touch
      JOIN identifier AS reader ON reader.id = touch.anchor
      LEFT JOIN (SELECT DISTINCT ON (token) token, anchor FROM share
                  WHERE article_id = :id ORDER BY token, shared_at, anchor) AS link ON link.token = touch.token
      LEFT JOIN identifier AS sharer ON sharer.id = link.anchor
     WHERE touch.article_id = :id
    """
)


@dataclass(frozen=True, slots=True)
class Audience:
    """Everybody whom an article reached: the tree, and in the order of their first read those who read it."""

    tree: Tree
    readers: Sequence[Reader]


def of_article(connection: Connection, article_id: str) -> Audience:
    """Return who read *article_id* and how it travelled. One query, whatever the size; raises `NotFound`."""
    articles.article(connection, article_id)
    rows = connection.execute(_TOUCHES, {"id": article_id, "presumed": Standing.PRESUMED.value}).all()
    tree = sharetree.grow(Touch(row.person, row.entered_at, row.sharer) for row in rows)
    by_person: dict[PersonId, list[AnyRow]] = defaultdict(list)
    for row in rows:
        if row.reads:
            by_person[row.person].append(row)
    readers = [_reader(person, own, tree) for person, own in by_person.items()]
    return Audience(tree, sorted(readers, key=lambda reader: (reader.first_read_at, reader.person)))


def _reader(person: PersonId, own: Sequence[AnyRow], tree: Tree) -> Reader:
    node = tree.nodes[person]
    first = min(own, key=lambda row: (row.first_read_at, row.scene or ""))
    return Reader(
        person=person,
        is_anonymous=first.anonymous,
        is_presumed=all(row.presumed for row in own),
        first_read_at=first.first_read_at,
        last_read_at=max(row.last_read_at for row in own),
        reads=sum(row.reads for row in own),
        dwell_ms=sum(row.dwell_ms for row in own),
        scroll=max(row.scroll for row in own),
        scene=first.scene,
        generation=node.generation,
        came_from=node.parent,
    )


Behind = tuple[datetime, IdentifierId]
"""A place in the list of an article's readers: the first read of one, and the identifier that it stands under."""


def readers(connection: Connection, article_id: str, after: Behind | None, most: int) -> list[tuple[Reader, Behind]]:
    """Return up to *most* readers of an article from behind *after*, each with his place, by their first read.

    The same as in `of_article`, without looking at everybody: for each of them his own touches and the way up to the push.
    Raises `NotFound`.
    """
    articles.article(connection, article_id)
    at, anchor = after or (None, None)
    asked = {"id": article_id, "at": at, "anchor": anchor, "most": most, "presumed": Standing.PRESUMED.value}
    rows = connection.execute(_READERS, asked).all()
    ways = connection.execute(_WAYS_UP, {"id": article_id, "people": array(row.person for row in rows)})
    up = {way.start: way for way in ways}
    return [
        (
            Reader(
                person=row.person,
                is_anonymous=row.anonymous,
                is_presumed=row.presumed,
                first_read_at=row.first_read_at,
                last_read_at=row.last_read_at,
                reads=row.reads,
                dwell_ms=row.dwell_ms,
                scroll=row.scroll,
                scene=row.scene,
                generation=up[row.person].generation,
                came_from=up[row.person].parent,
            ),
            (row.first_read_at, row.anchor),
        )
        for row in rows
    ]


# Touches are gone through in their order, and only as far as readers are wanted: whatever is joined to them is found by
# index, and a touch that is not its person's first read is passed over.
_READERS = text(
    """
    SELECT touch.first_read_at, touch.anchor::text, reader.person_id::text AS person, NOT known.strong AS anonymous,
           known.presumed, known.last_read_at, known.reads, known.dwell_ms, known.scroll, touch.scene
      FROM (SELECT anchor, token, first_read_at, scene FROM article_touch
             WHERE article_id = :id AND first_read_at IS NOT NULL
               AND (CAST(:at AS timestamptz) IS NULL
                    OR (first_read_at, anchor) > (CAST(:at AS timestamptz), CAST(:anchor AS uuid)))
             ORDER BY first_read_at, anchor, token OFFSET 0) AS touch
     CROSS JOIN LATERAL (SELECT person_id, component_id FROM identifier WHERE id = touch.anchor LIMIT 1) AS reader
     CROSS JOIN LATERAL (
       SELECT bool_or(NOT own.weak) AS strong,
              bool_and(own.standing = :presumed) FILTER (WHERE each.reads > 0) AS presumed,
              max(each.last_read_at) AS last_read_at,
              sum(each.reads) FILTER (WHERE each.reads > 0) AS reads,
              sum(each.dwell_ms) FILTER (WHERE each.reads > 0)::bigint AS dwell_ms,
              max(each.scroll) FILTER (WHERE each.reads > 0) AS scroll,
              (array_agg(each.anchor ORDER BY each.first_read_at, each.anchor, each.token))[1] AS first_anchor,
              (array_agg(each.token ORDER BY each.first_read_at, each.anchor, each.token))[1] AS first_token
         FROM identifier AS own LEFT JOIN article_touch AS each ON each.article_id = :id AND each.anchor = own.id
        WHERE own.component_id = reader.component_id AND own.person_id = reader.person_id
     ) AS known
     WHERE known.first_anchor = touch.anchor AND known.first_token = touch.token
     ORDER BY touch.first_read_at, touch.anchor LIMIT :most
    """
)

# From some people up to the push, as `profiles.sharetree` says: above somebody stands the one whose link brought him at his
# first touch that was not by a link of his own, if that one entered before him.
_WAY = """
    WITH RECURSIVE way AS (
      SELECT id AS start, id AS person, component_id, 1 AS steps
        FROM identifier WHERE id = ANY(CAST(:people AS uuid[]))
      UNION ALL
      SELECT way.start, parent.person, parent.component_id, way.steps + 1
        FROM way
       CROSS JOIN LATERAL (
         SELECT entered_at, person, component_id, entered FROM (
           SELECT touch.entered_at, sharer.person_id AS person, sharer.component_id,
                  min(touch.entered_at) OVER () AS entered
             FROM identifier AS own
             JOIN article_touch AS touch ON touch.article_id = :id AND touch.anchor = own.id
             LEFT JOIN LATERAL (SELECT anchor FROM share WHERE token = touch.token AND article_id = :id
                                 ORDER BY shared_at, anchor LIMIT 1) AS link ON true
             LEFT JOIN identifier AS sharer ON sharer.id = link.anchor
            WHERE own.component_id = way.component_id AND own.person_id = way.person
         ) AS touched
          WHERE person IS DISTINCT FROM way.person
          ORDER BY entered_at, person NULLS LAST LIMIT 1
       ) AS parent
       CROSS JOIN LATERAL (
         SELECT min(touch.entered_at) AS entered
           FROM identifier AS own JOIN article_touch AS touch ON touch.article_id = :id AND touch.anchor = own.id
          WHERE own.component_id = parent.component_id AND own.person_id = parent.person
       ) AS above
       WHERE (above.entered, parent.person) < (parent.entered, way.person)
    )
"""
_WAYS_UP = text(
    f"""
    {_WAY}
    SELECT start::text, max(steps) AS generation, (array_agg(person::text) FILTER (WHERE steps = 2))[1] AS parent
      FROM way GROUP BY start
    """  # noqa: S608 - no value in it
)
_PATH = text(f"{_WAY} SELECT person::text FROM way ORDER BY steps DESC")  # noqa: S608 - no value in it


def path(connection: Connection, article_id: str, person: PersonId) -> Sequence[PersonId]:
    """Return the people from the push of *article_id* down to *person* (of a present id), himself last."""
    return connection.execute(_PATH, {"id": article_id, "people": array([person])}).scalars().all()


def first_read_at(connection: Connection, readers: Collection[IdentifierId]) -> datetime | None:
    """Return when the person of the identifiers *readers* read an article first; `None` where he read none."""
    statement = text("SELECT min(first_read_at) FROM article_touch WHERE anchor = ANY(CAST(:readers AS uuid[]))")
    found: datetime | None = connection.execute(statement, {"readers": array(readers)}).scalar_one()
    return found


def reader_ids(connection: Connection, article_id: str) -> Iterator[PersonId]:
    """Return the ids of those who read an article, in order, read in a stream: people only, not devices of nobody."""
    asked = {"id": article_id}
    yield from connection.execute(_READER_IDS, asked, execution_options={"yield_per": 5_000}).scalars()


def size(connection: Connection, article_id: str) -> int:
    """Return how many people read an article. Raises `NotFound`."""
    articles.article(connection, article_id)
    return int(connection.execute(_SIZE, {"id": article_id}).scalar_one())


_READERS_OF = """
      FROM article_touch AS touch JOIN identifier AS reader ON reader.id = touch.anchor AND reader.standing IN (0, 3)
     WHERE touch.article_id = :id AND touch.reads > 0
"""
_READER_IDS = text(f"SELECT DISTINCT reader.person_id::text {_READERS_OF} ORDER BY 1")
_SIZE = text(f"SELECT count(DISTINCT reader.person_id) {_READERS_OF}")


@dataclass(frozen=True, slots=True)
class Stats:
    """How an article fared. *reads* are those of humans; *anonymous_reads* those among them of whom no strong identifier is
    known; *non_followers* the readers of whom nobody has said that they follow an account; *official* what the
    platform itself counts."""

    audience: Audience
    reads: int
    anonymous_reads: int
    bot_reads: int
    non_followers: int
    official: OfficialCounts | None

    @property
    def coverage(self) -> float | None:
        """Identified reads per read that the platform counts; above 1 where it counted earlier than we."""
        if self.official is None or not self.official.reads:
            return None
        return (self.reads - self.anonymous_reads) / self.official.reads


def stats(connection: Connection, article_id: str) -> Stats:
    """Return how *article_id* fared. Raises `NotFound`."""
    known = articles.article(connection, article_id)
    reached = of_article(connection, article_id)
    followers = _followers(connection, article_id)
    return Stats(
        audience=reached,
        reads=known.nameless_reads + sum(reader.reads for reader in reached.readers),
        anonymous_reads=known.nameless_reads + sum(r.reads for r in reached.readers if r.is_anonymous),
        bot_reads=known.bot_reads,
        non_followers=sum(reader.person not in followers for reader in reached.readers),
        official=official.of_article(connection, article_id),
    )


def _followers(connection: Connection, article_id: str) -> set[PersonId]:
    """Return who of those whom the article reached is known to follow an account, whatever identifier it was said of."""
    rows = connection.execute(_FOLLOWS, {"id": article_id})
    said: dict[tuple[PersonId, str], Statement] = {}
    for person, stated in rows:
        for name, statement in stated.items():
            if name.startswith("follows/"):
                said[person, name] = max(said.get((person, name), statement), statement, key=lambda s: (s[0], s[1]))
    return {person for (person, _), statement in said.items() if statement[2]}


_FOLLOWS = text(
    """
    SELECT own.person_id::text, summary.body -> 'stated'
      FROM (SELECT DISTINCT reader.component_id, reader.person_id
              FROM article_touch AS touch JOIN identifier AS reader ON reader.id = touch.anchor
             WHERE touch.article_id = :id) AS person
      JOIN identifier AS own ON own.component_id = person.component_id AND own.person_id = person.person_id
      JOIN summary ON summary.identifier_id = own.id
     WHERE summary.body::text LIKE '%"follows/%'
    """
)
