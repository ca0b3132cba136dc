"""When a delivery is tried again, and what the end of an attempt means for it. Pure.

The times are those that Standard Webhooks recommends: ten attempts within three days and four hours.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
ATTEMPTS_MAX = len(WAITS) + 1
JITTER = 0.1  # so much of each wait, more or less: those that failed together do not come back together
RETRY_AFTER_MAX = timedelta(hours=24)
FAILING_MAX = timedelta(days=5)  # a webhook that took nothing for so long is disabled

GONE = "its address answered 410: nobody is there any more"
SILENT = "its address took nothing for five days"

Chance = Callable[[], float]
"""Returns a number from 0 to 1, another one each time."""


class Status(StrEnum):
    """How far a delivery is: to be tried, taken, or given up."""

    WAITING = "waiting"
    DONE = "done"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: the *status* answered, or `None` where there was no answer; *detail* says what was wrong."""

    status: int | None
    detail: str
    took: timedelta
    retry_after: timedelta | None = None

    @property
    def is_taken(self) -> bool:
        """Whether the receiver has it now."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a delivery: *due_at* is set while it waits; *disables* says why its webhook is to be disabled."""

    status: Status
    due_at: datetime | None = None
    disables: str | None = None


def verdict(outcome: Outcome, attempts: int, now: datetime, chance: Chance) -> Verdict:
    """Return what becomes of a delivery after as many *attempts*, the last of which had *outcome*."""
    if outcome.is_taken:
        return Verdict(Status.DONE)
    if outcome.status == 410:
        return Verdict(Status.DEAD, disables=GONE)
    if attempts >= ATTEMPTS_MAX:
        return Verdict(Status.DEAD)
    wait = WAITS[attempts - 1] * (1 - JITTER + 2 * JITTER * chance())
    wanted = min(outcome.retry_after or timedelta(), RETRY_AFTER_MAX)
    return Verdict(Status.WAITING, now + max(wait, wanted))
