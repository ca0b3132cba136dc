"""The stitcher against PostgreSQL, as the laws ask it: take a history in, read the state out."""

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, text

from core.database import transaction
from core.event import Event
from stitcher.rules import Rules
from stitcher.stitch import stitch
from tests.stitcher.histories import DAY, INDEX, SHIPPED, State

TABLES = (
    "identifier, link, opening, directive, directive_subject, touchpoint, summary, person, identity_change, outbox,"
    " article, article_touch, share"
)


def empty(engine: Engine) -> None:
    """Forget everything."""
    with transaction(engine) as connection:
        connection.execute(text(f"TRUNCATE {TABLES}"))


def take(engine: Engine, batch: Sequence[Event], by: Rules = SHIPPED) -> int:
    """Stitch one batch in a transaction of its own."""
    with transaction(engine) as connection:
        return len(stitch(connection, {event.uid: event for event in batch}, by, INDEX, DAY))


def state(connection: Connection) -> State:
    """What the tables say, in the terms of the pure function."""
    texts = "namespace || CASE scope WHEN '' THEN '' ELSE '@' || scope END || ':' || value"
    rows = connection.execute(text(f"SELECT person_id::text, {texts} AS text, standing FROM identifier")).all()
    members: dict[str, set[str]] = {}
    for row in rows:
        if row.standing == 0:
            members.setdefault(row.person_id, set()).add(row.text)
    refused = connection.execute(
        text(
            f"SELECT (SELECT {texts} FROM identifier WHERE id = one), (SELECT {texts} FROM identifier WHERE id = other),"
            " refused FROM link WHERE refused IS NOT NULL"
        )
    ).all()
    return State(
        frozenset((person, frozenset(own)) for person, own in members.items()),
        frozenset(row.text for row in rows if row.standing == 1),
        frozenset(row.text for row in rows if row.standing == 2),
        frozenset((min(one, other), max(one, other), reason) for one, other, reason in refused),
    )
