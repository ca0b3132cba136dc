"""What mini-programs ask and tell, without a phone: sessions, phones, groups, links, and who may say what of himself."""

import gzip
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from core.errors import Unavailable
from ingest.links.link import Signs
from ingest.mini import scenes
from ingest.mini.account import MiniAccount
from ingest.mini.telling import Told
from ingest.pages.scripts import script
from ingest.pages.shares import Shares
from siyu.simulators.mini_program import CODE_SECONDS, MiniProgramUsers, Owner
from tests.ingest.collecting import SIGNING_KEY, Collecting
from tests.ingest.given import NOW
from tests.ingest.loopback import listening

SCRIPT_BYTES_MOST = 6_144
APP = "wxa111"
SECRET = "s3cret"
PHONE_ID = "b" * 32
OTHER_PHONE_ID = "c" * 32
USERS = {"anna": Owner("oAnna", "uAnna", "13912345678"), "ben": Owner("oBen")}
SHARES = Shares(SIGNING_KEY)
OWN = SHARES.own("a", PHONE_ID, APP)
ANOTHERS = SHARES.own("a", OTHER_PHONE_ID, APP)


class Clock:
    """The platform's clock, which a test puts forward."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def platform() -> Iterator[tuple[MiniProgramUsers, str]]:
    users = MiniProgramUsers(APP, SECRET, USERS, Clock())
    with listening(users.application()) as address:
        yield users, address


@pytest.fixture
def users(platform: tuple[MiniProgramUsers, str]) -> MiniProgramUsers:
    platform[0].is_down = False
    return platform[0]


@pytest.fixture
def collecting(users: MiniProgramUsers, platform: tuple[MiniProgramUsers, str]) -> Collecting:
    return Collecting(program(platform[1]))


@pytest.fixture
def keeping(users: MiniProgramUsers, platform: tuple[MiniProgramUsers, str], engine: Engine) -> Collecting:
    """Collectors with a database, in which the access token is kept."""
    return Collecting(program(platform[1]), engine=engine)


def program(api_url: str = "http://127.0.0.1:1", **fields: Any) -> dict[str, Any]:
    account = {"app_id": APP, "secret": SECRET, "open_platform": "brand", "api_url": api_url, **fields}
    return {"mini": {"main": account, "other": {**account, "app_id": "wxb222"}}}


def asked(collecting: Collecting, what: str, name: str = "main", **fields: Any) -> httpx.Response:
    said = {"writeKey": "browser", "anonymous_id": PHONE_ID, **fields}
    return collecting.send("POST", f"/mini/{name}/{what}", json=said)


def session(collecting: Collecting, users: MiniProgramUsers, user: str = "anna", **fields: Any) -> str:
    answer = asked(collecting, "login", code=users.login_code(user), **fields)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["session"])


def read(**fields: Any) -> dict[str, Any]:
    """What a phone tells of a read, with *fields* that matter to the test."""
    return {"id": "1", "type": "article.read", "occurred_at": NOW.isoformat(), "article": {"id": "a"}, **fields}


def who(event: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    return {(each["namespace"], each.get("scope", ""), each["value"]) for each in event.get("identifiers", ())}


PHONE = ("anonymous_id", APP, PHONE_ID)
ANNA = {("wechat_openid", APP, "oAnna"), ("wechat_unionid", "brand", "uAnna"), PHONE}


# The script


def test_the_script_is_small_and_fetched_once() -> None:
    tag = script("siyu-mini.js", "ingest.mini").etag
    first, again = Collecting({}).send_all(
        [("GET", "/siyu-mini.js", {}), ("GET", "/siyu-mini.js", {"headers": {"If-None-Match": tag}})]
    )

    assert len(gzip.compress(first.content)) <= SCRIPT_BYTES_MOST
    assert first.headers["content-type"].startswith("text/javascript")
    assert (again.status_code, again.content) == (304, b"")


# Sessions


def test_who_logs_in_is_linked_to_his_phone_by_the_platform(collecting: Collecting, users: MiniProgramUsers) -> None:
    launch = {
        "scene": 1058,
        "path": "pages/a",
        "query": {"scene": "shop%3D12", "private": "x"},
        "referrer_app_id": "wx9",
    }

    answer = asked(collecting, "login", code=users.login_code("anna"), launch=launch)

    (event,) = collecting.events
    assert (event["type"], event["strength"], event["trust"], event["source"]) == (
        "identify",
        "platform",
        "server",
        "mini:main",
    )
    assert who(event) == ANNA
    assert event["properties"] == {
        "scene": 1058,
        "opened_by": "account_article",
        "path": "pages/a",
        "parameter": "shop=12",
        "referrer_app_id": "wx9",
    }
    assert set(answer.json()) == {"session", "expires_in"}


def test_what_is_secret_stays_with_us(
    collecting: Collecting, users: MiniProgramUsers, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = asked(collecting, "login", code=users.login_code("anna"))

    told = answer.text + "".join(capfd.readouterr()) + str([record.value for record in collecting.log.records])
    assert users.session_keys["anna"]
    assert not any(secret in told for secret in (users.session_keys["anna"], SECRET))
    assert "oAnna" not in answer.text


def test_without_a_unionid_an_openid_stands_alone(collecting: Collecting, users: MiniProgramUsers) -> None:
    session(collecting, users, "ben")

    assert who(collecting.events[0]) == {("wechat_openid", APP, "oBen"), PHONE}


@pytest.mark.parametrize("spoiled", ["made up", "used", "old", "of a phone"])
def test_a_code_that_is_no_good_is_the_phones_fault(
    collecting: Collecting, users: MiniProgramUsers, spoiled: str
) -> None:
    code = users.phone_code("anna") if spoiled == "of a phone" else users.login_code("anna")
    match spoiled:
        case "made up":
            code = "made up"
        case "used":
            asked(collecting, "login", code=code)
            collecting.log.topics.clear()
        case "old":
            users.now.now += CODE_SECONDS + 1  # type: ignore[attr-defined] # the clock of this file

    answer = asked(collecting, "login", code=code)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/code")
    assert collecting.events == []


@pytest.mark.parametrize("fault", ["down", "the secret is wrong", "nothing there"])
def test_where_the_platform_does_not_say_one_tries_again(
    users: MiniProgramUsers, platform: tuple[MiniProgramUsers, str], fault: str
) -> None:
    users.is_down = fault == "down"
    collecting = Collecting(
        program()
        if fault == "nothing there"
        else program(platform[1], secret="wrong" if fault == "the secret is wrong" else SECRET)
    )

    answer = asked(collecting, "login", code=users.login_code("anna"))

    assert answer.status_code == 503
    assert collecting.events == []


def test_a_login_that_the_log_has_not_is_no_login(collecting: Collecting, users: MiniProgramUsers) -> None:
    collecting.log.failures += [Unavailable("no log")]

    assert asked(collecting, "login", code=users.login_code("anna")).status_code == 503
    assert session(collecting, users)


@pytest.mark.parametrize("what", ["phone", "encrypted-phone", "group", "events"])
@pytest.mark.parametrize("spoiled", ["forged", "of another phone", "of another mini-program", "expired"])
def test_only_the_phone_that_logged_in_speaks_for_its_owner(
    collecting: Collecting, users: MiniProgramUsers, what: str, spoiled: str
) -> None:
    sealed = session(collecting, users)
    shown: Mapping[str, Mapping[str, Any]] = {
        "phone": {"code": users.phone_code("anna")},
        "events": {"events": [read()]},
    }
    encrypted = users.encrypted("anna", {"phoneNumber": "1", "openGId": "g"})
    asks: dict[str, Any] = {"session": sealed, **shown.get(what, encrypted)}
    match spoiled:
        case "forged":
            asks["session"] = sealed[:-3] + ("AAA" if sealed[-3:] != "AAA" else "BBB")
        case "of another phone":
            asks["anonymous_id"] = OTHER_PHONE_ID
        case "of another mini-program":
            asks["name"] = "other"
        case "expired":
            collecting.now = NOW + timedelta(days=7, seconds=1)
    known = len(collecting.events)

    answer = asked(collecting, what, **asks)

    assert answer.status_code == 403
    assert collecting.events[known:] == []


# Phones


def test_a_phone_that_wechat_has_verified_is_its_owners(keeping: Collecting, users: MiniProgramUsers) -> None:
    sealed = session(keeping, users)

    answer = asked(keeping, "phone", session=sealed, code=users.phone_code("anna"))

    assert answer.json() == {"phone": "+8613912345678"}
    event = keeping.events[-1]
    assert who(event) == ANNA | {("phone", "", "+8613912345678")}
    assert {each["namespace"] for each in event["identifiers"] if each["role"] == "subject"} == {
        "wechat_openid",
        "wechat_unionid",
        "phone",
    }
    assert (event["type"], event["strength"]) == ("identify", "platform")
    assert "13912345678" not in event["id"]


def test_the_access_token_is_asked_for_once(keeping: Collecting, users: MiniProgramUsers) -> None:
    sealed = session(keeping, users)
    path = "/mini/main/phone"
    said = {"writeKey": "browser", "anonymous_id": PHONE_ID, "session": sealed}
    before = users.asked.count("/cgi-bin/stable_token")

    answers = keeping.send_all([("POST", path, {"json": {**said, "code": users.phone_code("anna")}}) for _ in range(3)])

    assert [answer.status_code for answer in answers] == [200] * 3
    assert users.asked.count("/cgi-bin/stable_token") == before + 1


def test_a_phones_code_is_good_once(keeping: Collecting, users: MiniProgramUsers) -> None:
    sealed, code = session(keeping, users), users.phone_code("anna")

    first = asked(keeping, "phone", session=sealed, code=code)
    again = asked(keeping, "phone", session=sealed, code=code)

    assert (first.status_code, again.status_code) == (200, 400)
    assert len(keeping.events) == 2


def test_a_phone_told_to_another_mini_program_is_refused(
    keeping: Collecting, users: MiniProgramUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = session(keeping, users)
    info = users.phone_info("anna", "wxb222")
    monkeypatch.setattr(users, "phone_info", lambda name: info)

    answer = asked(keeping, "phone", session=sealed, code=users.phone_code("anna"))

    assert answer.status_code == 403
    assert len(keeping.events) == 1


def test_a_phone_may_come_encrypted_too_and_twice_is_once(collecting: Collecting, users: MiniProgramUsers) -> None:
    sealed = session(collecting, users)
    shown = users.encrypted(
        "anna", {"phoneNumber": "13912345678", "purePhoneNumber": "13912345678", "countryCode": "86"}
    )

    answers = [asked(collecting, "encrypted-phone", session=sealed, **shown) for _ in range(2)]

    assert [answer.json() for answer in answers] == [{"phone": "+8613912345678"}] * 2
    assert who(collecting.events[-1]) == ANNA | {("phone", "", "+8613912345678")}
    assert len({event["id"] for event in collecting.events}) == 2


def test_what_was_encrypted_for_another_is_not_mine(collecting: Collecting, users: MiniProgramUsers) -> None:
    """Neither what was stolen from another's phone, nor what another mini-program got."""
    session(collecting, users, "anna")
    bens = session(collecting, users, "ben")
    fields = {"purePhoneNumber": "13912345678", "countryCode": "86"}

    stolen = asked(collecting, "encrypted-phone", session=bens, **users.encrypted("anna", fields))
    foreign = asked(collecting, "encrypted-phone", session=bens, **users.encrypted("ben", fields, "wxb222"))

    assert (stolen.status_code, foreign.status_code) == (403, 403)
    assert len(collecting.events) == 2


