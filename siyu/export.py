"""Exports: everything that Siyu holds, in open formats, in an order that does not depend on how it came in."""

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection

from core.identifier import Identifier
from profiles import people, summary
from stitcher import store

Show = Callable[[Identifier], str]


def people_rows(connection: Connection, show: Show) -> Iterator[dict[str, Any]]:
    """Return everybody by id, then the identifiers that nobody owns by their texts; *show* writes an identifier."""
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
