"""Links between identifiers as rows: who is one person because of what, and what is refused."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection

from api.exporting.people import Show
from profiles.writers import Form, Kind
from stitcher import links

FORM = Form(
    {
        "one": Kind.TEXT,
        "other": Kind.TEXT,
        "person_of_one": Kind.TEXT,
        "person_of_other": Kind.TEXT,
        "strength": Kind.TEXT,
        "first_at": Kind.TIME,
        "last_at": Kind.TIME,
        "count": Kind.WHOLE,
        "refused": Kind.TEXT,
    }
)


def rows(connection: Connection, show: Show) -> Iterator[Mapping[str, Any]]:
    """Return a row for each link."""
    for link in links.everything(connection):
        yield {
            "one": show(link.one),
            "other": show(link.other),
            "person_of_one": link.people[0],
            "person_of_other": link.people[1],
            "strength": link.weight.name.lower(),
            "first_at": link.first_at,
            "last_at": link.last_at,
            "count": link.count,
            "refused": link.refused,
        }