def test_a_group_is_where_somebody_was_and_nobody(collecting: Collecting, users: MiniProgramUsers) -> None:
    sealed = session(collecting, users)

    answer = asked(collecting, "group", session=sealed, **users.encrypted("anna", {"openGId": "gBand"}))

    assert answer.json() == {"open_gid": "gBand"}
    event = collecting.events[-1]
    assert who(event) == ANNA
    assert (event["type"], event["properties"]["open_gid"]) == ("track", "gBand")


# Links


def test_a_phone_has_the_same_link_however_often_it_opens(collecting: Collecting) -> None:
    first, again = (asked(collecting, "open", article="a").json() for _ in range(2))

    assert first == again == {"token": OWN}
    assert [(event["id"], event["channel"]) for event in collecting.events] == [
        (f"shared-{OWN}", "mini_program"),
        (f"shared-{OWN}", "mini_program"),
    ]


@pytest.mark.parametrize(
    ("came_by", "parent"),
    [
        (ANOTHERS, ANOTHERS),
        (SHARES.own("a", OTHER_PHONE_ID, "h5"), SHARES.own("a", OTHER_PHONE_ID, "h5")),  # of a page of ours
        (None, None),
        (OWN, None),  # nobody comes by himself
        (SHARES.own("b", OTHER_PHONE_ID, APP), None),  # of another article
        (Shares(b"f" * 32).own("a", OTHER_PHONE_ID, APP), None),  # forged
        ("' OR 1=1", None),
    ],
)
def test_only_a_link_that_we_made_for_the_article_is_a_parent(
    collecting: Collecting, came_by: str | None, parent: str | None
) -> None:
    asked(collecting, "open", article="a", came_by=came_by)

    (event,) = collecting.events
    assert event["share"] == {"token": OWN, **({"parent_token": parent} if parent else {})}
    assert who(event) == {PHONE}


