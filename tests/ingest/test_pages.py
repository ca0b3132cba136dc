"""What pages ask and tell, without a browser: links, claims, signatures, and who may ask."""

import gzip
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from core.database import transaction
from core.errors import Unavailable
from core.event import decode
from core.log.port import EVENTS
from core.sealed import Seal
from ingest.links.link import Signs
from ingest.pages.account import PagesAccount, with_parameter
from ingest.pages.scripts import script
from ingest.pages.shares import Shares
from ingest.pages.signature import Moment, signature
from profiles import touches
from siyu.simulators.wechat_users import WeChatUsers
from stitcher import asking
from stitcher.stitch import stitch
from tests.ingest.collecting import PUBLIC_URL, SIGNING_KEY, Collecting
from tests.ingest.given import NOW, event
from tests.ingest.given_pages import BROWSER_ID, OTHER_BROWSER_ID, SITE, opened, opening, site, wechat
from tests.stitcher.histories import INDEX, SHIPPED

SCRIPT_BYTES_MOST = 6_144
SHARES = Shares(SIGNING_KEY)
OWN = SHARES.own("a", BROWSER_ID, "main")
ANOTHERS = SHARES.own("a", OTHER_BROWSER_ID, "main")


@pytest.fixture(scope="module")
def platform() -> Iterator[tuple[WeChatUsers, str]]:
    with wechat() as (users, address):
        yield users, address


@pytest.fixture
def collecting(platform: tuple[WeChatUsers, str]) -> Collecting:
    platform[0].is_down = False
    return Collecting(site(open_url=platform[1], api_url=platform[1]))


def at_wechat(address: str, user: str) -> str:
    """Follow *address* as the browser of *user* and return the path, with its query, to which WeChat sends him."""
    answer = httpx.get(address, cookies={"wechat_user": user})
    return answer.headers["location"].removeprefix(PUBLIC_URL)


def come_back(collecting: Collecting, path: str) -> httpx.URL:
    """Follow *path* and return the page to which the visitor is sent."""
    answer = collecting.send("GET", path)
    assert answer.status_code == 302, answer.text
    return httpx.URL(answer.headers["location"])


# The script


def test_the_script_is_small_and_fetched_once() -> None:
    first, again = Collecting(site()).send_all(
        [("GET", "/siyu.js", {}), ("GET", "/siyu.js", {"headers": {"If-None-Match": script("siyu.js").etag}})]
    )

    assert len(gzip.compress(first.content)) <= SCRIPT_BYTES_MOST
    assert first.headers["content-type"].startswith("text/javascript")
    assert "max-age" in first.headers["cache-control"]
    assert (again.status_code, again.content) == (304, b"")


# Links


def test_a_browser_has_the_same_link_however_often_it_opens(collecting: Collecting) -> None:
    first, again = opened(collecting), opened(collecting)
    other = opened(collecting, anonymous_id=OTHER_BROWSER_ID)

    assert first["token"] == again["token"] == OWN
    assert other["token"] == ANOTHERS
    assert [said["id"] for said in collecting.events] == [f"shared-{OWN}", f"shared-{OWN}", f"shared-{ANOTHERS}"]


@pytest.mark.parametrize(
    ("came_by", "parent"),
    [
        (ANOTHERS, ANOTHERS),
        (None, None),
        (OWN, None),  # nobody comes by himself
        (SHARES.own("b", OTHER_BROWSER_ID, "main"), None),  # of another article
        (Shares(b"f" * 32).own("a", OTHER_BROWSER_ID, "main"), None),  # forged
        ("0", None),
        ("' OR 1=1", None),
    ],
)
def test_only_a_link_that_we_made_for_the_article_is_a_parent(
    collecting: Collecting, came_by: str | None, parent: str | None
) -> None:
    opened(collecting, came_by=came_by)

    (shared,) = collecting.events
    assert shared["share"] == {"token": OWN, **({"parent_token": parent} if parent else {})}
    assert [mention["namespace"] for mention in shared["identifiers"]] == ["anonymous_id"]


