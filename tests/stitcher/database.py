"""The stitcher against PostgreSQL, as the laws ask it: take a history in, read the state out."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, text

from core.database import transaction
from core.directive import Directive
from core.event import Event
from profiles.people import Standing
from stitcher.carrying_out import carry_out
from stitcher.rules import Rules
from stitcher.stitch import stitch
from tests.stitcher.histories import DAY, INDEX, SHIPPED, State

TABLES = (
    "identifier, link, opening, directive, directive_subject, growth, touchpoint, summary, person, identity_change, outbox,"
    " article, article_touch, share, robot_evidence"
)


def empty(engine: Engine) -> None:
    """Forget everything."""
    with transaction(engine) as connection:
        connection.execute(text(f"TRUNCATE {TABLES}"))


def take(engine: Engine, batch: Sequence[Event], by: Rules = SHIPPED) -> int:
    """Stitch one batch in a transaction of its own."""
    with transaction(engine) as connection:
        return len(stitch(connection, {event.uid: event for event in batch}, by, INDEX, DAY))


def decide(engine: Engine, directive: Directive, by: Rules = SHIPPED) -> None:
    """Carry one directive out."""
    carry_out(engine, directive, by, INDEX, DAY)


def contents(connection: Connection) -> Mapping[str, Sequence[Any]]:
    """All that does not depend on how events and directives came in."""
    rows = {
        "identifier": "SELECT id, namespace, scope, value, weak, first_at, vouched, person_id, standing FROM identifier"
        f" WHERE standing <> {Standing.VOID.value}",
        "link": "SELECT one, other, weight, first_at, last_at, count, trusted_weight, trusted_last_at, refused FROM link",
        "opening": "SELECT * FROM opening",
        "summary": "SELECT identifier_id, events, body::jsonb::text FROM summary",
        "touchpoint": "SELECT uid, anchor, others, beside, ambiguous, void, verdict, reasons FROM touchpoint",
        "article": "SELECT id, nameless_reads, bot_reads FROM article WHERE nameless_reads <> 0 OR bot_reads <> 0",
        "article_touch": "SELECT * FROM article_touch",
        "share": "SELECT * FROM share",
        "robot_evidence": "SELECT message, uid, said, at, network, link FROM robot_evidence",
    }
    return {name: sorted(connection.execute(text(asked)).all(), key=str) for name, asked in rows.items()}


def state(connection: Connection) -> State:
    """What the tables say, in the terms of the pure function."""
    texts = "namespace || CASE scope WHEN '' THEN '' ELSE '@' || scope END || ':' || value"
    rows = connection.execute(text(f"SELECT person_id::text, {texts} AS text, standing FROM identifier")).all()
    members: dict[str, set[str]] = {}
    for row in rows:
        if row.standing in (Standing.OWNED, Standing.PRESUMED):
            members.setdefault(row.person_id, set()).add(row.text)
    refused = connection.execute(
        text(
            f"SELECT (SELECT {texts} FROM identifier WHERE id = one), (SELECT {texts} FROM identifier WHERE id = other),"
            " refused FROM link WHERE refused IS NOT NULL"
        )
    ).all()
    return State(
        frozenset((person, frozenset(own)) for person, own in members.items()),
        frozenset(row.text for row in rows if row.standing == Standing.CONTESTED),
        frozenset(row.text for row in rows if row.standing == Standing.GENERIC),
        frozenset((min(one, other), max(one, other), reason) for one, other, reason in refused),
        frozenset(row.text for row in rows if row.standing == Standing.PRESUMED),
        frozenset(row.text for row in rows if row.standing == Standing.BLOCKED),
    )
