"""Touchpoints in PostgreSQL: every accepted event once, under its anchor."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
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
from core.identifier import IdentifierId, PersonId
from profiles.touchpoint import Touchpoint, Verdict

touchpoint_table = Table(
    "touchpoint",
    metadata,
    Column("uid", Uuid, primary_key=True),
    Column("anchor", Uuid, comment="the best identifier; NULL: none was usable"),
    Column("others", ARRAY(Uuid), nullable=False, comment="identifiers that the event links to the anchor"),
    Column(
        "beside", ARRAY(Uuid), comment="identifiers that it names and does not link, and tokens of links that it opened"
    ),
    Column("type", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("ambiguous", Boolean, nullable=False, comment="named two values of one unique namespace, so links nothing"),
    Column("void", Boolean, nullable=False, server_default="false", comment="decided to be as if it had never come"),
    Column("verdict", Text, comment="suspected, or bot; NULL: a human's"),
    Column("reasons", ARRAY(Text), comment="why it is not a human's"),
    Column("body", JSON, nullable=False, comment="the event as it stands in the log"),
    Index("touchpoint_anchor_occurred_at_idx", "anchor", "occurred_at", "uid"),
    Index(
        "touchpoint_payment_idx",
        "anchor",
        postgresql_where=text("type IN ('order.paid', 'mini_program.paid', 'live.ordered', 'order.refunded')"),
    ),
    Index("touchpoint_company_idx", "anchor", postgresql_where=text("json_typeof(body -> 'company') = 'object'")),
    Index("touchpoint_tagged_idx", "anchor", postgresql_where=text("type = 'person.tagged'")),
    Index(
        "touchpoint_beside_idx",
        "beside",
        postgresql_using="gin",
        postgresql_where=text("beside IS NOT NULL"),
        postgresql_with={"fastupdate": "off"},
    ),
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
        (
            "uid",
            "anchor",
            "others",
            "beside",
            "type",
            "channel",
            "occurred_at",
            "received_at",
            "ambiguous",
            "void",
            "verdict",
            "reasons",
            "body",
        ),
        (
            (
                t.uid,
                t.anchor,
                array(t.others),
                array(t.beside) if t.beside else None,
                t.event.type,
                t.event.channel,
                t.event.occurred_at,
                t.event.received_at,
                t.ambiguous,
                t.void,
                *_judged(t),
                encode(t.event).decode(),
            )
            for t in touchpoints
        ),
    )


def _judged(touchpoint: Touchpoint) -> tuple[str | None, str | None]:
    if touchpoint.verdict is Verdict.HUMAN:
        return None, None
    return touchpoint.verdict.value, array(touchpoint.reasons)


def restand(connection: Connection, touchpoints: Iterable[Touchpoint]) -> None:
    """Write where *touchpoints*, which are recorded, stand from now on."""
    run(
        connection,
        """
        UPDATE touchpoint SET (anchor, others, beside, ambiguous, void, verdict, reasons)
             = (r.anchor, r.others::uuid[], r.beside::uuid[], r.ambiguous, r.void, r.verdict, r.reasons::text[])
          FROM json_to_recordset(:rows) AS r(uid uuid, anchor uuid, others text, beside text, ambiguous bool, void bool,
               verdict text, reasons text)
         WHERE touchpoint.uid = r.uid
        """,
        [
            {
                "uid": t.uid,
                "anchor": t.anchor,
                "others": array(t.others),
                "beside": array(t.beside) if t.beside else None,
                "ambiguous": t.ambiguous,
                "void": t.void,
                **dict(zip(("verdict", "reasons"), _judged(t), strict=True)),
            }
            for t in touchpoints
        ],
    )


@dataclass(frozen=True, slots=True)
class Span:
    """What stands under *anchor*, with *since* ≤ time < *until* (`None`: no bound)."""

    anchor: IdentifierId
    since: datetime | None = None
    until: datetime | None = None


def entries(
    connection: Connection,
    spans: Collection[Span],
    wanted: Filter,
    after: tuple[datetime, str] | None,
    most: int,
    *,
    also: Collection[EventUid] = (),
    without: Collection[EventUid] = (),
) -> Sequence[Entry]:
    """Return up to *most* entries within *spans*, the newest first, from behind (time, uid) *after*.

    Each anchor gives its own newest by the index, so that a long history costs no more than a short one. *Also* are
    wanted events that stand elsewhere, *without* those within *spans* that are not wanted.
    """
    asked = [{"anchor": s.anchor, "since": s.since, "until": s.until} for s in spans]
    more = {"most": most, "also": array(also), "without": array(without)}
    rows = connection.execute(_ENTRIES, {"rows": orjson.dumps(asked).decode(), **_bounds(wanted, after), **more})
    return [Entry(row[0], row[1], row[2], row[3]) for row in rows]


def delivered_to(
    connection: Connection,
    recipients: Collection[IdentifierId],
    wanted: Filter,
    after: tuple[datetime, str] | None,
    most: int,
    *,
    but: Collection[IdentifierId],
    without: Collection[EventUid],
) -> Sequence[tuple[Entry, Sequence[IdentifierId]]]:
    """Return up to *most* openings of links that were delivered to *recipients*, the newest first, from behind *after*, each with
    all that it names beside (the tokens of the links among it). Left out are those that stand under *but*, and *without*."""
    if not recipients:
        return []
    more = {"most": most, "recipients": array(recipients), "but": array(but), "without": array(without)}
    rows = connection.execute(_DELIVERED, {**_bounds(wanted, after), **more})
    return [(Entry(row[0], row[1], row[2], row[3]), row[4]) for row in rows]


def _bounds(wanted: Filter, after: tuple[datetime, str] | None) -> dict[str, object]:
    return {
        "channel": wanted.channel,
        "type": wanted.type,
        "since": wanted.since,
        "until": wanted.until,
        "at": after[0] if after else None,
        "uid": after[1] if after else None,
    }


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
      FROM json_to_recordset(:rows) AS asked(anchor uuid, since timestamptz, until timestamptz)
     CROSS JOIN LATERAL (
       SELECT uid, anchor, occurred_at, body FROM touchpoint
        WHERE touchpoint.anchor = asked.anchor AND uid <> ALL (CAST(:without AS uuid[])) AND {_WANTED}
          AND (asked.since IS NULL OR occurred_at >= asked.since)
          AND (asked.until IS NULL OR occurred_at < asked.until)
        ORDER BY occurred_at DESC, uid DESC LIMIT :most
     ) AS newest
    UNION ALL
    SELECT uid::text, anchor::text, occurred_at, body FROM touchpoint
     WHERE uid = ANY (CAST(:also AS uuid[])) AND {_WANTED}
     ORDER BY 3 DESC, 1 DESC LIMIT :most
    """  # noqa: S608 - no value in it
)