@pytest.mark.parametrize("as_text", [True, False])
def test_a_page_tells_its_events_like_every_sender_but_for_links_that_are_not_ours(as_text: bool) -> None:
    collecting = Collecting(site())
    good = event(id="1", article={"id": "a"}, share={"token": ANOTHERS, "scene": "friend"})
    forged = event(id="2", article={"id": "a"}, share={"token": ANOTHERS[:-1], "scene": "friend"}, properties={"x": 1})
    nothing = event(id="3", article={"id": "a"}, share={"token": 7})
    content = httpx.Request(
        "POST", "http://x", json={"writeKey": "browser", "events": [good, forged, nothing, 5]}
    ).content
    headers = {"Content-Type": "text/plain" if as_text else "application/json", "Origin": SITE}

    answer = collecting.send("POST", "/v1/beacon", content=content, headers=headers)

    assert (answer.status_code, answer.json()["accepted"]) == (202, 3)
    assert answer.headers["access-control-allow-origin"] == SITE
    assert [said.get("share", {}).get("token") for said in collecting.events] == [ANOTHERS, None, None]
    assert [said.get("properties", {}) for said in collecting.events] == [
        {},
        {"x": 1, "token_refused": True},
        {"token_refused": True},
    ]


def test_who_came_by_a_link_that_was_sent_came_by_no_readers_link() -> None:
    collecting = Collecting(site())
    token = Signs.of(SIGNING_KEY).follow.written(7)
    read = event(id="1", article={"id": "a"}, share={"token": token, "scene": "other"})

    collecting.send("POST", "/v1/beacon", json={"writeKey": "browser", "events": [read]})

    (said,) = collecting.events
    hints = [(each["namespace"], each["value"]) for each in said["identifiers"] if each["role"] == "hint"]
    assert hints == [("link_token", token)]
    assert said["share"] == {"scene": "other"}
    assert "token_refused" not in said.get("properties", {})


@pytest.mark.parametrize(
    ("path", "given", "status"),
    [
        ("/v1/beacon", {"json": {"events": []}}, 401),
        ("/v1/beacon", {"json": {"writeKey": "reader", "events": []}}, 403),
        ("/v1/beacon", {"content": b"x" * (2 << 20)}, 413),
        ("/v1/beacon", {"content": gzip.compress(bytes(8 << 20)), "headers": {"Content-Encoding": "gzip"}}, 413),
        ("/v1/beacon", {"content": '{"writeKey": "é"}'.encode("latin-1")}, 400),
        ("/v1/pages/open", opening(account="none"), 404),
        ("/v1/pages/open", opening(writeKey="unknown"), 401),
        ("/v1/pages/open", opening(anonymous_id="../.."), 400),
        ("/v1/pages/open", opening(article=""), 400),
        ("/v1/pages/open", {"content": b"x" * (20 << 10)}, 413),
        ("/v1/pages/open", {"content": b"\xff"}, 400),
        ("/v1/pages/open", {**opening(), "headers": {"Origin": "https://h5.example.evil.test"}}, 403),
        ("/v1/pages/open", {**opening(), "headers": {}}, 403),
    ],
)
def test_what_no_page_of_ours_would_send_is_not_taken(path: str, given: dict[str, Any], status: int) -> None:
    collecting = Collecting(site())

    answer = collecting.send("POST", path, **given)

    assert answer.status_code == status, answer.text
    assert (collecting.events, collecting.quarantined) == ([], [])


def test_a_page_hears_of_a_log_that_is_down(collecting: Collecting) -> None:
    collecting.log.failures += [Unavailable("no log")]

    assert collecting.send("POST", "/v1/pages/open", **opening()).status_code == 503
    assert opened(collecting)["token"] == OWN


