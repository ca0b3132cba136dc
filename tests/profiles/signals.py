"""Events as those see them who judge by them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from core.event import EventUid
from profiles.intent import Signal

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def signal(type_: str, days: float = 0, uid: str = "u", **body: Any) -> Signal:
    """Return an event so many *days* before `NOW`, of the source `shop` on `web` unless *body* says otherwise."""
    known = {"source": "shop", "channel": "web", "trust": "server", "properties": {}, **body}
    return Signal(EventUid(uid), type_, str(known["channel"]), NOW - timedelta(days=days), known)
