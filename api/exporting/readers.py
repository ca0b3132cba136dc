"""The readers of an article as rows, as the API lists them."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection

from api import article_shown
from profiles import profile
from profiles.profile import Wanted
from profiles.scoring import Scoring
from profiles.writers import Form, Kind

PAGE_READERS_MAX = 200

FORM = Form(
    {
        "person_id": Kind.TEXT,
        "label": Kind.TEXT,
        "company": Kind.TEXT,
        "first_read_at": Kind.TIME,
        "last_read_at": Kind.TIME,
        "reads": Kind.WHOLE,
        "dwell_ms": Kind.WHOLE,
        "scroll": Kind.NUMBER,
        "generation": Kind.WHOLE,
        "came_from": Kind.TEXT,
        "scene": Kind.TEXT,
        "follower": Kind.TRUTH,
        "reachable_via": Kind.TEXTS,
        "intent": Kind.WHOLE,
        "presumed": Kind.TRUTH,
    }
)


def rows(
    connection: Connection, article_id: str, wanted: Wanted, scoring: Scoring, *, clear: bool
) -> Iterator[Mapping[str, Any]]:
    """Return a row for each reader who is *wanted*, by his first read."""
    after = None
    while True:
        page = profile.readers(connection, article_id, wanted, scoring, after, PAGE_READERS_MAX)
        for found in page.found:
            yield article_shown.reader(*found, clear=clear).model_dump()
        if page.next is None:
            return
        after = page.next
