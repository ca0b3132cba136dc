"""The description of the feeds: what AsyncAPI takes for one, and what its examples are examples of."""

from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from jsonschema import Draft7Validator

from api import asyncapi
from api.announced import ANNOUNCED, EXAMPLES, NAMES
from api.app import VERSION
from core.log.port import TOPICS
from tests.conftest import ROOT
from tests.npm import installed

SPECS = Path(__file__).parent / "specs"
DOCUMENT: Any = orjson.loads(orjson.dumps(asyncapi.document(VERSION)))
MESSAGES = DOCUMENT["components"]["messages"]


@pytest.fixture(scope="module")
def official() -> Draft7Validator:
    """AsyncAPI's own schema of its documents."""
    file = installed(SPECS) / "node_modules/@asyncapi/specs/schemas/3.0.0-without-$id.json"
    return Draft7Validator(orjson.loads(file.read_bytes()))


def faults(schema: Any, value: Any) -> list[str]:
    """What *schema*, which may refer to others in the document, has against *value*."""
    whole = {**schema, "components": DOCUMENT["components"]}
    return [error.message for error in Draft7Validator(whole).iter_errors(value)]


def test_it_is_an_asyncapi_document(official: Draft7Validator) -> None:
    assert [(error.json_path, error.message) for error in official.iter_errors(DOCUMENT)] == []


def test_what_is_none_would_be_noticed(official: Draft7Validator) -> None:
    sender: Any = orjson.loads(orjson.dumps(DOCUMENT))
    sender["operations"]["stream"]["action"] = "shout"

    assert not official.is_valid(sender)


def test_it_is_served_to_anybody(anybody: httpx.Client) -> None:
    assert anybody.get("/asyncapi.json").json() == DOCUMENT


def test_every_topic_and_all_that_subscribers_hear_of_is_in_it() -> None:
    assert {*DOCUMENT["channels"]} == {*TOPICS, "stream", "webhook"}
    for channel in ("stream", "webhook"):
        assert {*DOCUMENT["channels"][channel]["messages"]} - {"reset"} == {*ANNOUNCED}
    told = {name for topic in ANNOUNCED for name in MESSAGES[f"structured.{topic}"]["title"].split(", ")}
    assert told == NAMES


@pytest.mark.parametrize("name", MESSAGES)
def test_an_example_is_what_its_message_is_said_to_be(name: str) -> None:
    message = MESSAGES[name]
    [example] = message["examples"]

    assert faults(message["payload"], example["payload"]) == []
    if "headers" in example:
        assert faults(message["headers"], example["headers"]) == []


@pytest.mark.parametrize("topic", TOPICS)
def test_the_guide_shows_the_same_example(topic: str) -> None:
    guide = (ROOT / "docs" / "feeds.md").read_text(encoding="utf-8")
    example = guide.partition(f"### `{topic}`")[2].partition("```json\n")[2].partition("```")[0]

    assert orjson.loads(example) == EXAMPLES[topic]


def test_the_guide_names_whatever_can_be_chosen() -> None:
    guide = (ROOT / "docs" / "feeds.md").read_text(encoding="utf-8")

    assert {name for name in NAMES if f"`{name}`" not in guide} == set()


def test_whatever_it_refers_to_is_there() -> None:
    def referred(part: Any) -> Any:
        if isinstance(part, dict):
            yield from [part["$ref"]] if isinstance(part.get("$ref"), str) else []
            part = list(part.values())
        for each in part if isinstance(part, list) else ():
            yield from referred(each)

    for name in {*referred(DOCUMENT)}:
        found = DOCUMENT
        for step in name.removeprefix("#/").split("/"):
            found = found[step]
