"""Who read an article, by whose link, and who passed it on: taken by the real stitcher into PostgreSQL."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

import profiles.audience
from core.database import metadata, transaction
from core.errors import NotFound
from core.event import Event
from core.identifier import PersonId
from profiles import articles, touches
from profiles.articles import Article
from profiles.audience import Audience, Reader, Stats, of_article
from profiles.touches import DWELL_MS_MAX
from tests.api.world import NOW, World, index

DAY = NOW - timedelta(days=1)
# One database serves all examples of a law; each begins by emptying it.
one_database = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


def read(
    world: World, *who: object, article: str = "a", by: str | None = None, scene: str | None = None, **fields: Any
) -> Event:
    return world.event(
        *who, type="article.read", article={"id": article}, share={"token": by, "scene": scene}, **fields
    )


def shared(world: World, *who: object, article: str = "a", link: str, by: str | None = None, **fields: Any) -> Event:
    share = {"token": link, "parent_token": by}
    return world.event(*who, type="article.shared", article={"id": article}, share=share, **fields)


def audience(world: World, article: str = "a") -> Audience:
    with transaction(world.engine) as connection:
        return of_article(connection, article)


def stats(world: World, article: str = "a") -> Stats:
    with transaction(world.engine) as connection:
        return profiles.audience.stats(connection, article)


def known(world: World, article: str = "a") -> Article:
    with transaction(world.engine) as connection:
        return articles.article(connection, article)


def readers(world: World) -> dict[str, Reader]:
    return {reader.person: reader for reader in audience(world).readers}


def at(minute: float) -> Any:
    return DAY + timedelta(minutes=minute)


def test_a_reader_is_a_person_and_his_reads_are_summed_over_his_identifiers(world: World) -> None:
    world.take([read(world, "anonymous_id@h5:c", minute=1, properties={"dwell_ms": 1_000, "scroll": 0.3})])
    world.take([read(world, "user_id:A", minute=2, properties={"dwell_ms": 500, "scroll": 0.9})])
    assert len(audience(world).readers) == 2

    world.happens("user_id:A", "anonymous_id@h5:c", minute=3)

    [reader] = audience(world).readers
    assert (reader.person, reader.is_anonymous) == (world.person("user_id:A"), False)
    assert (reader.reads, reader.dwell_ms, reader.scroll) == (2, 1_500, 0.9)
    assert (reader.first_read_at, reader.last_read_at) == (at(1), at(2))


def test_who_came_by_a_link_came_from_its_owner(world: World) -> None:
    """Case F6."""
    a, b = "wechat_openid@wx:aaa", "wechat_openid@wx:bbb"

    world.take(
        [
            read(world, a, minute=1),
            shared(world, a, link="s", minute=2),
            read(world, b, by="s", scene="group", minute=3),
        ]
    )

    reader = readers(world)[world.person(b)]
    assert (reader.came_from, reader.generation, reader.scene) == (world.person(a), 2, "group")
    assert audience(world).tree.depth == 2


def test_whoever_opens_his_own_link_came_from_nobody_even_if_it_only_turns_out_later_to_be_his(world: World) -> None:
    """Case F7."""
    a, c = "user_id:A", "anonymous_id@h5:c"
    world.take([shared(world, a, link="s", minute=1), read(world, c, by="s", minute=2)])
    assert readers(world)[world.person(c)].came_from == world.person(a)

    world.happens(a, c, minute=3)

    [reader] = audience(world).readers
    assert (reader.person, reader.came_from, reader.generation) == (world.person(a), None, 1)


def test_a_link_says_who_came_by_it_though_it_is_known_only_later_whose_it_is(world: World) -> None:
    a, b = "user_id:A", "user_id:B"
    world.take([read(world, b, by="s", minute=2)])
    assert readers(world)[world.person(b)].came_from is None

    world.take([shared(world, a, link="s", minute=1)])

    assert readers(world)[world.person(b)].came_from == world.person(a)


def test_who_shares_by_a_link_shows_how_he_came_without_having_been_seen_to_read(world: World) -> None:
    """The first of read and share that proves an edge makes it."""
    a, b = "user_id:A", "user_id:B"

    world.take([shared(world, a, link="s", minute=1), shared(world, b, link="t", by="s", minute=2)])

    assert audience(world).tree.nodes[PersonId(index(b))].parent == world.person(a)
    assert audience(world).readers == []


def test_a_link_that_two_call_theirs_is_his_who_said_so_first(world: World) -> None:
    first, second = shared(world, "user_id:A", link="s", minute=1), shared(world, "user_id:B", link="s", minute=2)

    for order in ([first, second], [second, first]):
        for batches in ([order], [[each] for each in order]):
            world.clear()
            for batch in batches:
                world.take(batch)
            with transaction(world.engine) as connection:
                assert touches.sharer(connection, "s", "a") == world.person("user_id:A")
                assert touches.sharer(connection, "s", "b") is None
                assert touches.sharer(connection, "t", "a") is None


def test_a_link_to_another_article_brings_nobody_to_this_one(world: World) -> None:
    world.take(
        [shared(world, "user_id:A", article="b", link="s", minute=1), read(world, "user_id:B", by="s", minute=2)]
    )

    assert readers(world)[world.person("user_id:B")].came_from is None


def test_reads_of_nobody_and_of_robots_are_counted_and_have_no_reader(world: World) -> None:
    """Cases E3 and F9."""
    world.take(
        [
            read(world, "user_id:A"),
            read(world),
            read(world, "phone:null"),
            read(world, "wechat_openid@wx:o", properties={"is_snapshotuser": 1}),
            read(world, "user_id:B", context={"bot": True}),
            read(world, "user_id:A", properties={"bot": True}),
        ]
    )

    fared = stats(world)
    assert (known(world).nameless_reads, known(world).bot_reads) == (3, 2)
    assert (fared.reads, fared.anonymous_reads, fared.bot_reads) == (4, 3, 2)
    assert [*readers(world)] == [world.person("user_id:A")]


def test_a_device_is_an_anonymous_reader_until_somebody_is_known_by_it(world: World) -> None:
    world.take([read(world, "anonymous_id@h5:c"), read(world, "user_id:A")])
    assert stats(world).anonymous_reads == 1

    world.happens("anonymous_id@h5:c", "phone:13912345678")

    assert (stats(world).anonymous_reads, stats(world).reads) == (0, 2)


def test_readers_who_are_known_to_follow_are_followers_whatever_identifier_it_was_said_of(world: World) -> None:
    world.take([read(world, "user_id:A"), read(world, "user_id:B"), read(world, "user_id:C")])
    follow = {"type": "official_account.followed", "channel": "official_account"}
    world.happens("wechat_openid@wx:o1", **follow)
    world.happens("wechat_openid@wx:o1", "user_id:A", strength="platform")
    world.happens("wechat_openid@wx:o2", "user_id:B", minute=1, **follow)
    world.happens("wechat_openid@wx:o2", "user_id:B", minute=2, **follow | {"type": "official_account.unfollowed"})

    assert stats(world).non_followers == 2


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"dwell_ms": -5, "scroll": -1}, (0, 0.0)),
        ({"dwell_ms": 10**15, "scroll": 7}, (DWELL_MS_MAX, 1.0)),
        ({"dwell_ms": "long", "scroll": None}, (0, 0.0)),
        ({"dwell_ms": 1.9, "scroll": 1}, (1, 1.0)),
        ({}, (0, 0.0)),
    ],
)
def test_what_cannot_be_of_a_read_is_cut_to_what_can(
    world: World, said: dict[str, Any], kept: tuple[int, float]
) -> None:
    world.take([read(world, "user_id:A", properties=said)])

    [reader] = audience(world).readers
    assert (reader.dwell_ms, reader.scroll) == kept


def test_an_article_that_nobody_named_is_not_found(world: World) -> None:
    for ask in (known, audience, stats):
        with pytest.raises(NotFound):
            ask(world, "unheard")


def test_what_is_stated_later_replaces_what_was_and_what_is_not_stated_does_not(world: World) -> None:
    world.happens(
        "user_id:A", type="article.pushed", article={"id": "a", "title": "旧", "url": "https://x.example"}, minute=1
    )
    world.happens("user_id:A", type="article.read", article={"id": "a", "title": "新", "topics": ["选型"]}, minute=2)
    world.happens("user_id:A", type="article.read", article={"id": "a"}, minute=3)

    assert known(world) == Article("a", "新", "https://x.example", ["选型"], at(1), 0, 0)


def test_articles_are_listed_the_newest_first_and_each_once(world: World) -> None:
    world.take([read(world, "user_id:A", article=f"a{n}", minute=n // 3) for n in range(10)])
    found: list[str] = []
    after = None

    with transaction(world.engine) as connection:
        while page := articles.listing(connection, after, 3):
            found += [each.id for each in page]
            after = page[-1].first_at, page[-1].id

    assert found == [f"a{n}" for n in reversed(range(10))]


def forget(world: World) -> None:
    """Let nothing have happened; for so few rows faster than `World.clear`."""
    with transaction(world.engine) as connection:
        connection.execute(text("; ".join(f"DELETE FROM {table}" for table in metadata.tables)))


@dataclass
class State:
    """All that is added up of articles, without what was stated of them."""

    articles: list[Any]
    touches: list[Any]
    shares: list[Any]


def state(world: World) -> State:
    with transaction(world.engine) as connection:
        return State(
            *(
                [tuple(row) for row in connection.execute(text(statement))]
                for statement in (
                    "SELECT id, first_at, nameless_reads, bot_reads FROM article ORDER BY id",
                    "SELECT article_id, anchor::text, token, entered_at, reads, first_read_at, last_read_at, dwell_ms,"
                    " scroll, scene FROM article_touch ORDER BY article_id, anchor, token",
                    "SELECT token, article_id, anchor::text, shared_at FROM share ORDER BY token",
                )
            )
        )


people = st.sampled_from(["user_id:A", "user_id:B", "anonymous_id@h5:c", "anonymous_id@h5:d", "phone:null"])
links = st.sampled_from(["r", "s", "t"])
scenes = st.sampled_from(["friend", "group", None])
told = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["article.read", "article.read", "article.shared", "article.liked"]),
            "who": people,
            "article": st.sampled_from("ab"),
            "minute": st.integers(0, 3),
            "share": st.none()
            | st.fixed_dictionaries({"token": links, "parent_token": st.none() | links, "scene": scenes}),
            "properties": st.fixed_dictionaries(
                {}, optional={"dwell_ms": st.integers(0, 9), "scroll": st.just(0.5), "bot": st.just(True)}
            ),
        }
    ),
    max_size=12,
)


def history(world: World, told: Sequence[dict[str, Any]]) -> list[Event]:
    events = []
    for number, each in enumerate(told):
        fields = {"share": each["share"]} if each["share"] else {}
        event = world.event(
            each["who"],
            type=each["type"],
            article={"id": each["article"]},
            minute=each["minute"],
            properties=each["properties"],
            **fields,
        )
        events.append(replace(event, id=str(number)))
    return events


def batches(events: list[Event], random: Random) -> Iterator[list[Event]]:
    shuffled = random.sample(events, len(events))
    while shuffled:
        size = random.randint(1, len(shuffled))
        yield shuffled[:size]
        shuffled = shuffled[size:]


@one_database
@given(told, st.randoms(use_true_random=False))
def test_however_events_are_batched_and_whatever_comes_first_the_same_is_added_up(
    world: World, told: list[dict[str, Any]], random: Random
) -> None:
    """Rows of articles are summaries: any order, any batches, and duplicates too."""
    events = history(world, told)
    forget(world)
    world.take(events)
    whole, reached = state(world), [audience(world, article) for article in sorted({each["article"] for each in told})]

    forget(world)
    for batch in batches(events, random):
        world.take(batch)
        world.take(batch[:1])

    assert state(world) == whole
    assert [audience(world, article) for article in sorted({each["article"] for each in told})] == reached


@one_database
@given(told)
def test_every_read_of_somebody_is_counted_once_under_who_read_and_how_he_came(
    world: World, told: list[dict[str, Any]]
) -> None:
    """The rows, counted by hand."""
    events = history(world, told)
    forget(world)
    world.take(events)

    counted: Counter[tuple[str, str, str]] = Counter()
    for each, event in zip(told, events, strict=True):
        if each["type"] == "article.read" and event.identifiers and "bot" not in each["properties"]:
            counted[each["article"], index(each["who"]), (each["share"] or {}).get("token", "")] += 1
    rows = {(row[0], row[1], row[2]): row[4] for row in state(world).touches if row[4]}
    assert rows == counted
    assert sum(row[2] + row[3] for row in state(world).articles) + counted.total() == sum(
        each["type"] == "article.read" for each in told
    )
