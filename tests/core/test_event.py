"""An event on the log is what was taken, whoever reads it, and stands under the best that it names."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidEvent
from core.event import (
    Mention,
    Role,
    best_mention,
    decode,
    encode,
)
from tests.core.submitting import NAMESPACES, documents, event, submissions, taken, words


@given(submissions)
def test_an_event_is_read_from_the_log_as_it_was_written(submission: dict[str, Any]) -> None:
    """Whatever was taken survives the log, and whatever is sent is taken or refused as invalid."""
    try:
        event = taken(submission)
    except InvalidEvent:
        return

    assert decode(encode(event)) == event
    assert decode(encode(event)).uid == event.uid
    assert len(orjson.loads(encode(event))) >= 10


@given(st.binary(max_size=60) | st.dictionaries(words, documents, max_size=3).map(orjson.dumps))
def test_anything_on_the_topic_is_an_event_or_invalid(value: bytes) -> None:
    """A record that somebody else put there never does more than to be refused."""
    for read in (decode, taken):
        with pytest.raises(InvalidEvent):
            read(value)


def test_no_source_can_shut_out_an_event_of_another() -> None:
    assert event(id="1", source="a").uid != event(id="1", source="b").uid
    assert event(id="1", source="a").uid == event(id="1", source="a", channel="sms").uid


def test_an_undeclared_namespace_is_kept_and_files_nothing() -> None:
    kept = event(identifiers=["loyalty:x"])

    assert kept.identifiers == (Mention("loyalty", "x"),)
    assert best_mention(kept, NAMESPACES) is None


def test_an_event_is_filed_under_its_best_ranked_subject() -> None:
    several = event(identifiers=["anonymous_id:c", "phone:13912345678", "user_id:B", "user_id:A", "link_token:t"])

    assert best_mention(several, NAMESPACES) == Mention("user_id", "A")


def test_without_a_subject_it_is_filed_under_the_context_then_under_the_recipient() -> None:
    recipient = {"namespace": "user_id", "value": "A", "role": "recipient"}

    clicked = best_mention(event(identifiers=[recipient, "anonymous_id:c"]), NAMESPACES)
    delivered = best_mention(event(identifiers=[recipient, "link_token:t"]), NAMESPACES)

    assert clicked == Mention("anonymous_id", "c", role=Role.CONTEXT)
    assert delivered == Mention("user_id", "A", role=Role.RECIPIENT)


def test_unknown_properties_are_kept() -> None:
    kept = event(type="track", properties={"event": "抽奖", "deep": {"null": None, "list": [1, "2", {"three": 3.5}]}})

    assert decode(encode(kept)).properties == {
        "event": "抽奖",
        "deep": {"null": None, "list": [1, "2", {"three": 3.5}]},
    }


def test_what_nobody_said_is_not_on_the_log() -> None:
    said = orjson.loads(encode(event()))

    assert not said.keys() & {"claimed_at", "article", "share", "campaign", "order", "company"}
