"""Conditions of every kind, made up for the laws about them."""

from typing import Any

from hypothesis import strategies as st
from pydantic import TypeAdapter

from profiles.segments.conditions import Condition

CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)

ARTICLES = ["a1", "a2", "a3"]
TOPICS = ["tea", "ink"]
DAYS = [0.5, 1, 3, 10, 30, 100]

_values = st.one_of(
    st.just({}),
    st.builds(lambda low: {"min": low}, st.sampled_from([0.2, 0.5, 3])),
    st.builds(lambda high: {"max": high}, st.sampled_from([0.5, 1, 2])),
    st.builds(
        lambda some: {"is_in": some}, st.lists(st.sampled_from(["Tea", 1, True, 0, "1"]), min_size=1, max_size=3)
    ),
    st.builds(lambda part: {"contains": part}, st.sampled_from(["TE", "a", "ñ", "京"])),
)
_bounds: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.builds(lambda low: {"at_least": low}, st.integers(0, 4)),
    st.builds(lambda high: {"at_most": high}, st.integers(0, 3)),
    st.builds(lambda low, more: {"at_least": low, "at_most": low + more}, st.integers(0, 2), st.integers(0, 2)),
)
_windows: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}), st.builds(lambda days: {"within_days": days}, st.sampled_from(DAYS))
)


def _some(of: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(of), max_size=2, unique=True)


def _of(kind: str, *parts: st.SearchStrategy[dict[str, Any]], **fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda several, named: {"kind": kind, **{k: v for part in several for k, v in part.items()}, **named},
        st.tuples(*parts),
        st.fixed_dictionaries(fields),
    )


def _perhaps(name: str, of: list[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(st.just({}), st.sampled_from(of).map(lambda value: {name: value}))


def _scores(name: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(st.just({}), st.integers(1, 5).map(lambda low: {name: {"min": low}}))


_leaves = st.one_of(
    _of(
        "did",
        _bounds,
        _windows,
        types=_some(["page.viewed", "article.read", "article.shared", "form.submitted"]),
        channels=_some(["web", "h5", "sms"]),
        where=st.one_of(
            st.just({}),
            st.dictionaries(st.sampled_from(["properties.score", "article.id", "channel"]), _values, max_size=2),
        ),
    ),
    _of("read", _bounds, _windows, articles=_some(ARTICLES), topics=_some(TOPICS)),
    _of("brought", _bounds, articles=_some(ARTICLES)),
    _of("ordered", _bounds, _windows, _perhaps("amount_min", [0, 50, 200]), _perhaps("amount_max", [0, 100])),
    _of("rfm", _scores("recency"), _scores("frequency"), _scores("monetary")),
    _of(
        "intent", st.sampled_from([{"at_least": 5}, {"at_most": 20}, {"at_least": 40}, {"at_least": 10, "at_most": 30}])
    ),
    _of("trait", name=st.sampled_from(["city", "age"]), value=_values),
    _of("company", value=_values),
    _of("identifier", _perhaps("scope", ["h5"]), namespace=st.sampled_from(["phone", "anonymous_id", "wechat_openid"])),
    _of("follows", _perhaps("account", ["wx1", "wx2"])),
    _of(
        "reach",
        channel=st.sampled_from(["sms", "mail", "official_account"]),
        purpose=st.sampled_from(["marketing", "care"]),
    ),
    _of("messaged", _bounds, _windows, _perhaps("purpose", ["marketing"]), channel=st.sampled_from(["sms", "mail"])),
    _of(
        "seen", _perhaps("min_days_ago", DAYS), _perhaps("max_days_ago", DAYS), when=st.sampled_from(["first", "last"])
    ),
)

conditions: st.SearchStrategy[Condition] = st.recursive(
    _leaves,
    lambda of: st.one_of(
        st.builds(
            lambda kind, some: {"kind": kind, "of": some},
            st.sampled_from(["all", "any"]),
            st.lists(of, min_size=1, max_size=3),
        ),
        st.builds(lambda one: {"kind": "not", "of": one}, of),
    ),
    max_leaves=4,
).map(CONDITION.validate_python)