def test_nobody_takes_a_link_from_the_browser_that_has_it(collecting: Collecting, engine: Engine) -> None:
    """Whoever opened a link knows its token, and can say that it was his long before its owner came."""
    opened(collecting, anonymous_id=OTHER_BROWSER_ID)
    who = {"namespace": "anonymous_id", "scope": "main", "value": "thief-0123456789"}
    theft = event(type="article.shared", article={"id": "a"}, share={"token": ANOTHERS}, identifiers=[who])
    theft |= {"occurred_at": (NOW - timedelta(days=300)).isoformat()}
    for path in ("/v1/events", "/v1/beacon"):
        assert collecting.send("POST", path, json={"writeKey": "browser", **theft}).status_code == 202
    events = [decode(record.value) for record in collecting.log.topics[EVENTS]]

    with transaction(engine) as connection:
        stitch(connection, {each.uid: each for each in events}, SHIPPED, INDEX, NOW)
    with engine.connect() as connection:
        owner = touches.sharer(connection, ANOTHERS, "a")
        (named,) = asking.lookup(connection, [f"anonymous_id@main:{OTHER_BROWSER_ID}"], INDEX)

    assert owner is not None
    assert owner == named.person


# The way to WeChat and back


def test_a_visitor_brings_who_he_is(collecting: Collecting) -> None:
    begun = opened(collecting, url=f"{SITE}/a?siyu={ANOTHERS}&x=1#part")
    page = come_back(collecting, at_wechat(begun["oauth"], "anna"))
    ended = opened(collecting, claim=page.params["siyu_claim"])

    assert str(page.copy_remove_param("siyu_claim")) == f"{SITE}/a?siyu={ANOTHERS}&x=1#part"
    assert (ended["identified"], ended["oauth"]) == (True, None)
    (who,) = [said for said in collecting.events if said["type"] == "identify"]
    assert {(m["namespace"], m["scope"], m["value"], m["role"]) for m in who["identifiers"]} == {
        ("wechat_openid", "wxb00c", "oAnna", "subject"),
        ("wechat_unionid", "brand", "uAnna", "subject"),
        ("anonymous_id", "main", BROWSER_ID, "context"),
    }
    assert (who["strength"], who["trust"], who["source"]) == ("platform", "server", "pages:main")


def test_what_a_visitor_brings_is_good_in_his_browser_only_and_not_for_long(collecting: Collecting) -> None:
    begun = opened(collecting)
    claim = come_back(collecting, at_wechat(begun["oauth"], "anna")).params["siyu_claim"]

    opened(collecting, claim=claim, anonymous_id=OTHER_BROWSER_ID)
    opened(collecting, claim=claim[:-2])
    collecting.now = NOW + timedelta(minutes=3)
    opened(collecting, claim=claim)

    assert {said["type"] for said in collecting.events} == {"article.shared"}
    assert "oAnna" not in claim


def test_what_is_brought_twice_is_one_event(collecting: Collecting) -> None:
    claim = come_back(collecting, at_wechat(opened(collecting)["oauth"], "anna")).params["siyu_claim"]

    opened(collecting, claim=claim)
    opened(collecting, claim=claim)

    assert len({said["id"] for said in collecting.events if said["type"] == "identify"}) == 1


@pytest.mark.parametrize("spoiled", ["state", "code", "denied", "used", "snapshot", "down"])
def test_whatever_fails_at_wechat_the_visitor_gets_back_to_his_page_as_nobody(
    collecting: Collecting, platform: tuple[WeChatUsers, str], spoiled: str
) -> None:
    path = at_wechat(opened(collecting)["oauth"], "snap" if spoiled == "snapshot" else "anna")
    match spoiled:
        case "state":
            path = with_parameter(path, "state", "0" * 64)
        case "code":
            path = with_parameter(path, "code", "made up")
        case "denied":
            path = with_parameter(path, "code", "")
        case "used":
            come_back(collecting, path)
        case "down":
            platform[0].is_down = True

    page = come_back(collecting, path)

    assert str(page) == f"{SITE}/a"


@pytest.mark.parametrize("begin", ["", "made-up", "é", "A" * 9_000])
def test_whom_we_did_not_send_we_send_nowhere(collecting: Collecting, begin: str) -> None:
    answer = collecting.send("GET", "/v1/pages/oauth/main", params={"begin": begin, "code": "c", "state": "s"})

    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_journey")


