"""Interests: which topics somebody reads about, lately more than long ago. Pure.

    points of a topic = Σ over what he did with articles on it: points · (1 + dwell + scroll) · 2^(−age / half_life)

The rules are data (`interests.toml`). All points halve alike, so a share of them changes by what he does, not by waiting.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from math import fsum, log2
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter

from core.event import TYPES
from core.rules import read as read_rules
from profiles.intent import Signal

READ = "article.read"
FADED = 0.01  # of what it gave at first: what gives no more than that is not looked at any longer


def _are_known(points: Mapping[str, float]) -> Mapping[str, float]:
    if not points.keys() <= TYPES:
        raise ValueError("these are not all event types")
    return points


@dataclass(frozen=True, slots=True)
class Rules:
    """*points* for an event by its type, halved every *half_life_days*.

    A read gives up to *dwell_more* of its points more where it lasts *dwell_seconds* or longer, and up to *scroll_more* where it
    is scrolled to its end.
    """

    half_life_days: Annotated[float, Field(gt=0, le=3_650)]
    points: Annotated[Mapping[str, Annotated[float, Field(gt=0, le=100)]], AfterValidator(_are_known)]
    dwell_seconds: Annotated[float, Field(gt=0, le=86_400)]
    dwell_more: Annotated[float, Field(ge=0, le=10)]
    scroll_more: Annotated[float, Field(ge=0, le=10)]
    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def horizon(self) -> timedelta:
        """How far back one has to look."""
        return timedelta(days=self.half_life_days * -log2(FADED))


@dataclass(frozen=True, slots=True)
class Interest:
    """How much of somebody's interest a *topic* has: *points*, the *share* of all, and the events behind it, the newest first."""

    topic: str
    points: float
    share: float
    signals: Sequence[Signal]


@dataclass
class _Deed:
    """Something done with an article; of a read, all its stretches together."""

    signal: Signal
    dwell_ms: float
    scroll: float


def interests(
    signals: Iterable[Signal], topics: Mapping[str, Collection[str]], rules: Rules, now: datetime
) -> Sequence[Interest]:
    """Return the interests of him of whom *signals*, in any order, are the events; *topics* by article. The greatest first."""
    points: dict[str, list[float]] = defaultdict(list)
    behind: dict[str, list[Signal]] = defaultdict(list)
    since = now - rules.horizon
    for deed in _deeds(each for each in signals if each.type in rules.points and each.occurred_at >= since):
        for topic in {*topics.get(_article(deed.signal) or "", ())}:
            points[topic].append(_worth(deed, rules, now))
            behind[topic].append(deed.signal)
    total = fsum(each for own in points.values() for each in own)
    found = [
        Interest(topic, fsum(own), fsum(own) / total, sorted(behind[topic], key=_when, reverse=True))
        for topic, own in points.items()
    ]
    return sorted(found, key=lambda each: (-each.points, each.topic))


def _deeds(signals: Iterable[Signal]) -> Iterable[_Deed]:
    """Put the stretches in which a page tells one read to the read that they go on with."""
    open_reads: dict[str, _Deed] = {}
    deeds = []
    for signal in sorted(signals, key=_when):
        article = _article(signal)
        if article is None:
            continue
        properties = signal.body.get("properties") or {}
        dwell_ms, scroll = _number(properties.get("dwell_ms")), min(_number(properties.get("scroll")), 1.0)
        going_on = open_reads.get(article) if signal.type == READ and properties.get("stretch", 1) != 1 else None
        if going_on is not None:
            going_on.dwell_ms += dwell_ms
            going_on.scroll = max(going_on.scroll, scroll)
            continue
        deeds.append(_Deed(signal, dwell_ms, scroll))
        if signal.type == READ:
            open_reads[article] = deeds[-1]
    return deeds


def _worth(deed: _Deed, rules: Rules, now: datetime) -> float:
    halvings = max(now - deed.signal.occurred_at, timedelta()) / timedelta(days=rules.half_life_days)
    points = rules.points[deed.signal.type] * 0.5**halvings
    if deed.signal.type != READ:
        return float(points)
    dwell = min(deed.dwell_ms / (rules.dwell_seconds * 1_000), 1.0)
    return float(points * (1 + rules.dwell_more * dwell + rules.scroll_more * deed.scroll))


def _article(signal: Signal) -> str | None:
    article = signal.body.get("article")
    return str(article["id"]) if article else None


def _number(value: object) -> float:
    return max(float(value), 0.0) if isinstance(value, int | float) else 0.0


def _when(signal: Signal) -> tuple[datetime, str]:
    return signal.occurred_at, signal.uid


def read(written: str) -> Rules:
    """Read rules from TOML. Raises `InvalidSetting`, which names the field."""
    return read_rules(_RULES, written, "interest rules")


def shipped() -> Rules:
    """Return the rules that Siyu ships with."""
    return read(resources.files("profiles").joinpath("interests.toml").read_text(encoding="utf-8"))


_RULES: TypeAdapter[Rules] = TypeAdapter(Rules)
