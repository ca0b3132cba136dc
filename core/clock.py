"""The clock, passed in wherever time matters, so that a test can hold it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Return the present moment, aware and in UTC."""
    return datetime.now(UTC)


CHINA = timezone(timedelta(hours=8))
"""The one zone of China, which has had no summer time since 1991."""
