"""Touchpoints in PostgreSQL: every accepted event once, under its anchor."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    Boolean,
    Column,
    Connection,
    DateTime,
    Index,
    Table,
    Text,
    Uuid,
    text,
)

from core.database import array, copy, metadata, run
from core.event import EventUid, encode
from core.identifier import IdentifierId
from profiles.touchpoint import Touchpoint

touchpoint_table = Table(
    "touchpoint",
    metadata,
    Column("uid", Uuid, primary_key=True),
    Column("anchor", Uuid, comment="the best identifier; NULL: none was usable"),
    Column("others", ARRAY(Uuid), nullable=False, comment="identifiers that the event links to the anchor"),
    Column("type", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("ambiguous", Boolean, nullable=False, comment="named two values of one unique namespace, so links nothing"),
    Column("body", JSON, nullable=False, comment="the event as it stands in the log"),
    Index("touchpoint_anchor_occurred_at_idx", "anchor", "occurred_at", "uid"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a timeline: the event, and the identifier that it stands under."""

    uid: EventUid
    anchor: IdentifierId
    occurred_at: datetime
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries are asked for; `None` is any. The interval is half open: *since* ≤ time < *until*."""

    channel: str | None = None
    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def taken(connection: Connection, uids: Collection[EventUid]) -> set[EventUid]:
    """Return those of *uids* whose events were recorded before."""
    rows = connection.execute(
        text("SELECT uid::text FROM touchpoint WHERE uid = ANY(CAST(:uids AS uuid[]))"), {"uids": array(uids)}
    )
    return set(rows.scalars())


def record(connection: Connection, touchpoints: Iterable[Touchpoint]) -> None:
    """Write *touchpoints*, none of which is recorded yet; one that is raises the driver's unique violation (try again)."""
    copy(
        connection,
        "touchpoint",
        ("uid", "anchor", "others", "type", "channel", "occurred_at", "received_at", "ambiguous", "body"),
        (
            (
                t.uid,
                t.anchor,
                array(t.others),
                t.event.type,
                t.event.channel,
                t.event.occurred_at,
                t.event.received_at,
                t.ambiguous,
                encode(t.event).decode(),
            )
            for t in touchpoints
        ),
    )


def entries(
    connection: Connection,
    anchors: Collection[IdentifierId],
    wanted: Filter,
    after: tuple[datetime, str] | None,
    most: int,
    *,
    also: Collection[EventUid] = (),
    without: Collection[EventUid] = (),
) -> Sequence[Entry]:
    """Return up to *most* entries under *anchors*, the newest first, from behind (time, uid) *after*.

    Each anchor gives its own newest by the index, so that a long history costs no more than a short one. *Also* are
    wanted events that stand elsewhere, *without* those under *anchors* that are not wanted.
    """
    rows = connection.execute(
        _ENTRIES,
        {
            "anchors": array(anchors),
            "channel": wanted.channel,
            "type": wanted.type,
            "since": wanted.since,
            "until": wanted.until,
            "at": after[0] if after else None,
            "uid": after[1] if after else None,
            "most": most,
            "also": array(also),
            "without": array(without),
        },
    )
    return [Entry(row[0], row[1], row[2], row[3]) for row in rows]


_WANTED = """
       (CAST(:at AS timestamptz) IS NULL OR (occurred_at, uid) < (CAST(:at AS timestamptz), CAST(:uid AS uuid)))
   AND (CAST(:since AS timestamptz) IS NULL OR occurred_at >= CAST(:since AS timestamptz))
   AND (CAST(:until AS timestamptz) IS NULL OR occurred_at < CAST(:until AS timestamptz))
   AND (CAST(:channel AS text) IS NULL OR channel = CAST(:channel AS text))
   AND (CAST(:type AS text) IS NULL OR type = CAST(:type AS text))
"""

