"""What a sender wrote becomes a fact, or is refused with the place of the fault and without repeating what it says."""

from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidEvent
from core.event import (
    DEPTH_MAX,
    EVENT_BYTES_MAX,
    FUTURE_MAX,
    IDENTIFIERS_MAX,
    PAST_MAX,
    WHOLE_MAX,
    Dropped,
    Mention,
    Role,
    Share,
    Strength,
    Trust,
    decode,
    encode,
)
from core.identifier import Drop
from core.submission import parse
from tests.core.submitting import NAMESPACES, NOW, event, refusal, submissions, taken, written


def shuffled(value: Any, random: Random) -> Any:
    match value:
        case dict():
            return {key: shuffled(value[key], random) for key in random.sample([*value], len(value))}
        case list():
            return [shuffled(each, random) for each in value]
    return value


@given(submissions, st.randoms(use_true_random=False))
def test_the_id_that_is_made_does_not_depend_on_the_order_of_keys(submission: dict[str, Any], random: Random) -> None:
    """The same said again is the same event, whatever a sender's dictionary does."""
    submission.pop("id", None)
    try:
        event = taken(submission)
    except InvalidEvent:
        return

    assert taken(orjson.dumps(shuffled(submission, random))).uid == event.uid


def test_what_says_something_else_is_another_event() -> None:
    assert event(properties={"dwell_ms": 1}).id != event(properties={"dwell_ms": 2}).id
    assert event(id="1").id == "1"


def test_a_browser_speaks_for_its_own_source_only() -> None:
    assert taken(written(source="erp"), Trust.BROWSER).source == "hq"
    assert taken(written(source="erp"), Trust.IMPORT).source == "erp"
    assert taken(written(), Trust.SERVER).source == "hq"


@pytest.mark.parametrize("trust", Trust)
def test_whose_link_it_is_says_nobody_with_a_key_that_everybody_can_read(trust: Trust) -> None:
    share = {"token": "s-1", "parent_token": "s-0"}
    shared = taken(written(type="article.shared", share=share), trust)
    read = taken(written(type="article.read", share=share), trust)

    assert shared.share == Share(None if trust is Trust.BROWSER else "s-1", "s-0")
    assert read.share == Share("s-1", "s-0")


def test_time_is_told_in_utc() -> None:
    assert event().occurred_at == datetime(2026, 11, 3, 12, 41, 7, tzinfo=UTC)
    assert event().occurred_at.tzinfo == UTC
    assert (event().received_at, event().claimed_at) == (NOW, None)


@pytest.mark.parametrize(
    ("claimed", "kept"),
    [
        (NOW - PAST_MAX, NOW - PAST_MAX),
        (NOW - PAST_MAX - timedelta(microseconds=1), NOW - PAST_MAX),
        (NOW + FUTURE_MAX, NOW + FUTURE_MAX),
        (NOW + timedelta(days=2), NOW + FUTURE_MAX),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), NOW - PAST_MAX),
        (datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-12))), NOW + FUTURE_MAX),
    ],
)
def test_a_clock_that_is_wrong_is_moved_and_what_it_said_is_kept(claimed: datetime, kept: datetime) -> None:
    moved = event(occurred_at=claimed.isoformat())

    assert moved.occurred_at == kept
    assert moved.claimed_at == (None if claimed == kept else claimed)
    assert decode(encode(moved)) == moved


def test_the_limits_of_time_are_those_that_were_promised() -> None:
    assert timedelta(days=400) == PAST_MAX
    assert timedelta(minutes=10) == FUTURE_MAX


@pytest.mark.parametrize(
    ("identifier", "role"),
    [
        ("user_id:A", Role.SUBJECT),
        ("anonymous_id@h5:c1", Role.CONTEXT),
        ("link_token:t", Role.HINT),
        ("loyalty:x", Role.SUBJECT),
        ({"namespace": "anonymous_id", "value": "c1", "role": None}, Role.CONTEXT),
        ({"namespace": "anonymous_id", "value": "c1", "role": "sharer"}, Role.SHARER),
        ({"namespace": "user_id", "value": "A", "role": "recipient"}, Role.RECIPIENT),
    ],
)
def test_the_role_that_is_not_said_follows_from_the_namespace(identifier: object, role: Role) -> None:
    (mention,) = event(identifiers=[identifier]).identifiers

    assert mention.role is role


def test_the_strength_that_is_not_said_is_the_senders() -> None:
    assert taken(written(), strength=Strength.DECLARED).strength is Strength.DECLARED
    assert taken(written(strength="proven"), strength=Strength.DECLARED).strength is Strength.PROVEN


def test_an_identifier_is_the_same_as_text_and_as_an_object() -> None:
    spelt = {"namespace": "wechat_openid", "scope": " wx1 ", "value": " oXY "}

    assert event(identifiers=["wechat_openid@wx1:oXY", spelt]).identifiers == (Mention("wechat_openid", "oXY", "wx1"),)


