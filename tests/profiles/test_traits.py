"""Traits as a function: which statement survives, in what form, and what never matters."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidSetting
from profiles.intent import Signal
from profiles.traits import OTHERS_MAX, Form, Keep, Rule, Rules, normal, read, shipped, survivor, traits
from tests.profiles.signals import NOW, signal


def named(value: object, days: float = 0, uid: str = "u", **body: Any) -> Signal:
    return signal("identify", days, uid, properties={"city": value}, **body)


def kept(rule: Rule, *signals: Signal) -> object:
    return traits(signals, Rules(frozenset({"identify"}), {"city": rule}))["city"].statement.value


def test_the_latest_statement_survives_and_says_whose_it_is() -> None:
    rules = Rules(frozenset({"identify"}), {"city": Rule()})

    (trait,) = traits([named("杭州", 2, "a"), named("上海", 1, "b", source="crm", channel="wecom")], rules).values()

    said = trait.statement
    assert (said.value, said.source, said.channel, said.uid) == ("上海", "crm", "wecom", "b")
    assert (NOW - said.at).days == 1
    assert [each.value for each in trait.others] == ["杭州"]


def test_the_earliest_survives_where_the_rule_says_so() -> None:
    assert kept(Rule(Keep.EARLIEST), named("杭州", 2), named("上海", 1)) == "杭州"


def test_of_trusted_sources_and_channels_the_first_named_survives_and_the_public_is_trusted_least() -> None:
    rule = Rule(Keep.TRUSTED, trusted=("crm", "wecom"))
    public = named("public", 0, trust="browser")

    assert kept(rule, named("crm", 9, source="crm"), named("wecom", 3, channel="wecom"), public) == "crm"
    assert kept(rule, named("wecom", 3, channel="wecom"), named("server"), public) == "wecom"
    assert kept(rule, named("server", 1), public) == "server"
    assert kept(rule, named("old", 1), named("new")) == "new"


def test_what_is_stated_most_often_survives_and_of_two_as_frequent_the_later() -> None:
    rule = Rule(Keep.MOST_FREQUENT)

    assert kept(rule, named("杭州", 3, "a"), named("杭州", 2, "b"), named("上海", 1, "c")) == "杭州"
    assert kept(rule, named("杭州", 3, "a"), named("上海", 1, "c")) == "上海"


def test_of_two_at_once_the_greater_uid_survives() -> None:
    for keep in (Keep.LATEST, Keep.TRUSTED, Keep.MOST_FREQUENT):
        assert kept(Rule(keep), named("one", uid="a"), named("other", uid="b")) == "other"


def test_a_value_that_was_stated_again_and_again_stands_once_beside_the_survivor() -> None:
    many = [named(f"city {day % 30}", day, str(day)) for day in range(60)]

    (trait,) = traits(many, Rules(frozenset({"identify"}), {"city": Rule()})).values()

    assert len(trait.others) == OTHERS_MAX
    assert [each.value for each in trait.others] == [f"city {day}" for day in range(1, OTHERS_MAX + 1)]


def test_a_trait_is_stated_by_the_first_of_its_properties_that_says_anything() -> None:
    rules = Rules(frozenset({"identify"}), {"gender": Rule(properties=("gender", "sex"), form=Form.GENDER)})

    (trait,) = traits([signal("identify", properties={"gender": "未知", "sex": "F"})], rules).values()

    assert trait.statement.value == "female"


@pytest.mark.parametrize(
    ("said", "form", "is_normally"),
    [
        ("男", Form.GENDER, "male"),
        (2, Form.GENDER, "female"),
        ("0", Form.GENDER, None),
        ("keeps it to herself", Form.GENDER, "keeps it to herself"),
        ("1990年5月1日", Form.DATE, "1990-05-01"),
        ("1990/5/1", Form.DATE, "1990-05-01"),
        ("19900501", Form.DATE, "1990-05-01"),
        ("1990-05-01T00:00:00", Form.DATE, "1990-05-01"),
        ("01/05/1990", Form.DATE, "01/05/1990"),
        ("1990-02-30", Form.DATE, "1990-02-30"),
        ("1990-04-30T16:00:00Z", Form.DATE, "1990-04-30T16:00:00Z"),
        ("38", Form.NUMBER, 38),
        ("30-40", Form.NUMBER, "30-40"),
        ("  王小明 ", Form.TEXT, "王小明"),
        (7, Form.TEXT, 7),
        (True, Form.TEXT, None),
        (" ", Form.TEXT, None),
        ("x" * 257, Form.TEXT, None),
        ({"a": 1}, Form.TEXT, None),
        (None, Form.TEXT, None),
    ],
)
def test_a_value_is_brought_into_form_only_where_its_meaning_is_beyond_doubt(
    said: object, form: Form, is_normally: object
) -> None:
    assert normal(said, form) == is_normally


def test_events_of_other_types_state_nothing() -> None:
    assert traits([signal("page.viewed", properties={"name": "王小明"})], shipped()) == {}


stated = st.lists(
    st.builds(
        named,
        st.sampled_from(["杭州", "上海", "北京"]),
        st.integers(0, 3),
        st.uuids().map(str),
        source=st.sampled_from(["crm", "shop"]),
        channel=st.sampled_from(["web", "wecom"]),
        trust=st.sampled_from(["browser", "server", "import"]),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda each: each.uid,
)


@given(stated, st.sampled_from(Keep), st.randoms(use_true_random=False))
def test_the_order_of_events_does_not_matter(signals: list[Signal], keep: Keep, chance: Random) -> None:
    rules = Rules(frozenset({"identify"}), {"city": Rule(keep, trusted=("crm", "wecom"))})

    assert traits(signals, rules) == traits(chance.sample(signals, len(signals)), rules)


@given(stated)
def test_the_latest_of_all_is_the_latest_of_the_latest_of_any_two_parts(signals: list[Signal]) -> None:
    """What a merge brings together needs nothing but the survivors of both; by this a query may look at each part alone."""
    rules = Rules(frozenset({"identify"}), {"city": Rule(Keep.TRUSTED, trusted=("crm",))})
    parts = [signals[: len(signals) // 2], signals[len(signals) // 2 :]]

    survivors = [traits(part, rules)["city"].statement for part in parts if part]

    assert traits(signals, rules)["city"].statement == survivor(survivors, rules.traits["city"])


def test_rules_that_are_wrong_are_refused_by_name() -> None:
    with pytest.raises(InvalidSetting, match=r"traits\.city\.keep"):
        read('types = ["identify"]\n[traits.city]\nkeep = "loudest"\n')
    with pytest.raises(InvalidSetting, match="types"):
        read('types = ["identified"]\n')