# What happened


@pytest.mark.parametrize(
    ("scene", "shared_to", "opened_by"),
    [
        (1007, "friend", "friend"),
        (1008, "group", "group"),
        (1044, "group", "group"),
        (1154, "moments", "moments_single_page"),
        (1155, "moments", "moments"),
        (1011, "other", "qr"),
        (4242, "other", None),
    ],
)
def test_a_scene_says_how_something_was_passed_on(
    collecting: Collecting, scene: int, shared_to: str, opened_by: str | None
) -> None:
    asked(collecting, "events", events=[read(share={"token": ANOTHERS}, launch={"scene": scene})])

    (event,) = collecting.events
    assert event["share"] == {"token": ANOTHERS, "scene": shared_to}
    assert event["properties"] == {"scene": scene, **({"opened_by": opened_by} if opened_by else {})}


def test_scenes_that_are_known_are_those_of_wechats_documents() -> None:
    assert {1007, 1008, 1011, 1012, 1014, 1035, 1036, 1037, 1038, 1043, 1044, 1045, 1046, 1047, 1048, 1049} | {
        *(1058, 1065, 1067, 1107, 1154, 1155, 1177)
    } <= set(scenes.NAMES)


def test_a_link_that_is_not_ours_brings_nobody(collecting: Collecting) -> None:
    asked(collecting, "events", events=[read(share={"token": ANOTHERS[:-1]}, properties={"x": 1})])

    (event,) = collecting.events
    assert "token" not in event.get("share", {})
    assert event["properties"] == {"x": 1, "token_refused": True}


