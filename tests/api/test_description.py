"""What describes a person, as it is asked for, and right after every change of who somebody is."""

from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from core.database import transaction
from core.directive import Kind
from core.event import Trust
from profiles import description
from stitcher.rebuild import rebuild
from tests.api.world import INDEX, NOW, RULES, World

A, B, PHONE = "user_id:A", "user_id:B", "phone:+8613912345678"
MINUTES_OF_DAY = 24 * 60


def asked(client: httpx.Client, person: str, page: str = "") -> dict[str, Any]:
    answer = client.get(f"/v1/people/{person}{page}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_trait_says_who_stated_it_and_what_others_did(world: World, sales: httpx.Client) -> None:
    world.happens(A, type="form.submitted", channel="membership", properties={"gender": "女", "city": "杭州"})
    said = world.happens(A, minute=1, type="identify", properties={"gender": "male", "city": "上海"})

    told = asked(sales, world.person(A))

    assert told["traits"] == {"city": "上海", "gender": "female"}
    city, gender = told["trait_origins"]["city"], told["trait_origins"]["gender"]
    assert (city["rule"], city["event"], city["source"], city["stated_at"]) == (
        "latest",
        said.uid,
        "shop",
        "2026-11-19T00:01:00Z",
    )
    assert (gender["rule"], gender["channel"]) == ("trusted", "membership")
    assert [(each["value"], each["channel"]) for each in gender["others"]] == [("male", "web")]


def test_who_may_not_see_who_it_is_sees_where_a_trait_is_from_but_not_what_it_is(
    world: World, marketer: httpx.Client
) -> None:
    world.happens(A, type="identify", properties={"city": "杭州"})
    world.happens(A, minute=1, type="identify", properties={"city": "上海"})

    told = marketer.get(f"/v1/people/{world.person(A)}").text

    assert "杭州" not in told
    assert "上海" not in told
    assert '"rule":"latest"' in told


def test_tags_of_all_kinds_are_shown_with_their_source_and_time(world: World, marketer: httpx.Client) -> None:
    world.happens(A, type="person.tagged", properties={"tag": "vip"})
    world.happens(A, minute=1, type="person.tagged", trust=Trust.IMPORT, properties={"tag": "old customer"})
    world.happens(A, minute=2, type="person.tagged", properties={"tag": "vip", "kind": "model", "score": 0.8})
    world.happens(A, minute=3, type="person.tagged", properties={"tag": "gone"})
    world.happens(A, minute=4, type="person.tagged", properties={"tag": "gone", "removed": True})

    tags = asked(marketer, world.person(A))["tags"]

    assert [(each["kind"], each["name"], each["score"]) for each in tags] == [
        ("imported", "old customer", None),
        ("model", "vip", 0.8),
        ("stated", "vip", None),
    ]


def test_a_tag_that_ends_changes_the_tag_of_the_profile(world: World, marketer: httpx.Client) -> None:
    """A reader who has a profile already must not go on with one whose tags have ended, though no event tells."""
    world.happens(A, type="person.tagged", properties={"tag": "a", "expires_at": "2026-11-20T00:00:01Z"})
    answer = marketer.get(f"/v1/people/{world.person(A)}")

    again = marketer.get(f"/v1/people/{world.person(A)}", headers={"If-None-Match": answer.headers["etag"]})

    assert [each["name"] for each in answer.json()["tags"]] == ["a"]
    assert again.status_code == 304


def test_the_first_source_is_changed_by_an_earlier_event_only(world: World, marketer: httpx.Client) -> None:
    def ends() -> list[str]:
        told = asked(marketer, world.person(A))["sources"]
        return [told[end]["channel"] for end in ("first", "last")]

    world.happens(A, minute=-9, type="sms.delivered", channel="sms")
    world.happens(A, minute=5, channel="h5", campaign={"id": "c1"})
    assert ends() == ["h5", "h5"]

    world.happens(A, minute=9, channel="app")
    assert ends() == ["h5", "app"]

    world.happens(A, minute=1, channel="qr", type="qr.scanned")
    assert ends() == ["qr", "app"]


def test_all_sources_are_kept_apart_by_channel_and_campaign(world: World, marketer: httpx.Client) -> None:
    for minute, campaign in ((1, {"id": "c1", "medium": "sms"}), (2, {"id": "c2"}), (3, {"id": "c1", "medium": "sms"})):
        world.happens(A, minute=minute, channel="h5", campaign=campaign)
    world.happens(A, minute=4, channel="h5")

    told = asked(marketer, world.person(A), "/sources")

    assert [(each["campaign"] and each["campaign"]["id"], each["events"]) for each in told["all"]] == [
        ("c1", 2),
        ("c2", 1),
        (None, 1),
    ]
    assert told["all"][0]["last_at"] == "2026-11-19T00:03:00Z"
    assert (told["first"]["campaign"]["medium"], told["last"]["campaign"]) == ("sms", None)


def test_interests_fade_by_topic_with_the_reads_behind_them(world: World, marketer: httpx.Client) -> None:
    tea, coffee = {"id": "a", "topics": ["tea"]}, {"id": "b", "topics": ["coffee"]}
    world.happens(A, minute=-30 * MINUTES_OF_DAY, type="article.read", article=coffee)
    read = world.happens(A, type="article.read", article=tea)
    world.happens(A, minute=1, type="article.read", article=tea, context={"bot": True})

    told = asked(marketer, world.person(A), "/interests")

    assert [(each["topic"], each["share"]) for each in told["data"]] == [("tea", 0.6667), ("coffee", 0.3333)]
    assert told["data"][0]["newest"] == [
        {"event": read.uid, "type": "article.read", "article_id": "a", "at": "2026-11-19T00:00:00Z"}
    ]


def test_levels_stand_side_by_side_each_with_its_reason(world: World, marketer: httpx.Client) -> None:
    world.happens(A, PHONE, type="consent.given", properties={"channel": "sms"})
    read = world.happens(A, minute=1, type="article.read", article={"id": "a"})
    world.happens(A, minute=2, type="order.paid", order={"id": "o1", "amount": 5})
    world.happens(A, minute=3, type="order.refunded", order={"id": "o1", "amount": 5})

    levels = asked(marketer, world.person(A))["levels"]

    assert [name for name, each in levels.items() if each["is"]] == ["reached", "reader", "identified", "contactable"]
    assert levels["reader"]["since"] == read.occurred_at.isoformat().replace("+00:00", "Z")
    assert levels["contactable"]["because"] == "sms"
    assert levels["buyer"] == {"is": False, "since": None, "because": None, "event": None}


def test_the_path_by_which_somebody_came_has_everybody_from_the_push_down(world: World, marketer: httpx.Client) -> None:
    chain = [f"user_id:u{number}" for number in range(4)]
    for number, who in enumerate(chain):
        came = {"token": f"s{number - 1}"} if number else None
        world.happens(who, minute=number * 2, type="article.read", article={"id": "a"}, share=came)
        own = {"token": f"s{number}", "parent_token": f"s{number - 1}" if number else None}
        world.happens(who, minute=number * 2 + 1, type="article.shared", article={"id": "a"}, share=own)

    via = asked(marketer, world.person(chain[-1]))["entered_via"]

    assert via["generation"] == 4
    assert [(each["person_id"], each["generation"]) for each in via["path"]] == [
        (world.person(who), place) for place, who in enumerate(chain, start=1)
    ]
    assert {each["label"] for each in via["path"]} == {"user_id:***"}


def test_a_merge_a_split_and_a_retraction_leave_what_a_rebuild_gives(
    engine: Engine, world: World, sales: httpx.Client
) -> None:
    article = {"id": "a", "topics": ["tea"]}
    world.happens(A, PHONE, type="identify", channel="membership", properties={"gender": "男", "city": "杭州"})
    world.happens(A, minute=1, type="article.shared", article=article, share={"token": "s-A"})
    world.happens(A, minute=2, type="person.tagged", properties={"tag": "vip"})
    world.happens(B, minute=3, type="article.read", article=article, share={"token": "s-A"}, campaign={"id": "c"})
    stated = world.happens(B, minute=4, type="identify", properties={"gender": "女", "city": "上海"})
    untagged = world.happens(B, minute=5, type="person.tagged", properties={"tag": "vip", "removed": True})
    bought = world.happens(B, minute=6, type="order.paid", channel="orders", order={"id": "o", "amount": 9})

    def described(who: str) -> list[dict[str, Any]]:
        person = world.person(who)
        told = asked(sales, person)
        of_profile = {
            name: told[name] for name in ("traits", "trait_origins", "tags", "levels", "sources", "entered_via")
        }
        return [of_profile, asked(sales, person, "/interests"), asked(sales, person, "/sources")]

    def as_a_rebuild_gives() -> list[dict[str, Any]]:
        before = [*described(A), *described(B)]
        with transaction(engine) as connection:
            rebuild(connection, RULES, INDEX, NOW)
        assert [*described(A), *described(B)] == before
        return before

    apart = as_a_rebuild_gives()
    assert (apart[0]["traits"], apart[3]["traits"]) == (
        {"city": "杭州", "gender": "male"},
        {"city": "上海", "gender": "female"},
    )
    assert [each["name"] for each in apart[0]["tags"]] == ["vip"]

    world.decide(Kind.MUST_LINK, A, B)
    merged = as_a_rebuild_gives()[0]
    assert merged["traits"] == {"city": "上海", "gender": "male"}
    assert (merged["tags"], merged["levels"]["buyer"]["is"]) == ([], True)
    assert (merged["sources"]["first"]["type"], merged["sources"]["last"]["type"]) == ("article.shared", "order.paid")

    world.decide(Kind.CANNOT_LINK, A, B, minute=1)
    assert as_a_rebuild_gives() == apart

    world.decide(Kind.MUST_LINK, A, B, minute=2)
    for minute, event in enumerate((stated, untagged, bought), start=3):
        world.decide(Kind.RETRACT, event=event, minute=minute)
    taken_back = as_a_rebuild_gives()[0]
    assert taken_back["traits"] == {"city": "杭州", "gender": "male"}
    assert [each["name"] for each in taken_back["tags"]] == ["vip"]
    assert taken_back["levels"]["buyer"]["is"] is False


def test_many_words_on_one_channel_do_not_crowd_out_the_trusted_word_on_another(
    world: World, sales: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(description, "STATEMENTS_MAX", 2)
    world.happens(A, type="form.submitted", channel="membership", properties={"gender": "女", "city": "杭州"})
    for minute in range(1, 9):
        world.happens(A, minute=minute, type="identify", properties={"gender": "男", "city": f"city {minute}"})

    told = asked(sales, world.person(A))

    assert told["traits"] == {"gender": "female", "city": "city 8"}
    assert [each["value"] for each in told["trait_origins"]["city"]["others"]] == ["city 7", "city 2", "city 1", "杭州"]


def test_who_was_only_sent_an_article_came_by_no_path(world: World, marketer: httpx.Client) -> None:
    world.happens(A, type="article.pushed", channel="official_account", article={"id": "a"})

    via = asked(marketer, world.person(A))["entered_via"]

    assert (via["article_id"], via["generation"], via["path"]) == ("a", None, [])
