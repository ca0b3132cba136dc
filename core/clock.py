"""The clock, passed in wherever time matters, so that a test can hold it."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Return the present moment, aware and in UTC."""
    return datetime.now(UTC)
