"""Articles, and what events tell of them: who touched which one, and whose link is whose."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Connection,
    DateTime,
    Float,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)

from core.database import AnyRow, copy, metadata, run
from core.errors import NotFound
from core.event import Event
from core.identifier import IdentifierId
from profiles.summary import stamp
from profiles.touchpoint import Touchpoint, Verdict

article_table = Table(
    "article",
    metadata,
    Column("id", Text, primary_key=True),
    Column("title", Text),
    Column(
        "title_stamp",
        Text(collation="C"),
        nullable=False,
        comment="time and uid of the event that stated it; empty: none",
    ),
    Column("url", Text),
    Column("url_stamp", Text(collation="C"), nullable=False),
    Column("topics", ARRAY(Text), nullable=False),
    Column("topics_stamp", Text(collation="C"), nullable=False),
    Column("first_at", DateTime(timezone=True), nullable=False),
    Column(
        "nameless_reads", BigInteger, nullable=False, comment="reads without a usable identifier, robots not counted"
    ),
    Column("bot_reads", BigInteger, nullable=False),
)

# What one identifier did with one article by way of one link: a summary, additive like all of them.
article_touch_table = Table(
    "article_touch",
    metadata,
    Column("article_id", Text, primary_key=True),
    Column("anchor", Uuid, primary_key=True),
    Column("token", Text, primary_key=True, comment="the link by which it came; empty: none"),
    Column("entered_at", DateTime(timezone=True), nullable=False),
    Column("reads", Integer, nullable=False),
    Column("first_read_at", DateTime(timezone=True)),
    Column("last_read_at", DateTime(timezone=True)),
    Column("dwell_ms", BigInteger, nullable=False),
    Column("scroll", Float, nullable=False),
    Column("scene", Text),
    Index("article_touch_anchor_idx", "anchor"),
    Index("article_touch_token_idx", "token", postgresql_where=text("token <> ''")),
)

# Who calls a link his own, and since when: it is his who said so first.
share_table = Table(
    "share",
    metadata,
    Column("token", Text, primary_key=True),
    Column("anchor", Uuid, primary_key=True),
    Column("article_id", Text, primary_key=True),
    Column("shared_at", DateTime(timezone=True), nullable=False),
    Index("share_article_id_idx", "article_id"),
    Index("share_anchor_idx", "anchor"),
)

DWELL_MS_MAX = 86_400_000


@dataclass(frozen=True, slots=True)
class Article:
    """What is known of an article, and how often nobody in particular read it."""

    id: str
    title: str | None
    url: str | None
    topics: Sequence[str]
    first_at: datetime
    nameless_reads: int
    bot_reads: int


def record(connection: Connection, touchpoints: Iterable[Touchpoint], fresh: Collection[IdentifierId]) -> None:
    """Add what *touchpoints* say of articles: the articles, who touched them by which link, and whose links there are.

    *Fresh* anchors are known to have touched nothing yet.
    """
    told = [(t, t.event) for t in touchpoints if t.event.article and not t.void]
    _record_articles(connection, told)
    _record_touches(connection, _touching(told), fresh)
    _record_shares(connection, _sharing(told))


def replace(
    connection: Connection, before: Sequence[Touchpoint], after: Sequence[Touchpoint], under: Iterable[Touchpoint]
) -> None:
    """Make again what changes where *before* becomes *after*; *under* is all that stands under their anchors from now on.

    What is stated of an article is made again by `restate`.
    """
    counted = [both for both in zip(before, after, strict=True) if _counts(both[0]) != _counts(both[1])]
    _record_articles(connection, [(t, t.event) for _, t in counted if t.event.article and not t.void])
    _forget_counts(connection, [t for t, _ in counted if not t.void])
    moved = [(t, t.event) for t in (*before, *after) if t.event.article]
    touches = {_touch_key(t, e) for t, e in _touching(moved)}
    shares = {_share_key(t, e) for t, e in _sharing(moved)}
    standing = [(t, t.event) for t in under if t.event.article]
    _forget(connection, "article_touch", ("article_id", "anchor", "token"), touches)
    _forget(connection, "share", ("token", "anchor", "article_id"), shares)
    _record_touches(connection, [(t, e) for t, e in _touching(standing) if _touch_key(t, e) in touches], ())
    _record_shares(connection, [(t, e) for t, e in _sharing(standing) if _share_key(t, e) in shares])


def resting_on(connection: Connection, gone: Iterable[Touchpoint]) -> set[str]:
    """Return the articles of which something rests on an event among those *gone*: since when they are known, title, address or
    topics."""
    rows = run(
        connection,
        """
        SELECT article.id FROM article
          JOIN json_to_recordset(:rows) AS r(id text, at timestamptz, stamp text) ON r.id = article.id
         WHERE first_at = r.at OR r.stamp IN (title_stamp, url_stamp, topics_stamp)
        """,
        [
            {"id": t.event.article.id, "at": t.event.occurred_at, "stamp": f"{stamp(t.event.occurred_at)} {t.uid}"}
            for t in gone
            if t.event.article
        ],
    )
    return {row[0] for row in rows}


def restate(connection: Connection, article_ids: Collection[str], naming: Iterable[Touchpoint]) -> None:
    """Make articles again from all touchpoints *naming* them; of which there is none, they are gone."""
    connection.execute(text("DELETE FROM article WHERE id = ANY(:ids)"), {"ids": sorted(article_ids)})
    _record_articles(connection, [(t, t.event) for t in naming if not t.void])


Told = Iterable[tuple[Touchpoint, Event]]


def _touching(told: Told) -> list[tuple[Touchpoint, Event]]:
    return [(t, e) for t, e in told if t.anchor is not None and e.type in ("article.read", "article.shared")]


def _sharing(told: Told) -> list[tuple[Touchpoint, Event]]:
    return [(t, e) for t, e in _touching(told) if e.type == "article.shared" and e.share and e.share.token]


def _forget(connection: Connection, table: str, columns: Sequence[str], keys: Iterable[tuple[str, ...]]) -> None:
    kinds = ", ".join(f"{name} {'uuid' if name == 'anchor' else 'text'}" for name in columns)
    same = " AND ".join(f"{table}.{name} = r.{name}" for name in columns)
    statement = f"DELETE FROM {table} USING json_to_recordset(:rows) AS r({kinds}) WHERE {same}"  # noqa: S608 - no value in it
    run(connection, statement, [dict(zip(columns, key, strict=True)) for key in sorted(keys)])


def _forget_counts(connection: Connection, gone: Iterable[Touchpoint]) -> None:
    """Take the reads of nobody in particular, and those of robots, out of their articles."""
    reads = [(t, t.event.article) for t in gone if _begins_read(t.event)]
    run(
        connection,
        """
        UPDATE article SET nameless_reads = nameless_reads - r.nameless, bot_reads = bot_reads - r.bots
          FROM (SELECT id, sum(nameless) AS nameless, sum(bots) AS bots
                  FROM json_to_recordset(:rows) AS r(id text, nameless int, bots int) GROUP BY id) AS r
         WHERE article.id = r.id
        """,
        [
            {"id": named.id, "bots": int(_is_bot(t)), "nameless": int(t.anchor is None and not _is_bot(t))}
            for t, named in reads
            if named
        ],
    )


def _record_articles(connection: Connection, told: Iterable[tuple[Touchpoint, Event]]) -> None:
    rows: dict[str, dict[str, Any]] = {}
    for touchpoint, event in told:
        assert event.article is not None
        row = rows.setdefault(event.article.id, {"id": event.article.id, "first_at": event.occurred_at, **_UNSTATED})
        row["first_at"] = min(row["first_at"], event.occurred_at)
        at = f"{stamp(event.occurred_at)} {touchpoint.uid}"
        for name in ("title", "url", "topics"):
            value = getattr(event.article, name)
            if value and at > row[f"{name}_stamp"]:
                row |= {name: value, f"{name}_stamp": at}
        if _begins_read(event):
            row["bots"] += _is_bot(touchpoint)
            row["nameless"] += touchpoint.anchor is None and not _is_bot(touchpoint)
    run(
        connection,
        """
        INSERT INTO article AS known (id, title, title_stamp, url, url_stamp, topics, topics_stamp, first_at,
               nameless_reads, bot_reads)
        SELECT id, title, title_stamp, url, url_stamp, topics, topics_stamp, first_at, nameless, bots
          FROM json_to_recordset(:rows) AS r(id text, title text, title_stamp text, url text, url_stamp text,
               topics text[], topics_stamp text, first_at timestamptz, nameless bigint, bots bigint)
         ORDER BY id
        ON CONFLICT (id) DO UPDATE SET
          title = CASE WHEN excluded.title_stamp > known.title_stamp THEN excluded.title ELSE known.title END,
          title_stamp = greatest(known.title_stamp, excluded.title_stamp),
          url = CASE WHEN excluded.url_stamp > known.url_stamp THEN excluded.url ELSE known.url END,
          url_stamp = greatest(known.url_stamp, excluded.url_stamp),
          topics = CASE WHEN excluded.topics_stamp > known.topics_stamp THEN excluded.topics ELSE known.topics END,
          topics_stamp = greatest(known.topics_stamp, excluded.topics_stamp),
          first_at = least(known.first_at, excluded.first_at),
          nameless_reads = known.nameless_reads + excluded.nameless_reads,
          bot_reads = known.bot_reads + excluded.bot_reads
        """,
        list(rows.values()),
    )


# Of two statements the later one counts, whatever the order in which they come.
_UNSTATED: Mapping[str, Any] = {
    "title": None,
    "title_stamp": "",
    "url": None,
    "url_stamp": "",
    "topics": (),
    "topics_stamp": "",
    "nameless": 0,
    "bots": 0,
}


def _begins_read(event: Event) -> bool:
    """Whether *event* is a read to be counted: a page tells one read in stretches, of which the later ones only add time."""
    return event.type == "article.read" and event.properties.get("stretch", 1) == 1


def _is_bot(touchpoint: Touchpoint) -> bool:
    return touchpoint.verdict is not Verdict.HUMAN


def _counts(touchpoint: Touchpoint) -> tuple[bool, bool, bool]:
    """What the count of an article's reads depends on."""
    return touchpoint.void, touchpoint.anchor is None, _is_bot(touchpoint)