def test_who_has_logged_in_is_named_by_all_that_he_does(collecting: Collecting, users: MiniProgramUsers) -> None:
    sealed = session(collecting, users)

    asked(collecting, "events", session=sealed, events=[read()])
    asked(collecting, "events", events=[read(id="2")])

    _, known, anonymous = collecting.events
    assert (who(known), known["trust"]) == (ANNA, "server")
    assert (who(anonymous), anonymous["trust"]) == ({PHONE}, "browser")
    assert known["source"] == anonymous["source"] == "mini:main:phones"


def test_whatever_a_phone_says_of_itself_names_nobody(collecting: Collecting, users: MiniProgramUsers) -> None:
    """The key is public: with it one cannot be another, be it with a session of one's own or without."""
    claims = {
        "identifiers": [f"wechat_openid@{APP}:oAnna", "wechat_unionid@brand:uAnna", "user_id:1", "phone:13912345678"],
        "strength": "platform",
        "source": "hq",
        "channel": "import",
        "unionid": "uAnna",
    }
    bens = session(collecting, users, "ben")

    asked(collecting, "events", events=[read(**claims)])
    asked(collecting, "events", session=bens, events=[read(id="2", **claims)])
    refused = asked(collecting, "login", code=users.login_code("ben"), openid="oAnna")

    _, anonymous, known = collecting.events
    assert refused.status_code == 400
    assert (who(anonymous), who(known)) == ({PHONE}, {("wechat_openid", APP, "oBen"), PHONE})
    assert {event["strength"] for event in (anonymous, known)} == {"observed"}
    assert {(event["source"], event["channel"]) for event in (anonymous, known)} == {
        ("mini:main:phones", "mini_program")
    }