_DELIVERED = text(
    f"""
    SELECT uid::text, anchor::text, occurred_at, body, beside::text[] FROM touchpoint
     WHERE beside && CAST(:recipients AS uuid[])
       AND anchor <> ALL (CAST(:but AS uuid[])) AND uid <> ALL (CAST(:without AS uuid[]))
       AND CAST(body AS jsonb) @> '{{"identifiers": [{{"namespace": "link_token", "role": "hint"}}]}}' AND {_WANTED}
     ORDER BY occurred_at DESC, uid DESC LIMIT :most
    """  # noqa: S608 - no value in it
)


def of_types(
    connection: Connection, people: Collection[PersonId], types: Collection[str], since: datetime | None, most: int
) -> Mapping[PersonId, list[Entry]]:
    """Return, for each of *people* (of present ids), up to *most* of his events of *types* not before *since*, the newest first.

    Events of robots, and those taken back, stand under nobody.
    """
    found: dict[PersonId, list[Entry]] = {person: [] for person in people}
    asked = {"people": array(people), "types": array(sorted(types)), "since": since, "most": most}
    for row in connection.execute(_OF_TYPES, asked) if found else ():
        found[row[0]].append(Entry(row[1], row[2], row[3], row[4]))
    return found


# A person bears the id of one of his identifiers, and all of them lie in its neighbourhood, by which they are found.
_OF_TYPES = text(
    """
    SELECT asked.person::text, own.uid::text, own.anchor::text, own.occurred_at, own.body
      FROM unnest(CAST(:people AS uuid[])) AS asked(person)
      JOIN identifier AS canonical ON canonical.id = asked.person
     CROSS JOIN LATERAL (
       SELECT uid, anchor, occurred_at, body
         FROM identifier JOIN touchpoint ON touchpoint.anchor = identifier.id
        WHERE identifier.component_id = canonical.component_id AND identifier.person_id = asked.person
          AND type = ANY (CAST(:types AS text[]))
          AND (CAST(:since AS timestamptz) IS NULL OR occurred_at >= CAST(:since AS timestamptz))
        ORDER BY occurred_at DESC, uid DESC LIMIT :most
     ) AS own
    """
)


OF_SORTS_MAX = 10_000  # events of one person read at once


@dataclass(frozen=True, slots=True)
class Sort:
    """On each channel up to *newest* of the events of *types*, and up to *oldest*."""

    types: Collection[str]
    newest: int
    oldest: int = 0


def of_sorts(
    connection: Connection, anchors: Collection[IdentifierId], sorts: Mapping[str, Sort]
) -> Mapping[str, list[Entry]]:
    """Return of each of *sorts*, by its name, the events of the person of the identifiers *anchors*, in no order.

    One look at his history for all of them; many events of one sort, or on one channel, never crowd out another's.
    """
    found: dict[str, list[Entry]] = {name: [] for name in sorts}
    asked = [
        {"sort": name, "type": type_, "newest": sort.newest, "oldest": sort.oldest}
        for name, sort in sorts.items()
        for type_ in sort.types
    ]
    for row in run(connection, _OF_SORTS, asked, anchors=array(anchors), most=OF_SORTS_MAX):
        found[row[0]].append(Entry(row[1], row[2], row[3], row[4]))
    return found


_OF_SORTS = """
    SELECT sort, uid::text, anchor::text, occurred_at, body
      FROM (SELECT r.*, uid, anchor, occurred_at, body,
                   row_number() OVER (PARTITION BY r.sort, channel ORDER BY occurred_at DESC, uid DESC) AS from_newest,
                   row_number() OVER (PARTITION BY r.sort, channel ORDER BY occurred_at, uid) AS from_oldest
              FROM touchpoint
              JOIN json_to_recordset(:rows) AS r(sort text, type text, newest int, oldest int) ON r.type = touchpoint.type
             WHERE anchor = ANY(CAST(:anchors AS uuid[]))) AS own
     WHERE from_newest <= newest OR from_oldest <= oldest
     ORDER BY least(from_newest, from_oldest), sort LIMIT :most
"""


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