_ENTRIES = text(
    f"""
    SELECT newest.uid::text, newest.anchor::text, newest.occurred_at, newest.body
      FROM unnest(CAST(:anchors AS uuid[])) AS asked(anchor)
     CROSS JOIN LATERAL (
       SELECT uid, anchor, occurred_at, body FROM touchpoint
        WHERE touchpoint.anchor = asked.anchor AND uid <> ALL (CAST(:without AS uuid[])) AND {_WANTED}
        ORDER BY occurred_at DESC, uid DESC LIMIT :most
     ) AS newest
    UNION ALL
    SELECT uid::text, anchor::text, occurred_at, body FROM touchpoint
     WHERE uid = ANY (CAST(:also AS uuid[])) AND {_WANTED}
     ORDER BY 3 DESC, 1 DESC LIMIT :most
    """  # noqa: S608 - no value in it
)


@dataclass(frozen=True, slots=True)
class Moment:
    """That something happened on *device* at *at*."""

    device: IdentifierId
    uid: EventUid
    at: datetime


def newest(connection: Connection, devices: Collection[IdentifierId], most: int) -> Sequence[Moment]:
    """Return the newest events anchored on each of *devices*, up to *most* of each."""
    rows = connection.execute(
        text(
            "SELECT asked.device::text, own.uid::text, own.occurred_at"
            "  FROM unnest(CAST(:devices AS uuid[])) AS asked(device)"
            " CROSS JOIN LATERAL (SELECT uid, occurred_at FROM touchpoint WHERE anchor = asked.device"
            "                      ORDER BY occurred_at DESC, uid DESC LIMIT :most) AS own"
        ),
        {"devices": array(devices), "most": most},
    )
    return [Moment(row[0], row[1], row[2]) for row in rows]


@dataclass(frozen=True, slots=True)
class Together:
    """Two identifiers that one event can have named together only between two times, both included."""

    one: IdentifierId
    other: IdentifierId
    first_at: datetime
    last_at: datetime


def naming_both(
    connection: Connection, pairs: Sequence[Together], most: int
) -> Mapping[tuple[IdentifierId, IdentifierId], Sequence[Entry]]:
    """Return, for each of *pairs*, up to *most* of the events that say the two to be one person's, the newest first.

    The links of an event are a star from its anchor, so each of them is anchored on one of the two and names the other.
    """
    rows = run(
        connection,
        """
        SELECT r.one::text, r.other::text, both_of.uid::text, both_of.anchor::text, both_of.occurred_at, both_of.body
          FROM json_to_recordset(:rows) AS r(one uuid, other uuid, first_at timestamptz, last_at timestamptz)
         CROSS JOIN LATERAL (
           (SELECT uid, anchor, occurred_at, body FROM touchpoint
             WHERE anchor = r.one AND others @> ARRAY[r.other] AND occurred_at BETWEEN r.first_at AND r.last_at
             ORDER BY occurred_at DESC, uid DESC LIMIT :most)
           UNION ALL
           (SELECT uid, anchor, occurred_at, body FROM touchpoint
             WHERE anchor = r.other AND others @> ARRAY[r.one] AND occurred_at BETWEEN r.first_at AND r.last_at
             ORDER BY occurred_at DESC, uid DESC LIMIT :most)
           ORDER BY 3 DESC, 1 DESC LIMIT :most
         ) AS both_of
        """,
        [{"one": p.one, "other": p.other, "first_at": p.first_at, "last_at": p.last_at} for p in pairs],
        most=most,
    )
    found: dict[tuple[IdentifierId, IdentifierId], list[Entry]] = {(p.one, p.other): [] for p in pairs}
    for row in rows:
        found[row[0], row[1]].append(Entry(row[2], row[3], row[4], row[5]))
    return found


def evidence(connection: Connection, one: IdentifierId, other: IdentifierId, most: int) -> Sequence[Entry]:
    """Return up to *most* of the events, the newest first, that say *one* and *other* to be one person's.

    The links of an event are a star from its anchor, so each of them is anchored on one of the two and names the other.
    """
    rows = connection.execute(
        text(
            "SELECT uid::text, anchor::text, occurred_at, body FROM touchpoint"
            " WHERE anchor = CAST(:one AS uuid) AND others @> ARRAY[CAST(:other AS uuid)]"
            "    OR anchor = CAST(:other AS uuid) AND others @> ARRAY[CAST(:one AS uuid)]"
            " ORDER BY occurred_at DESC, uid DESC LIMIT :most"
        ),
        {"one": one, "other": other, "most": most},
    )
    return [Entry(row[0], row[1], row[2], row[3]) for row in rows]
