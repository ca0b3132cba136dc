"""Every event that is recorded, in the order in which it happened, each with whose it is now: read in a stream."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from core.event import EventUid
from core.identifier import PersonId
from profiles.timeline import Filter

STREAM_ROWS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event as it stands in the log, *person* whose it is (`None`: nobody's, or a robot's), and the *verdict* on whose deed it
    was (`None`: a human's)."""

    uid: EventUid
    person: PersonId | None
    occurred_at: datetime
    received_at: datetime
    verdict: str | None
    body: Mapping[str, Any]


def events(connection: Connection, wanted: Filter, article: str | None) -> Iterator[Recorded]:
    """Return the events *wanted*, of one *article* or of any, that were not taken back, the oldest first."""
    rows = connection.execute(_EVENTS, _asked(wanted, article), execution_options={"yield_per": STREAM_ROWS_MAX})
    for row in rows:
        yield Recorded(*row)


def count(connection: Connection, wanted: Filter, article: str | None) -> int:
    """Return how many events that are."""
    return int(connection.execute(_COUNT, _asked(wanted, article)).scalar_one())


def _asked(wanted: Filter, article: str | None) -> dict[str, object]:
    return {
        "channel": wanted.channel,
        "type": wanted.type,
        "since": wanted.since,
        "until": wanted.until,
        "article": article,
    }


_WANTED = """
       NOT touchpoint.void
   AND (CAST(:since AS timestamptz) IS NULL OR occurred_at >= CAST(:since AS timestamptz))
   AND (CAST(:until AS timestamptz) IS NULL OR occurred_at < CAST(:until AS timestamptz))
   AND (CAST(:channel AS text) IS NULL OR channel = CAST(:channel AS text))
   AND (CAST(:type AS text) IS NULL OR type = CAST(:type AS text))
   AND (CAST(:article AS text) IS NULL OR body #>> '{article,id}' = CAST(:article AS text))
"""

_EVENTS = text(
    f"""
    SELECT uid::text, owner.person_id::text, occurred_at, received_at, verdict, body
      FROM touchpoint
      LEFT JOIN identifier AS owner
        ON owner.id = touchpoint.anchor AND owner.standing IN (0, 3) AND touchpoint.verdict IS NULL
     WHERE {_WANTED} ORDER BY occurred_at, uid
    """  # noqa: S608 - no value in it
)

_COUNT = text(f"SELECT count(*) FROM touchpoint WHERE {_WANTED}")  # noqa: S608 - no value in it
