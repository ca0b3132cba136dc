"""From what is asked for to its rows: the form that they have, how many are to be expected, and the rows themselves."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text

from api.exporting import audience, events, links, people, readers, segment
from api.exporting.people import Show
from api.exporting.wishes import (
    AudienceExport,
    EventsExport,
    LinksExport,
    PeopleExport,
    ReadersExport,
    SegmentExport,
    Wish,
)
from api.reading import reading
from core.identifier import Identifier
from profiles import audience as reached
from profiles import masking, platforms, recorded
from profiles import people as everybody
from profiles.scoring import Scoring
from profiles.writers import Form, Row
from stitcher import links as stated

LEISURE = "1h"


@contextmanager
def reading_at_leisure(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that sees one state, and may be left alone: a workbook is packed, a reader of stdout is slow."""
    with reading(engine) as connection:
        connection.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = '{LEISURE}'"))
        yield connection


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of a form. As many are *expected* as there can be: a filter that is asked of each one by one may leave fewer."""

    form: Form
    expected: int
    rows: Iterator[Row]


def source(connection: Connection, wish: Wish, scoring: Scoring) -> Source:
    """Return the rows of what is asked for, read from *connection* as they are taken. Raises `NotFound`."""
    show: Show = _clear if wish.clear else masking.identifier
    match wish:
        case PeopleExport():
            return Source(people.FORM, everybody.size(connection), people.rows(connection, show))
        case LinksExport():
            return Source(links.FORM, stated.size(connection), links.rows(connection, show))
        case EventsExport(filters=asked):
            found = events.rows(connection, asked.wanted, asked.article, show, clear=wish.clear)
            return Source(events.FORM, recorded.count(connection, asked.wanted, asked.article), found)
        case ReadersExport(filters=asked):
            expected = reached.size(connection, asked.article)
            found = readers.rows(connection, asked.article, asked.wanted, scoring, clear=wish.clear)
            return Source(readers.FORM, expected, found)
        case SegmentExport(filters=asked):
            expected = segment.size(connection, asked.segment, asked.band)
            return Source(segment.FORM, expected, segment.rows(connection, asked.segment, asked.band, clear=wish.clear))
        case AudienceExport():
            return _audience(connection, wish)


def _audience(connection: Connection, wish: AudienceExport) -> Source:
    asked, form = wish.filters, platforms.PROFILES[wish.platform].form
    if asked.article is not None:
        expected, ids = reached.size(connection, asked.article), reached.reader_ids(connection, asked.article)
    elif asked.segment is not None:
        expected = segment.size(connection, asked.segment, asked.band)
        ids = segment.ids(connection, asked.segment, asked.band)
    else:
        expected, ids = everybody.size(connection), everybody.ids(connection)
    return Source(form, expected, audience.rows(connection, ids, wish.platform, wish.purpose))


def _clear(identifier: Identifier) -> str:
    return identifier.text
