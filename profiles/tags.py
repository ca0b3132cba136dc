"""Tags: labels of a person, each with who put it there and when. Pure.

Four kinds are kept apart, so that what somebody said and what a model guesses never become one: *stated* by a person or a system
that knows, *imported* with a file, of a *model*, and by *rule*: that he is in a segment, which no event can say. Of one kind and
name the latest event counts; of two at once, the one that takes it away.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from core.event import EventUid, Trust
from profiles.intent import Signal

TYPE = "person.tagged"
TAG_LENGTH_MAX = 128
SEGMENTS = "segments"  # the source of tags by rule


class Kind(StrEnum):
    """Who says that somebody bears a tag; see the module."""

    STATED = "stated"
    RULE = "rule"
    MODEL = "model"
    IMPORTED = "imported"


SAYABLE = (Kind.STATED, Kind.MODEL, Kind.IMPORTED)


@dataclass(frozen=True, slots=True)
class Tag:
    """A label that somebody bears: since when, by whose word (*uid*: of which event; `None` where a rule has it so), how sure a
    model is, and until when."""

    name: str
    kind: Kind
    source: str
    stated_at: datetime
    uid: EventUid | None
    score: float | None
    expires_at: datetime | None


def tags(signals: Iterable[Signal], now: datetime) -> Sequence[Tag]:
    """Return the tags of the person of whom *signals*, in any order, are the events: by kind and name, as of *now*."""
    last: dict[tuple[Kind, str], tuple[tuple[datetime, bool, EventUid], Signal]] = {}
    for signal in signals:
        named = _named(signal)
        if named is not None:
            rank = (signal.occurred_at, _is_removal(signal.body), signal.uid)
            last[named] = max(last.get(named, (rank, signal)), (rank, signal), key=lambda each: each[0])
    found = (_tag(*named, signal) for named, (_, signal) in sorted(last.items()) if not _is_removal(signal.body))
    return [tag for tag in found if tag.expires_at is None or tag.expires_at > now]


def by_rule(name: str, since: datetime) -> Tag:
    """Return the tag that says that somebody is in the segment called *name*, *since* when."""
    return Tag(name, Kind.RULE, SEGMENTS, since, uid=None, score=None, expires_at=None)


def expiry(said: object) -> datetime | None:
    """Return when a tag ends of which *said* is the `expires_at`; `None`, never, where that is no time with a zone."""
    try:
        at = datetime.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        return None
    return at if at is not None and at.tzinfo is not None else None


def _named(signal: Signal) -> tuple[Kind, str] | None:
    properties = _properties(signal.body)
    name, kind = properties.get("tag"), properties.get("kind")
    if signal.type != TYPE or not isinstance(name, str) or not 0 < len(name) <= TAG_LENGTH_MAX:
        return None
    if kind in SAYABLE:
        return Kind(str(kind)), name
    return (Kind.IMPORTED if signal.body["trust"] == Trust.IMPORT else Kind.STATED), name


def _is_removal(body: Mapping[str, Any]) -> bool:
    return _properties(body).get("removed") is True


def _tag(kind: Kind, name: str, signal: Signal) -> Tag:
    properties = _properties(signal.body)
    score = properties.get("score")
    return Tag(
        name=name,
        kind=kind,
        source=str(signal.body["source"]),
        stated_at=signal.occurred_at,
        uid=signal.uid,
        score=float(score) if isinstance(score, int | float) else None,
        expires_at=expiry(properties.get("expires_at")),
    )


def _properties(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return body.get("properties") or {}
