"""The touchpoint: an event as seen from the person."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.event import Event, EventUid, Strength, Trust
from core.identifier import IdentifierId


class Verdict(StrEnum):
    """Whose deed an event is taken to be."""

    HUMAN = "human"
    SUSPECTED = "suspected"
    BOT = "bot"


@dataclass(frozen=True, slots=True)
class Touchpoint:
    """One event and where it stands.

    *anchor* is the best identifier in the event, under which the touchpoint stands (`None` when none was usable); *others* are
    the identifiers that the event says to be the same person's; *beside* those that it names and does not link (to whom it
    was delivered, say), and the tokens of the links that it opened. *ambiguous* says that it named two values of one unique
    namespace, for which reason it links nothing; *void* that it was decided to be as if it had never come, so it stands
    nowhere. What is not a human's by its *verdict* (for these *reasons*) names nobody either, and is counted. Which person the
    anchor is, is asked when reading.
    """

    event: Event
    uid: EventUid
    anchor: IdentifierId | None
    others: tuple[IdentifierId, ...]
    beside: tuple[IdentifierId, ...] = ()
    ambiguous: bool = False
    void: bool = False
    verdict: Verdict = Verdict.HUMAN
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """What events say of a pair, or of one identifier (*other* is `None`): *count* of them, claiming *strength*, by senders of
    *trust*."""

    one: IdentifierId
    other: IdentifierId | None
    strength: Strength
    trust: Trust
    first_at: datetime
    last_at: datetime
    count: int
