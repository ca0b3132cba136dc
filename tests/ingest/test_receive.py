"""What comes in at the door, and what does not."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest

from core.errors import InvalidEvent
from core.event import EVENT_BYTES_MAX, Strength, decode
from core.identifier import parse as identifier
from core.metrics import IDENTIFIERS_DROPPED, REGISTRY
from core.submission import Submission
from tests.ingest.given import BROWSER, INDEX, SERVER, event, receiver

SECRET = "13912345678"  # must never come back


def test_a_record_is_the_event_under_the_blind_index_of_its_best_identifier() -> None:
    written = event(id="1", identifiers=["anonymous_id@h5:c-9f2", "phone:13912345678"])

    received, record = receiver().receive(orjson.dumps(written), SERVER)

    assert record.key == INDEX(identifier("phone:+8613912345678"))
    assert decode(record.value) == received
    assert record.headers == {
        "ce_id": received.uid,
        "ce_source": "/siyu/hq",
        "ce_type": "siyu.events.v1",
        "ce_specversion": "1.0",
        "ce_time": "2026-11-03T12:41:07+00:00",
        "ce_subject": record.key,
        "content-type": "application/json",
    }


def test_an_event_of_nobody_is_filed_under_its_own_id() -> None:
    received, record = receiver().receive(event(), SERVER)

    assert record.key == received.uid


def test_headers_are_ascii_whatever_the_source_is_called() -> None:
    _, record = receiver().receive(event(source="总部 h5/一"), SERVER)

    assert all(value.isascii() and value.isprintable() for value in record.headers.values())


def test_a_server_may_name_another_source_and_a_browser_may_not() -> None:
    assert receiver().receive(event(source="shop"), SERVER)[0].source == "shop"
    assert receiver().receive(event(source="shop"), BROWSER)[0].source == BROWSER.source


def test_an_event_without_an_id_gets_the_same_one_every_time() -> None:
    once, _ = receiver().receive(event(properties={"a": 1, "b": 2}), SERVER)
    again, _ = receiver().receive(orjson.dumps(event(properties={"b": 2, "a": 1})), SERVER)
    other, _ = receiver().receive(event(properties={"a": 1, "b": 3}), SERVER)

    assert once.uid == again.uid
    assert once.uid != other.uid


def test_the_same_id_of_two_sources_is_two_events() -> None:
    assert receiver().receive(event(id="1"), SERVER)[0].uid != receiver().receive(event(id="1"), BROWSER)[0].uid


def test_an_event_that_says_nothing_of_strength_has_the_default_of_its_key() -> None:
    assert receiver().receive(event(), BROWSER)[0].strength is Strength.OBSERVED
    assert receiver().receive(event(strength="proven"), SERVER)[0].strength is Strength.PROVEN


def test_an_event_is_too_large_however_it_comes() -> None:
    written = event(properties={"text": "x" * EVENT_BYTES_MAX})

    for form in (written, orjson.dumps(written)):
        with pytest.raises(InvalidEvent, match="at most") as caught:
            receiver().receive(form, SERVER)
        assert caught.value.code == "too_large"


def test_dropped_identifiers_are_counted_under_namespaces_that_exist() -> None:
    before = _dropped("other")

    receiver().receive(event(identifiers=[f"invented_{n}:null" for n in range(20)] + ["phone:0"]), SERVER)

    assert _dropped("other") == before + 20
    assert "invented" not in generate_latest(REGISTRY).decode()


HOSTILE: Mapping[str, tuple[bytes, str]] = {
    "nothing": (b"", ""),
    "null": (b"null", ""),
    "a list": (b"[]", ""),
    "a number": (b"1", ""),
    "no JSON": (b"{", ""),
    "NaN": (b'{"properties": {"x": NaN}}', ""),
    "a number without end": (b'{"properties": {"x": 1e400}}', ""),
    "5,000 digits": (b'{"properties": {"x": %s}}' % (b"9" * 5_000), ""),
    "invalid UTF-8": (b'{"type": "\xff"}', ""),
    "a lone surrogate": (b'{"type": "\\ud800"}', ""),
    "depth": (b"[" * 100_000, ""),
    "no type": (orjson.dumps({"channel": "h5", "occurred_at": "2026-11-03T20:41:07Z"}), "/type"),
    "another type": (orjson.dumps(event(type=SECRET)), "/type"),
    "a number as channel": (orjson.dumps(event(channel=int(SECRET))), "/channel"),
    "a time without a zone": (orjson.dumps(event(occurred_at="2026-11-03T20:41:07")), "/occurred_at"),
    "no time": (orjson.dumps(event(occurred_at=SECRET + "x")), "/occurred_at"),
    "NUL in a property": (orjson.dumps(event(properties={"name": f"{SECRET}\0"})), "/properties"),
    "NUL in a title": (orjson.dumps(event(article={"id": "a", "title": f"{SECRET}\0"})), "/article/title"),
    "NUL in an id": (orjson.dumps(event(id=f"{SECRET}\0")), "/id"),
    "another strength": (orjson.dumps(event(strength=SECRET)), "/strength"),
    "another role": (
        orjson.dumps(event(identifiers=[{"namespace": "phone", "value": SECRET, "role": SECRET}])),
        "/identifiers/0/role",
    ),
    "an identifier without a namespace": (orjson.dumps(event(identifiers=["phone:1", SECRET])), "/identifiers/1"),
    "an identifier that is a list": (orjson.dumps(event(identifiers=[[SECRET]])), "/identifiers/0"),
    "too many identifiers": (orjson.dumps(event(identifiers=[f"phone:{SECRET}"] * 51)), "/identifiers"),
    "half a fen": (orjson.dumps(event(order={"id": "o", "amount": 1.5})), "/order/amount"),
    "another field": (orjson.dumps(event(phone=SECRET)), "/phone"),
    "another field of an article": (orjson.dumps(event(article={"id": "a", "phone": SECRET})), "/article/phone"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_fault_names_the_field_and_repeats_no_value(name: str) -> None:
    body, pointer = HOSTILE[name]

    with pytest.raises(InvalidEvent) as caught:
        receiver().receive(body, SERVER)

    assert caught.value.pointer == pointer
    assert caught.value.detail
    assert SECRET not in str(caught.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
names = st.sampled_from(sorted(field.name for field in fields(Submission)))


def nested(depth: int) -> Any:
    """A property that is a list in a list in a list, *depth* times."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return {"properties": {"x": value}}


