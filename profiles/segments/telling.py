"""What is announced of those who enter and leave segments, layers and stages, and whose intent rises and falls. Pure."""

from datetime import datetime
from typing import Literal

from core.log.port import INTENT_ALERT, SEGMENT_MEMBERSHIP, STAGE_CHANGED
from core.outbox import Announcement
from profiles.intent import Intent
from profiles.segments.rulesets import Kind, RuleSet
from profiles.segments.store import Move
from profiles.summary import stamp

Reason = Literal["change", "time", "definition"]
"""Why somebody moved: he, or who is one with him, changed; time passed; or the rules are others."""


def moved(move: Move, of: RuleSet, reason: Reason, now: datetime) -> Announcement:
    """Return the announcement that somebody moved within a segment, layers or stages."""
    if of.kind is Kind.SEGMENT:
        change = "entered" if move.after is not None else "left"
        told = {"segment": move.set, "change": change}
        return _announcement(SEGMENT_MEMBERSHIP, move, {**told, "reason": reason}, now)
    told = {"set": move.set, "kind": of.kind.value, "reason": reason}
    return _announcement(STAGE_CHANGED, move, {**told, "from": move.before, "to": move.after}, now)


def alerted(move: Move, of: RuleSet, judged: Intent | None, now: datetime) -> Announcement:
    """Return the announcement that the intent of somebody is high, or is not any more; *judged* is `None` where he is no more."""
    threshold = of.bands[0].when.at_least  # type: ignore[union-attr] # that is what an alert is
    contributions = judged.contributions if judged else ()
    told = {
        "score": judged.score if judged else 0,
        "threshold": threshold,
        "direction": "up" if move.after is not None else "down",
        "contributions": [{"rule": each.rule, "points": round(each.points, 2)} for each in contributions],
    }
    return _announcement(INTENT_ALERT, move, told, now)


def _announcement(topic: str, move: Move, told: dict[str, object], now: datetime) -> Announcement:
    as_of = stamp(now)
    return Announcement(
        topic=topic,
        key=move.person,
        id=f"{move.set}:{move.person}:{as_of}",
        type=topic,
        time=now,
        value={"person_id": move.person, **told, "as_of": as_of},
    )
