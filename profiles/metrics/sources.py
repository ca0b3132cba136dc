"""The mix of sources: by which channels people came in, and by which they were last heard of. Both are kept apart. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from profiles.metrics.rates import Part


@dataclass(frozen=True, slots=True)
class Source:
    """How many of those who came in did so by a *channel*, and how many were last heard of there."""

    channel: str
    first: Part
    last: Part


def sources(entered: Sequence[tuple[str, str]]) -> Sequence[Source]:
    """Return the mix of people who *entered*, each with his first and his last channel, the most frequent first."""
    first, last = (Counter(channels) for channels in (zip(*entered, strict=True) if entered else ((), ())))
    mix = [Source(c, Part(first[c], len(entered)), Part(last[c], len(entered))) for c in first.keys() | last.keys()]
    return sorted(mix, key=lambda source: (-source.first.numerator, -source.last.numerator, source.channel))
