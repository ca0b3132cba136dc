"""Quarantine: what could not be taken, kept whole with the reason, so that nothing accepted is ever lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Column, Connection, DateTime, Integer, LargeBinary, Table, Text, text

from core.database import metadata

quarantine_table = Table(
    "quarantine",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("code", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A record of the log that could not be taken: where it stands, why, and what it says."""

    topic: str
    partition: int
    position: int
    code: str
    detail: str
    key: str
    value: bytes
    at: datetime


def record(connection: Connection, refused: Sequence[Quarantined]) -> None:
    """Write *refused*; a record that is there already (it was read again) is left alone."""
    if refused:
        connection.execute(
            text(
                "INSERT INTO quarantine (topic, partition, position, code, detail, key, value, at)"
                " VALUES (:topic, :partition, :position, :code, :detail, :key, :value, :at) ON CONFLICT DO NOTHING"
            ),
            [
                {
                    "topic": r.topic,
                    "partition": r.partition,
                    "position": r.position,
                    "code": r.code,
                    "detail": _storable(r.detail),
                    "key": _storable(r.key),
                    "value": r.value,
                    "at": r.at,
                }
                for r in refused
            ],
        )


def _storable(written: str) -> str:
    """PostgreSQL's text has no U+0000, and what came without passing the door may have."""
    return written.replace("\0", "\N{REPLACEMENT CHARACTER}")


def size(connection: Connection) -> int:
    """Return how many records are kept."""
    return int(connection.execute(text("SELECT count(*) FROM quarantine")).scalar_one())