_TOUCH_COLUMNS = (
    "article_id",
    "anchor",
    "token",
    "entered_at",
    "reads",
    "first_read_at",
    "last_read_at",
    "dwell_ms",
    "scroll",
    "scene",
)


def _record_touches(
    connection: Connection, told: Iterable[tuple[Touchpoint, Event]], fresh: Collection[IdentifierId]
) -> None:
    rows: dict[tuple[str, IdentifierId, str], dict[str, Any]] = {}
    for touchpoint, event in told:
        key = _touch_key(touchpoint, event)
        more = _touch(event)
        rows[key] = _both(rows[key], more) if key in rows else more
    new = [(*key, *row.values()) for key, row in rows.items() if key[1] in fresh]
    copy(connection, "article_touch", _TOUCH_COLUMNS, new)
    run(
        connection,
        """
        INSERT INTO article_touch AS known (article_id, anchor, token, entered_at, reads, first_read_at, last_read_at,
               dwell_ms, scroll, scene)
        SELECT article_id, anchor, token, entered_at, reads, first_read_at, last_read_at, dwell_ms, scroll, scene
          FROM json_to_recordset(:rows) AS r(article_id text, anchor uuid, token text, entered_at timestamptz,
               reads int, first_read_at timestamptz, last_read_at timestamptz, dwell_ms bigint, scroll float8, scene text)
        ON CONFLICT (article_id, anchor, token) DO UPDATE SET
          entered_at = least(known.entered_at, excluded.entered_at),
          reads = known.reads + excluded.reads,
          first_read_at = least(known.first_read_at, excluded.first_read_at),
          last_read_at = greatest(known.last_read_at, excluded.last_read_at),
          dwell_ms = known.dwell_ms + excluded.dwell_ms,
          scroll = greatest(known.scroll, excluded.scroll),
          scene = least(known.scene, excluded.scene)
        """,
        [
            {"article_id": key[0], "anchor": key[1], "token": key[2], **row}
            for key, row in sorted(rows.items())
            if key[1] not in fresh
        ],
    )