@pytest.mark.parametrize("kind", ["order.paid", "consent.given", "identify", "person.tagged", "mini_program.paid", "x"])
def test_what_no_phone_is_believed_is_kept_as_something_that_it_said(collecting: Collecting, kind: str) -> None:
    asked(collecting, "events", events=[read(type=kind, order={"id": "o", "amount": 1}, properties={"x": 1})])

    (event,) = collecting.events
    assert (event["type"], event["properties"]) == ("track", {"event": kind, "x": 1})
    assert "order" not in event


def test_what_led_here_is_a_hint(collecting: Collecting) -> None:
    token = Signs.of(SIGNING_KEY).follow.written(7)
    launch = {
        "scene": 1045,
        "path": "pages/a",
        "query": {"gdt_vid": "v1", "utm_campaign": "spring", "scene": token, "name": "private"},
    }

    asked(collecting, "events", events=[read(type="mini_program.opened", launch=launch, article=None)])

    (event,) = collecting.events
    assert {(each["namespace"], each["value"]) for each in event["identifiers"] if each["role"] == "hint"} == {
        ("click_id", "v1"),
        ("link_token", token),
    }
    assert event["campaign"] == {"name": "spring"}
    assert event["properties"] == {
        "scene": 1045,
        "opened_by": "moments_ad",
        "path": "pages/a",
        "parameter": token,
    }


def test_a_code_that_is_not_ours_is_no_link_of_ours(collecting: Collecting) -> None:
    launch = {"scene": 1047, "query": {"scene": "0AbCdEfGhIjKlM"}}

    asked(collecting, "events", events=[read(type="mini_program.opened", launch=launch, article=None)])

    (event,) = collecting.events
    assert "hint" not in {each["role"] for each in event["identifiers"]}
    assert event["properties"]["parameter"] == "0AbCdEfGhIjKlM"


def test_a_phones_clock_may_be_wrong(collecting: Collecting) -> None:
    """What it tells late happened as long ago as it says, and by our clock."""
    wrong = NOW + timedelta(hours=9)

    asked(
        collecting,
        "events",
        sent_at=wrong.isoformat(),
        events=[
            read(id="1", occurred_at=(wrong - timedelta(hours=2)).isoformat()),
            read(id="2", occurred_at=(wrong + timedelta(hours=2)).isoformat()),
        ],
    )

    assert [event["occurred_at"] for event in collecting.events] == ["2026-11-03T11:00:00Z", "2026-11-03T13:00:00Z"]


def test_a_clock_that_is_right_is_believed(collecting: Collecting) -> None:
    """What took a while to get here is no fault of the clock, and what happened first stays first."""
    sent_at = NOW - timedelta(seconds=4)

    asked(collecting, "events", sent_at=sent_at.isoformat(), events=[read(occurred_at=sent_at.isoformat())])

    assert collecting.events[0]["occurred_at"] == "2026-11-03T12:59:56Z"


def test_good_events_are_taken_and_bad_ones_named(collecting: Collecting) -> None:
    bad: list[Any] = [5, None, {}, read(occurred_at="yesterday"), read(properties=[]), read(article={"id": ""})]
    bad += [read(type=7), read(type=["x"]), read(launch=[], article=7), read(id="x" * 300)]

    answer = asked(collecting, "events", events=[*bad, read(launch=7, share=7), read(id="2")])

    assert answer.status_code == 202
    assert answer.json()["accepted"] == 2
    assert [rejected["index"] for rejected in answer.json()["rejected"]] == list(range(len(bad)))


def test_what_is_sent_twice_is_the_same_event(collecting: Collecting, users: MiniProgramUsers) -> None:
    """Also when the second time its sender has logged in meanwhile."""
    asked(collecting, "events", events=[read()])
    asked(collecting, "events", session=session(collecting, users), events=[read()])

    first, _, again = collecting.events
    assert (first["source"], first["id"]) == (again["source"], again["id"])


