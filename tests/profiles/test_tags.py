"""Tags as a function: of which kind, which event counts, and until when."""

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.intent import Signal
from profiles.tags import expiry, tags
from tests.profiles.signals import NOW, signal


def tagged(name: object, days: float = 0, uid: str = "u", trust: str = "server", **properties: Any) -> Signal:
    return signal("person.tagged", days, uid, trust=trust, properties={"tag": name, **properties})


def borne(*signals: Signal) -> list[tuple[str, str]]:
    return [(tag.kind.value, tag.name) for tag in tags(signals, NOW)]


def test_a_tag_is_of_the_kind_that_is_said_or_of_him_who_says_it() -> None:
    told = [tagged("a"), tagged("b", trust="import"), tagged("c", kind="model"), tagged("d", kind="imported")]

    assert borne(*told) == [("imported", "b"), ("imported", "d"), ("model", "c"), ("stated", "a")]


def test_no_event_says_that_a_tag_is_by_rule() -> None:
    assert borne(tagged("a", kind="rule")) == [("stated", "a")]


def test_kinds_of_one_name_are_kept_apart() -> None:
    told = [tagged("vip", 3), tagged("vip", 2, kind="model", score=0.7), tagged("vip", 1, removed=True)]

    assert borne(*told) == [("model", "vip")]
    (tag,) = tags(told, NOW)
    assert (tag.score, tag.source, tag.stated_at) == (0.7, "shop", NOW - timedelta(days=2))


def test_what_was_said_last_counts_and_of_two_at_once_the_removal() -> None:
    assert borne(tagged("a", 2, removed=True), tagged("a", 1)) == [("stated", "a")]
    assert borne(tagged("a", 1, "y"), tagged("a", 1, "x", removed=True)) == []


def test_a_tag_ends_when_its_event_says() -> None:
    later, past = (NOW + timedelta(hours=1)).isoformat(), NOW.isoformat()

    assert borne(tagged("a", expires_at=later), tagged("b", expires_at=past)) == [("stated", "a")]


@pytest.mark.parametrize("said", ["soon", "2026-11-20T12:00:00", 7, None, True])
def test_what_is_no_time_ends_nothing(said: object) -> None:
    assert expiry(said) is None
    assert borne(tagged("a", expires_at=said)) == [("stated", "a")]


@pytest.mark.parametrize("name", ["", "x" * 129, 7, None, ["a"]])
def test_what_is_no_name_is_no_tag(name: object) -> None:
    assert borne(tagged(name)) == []


@given(
    st.lists(
        st.builds(
            tagged,
            st.sampled_from(["a", "b"]),
            st.integers(0, 2),
            st.uuids().map(str),
            kind=st.sampled_from(["model", "stated", None]),
            removed=st.booleans(),
        ),
        max_size=9,
        unique_by=lambda each: each.uid,
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_of_events_does_not_matter(signals: list[Signal], chance: Random) -> None:
    assert tags(signals, NOW) == tags(chance.sample(signals, len(signals)), NOW)