def test_a_journey_ends_where_the_site_is_only_and_within_minutes(collecting: Collecting) -> None:
    path = at_wechat(opened(collecting)["oauth"], "anna")

    elsewhere = opened(collecting, url="https://evil.test/h5.example")["oauth"]
    collecting.now = NOW + timedelta(minutes=11)
    late = collecting.send("GET", path)

    assert elsewhere is None
    assert late.status_code == 400


def test_without_an_official_account_nobody_is_sent_to_wechat() -> None:
    collecting = Collecting(site(app_id=""))

    assert opened(collecting)["oauth"] is None
    assert collecting.send("GET", "/v1/pages/signature", params={"account": "main", "url": SITE}).status_code == 404


@pytest.mark.parametrize(
    ("url", "is_ours"),
    [
        (SITE, True),
        (f"{SITE}/a?b#c", True),
        ("http://h5.example/a", False),
        ("https://h5.example:444/a", False),
        ("https://h5.example.evil.test/a", False),
        ("https://h5.example@evil.test/a", False),
        ("https://h5.example\\@evil.test/a", False),
        ("https://evil.test\\@h5.example/a", False),
        ("https:/\n/h5.example/a", False),
        ("//h5.example/a", False),
        ("javascript:alert(1)//h5.example", False),
        ("https://[h5.example/a", False),
        (f"{SITE}/{'a' * 3_000}", False),
    ],
)
def test_an_address_is_the_sites_by_its_origin(url: str, is_ours: bool) -> None:
    assert PagesAccount(hosts=frozenset({SITE})).has_page(url) is is_ours


# Signatures


def test_a_page_is_signed_as_wechats_documents_show() -> None:
    ticket = "sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg"
    url = "http://mp.weixin.qq.com?params=value"
    moment = Moment("Wm3WZYTPz0wzccnW", 1414587457)

    assert signature(ticket, moment, url) == "0f9de62fce790f9a083d5c99e95740ceb90c27ed"
    assert signature(ticket, moment, f"{url}#part") == signature(ticket, moment, url)


def test_only_pages_of_the_site_are_signed(engine: Engine) -> None:
    with wechat() as (_, address):
        answers = Collecting(site(api_url=address), engine=engine).send_all(
            [
                (
                    "GET",
                    "/v1/pages/signature",
                    {"params": {"account": account, "url": url}, "headers": {"Origin": SITE}},
                )
                for account, url in (("main", f"{SITE}/a"), ("main", "https://evil.test/a"), ("none", f"{SITE}/a"))
            ]
        )

    assert [answer.status_code for answer in answers] == [200, 403, 404]
    assert set(answers[0].json()) == {"appId", "timestamp", "nonceStr", "signature"}
    assert answers[0].headers["access-control-allow-origin"] == SITE


def test_wechat_finds_what_proves_the_domain() -> None:
    collecting = Collecting(site(domain_files={"abc123": "abc123"}))

    assert collecting.send("GET", "/MP_verify_abc123.txt").text == "abc123"
    assert collecting.send("GET", "/MP_verify_other.txt").status_code == 404


# Sealed notes


def test_a_note_is_read_by_who_wrote_it_for_what_and_while_it_is_good() -> None:
    seal = Seal(SIGNING_KEY, "one", timedelta(minutes=1))
    note = seal.written({"who": "me"}, NOW)

    assert seal.read(note, NOW) == {"who": "me"}
    assert seal.read(note, NOW + timedelta(minutes=1)) is None
    assert Seal(SIGNING_KEY, "two", timedelta(minutes=1)).read(note, NOW) is None
    assert Seal(b"f" * 32, "one", timedelta(minutes=1)).read(note, NOW) is None
    assert [seal.read(spoiled, NOW) for spoiled in ("", "A", note[:-1], f"B{note[1:]}", "é")] == [None] * 5
