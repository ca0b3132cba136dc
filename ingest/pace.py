"""How fast somebody may be asked: not more often than he allows, and after failures ever more seldom."""

import secrets
from collections.abc import Callable
from time import monotonic

BACK_OFF_SECONDS_MAX = 300.0


class Bucket:
    """A bucket of tokens: *burst* at once, and *per_second* in the long run. *now* is a clock of seconds."""

    def __init__(self, per_second: float, burst: float, now: Callable[[], float] = monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._now = now
        self._tokens = burst
        self._at = now()

    def take(self) -> float:
        """Take a token, and return in how many seconds it is there."""
        now = self._now()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second) - 1.0
        self._at = now
        return max(0.0, -self._tokens / self._per_second)


class BackOff:
    """How long to wait after each of several failures: twice as long every time, and never as long as anybody else."""

    def __init__(self, first_seconds: float = 1.0, seconds_max: float = BACK_OFF_SECONDS_MAX) -> None:
        self._first_seconds = first_seconds
        self._seconds_max = seconds_max
        self._next_seconds = first_seconds

    def failed(self) -> float:
        """Return for how many seconds to wait now."""
        seconds = self._next_seconds
        self._next_seconds = min(seconds * 2, self._seconds_max)
        return seconds * (0.5 + secrets.SystemRandom().random() / 2)

    def succeeded(self) -> None:
        """Begin anew."""
        self._next_seconds = self._first_seconds
