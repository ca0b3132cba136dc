"""Where somebody came from: his first source, his last, and all there were, kept apart for ever.

A source is a channel with a campaign, or without one. It counts what somebody did himself: not what was sent to him or shown to
him, and not what is only said of him. They are read from the events when asked for, so a later event never changes the first.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from core.database import AnyRow, array
from core.event import EventUid
from core.identifier import IdentifierId

SOURCES_MAX = 500

# What is done to somebody, or said of him.
NOT_HIS = (
    *("article.pushed", "sms.sent", "sms.delivered", "sms.failed", "mail.sent", "mail.delivered", "mail.bounced"),
    *("ad.impression", "coupon.issued", "support.answered", "order.refunded", "official_account.unfollowed"),
    *("wecom.contact_edited", "wecom.contact_removed", "wecom.group_left", "group.left"),
    *("identify", "person.tagged", "consent.given", "consent.withdrawn"),
)


@dataclass(frozen=True, slots=True)
class Touch:
    """What somebody did by a source: *campaign* as the event says it."""

    uid: EventUid
    type: str
    channel: str
    campaign: Mapping[str, Any] | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Ends:
    """By what somebody came first, and by what last; `None` of who never did anything himself."""

    first: Touch | None
    last: Touch | None


@dataclass(frozen=True, slots=True)
class Source:
    """A channel with a campaign (`None`: without one): how many *events* of his came by it, and between what times."""

    channel: str
    campaign: Mapping[str, Any] | None
    first_at: datetime
    last_at: datetime
    events: int


def ends(connection: Connection, anchors: Collection[IdentifierId]) -> Ends:
    """Return by what the person of the identifiers *anchors* came first and last: two look-ups for each of them."""
    rows = {row[0]: row for row in connection.execute(_ENDS, {"anchors": array(anchors), "not_his": array(NOT_HIS)})}
    return Ends(_touch(rows.get("first")), _touch(rows.get("last")))


def of_person(connection: Connection, anchors: Collection[IdentifierId]) -> Sequence[Source]:
    """Return all sources of the person of the identifiers *anchors*, the earliest first; of more than `SOURCES_MAX` those."""
    asked = {"anchors": array(anchors), "not_his": array(NOT_HIS), "most": SOURCES_MAX}
    return [Source(*row) for row in connection.execute(_ALL, asked)]


def _touch(row: AnyRow | None) -> Touch | None:
    return Touch(*row[1:]) if row is not None else None


_OF_EACH = """
    SELECT own.* FROM unnest(CAST(:anchors AS uuid[])) AS asked(anchor)
     CROSS JOIN LATERAL (SELECT uid, type, channel, body -> 'campaign' AS campaign, occurred_at FROM touchpoint
                          WHERE touchpoint.anchor = asked.anchor AND type <> ALL(CAST(:not_his AS text[]))
                          ORDER BY occurred_at {order}, uid {order} LIMIT 1) AS own
     ORDER BY occurred_at {order}, uid {order} LIMIT 1
"""
_ENDS = text(
    f"""
    SELECT 'first', uid::text, type, channel, campaign, occurred_at FROM ({_OF_EACH.format(order="ASC")}) AS one
    UNION ALL
    SELECT 'last', uid::text, type, channel, campaign, occurred_at FROM ({_OF_EACH.format(order="DESC")}) AS other
    """  # noqa: S608 - no value in it
)

_ALL = text(
    """
    SELECT channel, CAST(campaign AS json) AS named, min(occurred_at), max(occurred_at), count(*)
      FROM (SELECT channel, body #>> '{campaign}' AS campaign, occurred_at FROM touchpoint
             WHERE anchor = ANY(CAST(:anchors AS uuid[])) AND type <> ALL(CAST(:not_his AS text[]))) AS own
     GROUP BY channel, campaign ORDER BY 3, channel, campaign LIMIT :most
    """
)
