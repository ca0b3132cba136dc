"""Interests as a function: what fades, what counts more, and what a read is."""

from typing import Any

import pytest

from core.errors import InvalidSetting
from profiles.intent import Signal
from profiles.interests import Interest, interests, read, shipped
from tests.profiles.signals import NOW, signal

RULES = shipped()
TOPICS = {"a": ["tea"], "b": ["tea", "coffee"], "c": []}


def did(article: str = "a", days: float = 0, uid: str = "u", type_: str = "article.read", **properties: Any) -> Signal:
    return signal(type_, days, uid, article={"id": article}, properties=properties)


def told(*signals: Signal) -> dict[str, Interest]:
    return {each.topic: each for each in interests(signals, TOPICS, RULES, NOW)}


def test_a_read_counts_half_after_its_half_life_for_each_topic_of_its_article() -> None:
    found = told(did("a", 30), did("b"))

    assert {topic: each.points for topic, each in found.items()} == {"tea": 1.5, "coffee": 1.0}
    assert {topic: each.share for topic, each in found.items()} == {"tea": 0.6, "coffee": 0.4}
    assert list(found) == ["tea", "coffee"]


def test_shares_do_not_change_while_nothing_happens() -> None:
    now, later = told(did("a", 1), did("b", 5)), told(did("a", 31), did("b", 35))

    assert later["tea"].share == pytest.approx(now["tea"].share)
    assert later["tea"].points == pytest.approx(now["tea"].points / 2)


def test_a_long_read_counts_more_and_no_more_than_twice() -> None:
    assert told(did(dwell_ms=60_000))["tea"].points == 1.25
    assert told(did(dwell_ms=9_000_000, scroll=1.0))["tea"].points == 2.0


def test_who_passes_on_is_more_interested_than_who_reads() -> None:
    assert told(did(type_="article.shared"))["tea"].points > told(did(dwell_ms=900_000, scroll=1))["tea"].points


def test_a_read_that_is_told_in_stretches_is_one() -> None:
    stretches = [did(uid=str(n), days=(9 - n) / 1_000, stretch=n, dwell_ms=30_000, scroll=n / 8) for n in (1, 2, 3, 4)]

    (found,) = told(*stretches).values()

    assert found.points == pytest.approx(1.75, abs=0.001)
    assert len(found.signals) == 1


def test_what_is_about_nothing_or_too_long_ago_interests_nobody() -> None:
    assert told(did("c"), did("unknown"), did("a", 400), did("a", type_="article.pushed")) == {}


def test_rules_that_are_wrong_are_refused_by_name() -> None:
    with pytest.raises(InvalidSetting, match="points"):
        read("half_life_days = 1\ndwell_seconds = 1\ndwell_more = 0\nscroll_more = 0\n[points]\nreading = 1\n")