def test_a_phone_cannot_take_the_place_of_what_we_say(collecting: Collecting) -> None:
    """An event is taken once by source and id, and a link's token is known to whoever got the link."""
    asked(collecting, "events", events=[read(id=f"shared-{OWN}")])
    asked(collecting, "open", article="a")

    told, ours = collecting.events
    assert told["id"] == ours["id"]
    assert told["source"] != ours["source"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
told_events = st.dictionaries(
    st.sampled_from(["id", "type", "occurred_at", "article", "share", "launch", "properties", "context"]),
    json_values
    | st.fixed_dictionaries({}, optional=dict.fromkeys(("scene", "path", "query", "token", "id"), json_values))
    | st.sampled_from(["article.read", "order.paid", NOW.isoformat(), "0001-01-01T00:00:00+23:59", "9999-12-31"]),
)


@given(told_events | json_values, st.datetimes(timezones=st.just(UTC)) | st.none())
def test_whatever_a_phone_writes_it_names_nobody_but_itself(written: object, sent_at: datetime | None) -> None:
    links = Signs.of(SIGNING_KEY).follow
    told = Told(MiniAccount(app_id=APP, secret=SECRET), links, PHONE_ID, None, NOW, sent_at)

    document = SHARES.amended(told.document(written))

    if isinstance(written, dict):
        assert isinstance(document, dict)
        named = [each for each in document["identifiers"] if each.get("role") != "hint"]
        assert [(each["namespace"], each["scope"], each["value"]) for each in named] == [PHONE]


@pytest.mark.parametrize(
    "launch",
    [
        {"scene": 2**62, "path": "a\0b", "query": {"scene": "%00", "utm_source": "\0"}},
        {"scene": True, "path": ["x"], "query": {"scene": {"a": 1}, "gdt_vid": 7}, "referrer_app_id": None},
        {"path": "x" * 9_000, "query": {"scene": "%ED%A0%80" * 100}},
    ],
)
def test_however_one_came_one_logs_in(collecting: Collecting, users: MiniProgramUsers, launch: Any) -> None:
    assert session(collecting, users, launch=launch)

    assert [who(event) for event in collecting.events] == [ANNA]
    assert collecting.quarantined == []


def test_what_is_nested_too_deep_is_a_bad_event(collecting: Collecting) -> None:
    deep: Any = []
    for _ in range(200):
        deep = [deep]

    answer = asked(collecting, "events", events=[read(properties={"x": deep}), read(id="2")])

    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)


# Who may ask


def test_what_the_log_has_not_is_sent_again(collecting: Collecting) -> None:
    for what, fields in (("open", {"article": "a"}), ("events", {"events": [read()]})):
        collecting.log.failures += [Unavailable("no log")]
        assert asked(collecting, what, **fields).status_code == 503
        assert asked(collecting, what, **fields).status_code < 300

    assert len(collecting.events) == 2


@pytest.mark.parametrize("what", ["login", "open", "phone", "encrypted-phone", "group", "events"])
@pytest.mark.parametrize(
    ("spoiled", "status"),
    [
        ({"writeKey": "unknown"}, 401),
        ({"writeKey": "reader"}, 403),
        ({"writeKey": ""}, 401),
        ({"anonymous_id": "../.."}, 400),
        ({"anonymous_id": None}, 400),
        ({"openid": "oAnna"}, 400),
        (b"x" * (2 << 20), 413),
        (gzip.compress(bytes(8 << 20)), 413),
        ('{"writeKey": "é"}'.encode("latin-1"), 400),
        (b"[]", 400),
        (b"", 400),
    ],
)
def test_what_no_mini_program_of_ours_would_send_is_not_taken(
    collecting: Collecting, users: MiniProgramUsers, what: str, spoiled: Any, status: int
) -> None:
    good: Mapping[str, Mapping[str, Any]] = {
        "login": {"code": "c"},
        "open": {"article": "a"},
        "phone": {"session": "s", "code": "c"},
        "events": {"events": [read()]},
    }
    fields = good.get(what, {"session": "s", "encryptedData": "e", "iv": "i"})
    before = len(users.asked)

    if isinstance(spoiled, bytes):
        packed = {"Content-Encoding": "gzip"} if spoiled[:2] == b"\x1f\x8b" else {}
        answer = collecting.send("POST", f"/mini/main/{what}", content=spoiled, headers=packed)
    else:
        answer = asked(collecting, what, **{**fields, **spoiled})

    assert answer.status_code == status, answer.text
    assert (collecting.events, collecting.quarantined) == ([], [])
    assert len(users.asked) == before


def test_a_mini_program_that_nobody_knows_is_not_there(collecting: Collecting) -> None:
    assert asked(collecting, "events", name="none", events=[]).status_code == 404
