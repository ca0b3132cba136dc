"""Everybody as rows: by id, and then the identifiers that nobody owns, by their texts."""

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection

from core.identifier import Identifier
from profiles import people, summary
from profiles.writers import Form, Kind
from stitcher import store

Show = Callable[[Identifier], str]
"""Writes an identifier, in clear or masked."""

FORM = Form(
    {
        "person_id": Kind.TEXT,
        "canonical_identifier": Kind.TEXT,
        "identifiers": Kind.TEXTS,
        "presumed": Kind.TEXTS,
        "first_seen": Kind.TEXT,
        "events": Kind.WHOLE,
        "contested": Kind.TEXT,
        "generic": Kind.TEXT,
        "blocked": Kind.TEXT,
        "owners": Kind.TEXTS,
    }
)


def rows(connection: Connection, show: Show) -> Iterator[dict[str, Any]]:
    """Return a row for each person, and for each identifier that is nobody's with those who would own it."""
    for person in people.everybody(connection):
        yield {
            "person_id": person.id,
            "canonical_identifier": show(person.canonical),
            "identifiers": [show(identifier) for identifier in person.identifiers],
            "presumed": [show(identifier) for identifier in person.presumed],
            "first_seen": summary.stamp(person.first_seen),
            "events": person.events,
        }
    for identifier, standing, owners in store.nobodys(connection):
        yield {standing.name.lower(): show(identifier), "owners": list(owners)}
