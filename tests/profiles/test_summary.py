"""What adds up: summaries are a commutative monoid, and every kind of event adds what it tells."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from core.event import WHOLE_MAX, Article, Company, Event, Mention, Order, Share, Trust
from core.identifier import IdentifierId
from profiles import summary
from profiles.summary import Statement, Summary, dump, load, stamp, total
from profiles.touchpoint import Touchpoint

NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)


def event(type: str = "page.viewed", channel: str = "web", minute: float = 0, id: str = "e", **fields: Any) -> Event:
    at = NOON + timedelta(minutes=minute)
    return Event(id, type, channel, "shop", Trust.SERVER, at, at, **fields)


def of(*events: Event) -> Summary:
    """The sum of what *events* tell."""
    return total(summary.of(Touchpoint(each, each.uid, IdentifierId("i"), ())) for each in events)


names = st.sampled_from(["events", "channel/sms", "orders", "amount/CNY", "any"])
times = st.integers(0, 3).map(lambda minute: stamp(NOON + timedelta(minutes=minute)))
# A statement is an event's: the same time and event never say two things, though two events say them at one time.
statements: st.SearchStrategy[Statement] = st.tuples(times, st.sampled_from("abc")).map(lambda at: (*at, "".join(at)))
summaries = st.builds(
    Summary,
    st.dictionaries(names, st.integers(-5, 5)),
    st.dictionaries(names, times),
    st.dictionaries(names, times),
    st.dictionaries(names, statements),
    st.none() | statements,
)


@given(summaries, summaries)
def test_whose_summary_comes_first_does_not_matter(a: Summary, b: Summary) -> None:
    """So it does not matter in which order identifiers, batches or workers are."""
    assert a + b == b + a


@given(summaries, summaries, summaries)
def test_what_is_summed_up_first_does_not_matter(a: Summary, b: Summary, c: Summary) -> None:
    """So it does not matter how events were batched, nor who was merged with whom first."""
    assert (a + b) + c == a + (b + c)


@given(summaries)
def test_nothing_adds_nothing(a: Summary) -> None:
    """So somebody of whom nothing was heard can be added to anybody."""
    assert a + Summary() == a == Summary() + a


@given(summaries)
def test_a_summary_is_read_as_it_was_written(a: Summary) -> None:
    """PostgreSQL hands back what was dumped."""
    assert load(orjson.loads(dump(a))) == a


texts = st.sampled_from(["a", "b"])
identifiers = st.lists(
    st.sampled_from(
        [Mention("wechat_openid", "o1", "wx1"), Mention("wechat_openid", "o2", "wx2"), Mention("user_id", "A")]
    )
)
events = st.builds(
    event,
    type=st.sampled_from(
        [
            "article.read",
            "article.shared",
            "order.paid",
            "order.refunded",
            "live.ordered",
            "official_account.followed",
            "identify",
            "official_account.unfollowed",
            "consent.given",
            "consent.withdrawn",
            "sms.opted_out",
            "form.submitted",
        ]
    ),
    channel=st.sampled_from(["sms", "web"]),
    minute=st.integers(0, 3),
    identifiers=identifiers.map(tuple),
    article=st.none() | st.builds(Article, texts, topics=st.lists(texts).map(tuple)),
    share=st.none() | st.builds(Share, texts),
    order=st.none() | st.builds(Order, texts, st.integers(-100, 100), st.sampled_from(["CNY", "EUR"])),
    company=st.none() | st.builds(Company, st.none() | texts, st.none() | texts),
    properties=st.fixed_dictionaries({}, optional={"name": texts, "age": st.integers(0, 9), "channel": texts}),
)
histories = st.lists(events, max_size=8).map(
    lambda history: [replace(each, id=str(number)) for number, each in enumerate(history)]
)


@given(histories, st.randoms(use_true_random=False))
def test_the_parts_of_a_history_add_up_to_the_whole(history: list[Event], random: Random) -> None:
    """Whatever was told of which identifier in which batch in which order, the person is the same."""
    parts: list[list[Event]] = [[], [], []]
    for each in random.sample(history, len(history)):
        random.choice(parts).append(each)

    assert total(of(*part) for part in parts) == of(*history)
    assert load(orjson.loads(dump(of(*history)))) == of(*history)


@given(histories)
def test_what_was_stated_last_counts_and_of_two_at_once_the_same_always(history: Sequence[Event]) -> None:
    """Last writer wins, by the time of the event and then by its uid: written out as a model."""
    said: dict[str, tuple[datetime, str, JsonValue]] = {}
    for each in history:
        for name, value in summary.statements(each):
            if name not in said or (each.occurred_at, str(each.uid)) >= said[name][:2]:
                said[name] = (each.occurred_at, str(each.uid), value)

    assert of(*history).under("") == {name: said[name][2] for name in sorted(said)}


def test_an_event_is_counted_by_channel_and_type() -> None:
    known = of(event("sms.sent", "sms"), event("sms.clicked", "sms", id="2"), event())

    assert known.events == 3
    assert known.counts == {
        "events": 3,
        "channel/sms": 2,
        "channel/web": 1,
        "type/sms.sent": 1,
        "type/sms.clicked": 1,
        "type/page.viewed": 1,
    }


def test_the_first_and_the_last_of_all_and_of_each_channel_are_kept() -> None:
    known = of(event(minute=2), event("sms.sent", "sms", minute=1, id="2"), event(minute=0, id="3"))

    assert known.firsts == {
        "any": stamp(NOON),
        "channel/web": stamp(NOON),
        "channel/sms": stamp(NOON + timedelta(minutes=1)),
    }
    assert known.lasts["any"] == stamp(NOON + timedelta(minutes=2))
    assert known.lasts["channel/sms"] == known.firsts["channel/sms"]


def test_the_topics_of_what_was_read_are_counted_and_of_what_was_pushed_are_not() -> None:
    article = Article("a", topics=("选型", "选型", "价格"))

    known = of(event("article.read", article=article), event("article.pushed", article=article, id="2"))

    assert {name: count for name, count in known.counts.items() if name.startswith("topic/")} == {
        "topic/选型": 1,
        "topic/价格": 1,
    }


@pytest.mark.parametrize("type", ["order.paid", "mini_program.paid", "live.ordered"])
def test_what_is_paid_is_counted_by_currency(type: str) -> None:
    known = of(event(type, order=Order("o", 12_900)), event(type, order=Order("p", 100, "EUR"), id="2"))

    assert (known.counts["orders"], known.counts["amount/CNY"], known.counts["amount/EUR"]) == (2, 12_900, 100)


def test_what_is_refunded_is_taken_off_again() -> None:
    order = Order("o", 12_900)

    known = of(event("order.paid", order=order), event("order.refunded", order=order, id="2"))

    assert (known.counts["orders"], known.counts["refunds"], known.counts["amount/CNY"]) == (1, 1, 0)


@pytest.mark.parametrize("type", ["order.placed", "page.viewed"])
def test_an_order_that_is_not_paid_is_no_money(type: str) -> None:
    assert "orders" not in of(event(type, order=Order("o", 12_900))).counts


def test_millions_of_the_largest_amount_can_be_written_down() -> None:
    dump(Summary({"amount/CNY": WHOLE_MAX * 1_000_000}))


def openid(account: str) -> Mention:
    return Mention("wechat_openid", "oXY", account)


def test_he_follows_each_account_by_what_was_said_last_of_it() -> None:
    known = of(
        event("official_account.followed", minute=1, identifiers=(openid("wx1"),)),
        event("official_account.unfollowed", minute=2, identifiers=(openid("wx1"),), id="2"),
        event("official_account.unfollowed", minute=0, identifiers=(openid("wx2"),), id="3"),
        event("official_account.followed", minute=1, identifiers=(openid("wx2"), Mention("user_id", "A")), id="4"),
    )

    assert known.under("follows/") == {"wx1": False, "wx2": True}


def test_of_two_things_said_at_once_the_one_with_the_greater_uid_counts() -> None:
    followed = event("official_account.followed", identifiers=(openid("wx1"),), id="1")
    unfollowed = event("official_account.unfollowed", identifiers=(openid("wx1"),), id="2")
    later = max(followed, unfollowed, key=lambda each: each.uid)

    for order in ([followed, unfollowed], [unfollowed, followed]):
        assert of(*order).under("follows/") == {"wx1": later is followed}


@pytest.mark.parametrize(
    ("type", "channel", "properties", "said"),
    [
        ("consent.given", "sms", {}, {"sms": True}),
        ("consent.given", "web", {"channel": "mail"}, {"mail": True}),
        ("consent.withdrawn", "web", {"channel": "mail"}, {"mail": False}),
        ("consent.given", "web", {"channel": ["mail"]}, {"web": True}),
        ("consent.given", "web", {"channel": "x" * 65}, {"web": True}),
        ("sms.opted_out", "sms", {}, {"sms": False}),
        ("mail.unsubscribed", "mail", {}, {"mail": False}),
        ("mail.complained", "mail", {}, {"mail": False}),
        ("sms.delivered", "sms", {}, {}),
    ],
)
def test_consent_is_given_and_withdrawn_by_channel(
    type: str, channel: str, properties: dict[str, Any], said: dict[str, bool]
) -> None:
    assert of(event(type, channel, properties=properties)).under("consent/") == said


@pytest.mark.parametrize("type", ["identify", "form.submitted"])
def test_traits_are_what_is_known_to_be_one_and_short_enough(type: str) -> None:
    properties = {"name": "王小明", "age": 40, "city": None, "title": "x" * 257, "shoe_size": 43, "region": ["x"]}

    assert of(event(type, properties=properties)).under("trait/") == {"age": 40, "name": "王小明"}


def test_other_events_state_no_traits() -> None:
    assert of(event("track", properties={"name": "newsletter"})).under("trait/") == {}


def test_a_company_is_known_by_its_name_else_by_its_domain() -> None:
    assert of(event(company=Company("四域", "siyu.example"))).under("company") == {"": "四域"}
    assert of(event(company=Company(None, "siyu.example"))).under("company") == {"": "siyu.example"}
    assert of(event(company=Company())).under("company") == {}


def test_he_came_in_by_his_first_event() -> None:
    read = event("article.read", minute=0, article=Article("a"), share=Share("s"), id="2")

    known = of(event(minute=1), read)

    assert known.entry == (
        stamp(NOON),
        read.uid,
        {"type": "article.read", "channel": "web", "article_id": "a", "token": "s"},
    )


def test_by_his_own_link_nobody_comes_in() -> None:
    shared = event("article.shared", article=Article("a"), share=Share("s"))

    assert of(shared).entry == (
        stamp(NOON),
        shared.uid,
        {"type": "article.shared", "channel": "web", "article_id": "a", "token": None},
    )


def test_a_time_is_written_so_that_it_sorts() -> None:
    moments = [NOON, NOON + timedelta(microseconds=1), NOON.astimezone(timezone(timedelta(hours=8)))]

    assert [stamp(moment) for moment in moments] == [
        "2026-11-03T12:00:00.000000Z",
        "2026-11-03T12:00:00.000001Z",
        "2026-11-03T12:00:00.000000Z",
    ]
