"""Summaries in PostgreSQL, one row for each identifier that an event was ever anchored on."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Connection, Table, Uuid, text

from core.database import array, copy, metadata, run
from core.identifier import IdentifierId
from profiles import summary
from profiles.summary import Summary
from profiles.touchpoint import Touchpoint

summary_table = Table(
    "summary",
    metadata,
    Column("identifier_id", Uuid, primary_key=True),
    Column("events", BigInteger, nullable=False),
    Column("body", JSON, nullable=False),
)


def add(connection: Connection, touchpoints: Iterable[Touchpoint], fresh: Collection[IdentifierId]) -> None:
    """Add *touchpoints* to the summaries of their anchors; *fresh* anchors are known to have none yet.

    The caller holds the neighbourhoods of the anchors locked.
    """
    sums = sums_of(touchpoints)
    before = of_identifiers(connection, sums.keys() - set(fresh))
    _insert(connection, {i: s for i, s in sums.items() if i not in before})
    _update(connection, {i: before[i] + s for i, s in sums.items() if i in before})


def replace(connection: Connection, anchors: Collection[IdentifierId], touchpoints: Iterable[Touchpoint]) -> None:
    """Make the summaries of *anchors* again from *touchpoints*, which are all that stand under them."""
    connection.execute(
        text("DELETE FROM summary WHERE identifier_id = ANY(CAST(:ids AS uuid[]))"), {"ids": array(anchors)}
    )
    _insert(connection, sums_of(touchpoints))


def of_identifiers(connection: Connection, ids: Collection[IdentifierId]) -> dict[IdentifierId, Summary]:
    """Return the summaries of *ids*, where there are any."""
    if not ids:
        return {}
    rows = connection.execute(
        text("SELECT identifier_id::text, body FROM summary WHERE identifier_id = ANY(CAST(:ids AS uuid[]))"),
        {"ids": array(ids)},
    )
    return {IdentifierId(row[0]): summary.load(row[1]) for row in rows}


def of_person(connection: Connection, ids: Collection[IdentifierId]) -> Summary:
    """Return the summary of the person who consists of the identifiers *ids*."""
    return summary.total(of_identifiers(connection, ids).values())


def sums_of(touchpoints: Iterable[Touchpoint]) -> dict[IdentifierId, Summary]:
    """Return what *touchpoints* add up to, by anchor, in the order in which anchors first appear."""
    sums: dict[IdentifierId, Summary] = {}
    for touchpoint in touchpoints:
        if touchpoint.anchor is not None:
            more = summary.of(touchpoint)
            known = sums.get(touchpoint.anchor)
            sums[touchpoint.anchor] = known + more if known else more
    return sums


def _insert(connection: Connection, new: Mapping[IdentifierId, Summary]) -> None:
    rows = ((i, s.events, summary.dump(s)) for i, s in new.items())
    copy(connection, "summary", ("identifier_id", "events", "body"), rows)


def _update(connection: Connection, changed: Mapping[IdentifierId, Summary]) -> None:
    rows: list[dict[str, Any]] = [
        {"id": i, "events": s.events, "body": summary.dump(s)} for i, s in sorted(changed.items())
    ]
    run(
        connection,
        """
        UPDATE summary SET events = r.events, body = r.body::json
          FROM json_to_recordset(:rows) AS r(id uuid, events bigint, body text) WHERE identifier_id = r.id
        """,
        rows,
    )
