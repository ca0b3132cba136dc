"""What the collectors could not take: from the topic `siyu.quarantine.v1` into the table where an operator finds it."""

from collections.abc import Sequence
from datetime import datetime

from core.log.port import Stored
from core.quarantine import Quarantined


def quarantined(batch: Sequence[Stored], now: datetime) -> Sequence[Quarantined]:
    """Return the rows of *batch*; the source and the reason are in the headers of each record."""
    return [
        Quarantined(
            stored.topic,
            stored.partition,
            stored.position,
            stored.record.headers.get("code", "unknown"),
            f"{stored.record.headers.get('source', '')}: {stored.record.headers.get('detail', '')}",
            stored.record.key,
            stored.record.value,
            now,
        )
        for stored in batch
    ]
