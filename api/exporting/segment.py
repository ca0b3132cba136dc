"""Those who stand in a segment, or in a band of some layers or stages, as rows and as mere ids."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from api import segments_shown
from api.segment_schemas import MemberOut
from core.identifier import PersonId
from profiles import profile
from profiles.segments import store
from profiles.segments.rulesets import Kind
from profiles.segments.store import Place
from profiles.writers import Form
from profiles.writers import Kind as Holds

PAGE_PEOPLE_MAX = 500

FORM = Form(
    {
        "person_id": Holds.TEXT,
        "label": Holds.TEXT,
        "company": Holds.TEXT,
        "follower": Holds.TRUTH,
        "reachable_via": Holds.TEXTS,
        "band": Holds.TEXT,
        "since": Holds.TIME,
    }
)


def rows(connection: Connection, name: str, band: str | None, *, clear: bool) -> Iterator[Mapping[str, Any]]:
    """Return a row for each of them, by id."""
    return (each.model_dump() for each in members(connection, name, band, clear=clear))


def members(connection: Connection, name: str, band: str | None, *, clear: bool) -> Iterator[MemberOut]:
    """Return each of them, by id, as the API lists them."""
    for places in _pages(connection, name, band):
        cards = profile.cards(connection, [place.person for place in places])
        yield from segments_shown.members(places, cards, clear=clear)


def ids(connection: Connection, name: str, band: str | None) -> Iterator[PersonId]:
    """Return who they are, by id."""
    for places in _pages(connection, name, band):
        yield from (place.person for place in places)


def size(connection: Connection, name: str, band: str | None) -> int:
    """Return how many there are. Raises `NotFound` for a segment that nobody has defined."""
    store.one(connection, name, [*Kind])
    counts = store.counts(connection, [name])[name]
    return sum(counts.values()) if band is None else counts.get(band, 0)


def _pages(connection: Connection, name: str, band: str | None) -> Iterator[Sequence[Place]]:
    after: PersonId | None = None
    while places := store.members(connection, name, band, after, PAGE_PEOPLE_MAX):
        yield places
        after = places[-1].person