def _touch_key(touchpoint: Touchpoint, event: Event) -> tuple[str, IdentifierId, str]:
    assert event.article is not None
    assert touchpoint.anchor is not None
    return event.article.id, touchpoint.anchor, _came_by(event)


def _came_by(event: Event) -> str:
    if event.share is None:
        return ""
    return (event.share.token if event.type == "article.read" else event.share.parent_token) or ""


def _touch(event: Event) -> dict[str, Any]:
    is_read = event.type == "article.read"
    return {
        "entered_at": event.occurred_at,
        "reads": int(_begins_read(event)),
        "first_read_at": event.occurred_at if is_read else None,
        "last_read_at": event.occurred_at if is_read else None,
        "dwell_ms": int(_number(event.properties.get("dwell_ms"), DWELL_MS_MAX)),
        "scroll": _number(event.properties.get("scroll"), 1.0),
        "scene": event.share.scene if event.share else None,
    }


def _number(value: object, most: float) -> float:
    return min(max(float(value), 0.0), most) if isinstance(value, int | float) else 0.0


def _both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    firsts = [row["first_read_at"] for row in (one, other) if row["first_read_at"]]
    lasts = [row["last_read_at"] for row in (one, other) if row["last_read_at"]]
    scenes = [row["scene"] for row in (one, other) if row["scene"]]
    return {
        "entered_at": min(one["entered_at"], other["entered_at"]),
        "reads": one["reads"] + other["reads"],
        "first_read_at": min(firsts, default=None),
        "last_read_at": max(lasts, default=None),
        "dwell_ms": one["dwell_ms"] + other["dwell_ms"],
        "scroll": max(one["scroll"], other["scroll"]),
        "scene": min(scenes, default=None),
    }