def test_a_number_names_somebody_too() -> None:
    assert event(identifiers=[{"namespace": "user_id", "value": 1234}]).identifiers == (Mention("user_id", "1234"),)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Drop.EMPTY),
        ("", Drop.EMPTY),
        (True, Drop.NULL_LIKE),
        (0, Drop.ZEROS),
        ("null", Drop.NULL_LIKE),
        ("x" * 60_000, Drop.TOO_LONG),
        ("a\0b", Drop.INVALID),
        ("__IMEI__", Drop.MACRO),
    ],
)
def test_what_names_nobody_is_dropped_and_the_event_kept(value: object, reason: Drop) -> None:
    """Case B1."""
    kept = event(identifiers=["phone:13912345678", {"namespace": "user_id", "value": value}])

    assert kept.identifiers == (Mention("phone", "+8613912345678"),)
    assert kept.dropped == (Dropped("user_id", reason),)


@pytest.mark.parametrize("value", ["", "x" * 2_000, "a\0b"])
def test_it_is_dropped_from_text_as_well(value: str) -> None:
    assert event(identifiers=[f"user_id:{value}"]).identifiers == ()


def test_two_values_of_a_unique_namespace_are_both_kept() -> None:
    """Case B7: that they link nothing is decided later."""
    assert len(event(identifiers=["user_id:A", "user_id:B"]).identifiers) == 2


@pytest.mark.parametrize("said", [1, "1", True])
@pytest.mark.parametrize("where", ["properties", "context"])
def test_a_snapshot_page_names_nobody(said: object, where: str) -> None:
    """Case E3."""
    read = event(identifiers=["wechat_openid@wx1:o"], **{where: {"is_snapshotuser": said}})

    assert (read.identifiers, read.dropped) == ((), (Dropped("wechat_openid", Drop.SNAPSHOT),))


@pytest.mark.parametrize("said", [0, "0", False, None, ""])
def test_a_page_that_is_no_snapshot_names_its_reader(said: object) -> None:
    assert event(identifiers=["wechat_openid@wx1:o"], properties={"is_snapshotuser": said}).identifiers


@pytest.mark.parametrize("where", ["properties", "context"])
def test_what_a_robot_names_stays_on_the_event(where: str) -> None:
    """The verdict on it is made, and made again, from what stands here."""
    assert event(identifiers=["user_id:A"], **{where: {"bot": True}}).identifiers


@pytest.mark.parametrize(
    "where",
    [
        {"properties": {"url": "https://x.example/?ajs_uid=A&b=1"}},
        {"context": {"page": {"url": "https://x.example/?b=1&ajs_aid=A#c"}}},
        {"properties": {"url": "https://x.example/?%61js_uid=%41"}},
        {"properties": {"url": "https://x.example/?ajs_uid=%20A%E2%80%8B"}},
        {"properties": {"url": "/?ajs_uid=A"}},
    ],
)
def test_whoever_makes_a_link_cannot_say_who_opens_it(where: dict[str, Any]) -> None:
    opened = event(identifiers=["user_id:A", "anonymous_id:c"], **where)

    assert opened.dropped == (Dropped("user_id", Drop.FROM_URL),)
    assert [mention.value for mention in opened.identifiers] == ["c"]


@pytest.mark.parametrize(
    "url", ["https://x.example/?uid=A", "http://[?ajs_uid=B", "https://x.example/ajs_uid=A", "?ajs_uid", 5, None]
)
def test_other_urls_are_left_alone(url: object) -> None:
    assert event(identifiers=["user_id:A"], properties={"url": url}, context={"page": "x"}).dropped == ()


