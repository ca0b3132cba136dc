"""What is counted for the operator, in one registry that `/metrics` shows. No label names a person."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter

REGISTRY = CollectorRegistry()

EVENTS_ACCEPTED = Counter("siyu_events_accepted", "Events that the log has taken", ["trust"], registry=REGISTRY)
EVENTS_SPOOLED = Counter(
    "siyu_events_spooled", "Events kept on the disk until the log can be reached", registry=REGISTRY
)
CLICKS_LOST = Counter("siyu_clicks_lost", "Clicks and opens that neither the log nor the disk took", registry=REGISTRY)
EVENTS_REJECTED = Counter("siyu_events_rejected", "Events refused at the door", ["code"], registry=REGISTRY)
IDENTIFIERS_DROPPED = Counter(
    "siyu_identifiers_dropped", "Identifiers that name nobody", ["namespace", "reason"], registry=REGISTRY
)
IDENTIFIERS_NOT_CARRIED = Counter(
    "siyu_identifiers_not_carried", "Identifiers kept as hints", ["channel", "namespace"], registry=REGISTRY
)
EVENTS_STITCHED = Counter("siyu_events_stitched", "Events taken by the stitcher", ["outcome"], registry=REGISTRY)
STITCH_SECONDS = Counter("siyu_stitch_seconds", "Where the stitcher's time goes", ["step"], registry=REGISTRY)
BATCHES_RETRIED = Counter("siyu_batches_retried", "Batches taken again, by cause", ["cause"], registry=REGISTRY)
QUESTIONS_ANSWERED = Counter(
    "siyu_questions_answered", "Whom platforms were asked about", ["account", "outcome"], registry=REGISTRY
)
ANNOUNCEMENTS = Counter("siyu_announcements", "Changes written to the outbox", ["type"], registry=REGISTRY)


def totals(counter: Counter) -> dict[str, float]:
    """Return what *counter* has come to, by its label, to the millisecond or the piece."""
    samples = (sample for metric in counter.collect() for sample in metric.samples if sample.name.endswith("_total"))
    return {next(iter(sample.labels.values())): round(sample.value, 3) for sample in samples}


@contextmanager
def timed(step: str) -> Iterator[None]:
    """Count the time that the block takes as the stitcher's at *step*."""
    started = time.perf_counter()
    try:
        yield
    finally:
        STITCH_SECONDS.labels(step).inc(time.perf_counter() - started)
