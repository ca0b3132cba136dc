"""The directive as somebody writes it, and as it stands in the log."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.directive import EventName, Kind, Wish, decode, directive_of, encode, under_key
from core.errors import InvalidEvent

NOW = datetime(2026, 11, 20, tzinfo=UTC)
WISH = Wish(Kind.MUST_LINK, "because", ("user_id:A", "phone:139 1234 5678"))


def test_what_stands_in_the_log_is_read_as_it_was_decided() -> None:
    directive = directive_of(WISH, "somebody", NOW)

    assert decode(encode(directive)) == directive


@pytest.mark.parametrize(
    ("wish", "by", "pointer"),
    [
        (replace(WISH, why=" "), "somebody", "/why"),
        (replace(WISH, why="x" * 1_001), "somebody", "/why"),
        (WISH, "", "/by"),
        (Wish(Kind.RETRACT, "because", event=EventName("shop", "")), "somebody", "/event/id"),
        (Wish(Kind.RETRACT, "because", source="a\0b"), "somebody", "/source"),
    ],
)
def test_what_a_reader_of_the_log_would_refuse_is_refused_before_it_is_there(wish: Wish, by: str, pointer: str) -> None:
    with pytest.raises(InvalidEvent) as refused:
        directive_of(wish, by, NOW)

    assert refused.value.pointer == pointer


def test_the_same_decided_later_is_another_directive() -> None:
    assert directive_of(WISH, "somebody", NOW).id != directive_of(WISH, "somebody", NOW + timedelta(seconds=1)).id


def test_under_one_key_the_same_is_one_directive_whenever_it_is_sent() -> None:
    first = under_key(directive_of(WISH, "somebody", NOW), "k")
    later = under_key(directive_of(WISH, "somebody", NOW + timedelta(seconds=1)), "k")

    assert first.id == later.id
    assert decode(encode(first)) == first


def test_another_key_sender_or_wish_is_another_directive() -> None:
    ids = {
        under_key(directive_of(wish, by, NOW), key).id
        for wish in (WISH, replace(WISH, why="for another reason"), replace(WISH, kind=Kind.CANNOT_LINK))
        for by in ("somebody", "somebody else")
        for key in ("k", "l")
    }

    assert len(ids) == 12
