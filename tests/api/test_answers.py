"""All answers at once: whatever was merged, split and taken back, every number of them is what a rebuild gives."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from core.database import transaction
from core.keys import Scope
from profiles import intent, traits
from profiles.segments import facts
from profiles.segments.judging import Rules
from profiles.segments.watching import Watch
from stitcher import rebuild
from tests.api.client import asking
from tests.api.world import INDEX, NOW, RULES, World
from tests.profiles.segments.history import happens

JUDGED_BY = Rules(intent.shipped(), traits.shipped())

OF_A_PERSON = ("", "/intent", "/reach", "/consent", "/interests", "/sources", "/segments")
OF_AN_ARTICLE = ("", "/stats", "/readers", "/share-tree")
OF_EVERYBODY = (
    "/v1/articles",
    "/v1/companies",
    "/v1/tags",
    "/v1/segments",
    "/v1/stages",
    "/v1/segments/spreaders/people",
    "/v1/segments/others/people",
    *(f"/v1/metrics/{figure}?from=2026-07-01&to=2026-11-21" for figure in ("rates", "attribution", "k", "sources")),
    *(f"/v1/metrics/{figure}?from=2026-07-01&to=2026-11-21" for figure in ("retention", "response-time", "unfollows")),
    *(f"/v1/metrics/{figure}" for figure in ("rfm", "repurchase", "value", "pareto")),
)
# What counts up with every announcement, and what is made of it, is no number of anybody.
NOT_OF_THE_FACTS = {"version", "as_of", "changed_at", "since"}


@pytest.fixture
def analyst(app: FastAPI, world: World) -> Iterator[httpx.Client]:
    """A client who may see everything of people, and define segments."""
    with asking(app, world.key(Scope.PEOPLE_READ, Scope.PEOPLE_READ_PII, Scope.SEGMENTS_WRITE)) as client:
        yield client


def answers(client: httpx.Client, engine: Engine) -> Mapping[str, Any]:
    """What is answered to every question, by its address."""
    with transaction(engine) as connection:
        everybody = sorted(facts.present(connection, World(engine).people()))
    articles = [each["id"] for each in client.get("/v1/articles").json()["data"]]
    asked = [
        *(f"/v1/people/{person}{question}" for person in everybody for question in OF_A_PERSON),
        *(f"/v1/articles/{article}{question}" for article in articles for question in OF_AN_ARTICLE),
        *OF_EVERYBODY,
    ]
    found = {}
    for address in asked:
        answer = client.get(address)
        assert answer.status_code == 200, f"{address}: {answer.text}"
        found[address] = plain(answer.json())
    return found


def plain(told: Any) -> Any:
    match told:
        case dict():
            return {name: plain(value) for name, value in told.items() if name not in NOT_OF_THE_FACTS}
        case list():
            return [plain(each) for each in told]
        case float():
            return round(told, 9)
        case _:
            return told


@pytest.mark.parametrize("seed", range(3))
def test_every_number_of_every_answer_is_what_a_rebuild_gives(world: World, analyst: httpx.Client, seed: int) -> None:
    """Merges, splits and retractions among them, in any order."""
    spreaders = {"kind": "brought", "at_least": 1}
    for name, when in (("spreaders", spreaders), ("others", {"kind": "not", "of": {"kind": "in", "set": "spreaders"}})):
        assert analyst.post("/v1/segments", json={"name": name, "when": when}).status_code == 201
    for preset in analyst.get("/v1/stages/presets").json():
        assert analyst.post("/v1/stages", json=preset).status_code == 201
    watch = Watch(world.engine, JUDGED_BY, clock=lambda: NOW)
    watch.drain()
    happens(world, seed + 1_000, 150)
    watch.drain()
    before = answers(analyst, world.engine)

    with transaction(world.engine) as connection:
        rebuild.rebuild(connection, RULES, INDEX, NOW)
    watch.drain()

    after = answers(analyst, world.engine)
    assert before.keys() == after.keys()
    assert {address: told for address, told in before.items() if told != after[address]} == {}
