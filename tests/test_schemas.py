"""The published schemas are those of the code, and what we announce is what they say."""

from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from sqlalchemy import Engine, text

from api import asyncapi
from api.announced import EXAMPLES
from api.app import VERSION
from core.database import transaction
from core.errors import InvalidEvent
from core.event import TYPES, encode
from core.log.port import CONSENT_CHANGED, IDENTITY_CHANGED, PROFILE_UPDATED, TOPICS
from scripts import errors
from scripts.schemas import ASYNCAPI, FOLDER, OPENAPI, openapi, schemas, written
from tests.api.world import World
from tests.conftest import ROOT

WRITTEN: dict[str, Any] = {
    "type": "article.read",
    "channel": "official_account",
    "occurred_at": "2026-11-03T20:41:07+08:00",
    "identifiers": [
        {"namespace": "wechat_openid", "scope": "wx8a1", "value": "oXY", "role": "subject"},
        "anonymous_id@h5:c-9f2",
        {"namespace": "user_id", "value": None},
    ],
    "strength": "observed",
    "article": {"id": "a-1103", "title": "秋季选型指南", "topics": ["选型"]},
    "share": {"token": "s-1", "parent_token": "s-2", "scene": "group"},
    "campaign": {"id": "c-11"},
    "order": {"id": "o-1", "amount": 12_900, "currency": "CNY", "items": [{"sku": "s", "quantity": 1}]},
    "company": {"name": "四域"},
    "properties": {"dwell_ms": 130_000, "deep": [{"a": None}]},
    "context": {"session_id": "s"},
}


def faults(name: str, document: Any) -> list[str]:
    """What the committed schema *name* has against *document*."""
    schema = orjson.loads((FOLDER / name).read_bytes())
    return [error.message for error in Draft202012Validator(schema).iter_errors(document)]


@pytest.mark.parametrize("name", sorted(schemas()))
def test_a_schema_is_committed_as_the_code_has_it(name: str) -> None:
    """Where this fails, `make schemas` writes it anew; within a major version fields are only added."""
    assert (FOLDER / name).read_text(encoding="utf-8") == written(schemas()[name])
    Draft202012Validator.check_schema(schemas()[name])


def test_the_routes_are_described_as_the_code_has_them() -> None:
    assert OPENAPI.read_text(encoding="utf-8") == written(openapi())


def test_the_feeds_are_described_as_the_code_has_them() -> None:
    assert ASYNCAPI.read_text(encoding="utf-8") == written(asyncapi.document(VERSION))


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_is_described_by_an_example_too(topic: str) -> None:
    assert faults(f"{topic}.json", EXAMPLES[topic]) == []


def test_the_openapi_document_is_one_of_openapi_3_1() -> None:
    document = openapi()

    validate(document)
    assert document["openapi"].startswith("3.1.")


def test_the_page_of_errors_is_as_the_code_has_it() -> None:
    assert errors.PAGE.read_text(encoding="utf-8") == errors.page()


def test_no_schema_is_left_of_what_is_no_more() -> None:
    assert {file.name for file in FOLDER.iterdir()} == {*schemas()}


def test_what_a_sender_may_write_is_described() -> None:
    assert faults("event.submission.json", WRITTEN) == []


def test_the_event_of_the_readme_is_described() -> None:
    [example] = [part for part in (ROOT / "README.md").read_text().split("```json\n")[1:] if '"article.read"' in part]

    assert faults("event.submission.json", orjson.loads(example.partition("```")[0])) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "unheard.of"},
        {"channel": "Not a word"},
        {"unheard_of": 1},
        {"article": {}},
        {"share": {"scene": "unheard of"}},
        {"order": {"id": "o", "amount": 10**15}},
        {"identifiers": ["user_id:A"] * 51},
        {"identifiers": [{"value": "A"}]},
    ],
)
def test_what_is_refused_is_against_the_schema(engine: Engine, wrong: dict[str, Any]) -> None:
    assert faults("event.submission.json", WRITTEN | wrong)
    with pytest.raises(InvalidEvent):
        World(engine).event(**WRITTEN | wrong)


@pytest.mark.parametrize("missing", ["type", "channel", "occurred_at"])
def test_what_has_to_be_said_is_required(missing: str) -> None:
    assert faults("event.submission.json", {name: value for name, value in WRITTEN.items() if name != missing})


def test_all_types_are_listed() -> None:
    assert schemas()["event.submission.json"]["properties"]["type"]["enum"] == sorted(TYPES)


def test_an_event_on_the_log_is_as_described(engine: Engine) -> None:
    world = World(engine)
    whole = {name: value for name, value in WRITTEN.items() if name != "identifiers"} | {"id": "e"}

    for event in (world.event(), world.event(*WRITTEN["identifiers"], **whole), world.event("user_id:A", minute=10**6)):
        assert faults("siyu.events.v1.json", orjson.loads(encode(event))) == []


def test_everything_that_is_announced_is_as_described(engine: Engine) -> None:
    """A person is made, merged, split, and agrees; an identifier moves, and one is contested; no value says more."""
    world = World(engine)
    phone, cookie, openid = "phone:13912345678", "anonymous_id@h5:c", "wechat_openid@wx:o"
    world.happens(cookie, openid, type="article.read", article={"id": "a"})
    world.happens(phone, minute=1, type="order.paid", order={"id": "o", "amount": 5})
    world.happens(cookie, phone, minute=2, type="identify", properties={"name": "Tom"})
    world.happens(cookie, "phone:13912345679", minute=3)
    world.happens("user_id:B", minute=4)
    world.happens("user_id:A", "email:tom@example.com", minute=4)
    world.happens("user_id:B", "email:tom@example.com", minute=5, strength="platform")
    world.happens(phone, minute=6, type="sms.opted_out", channel="sms")

    with transaction(engine) as connection:
        rows = connection.execute(text("SELECT messages FROM outbox")).scalars().all()
    announced = [each for messages in rows for each in messages]

    for topic in (PROFILE_UPDATED, IDENTITY_CHANGED, CONSENT_CHANGED):
        values = [each["value"] for each in announced if each["topic"] == topic]
        assert values
        for value in values:
            assert faults(f"{topic}.json", value) == []
            assert value.keys() == schemas()[f"{topic}.json"]["properties"].keys()
    kinds = {each["value"]["type"] for each in announced if each["topic"] == IDENTITY_CHANGED}
    assert kinds == {"person.created", "person.merged", "person.split", "identifier.moved", "identifier.contested"}
    reasons = {each["value"]["reason"] for each in announced if each["topic"] == PROFILE_UPDATED}
    assert reasons == {"event", "merge", "split"}
