"""The story of the sample, as far as it is told, and the dice by which it goes on."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from random import Random

from core.clock import CHINA
from siyu.cast import Person


class Story:
    """What has been told so far, and the dice. Nothing that would lie after *now* is kept."""

    def __init__(self, seed: int, now: datetime) -> None:
        self.seed = seed
        self.random = Random(seed)  # noqa: S311 - sample data keep no secret
        self.now = now
        self.told: list[tuple[datetime, int, dict[str, object]]] = []
        self._numbers = count(1)

    def ago(self, days: float) -> datetime:
        """The moment so many *days* before now."""
        return self.now - timedelta(days=days)

    def later(self, at: datetime, low_hours: float, high_hours: float) -> datetime:
        """Some moment between so many hours after *at*."""
        return at + timedelta(hours=self.random.uniform(low_hours, high_hours))

    def some(self, people: Sequence[Person], most: int) -> list[Person]:
        """Up to *most* of *people*, in no order."""
        return self.random.sample(people, min(most, len(people)))

    def tell(
        self, at: datetime, kind: str, channel: str, who: Sequence[object], strength: str = "observed", **parts: object
    ) -> None:
        """Add an event of *kind*; *who* are its identifiers, *parts* its other fields."""
        number = next(self._numbers)
        if at > self.now:
            return
        event: dict[str, object] = {
            "id": f"demo-{self.seed}-{number:05d}",
            "type": kind,
            "channel": channel,
            "source": f"demo-{channel.replace('_', '-')}",
            "occurred_at": at.astimezone(CHINA).isoformat(timespec="milliseconds"),
            "identifiers": list(who),
            "strength": strength,
        }
        self.told.append((at, number, event | parts))
