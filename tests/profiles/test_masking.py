"""What those see who may not see who it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.identifier import parse
from profiles import masking


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("phone:+8613912345678", "phone:+86139****5678"),
        ("email:jane@example.com", "email:j***@example.com"),
        ("wechat_openid@wx8a1:oXYabcdefg", "wechat_openid@wx8a1:oX***fg"),
        ("user_id:A", "user_id:***"),
        ("user_id:1234567", "user_id:***"),
    ],
)
def test_an_identifier_is_shown_with_the_greater_part_hidden(written: str, shown: str) -> None:
    assert masking.identifier(parse(written)) == shown


@given(st.sampled_from(["phone", "email", "user_id"]), st.text(min_size=1))
def test_no_value_is_ever_shown_whole(namespace: str, value: str) -> None:
    """Whatever a value is, something of it stays hidden."""
    assert value not in masking.value(namespace, value).replace(masking.HIDDEN, "") or set(value) <= set("*@")


def test_of_a_name_the_first_character_is_shown() -> None:
    assert masking.name("王小明") == "王***"


def test_an_event_is_shown_without_who_and_where() -> None:
    body = {
        "id": "e1",
        "identifiers": [{"namespace": "phone", "scope": "", "value": "+8613912345678", "role": "subject"}],
        "properties": {
            "name": "王小明",
            "call": 13912345678,
            "scroll": 0.5,
            "bot": False,
            "channel": "sms",
            "more": ["x"],
        },
        "context": {"ip": "203.0.113.7"},
    }

    shown = masking.event(body)

    assert shown["identifiers"][0]["value"] == "+86139****5678"
    assert shown["properties"] == {
        "name": "***",
        "call": "***",
        "scroll": 0.5,
        "bot": False,
        "channel": "sms",
        "more": "***",
    }
    assert shown["context"] == {}
    assert body["context"]