SECRET = "secret-13912345678"


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"type": SECRET}, "/type"),
        ({"channel": SECRET}, "/channel"),
        ({"occurred_at": SECRET}, "/occurred_at"),
        ({"occurred_at": "2026-11-03T20:41:07"}, "/occurred_at"),
        ({"unheard_of": SECRET}, "/unheard_of"),
        ({"id": ""}, "/id"),
        ({"id": SECRET * 20}, "/id"),
        ({"source": ""}, "/source"),
        ({"strength": SECRET}, "/strength"),
        ({"article": SECRET}, "/article"),
        ({"article": {"title": SECRET}}, "/article/id"),
        ({"article": {"id": "a", "a/b~c": SECRET}}, "/article/a~1b~0c"),
        ({"article": {"id": "a", "title": "\0" + SECRET}}, "/article/title"),
        ({"article": {"id": "a", "topics": ["x"] * 101}}, "/article/topics"),
        ({"share": {"scene": SECRET}}, "/share/scene"),
        ({"order": {"id": "o", "amount": SECRET}}, "/order/amount"),
        ({"order": {"id": "o", "amount": 12.5}}, "/order/amount"),
        ({"order": {"id": "o", "amount": WHOLE_MAX + 1}}, "/order/amount"),
        ({"order": {"id": "o", "amount": 2**64 - 1}}, "/order/amount"),
        ({"order": {"id": "o", "currency": SECRET}}, "/order/currency"),
        ({"order": {"id": "o", "items": [{"sku": "s"}, {"quantity": 1}]}}, "/order/items/1/sku"),
        ({"identifiers": SECRET}, "/identifiers"),
        ({"identifiers": ["user_id:A", 5]}, "/identifiers/1"),
        ({"identifiers": ["user_id:A", SECRET]}, "/identifiers/1"),
        ({"identifiers": [f"user_id@{SECRET * 20}:A"]}, "/identifiers/0"),
        ({"identifiers": [{"namespace": SECRET, "value": "A"}]}, "/identifiers/0/namespace"),
        ({"identifiers": [{"namespace": "user_id", "value": 1.5}]}, "/identifiers/0/value"),
        ({"identifiers": [{"namespace": "user_id", "value": "A", "role": SECRET}]}, "/identifiers/0/role"),
        ({"identifiers": [{"namespace": "user_id", "value": "A", SECRET: 1}]}, f"/identifiers/0/{SECRET}"),
        ({"identifiers": ["user_id:A"] * (IDENTIFIERS_MAX + 1)}, "/identifiers"),
        ({"properties": {"a": "\0" + SECRET}}, "/properties"),
        ({"properties": {"\0": SECRET}}, "/properties"),
        ({"context": {"a": [[{"b": "\0" + SECRET}]]}}, "/context"),
        ({"properties": [SECRET]}, "/properties"),
    ],
)
def test_a_fault_is_named_by_its_place_and_no_value_is_repeated(wrong: dict[str, Any], pointer: str) -> None:
    refused = refusal(orjson.dumps(written(**wrong)))

    assert refused.pointer == pointer
    assert "1391234" not in refused.detail
    assert "WrittenIdentifier" not in refused.detail + refused.pointer


@pytest.mark.parametrize("missing", ["type", "channel", "occurred_at"])
def test_what_has_to_be_said_is_missed(missing: str) -> None:
    document = written()
    del document[missing]

    assert refusal(document).pointer == f"/{missing}"


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), "\ud800", {"\udfff": 1}, 2**63, [[["a\0"]]], -(2**64)], ids=repr
)
@pytest.mark.parametrize("where", ["properties", "context"])
def test_what_json_or_the_database_cannot_hold_is_refused_however_it_came(value: object, where: str) -> None:
    """A document that was read by somebody else's parser may hold what ours would not read."""
    assert refusal(written(id="1", **{where: {"a": value}})).pointer.startswith(f"/{where}")


@pytest.mark.parametrize("depth", [10, DEPTH_MAX - 1, DEPTH_MAX, 250, 254, 300, 1_000, 20_000])
def test_however_deep_a_property_is_the_event_is_taken_or_refused(depth: int) -> None:
    document = orjson.dumps(written())[:-1] + b',"properties":{"a":' + b"[" * depth + b"]" * depth + b"}}"

    try:
        taken_in = taken(document)
    except InvalidEvent:
        assert depth >= DEPTH_MAX
    else:
        assert depth < DEPTH_MAX
        assert decode(encode(taken_in)) == taken_in


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "invalid_json"),
        (b"\xff", "invalid_json"),
        (b'{"a": NaN}', "invalid_json"),
        (b'{"a": "\\ud800"}', "invalid_json"),
        (b'{"a": 1e400}', "invalid_json"),
        (b"[]", "invalid_type"),
        (b"null", "invalid_type"),
        (b'{"a": "' + b"x" * EVENT_BYTES_MAX + b'"}', "too_large"),
    ],
)
def test_what_is_no_event_at_all_is_refused_with_a_code(document: bytes, code: str) -> None:
    assert refusal(document).code == code


@pytest.mark.parametrize("value", ["\ud800", 2**70])
def test_an_id_cannot_be_made_of_what_is_no_json(value: object) -> None:
    assert refusal(written(identifiers=[{"namespace": "user_id", "value": value}]))


def test_as_many_identifiers_as_are_allowed_are_taken() -> None:
    assert (
        len(event(identifiers=[f"user_id:A{number}" for number in range(IDENTIFIERS_MAX)]).identifiers)
        == IDENTIFIERS_MAX
    )


def test_an_identifier_of_a_namespace_that_the_key_does_not_declare_is_dropped() -> None:
    document = written(identifiers=["anonymous_id@h5:c1", "user_id:A"])

    event = parse(
        document,
        source="h5",
        trust=Trust.BROWSER,
        strength=Strength.OBSERVED,
        received_at=NOW,
        namespaces=NAMESPACES,
        declared=frozenset({"anonymous_id"}),
    )

    assert [mention.namespace for mention in event.identifiers] == ["anonymous_id"]
    assert event.dropped == (Dropped("user_id", Drop.UNDECLARED),)
