"""Articles, and what events state of them: since when there is one, title, address, topics, and how often nobody read it."""

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
    Table,
    Text,
    text,
)

from core.database import AnyRow, metadata, run
from core.errors import NotFound
from core.event import Event
from core.identifier import IdentifierId
from profiles import touches
from profiles.summary import stamp
from profiles.touches import begins_read
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
    touches.record(connection, told, fresh)


def replace(
    connection: Connection, before: Sequence[Touchpoint], after: Sequence[Touchpoint], under: Iterable[Touchpoint]
) -> None:
    """Make again what changes where *before* becomes *after*; *under* is all that stands under their anchors from now on.

    What is stated of an article is made again by `restate`.
    """
    counted = [both for both in zip(before, after, strict=True) if _counts(both[0]) != _counts(both[1])]
    _record_articles(connection, [(t, t.event) for _, t in counted if t.event.article and not t.void])
    _forget_counts(connection, [t for t, _ in counted if not t.void])
    touches.replace(connection, (t for both in zip(before, after, strict=True) for t in both), under)


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


def _forget_counts(connection: Connection, gone: Iterable[Touchpoint]) -> None:
    """Take the reads of nobody in particular, and those of robots, out of their articles."""
    reads = [(t, t.event.article) for t in gone if begins_read(t.event)]
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
        if begins_read(event):
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


def _is_bot(touchpoint: Touchpoint) -> bool:
    return touchpoint.verdict is not Verdict.HUMAN


def _counts(touchpoint: Touchpoint) -> tuple[bool, bool, bool]:
    """What the count of an article's reads depends on."""
    return touchpoint.void, touchpoint.anchor is None, _is_bot(touchpoint)


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


def topics(connection: Connection, article_ids: Collection[str]) -> Mapping[str, Sequence[str]]:
    """Return what each of these articles is about, where there is such a one."""
    rows = connection.execute(text("SELECT id, topics FROM article WHERE id = ANY(:ids)"), {"ids": sorted(article_ids)})
    return {row[0]: row[1] for row in rows}


def _article(row: AnyRow) -> Article:
    return Article(*row)
