"""What the collectors could not take: from the topic `siyu.quarantine.v1` into the table where an operator finds it."""

from collections.abc import Sequence
from datetime import datetime

from core.log.port import Stored
from core.quarantine import Quarantined


def quarantined(batch: Sequence[Stored], now: datetime) -> Sequence[Quarantined]:
    """Return the rows of *batch*; the source (the key) and the reason are in the headers of each record."""
    return [
        Quarantined(
            stored.topic,
            stored.partition,
            stored.position,
            _said(stored, "code") or "unknown",
            f"{stored.record.key}: {_said(stored, 'detail')}",
            stored.record.key,
            stored.record.value,
            now,
        )
        for stored in batch
    ]


def _said(stored: Stored, name: str) -> str:
    # Records of before they were CloudEvents have the bare name.
    return stored.record.headers.get(f"ce_{name}") or stored.record.headers.get(name, "")
