"""Alerts to people in a group chat: that somebody's intent rose above its threshold, or fell below it, and why. Pure.

What is written is Markdown as WeCom, DingTalk and Feishu all understand it. Names come from outside, so they can neither mark up
nor mention anybody; and everybody in the group reads along, so nobody is named in full.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, ConfigDict, Field, TypeAdapter, ValidationError

from core.clock import CHINA
from core.errors import InvalidEvent
from core.identifier import PersonId

MESSAGE_BYTES_MAX = 4_000  # WeCom takes 4,096 of a message, the others more
WORDS_LENGTH_MAX = 40
RULES_SHOWN_MAX = 5

Language = Literal["zh", "en"]


@dataclass(frozen=True, slots=True)
class Points:
    """What one *rule* gives."""

    rule: str
    points: float


@dataclass(frozen=True, slots=True)
class Alert:
    """That the score of *person_id* crossed *threshold*, as it is announced."""

    person_id: PersonId
    score: Annotated[int, Field(ge=0, le=100)]
    threshold: float
    direction: Literal["up", "down"]
    contributions: Sequence[Points]
    as_of: AwareDatetime
    __pydantic_config__ = ConfigDict(extra="ignore")


def read(value: Mapping[str, Any]) -> Alert:
    """Read what was announced. Raises `InvalidEvent` where it is no alert."""
    try:
        return _ALERT.validate_python(value)
    except ValidationError:
        raise InvalidEvent("invalid_alert", "this is not an alert of intent") from None


def text(
    of: Alert, who: str | None, company: str | None, labels: Mapping[str, Mapping[str, str]], language: Language
) -> str:
    """Return what is said of one alert: *who* it is (masked) and his *company*, as far as known; *labels* are those of rules."""
    said = _WORDS[language]
    named = plain(who) if who else said["somebody"]
    rules = " · ".join(
        f"{plain(labels.get(each.rule, {}).get(language, each.rule))} {each.points:+.0f}"
        for each in of.contributions[:RULES_SHOWN_MAX]
    )
    lines = [
        f"**{said[of.direction].format(who=named, score=of.score, threshold=_number(of.threshold))}**",
        *([f"{said['company']}{plain(company)}"] if company else []),
        *([f"{said['because']}{rules}"] if rules else []),
        f"{said['person']}{of.person_id}",
        f"{said['as_of']}{_moment(of.as_of)}",
    ]
    return "\n".join(("> " if place else "") + line for place, line in enumerate(lines))


def title(alerts: int, language: Language) -> str:
    """Return what a message with so many *alerts* is headed with."""
    return f"{_WORDS[language]['title']} ({alerts})" if alerts > 1 else _WORDS[language]["title"]


def plain(words: str) -> str:
    """Return *words* in one short line, without what marks text up, links, or mentions somebody."""
    kept = " ".join(re.sub(r"[\x00-\x1f\x7f`*_~\[\]()<>#|!\\@]", " ", words).split())
    return kept if len(kept) <= WORDS_LENGTH_MAX else f"{kept[: WORDS_LENGTH_MAX - 1]}…"


def _number(number: float) -> str:
    return f"{number:g}"


def _moment(at: datetime) -> str:
    return f"{at.astimezone(CHINA):%Y-%m-%d %H:%M} UTC+8"


_WORDS: Mapping[Language, Mapping[str, str]] = {
    "zh": {
        "title": "意向提醒",
        "somebody": "一位客户",
        "up": "{who} 的意向升至 {score} 分，超过 {threshold} 分",
        "down": "{who} 的意向降至 {score} 分，低于 {threshold} 分",
        "company": "公司：",
        "because": "原因：",
        "person": "人员：",
        "as_of": "时间：",
    },
    "en": {
        "title": "Intent alert",
        "somebody": "Somebody",
        "up": "The intent of {who} rose to {score}, above {threshold}",
        "down": "The intent of {who} fell to {score}, below {threshold}",
        "company": "Company: ",
        "because": "Because: ",
        "person": "Person: ",
        "as_of": "As of: ",
    },
}

_ALERT: TypeAdapter[Alert] = TypeAdapter(Alert)
