"""The log: an append-only record of what happened, split into topics, and topics into partitions.

The contract, which one suite runs against every adapter (`tests/core/log/`):

* A *record* has a key, a value (bytes) and headers. Records with the same key go to the same partition of a topic.
* `append` returns only when every record is on stable storage, and gives each its partition and position. When it raises
  `Unavailable` it is not known which records were stored: a reader must expect to see a record twice.
* Positions in a partition rise by one from zero, in the order in which they are read; none is ever skipped, whatever
  writers do at the same time.
* A *consumer* reads for a group. Each partition is read by at most one consumer of a group at a time; when a consumer
  closes or dies, the others take over its partitions, from the last committed position.
* `commit` stores, for the group, the position after the last record handled. What was read and not committed is read
  again after a restart (at least once).
* Several consumers of one group may be open in one process, each used by one thread at a time; a `Log` is safe to share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NewType, Protocol, Self

Position = NewType("Position", int)

EVENTS = "siyu.events.v1"
DIRECTIVES = "siyu.directives.v1"
PROFILE_UPDATED = "siyu.profile.updated.v1"
IDENTITY_CHANGED = "siyu.identity.changed.v1"
SEGMENT_MEMBERSHIP = "siyu.segment.membership.v1"
STAGE_CHANGED = "siyu.stage.changed.v1"
INTENT_ALERT = "siyu.intent.alert.v1"
CONSENT_CHANGED = "siyu.consent.changed.v1"
QUARANTINE = "siyu.quarantine.v1"
PARTITIONS = 4  # of a topic, where nobody chose another number before it was made
TOPICS = (
    EVENTS,
    DIRECTIVES,
    PROFILE_UPDATED,
    IDENTITY_CHANGED,
    SEGMENT_MEMBERSHIP,
    STAGE_CHANGED,
    INTENT_ALERT,
    CONSENT_CHANGED,
    QUARANTINE,
)


@dataclass(frozen=True, slots=True)
class Record:
    """What is appended: *key* decides the partition, *headers* are CloudEvents attributes (`ce_id`, …)."""

    key: str
    value: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as it is read: where it stands, and what it says."""

    topic: str
    partition: int
    position: Position
    record: Record


# The position after the last record of each partition, as `commit` and `committed` have it.
Positions = Mapping[int, Position]


class Consumer(Protocol):
    """One member of a group, reading one topic."""

    def read(self, records_max: int, timeout_seconds: float) -> Sequence[Stored]:
        """Return up to *records_max* further records, in order within each partition; none when the time is over."""

    def commit(self, positions: Positions) -> None:
        """Store *positions* (the next to be read, by partition) for the group.

        Harmless when the partition has meanwhile gone to another consumer: its position is then left alone.
        """

    def rewind(self) -> None:
        """Go back to the committed positions: what was read since is read again."""

    def close(self) -> None:
        """Leave the group; its partitions are free for the others at once."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *reason: object) -> None: ...


class Log(Protocol):
    """The port."""

    def append(self, topic: str, records: Sequence[Record]) -> Sequence[tuple[int, Position]]:
        """Store *records* and return the partition and position of each, in their order."""

    def consumer(self, topic: str, group: str) -> Consumer:
        """Join *group* as a reader of *topic*."""

    def ends(self, topic: str) -> Positions:
        """Return the position after the last record of every partition of *topic*."""

    def committed(self, topic: str, group: str) -> Positions:
        """Return what *group* has committed; a partition without a commit is at zero."""

    def members(self, topic: str, group: str) -> int:
        """Return how many partitions of *topic* a live consumer of *group* reads at this moment."""

    def check(self) -> None:
        """Raise `Unavailable` when the log cannot be reached."""

    def close(self) -> None:
        """Release connections; consumers are closed by those who opened them."""
