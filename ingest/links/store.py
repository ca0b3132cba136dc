"""Links in the database. A link is written once and never changes, so whoever has read it may keep it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Identity,
    Integer,
    LargeBinary,
    Select,
    Table,
    Text,
    UniqueConstraint,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from core.database import AnyRow, metadata
from core.errors import Refused
from ingest.links.link import Link

link_table = Table(
    "tracked_link",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("url", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("campaign", Text),
    Column("recipient", Text, comment="an identifier as text"),
    Column("sending", Text),
    Column("properties", JSONB, nullable=False),
    Column("honeypot", Boolean, nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("request", LargeBinary, nullable=False, comment="who asked, and by which idempotency key"),
    Column("place", Integer, nullable=False, comment="within the request"),
    UniqueConstraint("request", "place"),
)

_FIELDS = ("url", "channel", "campaign", "recipient", "sending", "properties", "honeypot", "expires_at")


def write(connection: Connection, links: Sequence[Link], request: bytes, now: datetime) -> Sequence[int]:
    """Write *links*, and return their numbers in the same order.

    Of a *request* that was answered before nothing is written: its numbers are those of then. Raises `Refused` where it
    asked for other links then.
    """
    rows = [
        {name: getattr(link, name) for name in _FIELDS} | {"created_at": now, "request": request, "place": place}
        for place, link in enumerate(links)
    ]
    if not connection.execute(_asked_for(request)).first():
        connection.execute(insert(link_table).on_conflict_do_nothing(), rows)
    known = connection.execute(_asked_for(request)).all()
    if [_link(row) for row in known] != list(links):
        raise Refused("this Idempotency-Key was used for other links")
    return [row.id for row in known]


def find(connection: Connection, number: int) -> Link | None:
    """Return the link of *number*, `None` where there is none."""
    row = connection.execute(select(link_table).where(link_table.c.id == number)).one_or_none()
    return None if row is None else _link(row)


def _asked_for(request: bytes) -> Select[AnyRow]:
    return select(link_table).where(link_table.c.request == request).order_by(link_table.c.place)


def _link(row: AnyRow) -> Link:
    return Link(**{name: getattr(row, name) for name in _FIELDS})