def _share_key(touchpoint: Touchpoint, event: Event) -> tuple[str, IdentifierId, str]:
    assert event.article is not None
    assert event.share is not None
    assert event.share.token is not None
    assert touchpoint.anchor is not None
    return event.share.token, touchpoint.anchor, event.article.id


def _record_shares(connection: Connection, told: Told) -> None:
    rows: dict[tuple[str, IdentifierId, str], datetime] = {}
    for touchpoint, event in told:
        key = _share_key(touchpoint, event)
        rows[key] = min(rows.get(key, event.occurred_at), event.occurred_at)
    run(
        connection,
        """
        INSERT INTO share AS known (token, anchor, article_id, shared_at)
        SELECT token, anchor, article_id, shared_at
          FROM json_to_recordset(:rows) AS r(token text, anchor uuid, article_id text, shared_at timestamptz)
         ORDER BY token, anchor
        ON CONFLICT (token, anchor, article_id) DO UPDATE SET shared_at = least(known.shared_at, excluded.shared_at)
        """,
        [
            {"token": token, "anchor": anchor, "article_id": article_id, "shared_at": at}
            for (token, anchor, article_id), at in rows.items()
        ],
    )


def listing(connection: Connection, after: tuple[datetime, str] | None, most: int) -> list[Article]:
    """Return up to *most* articles, the newest first, from behind (first_at, id) *after*."""
    rows = connection.execute(
        text(
            f"SELECT {_ARTICLE} FROM article"  # noqa: S608 - no value in it
            " WHERE CAST(:at AS timestamptz) IS NULL OR (first_at, id) < (CAST(:at AS timestamptz), CAST(:id AS text))"
            " ORDER BY first_at DESC, id DESC LIMIT :most"
        ),
        {"at": after[0] if after else None, "id": after[1] if after else None, "most": most},
    )
    return [_article(row) for row in rows]


def article(connection: Connection, article_id: str) -> Article:
    """Return one article; raises `NotFound`."""
    row = connection.execute(
        text(f"SELECT {_ARTICLE} FROM article WHERE id = :id"),  # noqa: S608 - no value in it
        {"id": article_id},
    ).one_or_none()
    if row is None:
        raise NotFound("no event has named this article")
    return _article(row)


_ARTICLE = "id, title, url, topics, first_at, nameless_reads, bot_reads"


def _article(row: AnyRow) -> Article:
    return Article(*row)
