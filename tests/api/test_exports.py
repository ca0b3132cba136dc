"""Exports as jobs: asked for, made, fetched and forgotten; masked for who may see no more, and written down for who may."""

import csv
import io
from collections.abc import Mapping
from datetime import timedelta
from random import Random
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from fastapi import FastAPI

from core.database import transaction
from core.directive import Kind
from core.identifier import parse
from core.keys import Scope
from profiles import intent, platforms, traits
from profiles.segments.judging import Rules
from profiles.segments.watching import Watch
from stitcher import rebuild
from tests.api.client import asking
from tests.api.exporting import (
    ARTICLE,
    COOKIE,
    MAIL,
    PHONE,
    fetched,
    impatient,
    lived_in,
    made,
)
from tests.api.world import INDEX, NOW, RULES, World

__all__ = ["impatient", "lived_in"]  # fixtures

pytestmark = pytest.mark.usefixtures("impatient")


def test_an_export_is_queued_and_says_what_was_asked(marketer: httpx.Client) -> None:
    answer = marketer.post(
        "/v1/exports", json={"what": "events", "format": "xlsx", "filters": {"type": "article.read"}}
    )

    job = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (202, f"/v1/jobs/{job['id']}")
    assert (job["status"], job["rows"], job["result"]) == ("queued", {"done": 0, "expected": None}, None)
    assert job["asked"]["filters"]["type"] == "article.read"
    assert marketer.get(answer.headers["location"]).json() == job
    assert marketer.get(f"/v1/jobs/{job['id']}/result").status_code == 409


def test_a_file_is_made_and_says_how_many_rows_it_has(lived_in: World, sales: httpx.Client) -> None:
    job = made(sales, lived_in.engine, what="events", clear=True)
    answer = sales.get(job["result"])

    assert (job["status"], job["rows"], job["error"]) == ("done", {"done": 6, "expected": 6}, None)
    assert (answer.headers["content-type"], int(answer.headers["content-length"])) == (
        "text/csv; charset=utf-8",
        job["size_bytes"],
    )
    assert answer.headers["content-disposition"] == 'attachment; filename="siyu-events.csv"'
    lines = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert [line["type"] for line in lines][:3] == ["form.submitted", "consent.given", "article.read"]
    assert {line["person_id"] for line in lines} == {lived_in.person(PHONE), lived_in.person(COOKIE), ""}
    assert lines[0]["identifiers"] == f"{PHONE};{MAIL}"
    assert (lines[-1]["verdict"], lines[-1]["person_id"]) == ("bot", "")


def test_what_says_who_it_is_is_masked_unless_it_is_asked_for_in_clear(lived_in: World, sales: httpx.Client) -> None:
    secrets = ("13912345678", "li@example.com", "李雷")
    for what in (
        {"what": "events"},
        {"what": "people"},
        {"what": "links"},
        {"what": "readers", "filters": {"article": "a-1"}},
    ):
        masked = str(fetched(sales, lived_in.engine, **what))
        clear = str(fetched(sales, lived_in.engine, **what, clear=True))

        assert [secret for secret in secrets if secret in masked] == []
        assert [secret for secret in secrets if secret in clear] != []


def test_who_may_not_see_who_people_are_cannot_ask_for_it(lived_in: World, marketer: httpx.Client) -> None:
    clear = marketer.post("/v1/exports", json={"what": "people", "clear": True})
    hashed = marketer.post("/v1/exports", json={"what": "audience", "platform": "meta"})

    assert (clear.status_code, hashed.status_code) == (403, 403)
    assert fetched(marketer, lived_in.engine, what="people")


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"what": "everything"},
        {"what": "readers"},
        {"what": "people", "format": "xls"},
        {"what": "people", "filters": {"type": "x"}},
        {"what": "audience", "platform": "nobody's"},
        {"what": "events", "filters": {"since": "2026-01-01T00:00:00"}},
        {"what": "audience", "platform": "meta", "filters": {"article": "a-1", "segment": "readers"}},
        {"what": "audience", "platform": "meta", "filters": {"band": "loyal"}},
    ],
    ids=str,
)
def test_what_cannot_be_exported_is_refused_at_once(asked: Mapping[str, Any], marketer: httpx.Client) -> None:
    assert marketer.post("/v1/exports", json=asked).status_code == 422


def test_events_can_be_had_in_part(lived_in: World, sales: httpx.Client) -> None:
    def types(**filters: str) -> list[str]:
        return [row["type"] for row in fetched(sales, lived_in.engine, what="events", filters=filters)]

    assert types(type="article.read") == ["article.read"] * 2
    assert types(channel="sms") == ["consent.given"]
    assert types(article="a-1") == ["article.read", "article.shared", "article.read"]
    begun = NOW - timedelta(days=1)
    since, until = begun + timedelta(minutes=2), begun + timedelta(minutes=4)
    assert types(since=since.isoformat(), until=until.isoformat()) == ["article.read", "article.shared"]


