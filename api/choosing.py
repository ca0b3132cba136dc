"""What a subscriber chooses to hear of: kinds of announcements, and people of one segment."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Query

from api.announced import NAMES
from api.context import Here
from api.feed import Told
from api.members import Members
from core.errors import InvalidEvent
from core.event import Word
from core.problems import raises


@dataclass(frozen=True, slots=True)
class Chosen:
    """What one subscriber hears of: only *names*, and only people in *segment* (`None`: all)."""

    names: frozenset[str] | None
    segment: str | None
    members: Members

    async def of(self, told: Sequence[Told]) -> Sequence[Told]:
        """Return those of *told* that he hears: of people who are in the segment now, and of those who enter and leave it."""
        wanted = [each for each in told if self.names is None or each.name in self.names]
        if self.segment is None or not wanted:
            return wanted
        self.members.forget(self.segment, [each.person for each in told if each.segment == self.segment])
        inside = await self.members.among(self.segment, {each.person for each in wanted})
        return [each for each in wanted if each.segment == self.segment or each.person in inside]


@raises("unknown_type", "not_found")
async def chosen(
    here: Here,
    types: Annotated[
        str | None,
        Query(max_length=1_000, description="Names divided by commas: `profile.updated`, `person.merged`, …"),
    ] = None,
    segment: Annotated[Word | None, Query(description="Only of people who are in this segment.")] = None,
) -> Chosen:
    """Return what this request chooses. Raises `InvalidEvent` for a name that is none, and `NotFound` for such a segment."""
    names = frozenset(types.split(",")) if types else None
    if names and not names <= NAMES:
        raise InvalidEvent("unknown_type", f"these are the types: {', '.join(sorted(NAMES))}", "/query/types")
    if segment is not None:
        await here.members.check(segment)
    return Chosen(names, segment, here.members)
