"""Saved mappings: how the files of a sender are to be read, kept under a name for the next one."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Connection, DateTime, Table, Text, delete, select
from sqlalchemy.dialects.postgresql import insert

from core.database import AnyRow, metadata
from core.errors import InvalidSetting, NotFound
from ingest.layout import Layout, layout_of

mapping_table = Table(
    "mapping",
    metadata,
    Column("name", Text, primary_key=True),
    Column("saved_at", DateTime(timezone=True), nullable=False),
    Column("body", JSON, nullable=False, comment="the mapping as its file writes it"),
)

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")  # no dot and no slash: no file is called so


@dataclass(frozen=True, slots=True)
class Saved:
    """A mapping under its *name*; *written* is what its file says."""

    name: str
    saved_at: datetime
    written: Mapping[str, Any]

    @property
    def layout(self) -> Layout:
        """What it means."""
        return layout_of(self.written, self.name)


def save(connection: Connection, name: str, written: object, now: datetime) -> Saved:
    """Keep what a mapping file says under *name*, in place of what was kept there. Raises `InvalidSetting` for what is none."""
    if not _NAME.fullmatch(name):
        raise InvalidSetting("a saved mapping is called by small letters, digits, - and _")
    layout_of(written, name)
    row = {"name": name, "saved_at": now, "body": written}
    statement = insert(mapping_table).values(row)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=row))
    return found(connection, name)


def found(connection: Connection, name: str) -> Saved:
    """Return the mapping saved under *name*; raises `NotFound`."""
    row = connection.execute(select(mapping_table).where(mapping_table.c.name == name)).one_or_none()
    if row is None:
        raise NotFound(f"no mapping is saved as {name}")
    return _saved(row)


def listing(connection: Connection) -> Sequence[Saved]:
    """Return all saved mappings by their names."""
    return [_saved(row) for row in connection.execute(select(mapping_table).order_by(mapping_table.c.name))]


def forget(connection: Connection, name: str) -> None:
    """Forget what is saved under *name*; raises `NotFound`."""
    if not connection.execute(delete(mapping_table).where(mapping_table.c.name == name)).rowcount:
        raise NotFound(f"no mapping is saved as {name}")


def _saved(row: AnyRow) -> Saved:
    return Saved(row.name, row.saved_at, row.body)
