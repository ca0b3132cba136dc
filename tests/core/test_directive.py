"""The directive as somebody writes it, and as it stands in the log."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from core.directive import Kind, Wish, decode, directive_of, encode, under_key

NOW = datetime(2026, 11, 20, tzinfo=UTC)
WISH = Wish(Kind.MUST_LINK, "because", ("user_id:A", "phone:139 1234 5678"))


def test_what_stands_in_the_log_is_read_as_it_was_decided() -> None:
    directive = directive_of(WISH, "somebody", NOW)

    assert decode(encode(directive)) == directive


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
