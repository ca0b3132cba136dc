"""What is needed to read recorded events again: they themselves, and what all of them say of an identifier or of two."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, text

from core.database import run
from core.event import EventUid, Strength, Trust, decode
from core.identifier import IdentifierId
from profiles.touchpoint import Said, Touchpoint, Verdict


def recorded(connection: Connection, uids: Collection[EventUid]) -> list[Touchpoint]:
    """Return the touchpoints of the events *uids*, as they stand, by uid."""
    return _touchpoints(connection, "uid = ANY(CAST(:ids AS uuid[]))", uids)


def under(connection: Connection, anchors: Collection[IdentifierId]) -> list[Touchpoint]:
    """Return all touchpoints that stand under *anchors*, by uid."""
    return _touchpoints(connection, "anchor = ANY(CAST(:ids AS uuid[]))", anchors)


def opening(connection: Connection, tokens: Collection[IdentifierId]) -> list[Touchpoint]:
    """Return the touchpoints of all events that opened one of the links *tokens*, by uid."""
    return _touchpoints(connection, "beside && CAST(:ids AS uuid[])", tokens)


def naming(connection: Connection, article_ids: Collection[str]) -> list[Touchpoint]:
    """Return the touchpoints of all events that name one of these articles, by uid. All touchpoints are looked at."""
    return _touchpoints(connection, "body #>> '{article,id}' = ANY(CAST(:ids AS text[]))", article_ids)


def uids_of_source(connection: Connection, source: str, until: datetime, after: str, most: int) -> list[EventUid]:
    """Return up to *most* uids, in order from behind *after*, of what was received of *source* until then."""
    rows = connection.execute(
        text(
            "SELECT uid::text FROM touchpoint WHERE uid > CAST(:after AS uuid) AND body ->> 'source' = :source"
            " AND received_at <= :until ORDER BY uid LIMIT :most"
        ),
        {"source": source, "until": until, "after": after, "most": most},
    )
    return list(rows.scalars())


def uids_naming_both(
    connection: Connection, one: IdentifierId, other: IdentifierId, until: datetime, after: str, most: int
) -> list[EventUid]:
    """Return up to *most* uids, in order from behind *after*, of what was received until then and names both, linked or not."""
    rows = connection.execute(
        text(
            "SELECT uid::text FROM touchpoint"
            " WHERE uid > CAST(:after AS uuid) AND received_at <= :until"
            "   AND (anchor = CAST(:one AS uuid) AND CAST(:other AS uuid) = ANY(others || beside)"
            "     OR anchor = CAST(:other AS uuid) AND CAST(:one AS uuid) = ANY(others || beside))"
            " ORDER BY uid LIMIT :most"
        ),
        {"one": one, "other": other, "until": until, "after": after, "most": most},
    )
    return list(rows.scalars())


def said_of_pairs(connection: Connection, pairs: Collection[tuple[IdentifierId, IdentifierId]]) -> list[Said]:
    """Return what all events together say of each of *pairs*."""
    rows = run(
        connection,
        """
        SELECT r.one::text, r.other::text, naming.strength, naming.trust, min(occurred_at), max(occurred_at), count(*)
          FROM json_to_recordset(:rows) AS r(one uuid, other uuid)
         CROSS JOIN LATERAL (
           SELECT body ->> 'strength' AS strength, body ->> 'trust' AS trust, occurred_at
             FROM touchpoint WHERE anchor = r.one AND others @> ARRAY[r.other]
            UNION ALL
           SELECT body ->> 'strength', body ->> 'trust', occurred_at
             FROM touchpoint WHERE anchor = r.other AND others @> ARRAY[r.one]
         ) AS naming
         GROUP BY 1, 2, 3, 4
        """,
        [{"one": one, "other": other} for one, other in sorted(pairs)],
    )
    return [Said(row[0], row[1], Strength(row[2]), Trust(row[3]), *row[4:]) for row in rows]


def said_of(
    connection: Connection, ids: Collection[IdentifierId], linked: Collection[tuple[IdentifierId, IdentifierId]]
) -> list[Said]:
    """Return what all events together say of each of *ids*; *linked* are the links that they have, with either end first."""
    beside = [{"id": one, "anchor": other} for ends in linked for one, other in (ends, ends[::-1]) if one in ids]
    rows = run(
        connection,
        """
        SELECT naming.id::text, naming.strength, naming.trust, min(occurred_at), max(occurred_at), count(*)
          FROM (
            SELECT r.id, body ->> 'strength' AS strength, body ->> 'trust' AS trust, occurred_at
              FROM json_to_recordset(:rows) AS r(id uuid, anchor uuid)
              JOIN touchpoint ON touchpoint.anchor = r.anchor AND (r.id = r.anchor OR touchpoint.others @> ARRAY[r.id])
             UNION ALL
            SELECT r.id, body ->> 'strength', body ->> 'trust', occurred_at
              FROM (SELECT DISTINCT id FROM json_to_recordset(:rows) AS r(id uuid)) AS r
             CROSS JOIN LATERAL (SELECT body, occurred_at FROM touchpoint WHERE beside @> ARRAY[r.id]) AS besides
          ) AS naming
         GROUP BY 1, 2, 3
        """,
        [*({"id": i, "anchor": i} for i in sorted(ids)), *beside],
    )
    return [Said(row[0], None, Strength(row[1]), Trust(row[2]), *row[3:]) for row in rows]


def _touchpoints(connection: Connection, condition: str, ids: Collection[str]) -> list[Touchpoint]:
    if not ids:
        return []
    rows = connection.execute(
        text(
            "SELECT uid::text, anchor::text, others::text[], beside::text[], ambiguous, void, CAST(body AS text),"  # noqa: S608 - no value in it
            f" verdict, reasons FROM touchpoint WHERE {condition} ORDER BY uid"
        ),
        {"ids": sorted(ids)},
    )
    return [
        Touchpoint(
            decode(row[6].encode()),
            row[0],
            row[1],
            tuple(row[2]),
            tuple(row[3] or ()),
            row[4],
            row[5],
            Verdict(row[7] or "human"),
            tuple(row[8] or ()),
        )
        for row in rows
    ]