def test_readers_are_those_that_the_api_lists(lived_in: World, sales: httpx.Client) -> None:
    listed = sales.get("/v1/articles/a-1/readers").json()["data"]

    exported = fetched(sales, lived_in.engine, what="readers", filters={"article": "a-1"}, clear=True)
    unknown = fetched(
        sales, lived_in.engine, what="readers", filters={"article": "a-1", "min_generation": 2}, clear=True
    )

    assert exported == listed
    assert [row["person_id"] for row in unknown] == [lived_in.person(COOKIE)]


def test_an_article_that_nobody_has_heard_of_is_why_an_export_failed(sales: httpx.Client, world: World) -> None:
    job = made(sales, world.engine, what="readers", filters={"article": "a-0"})

    assert (job["status"], job["error"], job["result"]) == ("failed", "no event has named this article", None)
    assert sales.get(f"/v1/jobs/{job['id']}/result").status_code == 409


def test_links_say_who_is_one_person_because_of_what(lived_in: World, sales: httpx.Client) -> None:
    lived_in.decide(Kind.CANNOT_LINK, "user_id:a", "user_id:b")

    (link,) = fetched(sales, lived_in.engine, what="links", clear=True)

    assert {link["one"], link["other"]} == {PHONE, MAIL}
    assert (link["person_of_one"], link["strength"], link["count"]) == (lived_in.person(PHONE), "proven", 1)


@pytest.mark.parametrize("format_", ["csv", "xlsx", "parquet"])
def test_every_format_can_be_fetched(format_: str, lived_in: World, sales: httpx.Client) -> None:
    job = made(sales, lived_in.engine, what="people", format=format_, clear=True)
    content = sales.get(job["result"]).content

    assert job["rows"]["done"] == 2
    if format_ == "parquet":
        people = pq.read_table(io.BytesIO(content)).to_pylist()
        assert {person["person_id"] for person in people} == {lived_in.person(PHONE), lived_in.person(COOKIE)}
    else:
        assert content.startswith(b"PK" if format_ == "xlsx" else b"\xef\xbb\xbf")


def test_a_segment_is_exported_as_the_api_lists_it(lived_in: World, app: FastAPI, sales: httpx.Client) -> None:
    """As the watch over it knows it, as people and as a list for an ad platform."""
    with asking(app, lived_in.key(Scope.SEGMENTS_WRITE)) as strategist:
        when = {"kind": "read", "at_least": 1, "within_days": 14}
        assert strategist.post("/v1/segments", json={"name": "readers", "when": when}).status_code == 201
    Watch(lived_in.engine, Rules(intent.shipped(), traits.shipped()), clock=lambda: NOW).drain()
    lived_in.happens("user_id:somebody-else", type="consent.given", channel="sms", properties={"purpose": "marketing"})

    exported = fetched(sales, lived_in.engine, what="segment", filters={"segment": "readers"}, clear=True)
    hashed = fetched(sales, lived_in.engine, what="audience", platform="tencent_md5", filters={"segment": "readers"})

    assert exported == sales.get("/v1/segments/readers/people").json()["data"]
    assert len(exported) == 2
    assert len(hashed) == 1
    nobody = made(sales, lived_in.engine, what="segment", filters={"segment": "readers", "band": "none"})
    assert (nobody["status"], nobody["rows"]) == ("done", {"done": 0, "expected": 0})
    assert made(sales, lived_in.engine, what="segment", filters={"segment": "unheard_of"})["status"] == "failed"


# For ad platforms


def test_a_list_for_an_ad_platform_has_only_addresses_that_were_agreed_to(lived_in: World, sales: httpx.Client) -> None:
    """Li agreed to texts, and not to mail; the stranger to nothing."""
    lived_in.happens("phone:+8613900000001", type="consent.withdrawn", channel="sms")

    rows = fetched(sales, lived_in.engine, what="audience", platform="meta")

    profile = platforms.PROFILES[platforms.Platform.META]
    assert rows == list(platforms.rows(profile, [{"sms": ["+8613912345678"]}]))
    assert fetched(sales, lived_in.engine, what="audience", platform="meta", purpose="service") == []


