"""Who had a phone or a mailbox when. Pure.

Such identifiers are given to one person after another. Refused links tell who had one before: from the first time that he was
said to have it until somebody else was, and no longer than until its present owner was. What lies before all of that is the
first one's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from core.identifier import IdentifierId, PersonId
from stitcher.round import Reason

# Why a link was refused that says all the same that somebody had the identifier.
FORMER = (Reason.UNIQUE, Reason.GUARDED, Reason.LIMIT)


@dataclass(frozen=True, slots=True)
class Claim:
    """That *person* was said to have an identifier, first at *since*."""

    person: PersonId
    since: datetime


@dataclass(frozen=True, slots=True)
class Stretch:
    """That the events anchored on *anchor* with *since* ≤ time < *until* (`None`: no bound) are *person*'s."""

    anchor: IdentifierId
    person: PersonId
    since: datetime | None = None
    until: datetime | None = None

    def covers(self, moment: datetime) -> bool:
        """Whether *moment* lies within."""
        return (self.since is None or self.since <= moment) and (self.until is None or moment < self.until)


def stretches(anchor: IdentifierId, owner: PersonId, claims: Iterable[Claim]) -> Sequence[Stretch]:
    """Return who had *anchor* when, the earliest first, without a gap: at last its present *owner*.

    A function of the set of *claims*, those of the owner among them: neither their order nor their number matters.
    """
    first: dict[PersonId, datetime] = {}
    for claim in claims:
        first[claim.person] = min(first.get(claim.person, claim.since), claim.since)
    begun = first.get(owner)
    if begun is None:
        return [Stretch(anchor, owner)]
    former = sorted((since, person) for person, since in first.items() if person != owner and since < begun)
    turns = [*former, (begun, owner)]
    bounds = [None, *(since for since, _ in turns[1:]), None]
    return [
        Stretch(anchor, person, since, until)
        for (_, person), (since, until) in zip(turns, pairwise(bounds), strict=True)
    ]
