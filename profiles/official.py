"""Official counts: how often a platform itself says that an article was read.

They are no events and make no people: the platform tells numbers, not who. So they are kept beside what events come to, and a
rebuild, which makes the latter again, leaves them alone.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints
from sqlalchemy import JSON, BigInteger, Column, Connection, DateTime, Table, Text, select

from core.database import metadata, run
from core.errors import InvalidEvent
from core.event import FUTURE_MAX, WHOLE_MAX
from core.event import Text as Words

official_count_table = Table(
    "official_count",
    metadata,
    Column("article_id", Text, primary_key=True),
    Column("as_of", DateTime(timezone=True), nullable=False, comment="of several statements the latest counts"),
    Column("source", Text, nullable=False, comment="who says so, in the words of whoever brought it"),
    Column("reads", BigInteger, nullable=False),
    Column("readers", BigInteger),
    Column("shares", BigInteger),
    Column("by_source", JSON, nullable=False, comment="reads by where the platform says that readers came from"),
)

SOURCES_MAX = 50
ARTICLE_ID_LENGTH_MAX = 256  # as events have it

Count = Annotated[int, Field(ge=0, le=WHOLE_MAX)]
Named = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern="^[^\0]*$")]


@dataclass(frozen=True, slots=True)
class OfficialCounts:
    """What a platform says of an article since it was published, *as_of* a moment; *source* is who says so.

    *by_source* parts the reads by where the platform says that readers came from.
    """

    reads: Count
    as_of: AwareDatetime
    source: Annotated[Words, Field(min_length=1)]
    readers: Count | None = None
    shares: Count | None = None
    by_source: Annotated[Mapping[Named, Count], Field(max_length=SOURCES_MAX)] = field(default_factory=dict)
    __pydantic_config__ = ConfigDict(extra="forbid")


def record(connection: Connection, article_id: str, counts: OfficialCounts, now: datetime) -> OfficialCounts:
    """Keep *counts* unless later ones are kept already, and return those that are; what is as late replaces what was.

    No event needs to have named the article yet. Raises `InvalidEvent` for counts of the future, which nothing true could
    ever replace, and for an id that no article can have.
    """
    if len(article_id) > ARTICLE_ID_LENGTH_MAX:
        raise InvalidEvent("too_long", f"the id of an article has at most {ARTICLE_ID_LENGTH_MAX} characters")
    if counts.as_of > now + FUTURE_MAX:
        raise InvalidEvent("in_the_future", "nobody can have counted that yet", "/as_of")
    run(
        connection,
        """
        INSERT INTO official_count AS known (article_id, as_of, source, reads, readers, shares, by_source)
        SELECT article_id, as_of, source, reads, readers, shares, by_source
          FROM json_to_recordset(:rows) AS r(article_id text, as_of timestamptz, source text, reads bigint,
               readers bigint, shares bigint, by_source json)
        ON CONFLICT (article_id) DO UPDATE SET
          as_of = excluded.as_of, source = excluded.source, reads = excluded.reads, readers = excluded.readers,
          shares = excluded.shares, by_source = excluded.by_source
         WHERE excluded.as_of >= known.as_of
        """,
        [{"article_id": article_id, **asdict(counts)}],
    )
    kept = of_article(connection, article_id)
    assert kept is not None
    return kept


def of_article(connection: Connection, article_id: str) -> OfficialCounts | None:
    """Return the latest counts of an article, `None` where nobody has brought any."""
    columns = [official_count_table.c[name] for name in OfficialCounts.__dataclass_fields__]
    row = connection.execute(select(*columns).where(official_count_table.c.article_id == article_id)).one_or_none()
    return None if row is None else OfficialCounts(*row)
