"""What senders write, one by one and made up, and what becomes of it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import strategies as st
from pydantic import JsonValue

from core.errors import InvalidEvent
from core.event import (
    TYPES,
    WHOLE_MAX,
    Event,
    Role,
    Strength,
    Trust,
)
from core.identifier import Namespace
from core.submission import parse

NOW = datetime(2026, 11, 3, 13, tzinfo=UTC)
NAMESPACES = {
    "user_id": Namespace(1, "strong", "unique", 1),
    "wechat_openid": Namespace(4, "strong", "guarded", 3),
    "phone": Namespace(5, "strong", "owned", 3),
    "anonymous_id": Namespace(7, "weak"),
    "link_token": Namespace(9, "hint"),
}


def written(**fields: Any) -> dict[str, Any]:
    return {"type": "article.read", "channel": "h5", "occurred_at": "2026-11-03T20:41:07+08:00", **fields}


def taken(
    document: bytes | Mapping[str, object], trust: Trust = Trust.SERVER, strength: Strength = Strength.OBSERVED
) -> Event:
    return parse(document, source="hq", trust=trust, strength=strength, received_at=NOW, namespaces=NAMESPACES)


def event(**fields: Any) -> Event:
    return taken(written(**fields))


def refusal(document: bytes | Mapping[str, object]) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as refused:
        taken(document)
    return refused.value


words = st.text(max_size=8)
documents: st.SearchStrategy[JsonValue] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
fields = st.dictionaries(words, documents, max_size=4)
named = st.fixed_dictionaries(
    {"namespace": st.sampled_from([*NAMESPACES, "loyalty"]), "value": words | st.integers() | st.none()},
    optional={"scope": st.sampled_from(["", "wx1"]), "role": st.none() | st.sampled_from([*map(str, Role)])},
)
identifiers = st.lists(named | st.builds("{}:{}".format, st.sampled_from([*NAMESPACES]), words), max_size=5)
moments = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))]))
submissions = st.fixed_dictionaries(
    {
        "type": st.sampled_from(sorted(TYPES)),
        "channel": st.sampled_from(["h5", "sms"]),
        "occurred_at": moments.map(datetime.isoformat),
    },
    optional={
        "id": st.text(min_size=1, max_size=8),
        "source": st.text(min_size=1, max_size=8),
        "identifiers": identifiers,
        "strength": st.sampled_from([*map(str, Strength)]),
        "article": st.fixed_dictionaries({"id": st.just("a")}, optional={"title": words, "topics": st.lists(words)}),
        "share": st.fixed_dictionaries({}, optional={"token": st.just("s"), "scene": st.sampled_from(["group", None])}),
        "campaign": st.fixed_dictionaries({}, optional={"name": words}),
        "order": st.fixed_dictionaries({"id": st.just("o")}, optional={"amount": st.integers(-WHOLE_MAX, WHOLE_MAX)}),
        "company": st.fixed_dictionaries({}, optional={"name": words}),
        "properties": fields,
        "context": fields,
    },
)