def test_an_address_is_in_a_list_exactly_when_its_way_is_open(world: World, sales: httpx.Client) -> None:
    chance = Random(5)
    people = [f"user_id:u{n}" for n in range(12)]
    for number, who in enumerate(people):
        addresses = [f"phone:+861390000{number:04}", f"phone:+861391000{number:04}", f"email:u{number}@example.com"]
        for address in chance.sample(addresses, chance.randrange(4)):
            world.happens(who, address)
        for minute in range(chance.randrange(4)):
            kind, named = chance.choice(["given", "given", "withdrawn"]), chance.choice([who, *addresses])
            purpose = {"purpose": chance.choice(["marketing", "advertising"])}
            channel = chance.choice(["sms", "mail"])
            world.happens(named, type=f"consent.{kind}", channel=channel, properties=purpose, minute=minute)

    rows = fetched(sales, world.engine, what="audience", platform="meta", purpose="advertising")

    open_: list[Mapping[str, list[str]]] = []
    for person in world.people():
        ways = sales.get(f"/v1/people/{person}/reach?purpose=advertising").json()["ways"]
        found: dict[str, list[str]] = {}
        for way in ways:
            kept = [each["identifier"].partition(":")[2] for each in way["addresses"] if each["reason"] == "consented"]
            found[way["channel"]] = kept
        open_.append(found)
    expected = list(platforms.rows(platforms.PROFILES[platforms.Platform.META], open_))
    assert sorted(map(str, rows)) == sorted(map(str, expected))
    assert rows


def test_who_opts_out_is_in_no_list_any_more(lived_in: World, sales: httpx.Client) -> None:
    lived_in.happens(PHONE, type="sms.opted_out", channel="sms", minute=20)

    assert fetched(sales, lived_in.engine, what="audience", platform="tencent_md5") == []


def test_a_mere_list_is_one_hash_a_line(lived_in: World, sales: httpx.Client) -> None:
    job = made(sales, lived_in.engine, what="audience", platform="oceanengine", filters={"article": "a-1"})

    content = sales.get(job["result"]).content
    assert len(content.removesuffix(b"\r\n")) == 64
    assert job["rows"] == {"done": 1, "expected": 1}


# Who may see it, and who looked


def test_a_job_is_its_owner_s_and_the_administrator_s(
    app: FastAPI, world: World, sales: httpx.Client, administrator: httpx.Client
) -> None:
    job = made(sales, world.engine, what="people", clear=True)
    address = f"/v1/jobs/{job['id']}"

    with asking(app, world.key(Scope.PEOPLE_READ, Scope.PEOPLE_READ_PII)) as another:
        assert (another.get(address).status_code, another.get(f"{address}/result").status_code) == (404, 404)
    assert administrator.get(f"{address}/result").status_code == 200
    assert sales.get("/v1/jobs/00000000-0000-4000-8000-000000000000").status_code == 404


def test_every_fetching_of_what_is_clear_is_written_down(
    lived_in: World, sales: httpx.Client, marketer: httpx.Client, administrator: httpx.Client
) -> None:
    masked = made(marketer, lived_in.engine, what="people")
    clear = made(sales, lived_in.engine, what="events", clear=True, filters={"channel": "sms"})
    for client, job in ((marketer, masked), (sales, clear), (sales, clear)):
        client.get(job["result"])

    looks = administrator.get("/v1/audit?what=export of events").json()["data"]

    assert [(look["what"], look["count"]) for look in looks] == [("export of events", 1)] * 2
    assert (looks[0]["filters"]["filters"]["channel"], looks[0]["filters"]["job"]) == ("sms", clear["id"])


@pytest.mark.parametrize("seed", range(2))
def test_every_row_is_what_a_rebuild_gives(world: World, sales: httpx.Client, seed: int) -> None:
    """After merges, splits and retractions in any order."""
    chance = Random(seed)
    names = [f"user_id:u{n}" for n in range(5)] + [f"phone:+861390000000{n}" for n in range(5)] + [COOKIE]
    happened = []
    for number in range(50):
        who, other = chance.sample(names, 2)
        match chance.randrange(6):
            case 0 | 1:
                happened.append(world.happens(who, type="article.read", article=ARTICLE, minute=number))
            case 2:
                kind = chance.choice(["consent.given", "consent.given", "consent.withdrawn"])
                happened.append(world.happens(who, type=kind, channel="sms", minute=number))
            case 3:
                happened.append(world.happens(who, other, minute=number))
            case 4:
                world.decide(Kind.CANNOT_LINK, who, other, minute=number)
            case _ if happened:
                world.decide(Kind.RETRACT, event=happened.pop(chance.randrange(len(happened))), minute=number)

    def everything() -> list[Any]:
        asked: list[dict[str, Any]] = [{"what": what, "clear": True} for what in ("people", "events", "links")]
        asked += [{"what": "readers", "filters": {"article": "a-1"}, "clear": True}]
        asked += [{"what": "audience", "platform": "tencent_md5"}]
        return [fetched(sales, world.engine, **each) for each in asked]

    before = everything()
    with transaction(world.engine) as connection:
        rebuild.rebuild(connection, RULES, INDEX, NOW)

    assert everything() == before
    assert all(before)
    assert {parse(each).namespace for row in before[0] for each in row.get("identifiers", ())} >= {"phone", "user_id"}
