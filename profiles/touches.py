"""Who touched which article by which link, and whose link is whose: what share trees and readers are made of."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, DateTime, Float, Index, Integer, Table, Text, Uuid, text

from core.database import copy, metadata, run
from core.event import Event
from core.identifier import IdentifierId, PersonId
from profiles.touchpoint import Touchpoint

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


Told = Iterable[tuple[Touchpoint, Event]]
"""Touchpoints that name an article, with their events."""

Link = tuple[str, str]
"""A link by its token, and the article that it leads to."""


def record(connection: Connection, told: Told, fresh: Collection[IdentifierId]) -> None:
    """Add what is *told*: who touched an article by which link, and whose links there are.

    *Fresh* anchors are known to have touched nothing yet.
    """
    known = list(told)
    _record_touches(connection, _touching(known), fresh)
    _record_shares(connection, _sharing(known))


def replace(connection: Connection, moved: Iterable[Touchpoint], under: Iterable[Touchpoint]) -> None:
    """Make again what *moved* touchpoints, as they were and as they are, have told; *under* is all that stands under their
    anchors from now on."""
    of_articles = [(t, t.event) for t in moved if t.event.article]
    touches = {_touch_key(t, e) for t, e in _touching(of_articles)}
    shares = {_share_key(t, e) for t, e in _sharing(of_articles)}
    standing = [(t, t.event) for t in under if t.event.article]
    _forget(connection, "article_touch", ("article_id", "anchor", "token"), touches)
    _forget(connection, "share", ("token", "anchor", "article_id"), shares)
    _record_touches(connection, [(t, e) for t, e in _touching(standing) if _touch_key(t, e) in touches], ())
    _record_shares(connection, [(t, e) for t, e in _sharing(standing) if _share_key(t, e) in shares])


def sharer(connection: Connection, token: str, article_id: str) -> PersonId | None:
    """Return whose link to *article_id* the one with *token* is, where that is known."""
    found = connection.execute(
        text(
            "SELECT sharer.person_id::text FROM share JOIN identifier AS sharer ON sharer.id = share.anchor"
            " WHERE share.token = :token AND share.article_id = :id ORDER BY share.shared_at, share.anchor LIMIT 1"
        ),
        {"token": token, "id": article_id},
    ).scalar()
    return PersonId(found) if found else None


def links(events: Iterable[Event]) -> set[Link]:
    """Return the links that *events* name."""
    named = [(e.share, e.article.id) for e in events if e.share and e.article]
    return {(token, article) for share, article in named for token in (share.token, share.parent_token) if token}


def claimants(connection: Connection, of: Collection[Link]) -> set[PersonId]:
    """Return everybody who calls one of these links his own."""
    rows = run(
        connection,
        "SELECT DISTINCT person_id::text FROM json_to_recordset(:rows) AS r(token text, article_id text)"
        " JOIN share USING (token, article_id) JOIN identifier ON identifier.id = share.anchor",
        [{"token": token, "article_id": article} for token, article in sorted(of)],
    )
    return {PersonId(row[0]) for row in rows}


def begins_read(event: Event) -> bool:
    """Whether *event* is a read to be counted: a page tells one read in stretches, of which the later ones only add time."""
    return event.type == "article.read" and event.properties.get("stretch", 1) == 1


def _touching(told: Told) -> list[tuple[Touchpoint, Event]]:
    return [(t, e) for t, e in told if t.anchor is not None and e.type in ("article.read", "article.shared")]


def _sharing(told: Told) -> list[tuple[Touchpoint, Event]]:
    return [(t, e) for t, e in _touching(told) if e.type == "article.shared" and e.share and e.share.token]


def _forget(connection: Connection, table: str, columns: Sequence[str], keys: Iterable[tuple[str, ...]]) -> None:
    kinds = ", ".join(f"{name} {'uuid' if name == 'anchor' else 'text'}" for name in columns)
    same = " AND ".join(f"{table}.{name} = r.{name}" for name in columns)
    statement = f"DELETE FROM {table} USING json_to_recordset(:rows) AS r({kinds}) WHERE {same}"  # noqa: S608 - no value in it
    run(connection, statement, [dict(zip(columns, key, strict=True)) for key in sorted(keys)])


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


def _record_touches(connection: Connection, told: Told, fresh: Collection[IdentifierId]) -> None:
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
        "reads": int(begins_read(event)),
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
