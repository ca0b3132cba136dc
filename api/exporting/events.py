"""Events as rows, each with whose it is now."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection

from api.exporting.people import Show
from core.identifier import Identifier
from profiles import masking, recorded
from profiles.recorded import Recorded
from profiles.timeline import Filter
from profiles.writers import Form, Kind

_SAID = {
    "article_id": ("article", "id"),
    "article_title": ("article", "title"),
    "scene": ("share", "scene"),
    "campaign_id": ("campaign", "id"),
    "campaign_source": ("campaign", "source"),
    "campaign_medium": ("campaign", "medium"),
    "campaign_name": ("campaign", "name"),
    "order_id": ("order", "id"),
    "order_currency": ("order", "currency"),
    "company": ("company", "name"),
}

FORM = Form(
    {
        "event_id": Kind.TEXT,
        "source": Kind.TEXT,
        "person_id": Kind.TEXT,
        "type": Kind.TEXT,
        "channel": Kind.TEXT,
        "occurred_at": Kind.TIME,
        "received_at": Kind.TIME,
        "verdict": Kind.TEXT,
        "identifiers": Kind.TEXTS,
        **dict.fromkeys(_SAID, Kind.TEXT),
        "order_amount": Kind.WHOLE,
        "properties": Kind.OBJECT,
        "context": Kind.OBJECT,
    }
)


def rows(
    connection: Connection, wanted: Filter, article: str | None, show: Show, *, clear: bool
) -> Iterator[Mapping[str, Any]]:
    """Return a row for each event *wanted*; unless *clear*, without what says who it was or where he sat."""
    for event in recorded.events(connection, wanted, article):
        yield _row(event, event.body if clear else masking.event(event.body), show)


def _row(event: Recorded, said: Mapping[str, Any], show: Show) -> Mapping[str, Any]:
    parts = {name: (said.get(part) or {}).get(field) for name, (part, field) in _SAID.items()}
    return {
        "event_id": said["id"],
        "source": said["source"],
        "person_id": event.person,
        "type": said["type"],
        "channel": said["channel"],
        "occurred_at": event.occurred_at,
        "received_at": event.received_at,
        "verdict": event.verdict or "human",
        "identifiers": [
            show(Identifier(each["namespace"], each.get("scope", ""), each["value"]))
            for each in event.body.get("identifiers", ())
        ],
        **parts,
        "order_amount": (said.get("order") or {}).get("amount"),
        "properties": said.get("properties") or {},
        "context": said.get("context") or {},
    }
