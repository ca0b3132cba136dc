"""The touchpoint: an event as seen from the person."""

from dataclasses import dataclass

from core.event import Event, EventUid
from core.identifier import IdentifierId


@dataclass(frozen=True, slots=True)
class Touchpoint:
    """One event and where it stands.

    *anchor* is the best identifier in the event, under which the touchpoint is kept for ever (`None` when none was usable);
    *others* are the identifiers that the event says to be the same person's. *ambiguous* says that it named two values of
    one unique namespace, for which reason it links nothing. Which person the anchor is, is asked when reading.
    """

    event: Event
    uid: EventUid
    anchor: IdentifierId | None
    others: tuple[IdentifierId, ...]
    ambiguous: bool