@settings(deadline=None)  # the machine may be busy
@given(st.dictionaries(names, json_values, max_size=5))
@example(nested(200))
@example(nested(252))
@example(nested(253))
@example(nested(253) | {"id": "1"})
@example(nested(254) | {"id": "1"})
@example(nested(300))
@example({"occurred_at": "0001-01-01T00:00:00+14:00"})
@example({"occurred_at": "9999-12-31T23:59:59-14:00"})
@example({"properties": {"url": "http://[ajs_uid"}})
@example({"context": {"page": {"url": "http://[ajs_uid"}}})
@example({"identifiers": [{"namespace": "phone", "value": 10**400}]})
@example({"order": {"id": "1", "amount": 10**30}})
def test_no_json_makes_the_door_fail_otherwise(written: dict[str, Any]) -> None:
    """Whatever JSON is submitted, it is taken or refused as invalid; and what is taken can be stored."""
    try:
        _, record = receiver().receive(json.dumps(event(**written)).encode(), SERVER)
    except InvalidEvent:
        return

    assert b"\\u0000" not in record.value.replace(b"\\\\", b"")
    decode(record.value)


@settings(deadline=None)  # the machine may be busy
@given(json_values)
def test_what_is_no_object_is_refused_as_invalid(value: Any) -> None:
    """A batch may hold anything."""
    with pytest.raises(InvalidEvent):
        receiver().receive(value, SERVER)


def _dropped(namespace: str) -> float:
    samples = [sample for metric in IDENTIFIERS_DROPPED.collect() for sample in metric.samples]
    return sum(s.value for s in samples if s.name.endswith("_total") and s.labels["namespace"] == namespace)
