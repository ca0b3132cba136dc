"""All that the tables say, read in one go: as columns, by COPY in PostgreSQL's binary form, and events in a stream.

Nothing here decides or writes. Whoever reads several things that are to fit together reads them in one snapshot.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, cast

import numpy as np
import psycopg
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from core import directive
from core.database import AnyRow, array
from core.event import Event, EventUid, decode
from core.identifier import BlindIndex, IdentifierId
from profiles.summary import Summary, load
from profiles.touchpoint import Touchpoint
from stitcher import columns, decisions
from stitcher.comparison import Identifiers, Links
from stitcher.decisions import Decisions
from stitcher.graph import Opening
from stitcher.whole import REASONS

CHUNK_EVENTS_MAX = 10_000
UNKNOWN_REASON = 127

# Of the statement, never of the connection: whatever else runs on it must not be read in a stream.
_STREAMED = {"yield_per": 2_000}

_EPOCH_US = 946_684_800_000_000  # from 1970 to 2000, where PostgreSQL's times begin
_SIGNATURE_BYTES = 19
_TRAILER_BYTES = 2
_KINDS = {"uuid": (">u8", (2,)), "time": (">i8", ()), "count": (">i8", ()), "small": (">i2", ()), "flag": ("?", ())}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a touchpoint stands, with its arrays as PostgreSQL writes them."""

    anchor: IdentifierId | None
    others: str
    beside: str | None
    ambiguous: bool
    void: bool
    verdict: str | None
    reasons: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recorded event, and where it stands."""

    uid: EventUid
    event: Event
    standing: Standing


def identifiers(connection: Connection) -> Identifiers:
    """Return all rows of `identifier`, by id."""
    rows = _columns(
        connection,
        "SELECT id, person_id, component_id, standing, first_at, vouched, weak FROM identifier ORDER BY id",
        ids="uuid",
        person="uuid",
        component="uuid",
        standing="small",
        first_us="time",
        vouched="flag",
        weak="flag",
    )
    return Identifiers(**rows)


def links(connection: Connection) -> Links:
    """Return all rows of `link`, by their ends."""
    reasons = ",".join(f"'{reason}'" for reason in REASONS)
    rows = _columns(
        connection,
        "SELECT one, other, weight, last_at, coalesce(trusted_weight, 0)::int2, coalesce(trusted_last_at, '-infinity'),"  # noqa: S608 - no value in it
        f" first_at, count, (CASE WHEN refused IS NULL THEN 0"
        f" ELSE coalesce(array_position(ARRAY[{reasons}], refused), {UNKNOWN_REASON}) END)::int2"
        " FROM link ORDER BY one, other",
        one="uuid",
        other="uuid",
        weight="small",
        last_us="time",
        trusted_weight="small",
        trusted_last_us="time",
        first_us="time",
        count="count",
        refused="small",
    )
    return Links(**rows)


def closures(connection: Connection) -> dict[IdentifierId, Any]:
    """Return how identifiers are out of the game, as the table has it."""
    rows = connection.execute(text("SELECT id::text, closures FROM identifier WHERE closures IS NOT NULL"))
    return {row[0]: row[1] for row in rows}


def openings(connection: Connection) -> dict[IdentifierId, Opening]:
    """Return who was first to open each link that was sent, by its token."""
    rows = connection.execute(
        text("SELECT token_id::text, at, event_id, uid::text, opener::text, recipients::text[] FROM opening")
    )
    return {row[0]: Opening(row[1], row[2], row[3], row[4], tuple(row[5])) for row in rows}


def in_force(connection: Connection, index: BlindIndex) -> Decisions:
    """Return what all directives in force say together."""
    rows = connection.execute(text("SELECT body FROM directive WHERE in_force"))
    return decisions.decisions([directive.decode(row[0]) for row in rows], index)


def events(connection: Connection, types: Collection[str] | None = None) -> Iterator[Sequence[Recorded]]:
    """Return all recorded events (of *types*) in a stream, by anchor, those without one at the end.

    A chunk has all that stand under its anchors, and is about `CHUNK_EVENTS_MAX` long.
    """
    rows = connection.execute(
        text(
            "SELECT uid::text, CAST(body AS text), anchor::text, others::text, beside::text, ambiguous, void, verdict, reasons"
            "  FROM touchpoint WHERE CAST(:types AS text[]) IS NULL OR type = ANY(CAST(:types AS text[])) ORDER BY anchor"
        ),
        {"types": array(types) if types is not None else None},
        execution_options=_STREAMED,
    )
    chunk: list[Recorded] = []
    for anchor, own in groupby(map(_recorded, rows), key=lambda each: each.standing.anchor):
        for recorded in own:
            chunk.append(recorded)
            if anchor is None and len(chunk) >= CHUNK_EVENTS_MAX:
                yield chunk
                chunk = []
        if len(chunk) >= CHUNK_EVENTS_MAX:
            yield chunk
            chunk = []
    yield chunk


def standing(touchpoint: Touchpoint) -> Standing:
    """Return where *touchpoint* stands."""
    return Standing(
        touchpoint.anchor,
        array(touchpoint.others),
        array(touchpoint.beside) if touchpoint.beside else None,
        touchpoint.ambiguous,
        touchpoint.void,
        touchpoint.verdict.value if touchpoint.reasons else None,
        list(touchpoint.reasons) or None,
    )


def summaries(connection: Connection) -> Iterator[tuple[IdentifierId, tuple[int, Summary]]]:
    """Return all summaries in a stream, by identifier, each with the count of events beside it."""
    rows = connection.execute(
        text("SELECT identifier_id::text, events, body FROM summary ORDER BY identifier_id"),
        execution_options=_STREAMED,
    )
    return ((row[0], (row[1], load(row[2]))) for row in rows)


def _recorded(row: AnyRow) -> Recorded:
    return Recorded(row[0], decode(row[1].encode()), Standing(*row[2:]))


def _columns(connection: Connection, query: str, **kinds: str) -> dict[str, NDArray[Any]]:
    """Return what *query* selects, none of it NULL, as columns of these *kinds*."""
    fields: list[tuple[str, Any, Any]] = [("fields", ">i2", ())]
    for name, kind in kinds.items():
        fields += [(f"size of {name}", ">i4", ()), (name, *_KINDS[kind])]
    rows = np.frombuffer(_copied(connection, query)[_SIGNATURE_BYTES:-_TRAILER_BYTES], np.dtype(fields))
    return {name: _native(rows[name], kind) for name, kind in kinds.items()}


def _native(column: NDArray[Any], kind: str) -> NDArray[Any]:
    match kind:
        case "time":
            since = column.astype(np.int64)
            return np.where(since == columns.NEVER, since, since + _EPOCH_US)
        case "small":
            return column.astype(np.int8)
        case "flag":
            return column.astype(np.bool_)
        case _:
            return column.astype(np.uint64 if kind == "uuid" else np.int64)


def _copied(connection: Connection, query: str) -> bytes:
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    with driver.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT BINARY)") as source:
        return b"".join(source)
