"""The tracking API, by requests as the SDKs send them."""

import base64
import gzip
from datetime import datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy import Engine

from core.database import transaction
from core.errors import Unavailable
from core.event import decode
from core.log.port import EVENTS
from stitcher.stitch import stitch
from tests.ingest.collecting import Collecting
from tests.ingest.given import NOW
from tests.stitcher import database
from tests.stitcher.histories import INDEX, SHIPPED


def basic(key: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}


def at(seconds: float = 0) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat()


def post(to: Collecting, path: str, body: Any, key: str = "server", **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return to.send("POST", path, content=content, headers=basic(key) | headers)


def told(path: str, body: Any, key: str = "server", **headers: str) -> list[dict[str, Any]]:
    to = Collecting({})
    answer = post(to, path, body, key, **headers)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert not to.quarantined
    return to.events


def texts(event: dict[str, Any]) -> list[str]:
    return [f"{each['namespace']}@{each['scope']}:{each['value']}" for each in event["identifiers"]]


SEGMENT_PYTHON = {
    "batch": [
        {
            "integrations": {},
            "anonymousId": "anon1",
            "timestamp": at(-5),
            "context": {"library": {"name": "analytics-python", "version": "2.4.0"}},
            "type": "identify",
            "userId": "u1",
            "traits": {"email": "a@b.cn", "phone": "+8613912345678", "city": "沪"},
            "messageId": "f6d65cda",
        },
        {
            "integrations": {},
            "previousId": "anon1",
            "timestamp": at(),
            "context": {},
            "userId": "u1",
            "type": "alias",
            "messageId": "25962949",
            "anonymousId": None,
        },
    ],
    "sentAt": at(),
    "writeKey": "WK",
}


def test_segments_python_library_is_understood() -> None:
    login, claim, alias = told("/v1/batch", SEGMENT_PYTHON)

    assert (login["type"], login["strength"], login["id"]) == ("identify", "proven", "f6d65cda")
    assert texts(login) == ["user_id@hq:u1", "anonymous_id@hq:anon1"]
    assert login["properties"] == {"city": "沪"}
    assert login["occurred_at"] == "2026-11-03T12:59:55Z"
    assert (claim["strength"], claim["id"]) == ("declared", "f6d65cda:traits")
    assert texts(claim) == ["user_id@hq:u1", "email@:a@b.cn", "phone@:+8613912345678"]
    assert texts(alias) == ["user_id@hq:u1", "anonymous_id@hq:anon1"]
    assert alias["strength"] == "observed"


def test_rudderstacks_python_library_zips_and_has_traits_in_the_context() -> None:
    message = {"type": "identify", "userId": "u1", "messageId": "m", "context": {"traits": {"email": "a@b.cn"}}}
    body = gzip.compress(orjson.dumps({"batch": [message], "sentAt": at()}))

    login, claim = told("/v1/batch", body, **{"content-encoding": "gzip"})

    assert texts(login) == ["user_id@hq:u1"]
    assert texts(claim) == ["user_id@hq:u1", "email@:a@b.cn"]


def test_rudderstacks_node_library_calls_its_zipped_json_a_form() -> None:
    message = {
        "type": "track",
        "event": "E",
        "userId": "u1",
        "originalTimestamp": at(-9),
        "sentAt": at(-4),
        "messageId": "m",
    }
    body = gzip.compress(orjson.dumps({"batch": [message], "sentAt": at(-4)}))
    form = {"content-encoding": "gzip", "content-type": "application/x-www-form-urlencoded"}

    (event,) = told("/v1/batch", body, **form)

    assert event["properties"] == {"event": "E"}
    assert event["occurred_at"] == "2026-11-03T12:59:55Z", "five seconds before it was sent, by its own clock"


def test_analytics_js_sends_text() -> None:
    message = {
        "timestamp": at(3600),
        "event": "Read",
        "type": "track",
        "properties": {"n": 1},
        "context": {
            "page": {"url": "https://h5.example/a?gclid=g1&utm_source=wx", "path": "/a"},
            "userAgent": "Browser",
            "library": {"name": "analytics.js"},
        },
        "messageId": "ajs-next-1",
        "userId": "u1",
        "anonymousId": "6305a848",
        "writeKey": "browser",
        "sentAt": at(3600),
    }

    (event,) = told("/v1/t", message, "browser", **{"content-type": "text/plain"})

    assert (event["channel"], event["trust"], event["source"]) == ("web", "browser", "h5")
    assert event["occurred_at"] == "2026-11-03T13:00:00Z", "a clock an hour ahead is put right"
    assert event["campaign"] == {"source": "wx"}
    assert texts(event) == ["user_id@h5:u1", "anonymous_id@h5:6305a848", "click_id@google:g1"]
    assert event["context"]["user_agent"] == "Browser"


@pytest.mark.parametrize("search", ["?ajs_uid=victim&ajs_aid=other", ""])
def test_whom_the_pages_own_address_names_is_not_believed(search: str) -> None:
    page = {
        "url": "https://h5.example/a" if search else "https://h5.example/a?ajs_uid=victim&ajs_aid=other",
        "search": search,
    }

    (event,) = told("/v1/i", {"userId": "victim", "anonymousId": "other", "context": {"page": page}}, "browser")

    assert event.get("identifiers", []) == []
    assert {each["reason"] for each in event["dropped"]} == {"named_by_url"}


@pytest.mark.parametrize(
    "junk", ["null", "undefined", "[object Object]", "0", "00000000-0000-0000-0000-000000000000", " "]
)
def test_an_id_of_nobody_is_dropped(junk: str) -> None:
    (event,) = told("/v1/track", {"event": "E", "userId": junk, "anonymousId": junk})

    assert event.get("identifiers", []) == []


def test_each_kind_of_message_has_its_event() -> None:
    who = {"userId": "u1"}
    assert told("/v1/page", who | {"name": "Home"})[0]["type"] == "page.viewed"
    assert told("/v1/s", who | {"name": "Home"})[0]["properties"] == {"name": "Home", "screen": True}
    (group,) = told("/v1/g", who | {"groupId": "g", "traits": {"name": "ACME", "website": "https://acme.example/x"}})
    assert group["company"] == {"name": "ACME", "domain": "acme.example"}
    order = {"order_id": "o-1", "total": 129.5, "currency": "CNY"}
    (placed,) = told("/v1/track", who | {"event": "Order Completed", "properties": order})
    assert (placed["type"], placed["order"]["amount"]) == ("order.placed", 12950)


def test_an_alias_of_oneself_says_nothing() -> None:
    (event,) = told("/v1/alias", {"userId": "u1", "previousId": "u1"})

    assert texts(event) == ["user_id@hq:u1"]


def test_a_message_that_is_sent_again_is_the_same_event() -> None:
    to = Collecting({})
    for _ in range(2):
        post(to, "/v1/track", {"event": "E", "userId": "u1", "messageId": "m"})
        post(to, "/v1/track", {"event": "F", "userId": "u1"})

    assert len({event["id"] for event in to.events}) == 2


def test_of_a_batch_the_good_is_taken_and_the_bad_is_kept() -> None:
    to = Collecting({})
    batch = [
        7,
        {"type": "nonsense"},
        {"type": "track", "event": "E", "userId": "u1", "timestamp": "yesterday"},
        {"type": "track", "event": "E", "userId": "u1"},
    ]

    answer = post(to, "/v1/batch", {"batch": batch})

    assert answer.json() == {"success": True}
    assert len(to.events) == 1
    assert [kept.headers["ce_code"] for kept in to.quarantined] == ["invalid_type", "unknown_type", "invalid_time"]


def test_a_message_that_is_nested_too_deep_takes_no_other_with_it() -> None:
    to = Collecting({})
    deep = b'{"type":"track","event":"E","userId":"u1","properties":' + b'{"a":' * 400 + b"1" + b"}" * 400 + b"}"
    body = b'{"batch":[{"type":"track","event":"E","userId":"u1"},' + deep + b"]}"

    answer = post(to, "/v1/batch", body)

    assert answer.json() == {"success": True}
    assert len(to.events) == 1
    assert [(kept.headers["ce_code"], kept.value) for kept in to.quarantined] == [("too_deep", body)]
    assert post(to, "/v1/track", deep).status_code == 400


@pytest.mark.parametrize(
    ("body", "key", "headers", "status"),
    [
        (b"{", "server", {}, 400),
        (b"[]", "server", {}, 400),
        (b"\xff\xfe", "server", {}, 400),
        ({"batch": 1}, "server", {}, 400),
        ({"batch": [{}] * 501}, "server", {}, 400),
        ({"batch": []}, "nobody", {}, 401),
        ({"batch": []}, "reader", {}, 403),
        (b"x" * (2 << 20), "server", {}, 413),
        (gzip.compress(b"x" * (64 << 20)), "server", {"content-encoding": "gzip"}, 413),
        (b"not zipped", "server", {"content-encoding": "gzip"}, 400),
    ],
)
def test_what_cannot_be_taken_is_answered_as_the_sdks_read_it(
    body: Any, key: str, headers: dict[str, str], status: int
) -> None:
    to = Collecting({})

    answer = post(to, "/v1/batch", body, key, **headers)

    assert answer.status_code == status
    assert set(answer.json()) == {"code", "message"}
    assert answer.headers["access-control-allow-origin"] == "*"
    assert not to.log.records


def test_while_the_log_is_down_they_are_told_to_come_again() -> None:
    to = Collecting({})
    to.log.failures.append(Unavailable("down"))

    answer = post(to, "/v1/track", {"event": "E", "userId": "u1"})

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_the_key_may_come_by_any_way() -> None:
    to = Collecting({})
    message = {"event": "E", "anonymousId": "a1"}

    answers = [
        to.send("POST", "/v1/t", content=orjson.dumps(message | {"writeKey": "browser"})),
        to.send(
            "POST", "/beacon/v1/batch?writeKey=browser", content=orjson.dumps({"batch": [message | {"type": "track"}]})
        ),
        to.send("POST", "/v1/t", content=orjson.dumps(message), headers={"authorization": "Bearer browser"}),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200]


@pytest.mark.parametrize(
    "path", ["/v1/t", "/v1/batch", "/sourceConfig/", "/sourceConfig", "/v1/projects/browser/settings"]
)
def test_a_page_may_ask_from_anywhere(path: str) -> None:
    answer = Collecting({}).send("OPTIONS", path, headers={"origin": "https://h5.example"})

    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "Authorization" in answer.headers["access-control-allow-headers"]


def test_the_pixel_is_a_picture_whatever_it_says() -> None:
    to = Collecting({})
    query = {"writeKey": "browser", "anonymousId": "a1", "event": "E", "properties.path": "/a"}

    pictures = [
        to.send("GET", "/pixel/v1/track", params=query),
        to.send("GET", "/pixel/v1/track"),
        to.send("GET", "/pixel/v1/x"),
    ]

    to.log.failures.append(Unavailable("the broker is away"))
    pictures.append(to.send("GET", "/pixel/v1/track", params=query))

    assert [picture.status_code for picture in pictures] == [200, 200, 200, 503]
    assert {picture.headers["content-type"] for picture in pictures} == {"image/gif"}
    assert [event["properties"] for event in to.events] == [{"path": "/a", "event": "E"}]


def test_scripts_are_told_to_send_here() -> None:
    to = Collecting({})

    settings = to.send("GET", "/v1/projects/browser/settings").json()
    source = to.send("GET", "/sourceConfig/?writeKey=browser").json()["source"]
    assert to.send("GET", "/sourceConfig?writeKey=browser").json()["source"] == source

    assert settings["integrations"]["Segment.io"]["apiHost"] == "siyu.example/v1"
    assert (source["enabled"], source["destinations"]) == (True, [])


def test_a_browser_can_make_no_one_of_two_whom_trusted_sources_know(engine: Engine) -> None:
    to = Collecting({})
    for user, mail in (("u1", "one@example.com"), ("u2", "two@example.com")):
        post(to, "/v1/identify", {"userId": user, "traits": {"email": mail}})
    post(to, "/v1/i", {"userId": "u1", "anonymousId": "c", "traits": {"email": "two@example.com"}}, "browser")
    post(to, "/v1/a", {"userId": "u1", "previousId": "u2"}, "browser")
    post(to, "/v1/i", {"userId": "u2", "anonymousId": "c", "traits": {"email": "one@example.com"}}, "browser")
    events = [decode(record.value) for record in to.log.topics[EVENTS]]

    with transaction(engine) as connection:
        stitch(connection, {event.uid: event for event in events}, SHIPPED, INDEX, NOW)
    with engine.connect() as connection:
        people = [members for _, members in database.state(connection).people]

    assert not any({"user_id@hq:u1", "user_id@hq:u2"} <= members for members in people)
    assert not any({"email:one@example.com", "email:two@example.com"} <= members for members in people)


def test_times_are_put_right_and_never_in_the_future() -> None:
    def occurred(key: str, **said: Any) -> datetime:
        (event,) = told("/v1/track", {"event": "E", "anonymousId": "a", **said}, key)
        return datetime.fromisoformat(event["occurred_at"])

    last_year = at(-300 * 86_400)
    assert occurred("browser", originalTimestamp=at(100), sentAt=at(40)) == NOW
    assert occurred("browser", originalTimestamp=at(-30), sentAt=at(-10)) == NOW - timedelta(seconds=20)
    assert occurred("browser", originalTimestamp=last_year, sentAt=last_year) == NOW, "such a clock is worth nothing"
    assert occurred("browser", originalTimestamp=last_year) == NOW
    assert occurred("browser", timestamp=at(-60)) == NOW, "who does not say when he sent it has said nothing"
    assert occurred("server", timestamp=last_year, sentAt=at()) == NOW - timedelta(days=300), "a server fills in"


def test_what_a_batch_says_of_all_its_messages_holds_for_each_that_does_not_say_otherwise() -> None:
    context = {"ip": "203.0.113.7", "locale": "zh-CN"}
    messages = [
        {"type": "track", "event": "E", "userId": "u1", "context": {"locale": "en-US"}},
        {"type": "track", "event": "E", "userId": "u1", "context": None},
        {"type": "track", "event": "E", "userId": "u1"},
    ]

    events = told("/v1/batch", {"batch": messages, "context": context})

    assert [event["context"] for event in events] == [context | {"locale": "en-US"}, context, context]


def test_a_message_that_says_of_nobody_who_it_is_is_refused_and_of_a_batch_kept() -> None:
    to = Collecting({})
    nobody = {"type": "track", "event": "E", "userId": None, "anonymousId": ""}

    alone = post(to, "/v1/track", nobody)
    among = post(to, "/v1/batch", {"batch": [nobody, {**nobody, "userId": 7}]})

    assert (alone.status_code, alone.json()["code"]) == (400, "missing")
    assert among.status_code == 200
    assert len(to.events) == 1
    assert [kept.headers["ce_code"] for kept in to.quarantined] == ["missing"]
