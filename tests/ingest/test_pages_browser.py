"""Pages as they are read: a real browser, a real Siyu, and a WeChat that knows who is logged in where."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from siyu.simulators.wechat_users import User, WeChatUsers
from tests.ingest.loopback import listening
from tests.siyu.test_cli import ADMIN_KEY, Siyu
from tests.siyu.test_end_to_end import ADMIN, served, wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
if not CHROMIUM and os.environ.get("CI") != "true":
    pytest.skip("there is no chromium on this machine", allow_module_level=True)

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright  # noqa: E402 - not without a browser

IN_WECHAT = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/116.0.0.0"
    " Mobile Safari/537.36 MMWEBID/1 MicroMessenger/8.0.47.2560(0x28002F35) WeChat/arm64 Weixin NetType/WIFI"
)
APP = "wxb00c"
SDK = """
window.told = [];
window.wx = {
  config: function (c) { window.told.push(["config", c]); },
  ready: function (work) { work(); },
  updateAppMessageShareData: function (d) { window.told.push(["friend", d]); },
  updateTimelineShareData: function (d) { window.told.push(["moments", d]); },
};
"""
USERS = {
    "anna": User("oAnna", "uAnna"),
    "ben": User("oBen"),
    "cleo": User("oCleo"),
    "snap": User("oSnap", "uSnap", is_snapshot=True),
}


@dataclass
class World:
    """One installation, its site, and the WeChat that it asks."""

    siyu: httpx.Client
    site: str
    wechat: WeChatUsers
    browser: Browser
    contexts: list[BrowserContext] = field(default_factory=list)

    def device(self, user: str | None = None, sdk: bool = False) -> BrowserContext:
        """A browser without a past; of a *user*: that of WeChat, in which he is logged in."""
        context = self.browser.new_context(user_agent=IN_WECHAT) if user else self.browser.new_context()
        if user:
            context.add_cookies([{"name": "wechat_user", "value": user, "url": "http://127.0.0.1"}])
        if sdk:
            context.add_init_script(SDK)
        self.contexts.append(context)
        return context

    def read(self, context: BrowserContext, address: str, seconds: float = 0.0) -> str:
        """Open *address*, look at it and leave, and return what then stands in the address bar."""
        page = self.opened(context, address)
        page.evaluate("window.scrollTo(0, document.documentElement.scrollHeight / 2)")
        page.wait_for_timeout(seconds * 1000 + 50)
        shown = page.url
        page.close(run_before_unload=True)
        return shown

    def opened(self, context: BrowserContext, address: str) -> Page:
        page = context.new_page()
        page.goto(address)
        before = httpx.URL(address).params.get("siyu")
        page.wait_for_function(
            "before => { const now = new URL(location.href).searchParams.get('siyu'); return now && now !== before }",
            arg=before,
        )
        return page

    def tree(self, article: str) -> dict[str, Any]:
        answer = self.siyu.get(f"/v1/articles/{article}/share-tree", headers=ADMIN)
        return {node["person_id"]: node for node in answer.json()["nodes"]} if answer.status_code == 200 else {}

    def readers(self, article: str) -> dict[str, Any]:
        answer = self.siyu.get(f"/v1/articles/{article}/readers", headers=ADMIN)
        return {reader["person_id"]: reader for reader in answer.json()["data"]} if answer.status_code == 200 else {}

    def person(self, identifier: str) -> str | None:
        answer = self.siyu.post("/v1/people/lookup", json={"identifiers": [identifier]}, headers=ADMIN)
        found: str | None = answer.json()["data"][0]["person_id"]
        return found

    def whose(self, context: BrowserContext) -> str | None:
        return self.person(f"anonymous_id@main:{anonymous_id(context)}")


def anonymous_id(context: BrowserContext) -> str:
    return next(cookie["value"] for cookie in context.cookies() if cookie["name"] == "siyu_id")


@contextmanager
def site(script: dict[str, str]) -> Iterator[str]:
    """A site all of whose addresses are an article that is called like its path."""

    async def app(scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        name = scope["path"].strip("/")
        html = (
            f"<!doctype html><meta charset=utf-8><title>{name}</title><body style='height:4000px'><h1>{name}</h1>"
            f"<script async src='{script['url']}/siyu.js' data-account=main data-key={script['key']}"
            f" data-article='{name}'></script>"
        )
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": html.encode()})

    with listening(app) as address:
        yield address.replace("127.0.0.1", "localhost")  # another site than Siyu's, as a browser sees it


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("pages")
    wechat = WeChatUsers(APP, "s3cret", USERS)
    script: dict[str, str] = {}
    with listening(wechat.application()) as platform, site(script) as address:
        (folder / "channels.toml").write_text(
            f'[pages.main]\nhosts = ["{address}"]\napp_id = "{APP}"\nsecret = "s3cret"\nopen_platform = "brand"\n'
            f'open_url = "{platform}"\napi_url = "{platform}"\n'
        )
        settings = {
            "SIYU_ADMIN_KEY": ADMIN_KEY,
            "SIYU_CHANNELS_FILE": str(folder / "channels.toml"),
        }
        with Siyu(folder, **settings) as siyu, served(siyu, "up") as (_, client), sync_playwright() as playwright:
            words = ("keys", "create", "--scope", "events:write", "--source", "h5", "--trust", "browser", "--json")
            script["key"] = json.loads(siyu(*words).stdout)["key"]
            script["url"] = str(client.base_url).rstrip("/")
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            yield World(client, address, wechat, browser)
            browser.close()


@pytest.fixture
def world(installation: World) -> Iterator[World]:
    installation.wechat.is_down = False
    yield installation
    for context in installation.contexts:
        context.close()
    installation.contexts.clear()


def test_an_article_passed_on_by_its_address_makes_a_tree_of_people(world: World) -> None:
    """Three hops: Anna to Ben, Ben to Cleo; and Cleo comes back on another device."""
    anna, ben, cleo, another = (world.device(user) for user in ("anna", "ben", "cleo", "cleo"))

    annas = world.read(anna, f"{world.site}/hops", 1.5)
    bens = world.read(ben, annas, 1.5)
    world.read(cleo, bens, 1.5)
    world.read(another, f"{world.site}/hops", 1.5)

    wait_until(lambda: len(world.readers("hops")) == 3, 15)
    first, second, third = (
        world.person(f"wechat_openid@{APP}:{USERS[name].openid}") for name in ("anna", "ben", "cleo")
    )
    tree = world.tree("hops")
    assert [world.whose(device) for device in (anna, ben, cleo, another)] == [first, second, third, third]
    assert world.person("wechat_unionid@brand:uAnna") == first
    assert {node: (tree[node]["parent"], tree[node]["generation"]) for node in tree} == {
        first: (None, 1),
        second: (first, 2),
        third: (second, 3),
    }


def test_time_and_depth_of_a_read_arrive_and_it_counts_once(world: World) -> None:
    device = world.device()

    began = time.monotonic()
    world.read(device, f"{world.site}/long", 2.5)
    lasted_ms = (time.monotonic() - began) * 1000

    wait_until(lambda: any(reader["dwell_ms"] > 1800 for reader in world.readers("long").values()), 15)
    (reader,) = world.readers("long").values()
    assert reader["reads"] == 1
    assert reader["dwell_ms"] < lasted_ms
    assert 0.4 < reader["scroll"] < 0.8


def test_a_page_that_changes_without_being_loaded_is_another_article(world: World) -> None:
    """And has a link of its own, which WeChat is told to share."""
    device = world.device("ben", sdk=True)
    page = world.opened(device, f"{world.site}/spa-one")
    first = page.url

    page.wait_for_timeout(1200)
    page.evaluate("history.pushState({}, '', '/spa-two')")
    page.wait_for_function("() => location.pathname === '/spa-two' && location.search.includes('siyu=')")
    page.wait_for_function("() => window.told.length >= 6")
    page.wait_for_timeout(1200)
    second = page.url
    told = page.evaluate("window.told")
    page.close()

    wait_until(lambda: bool(world.readers("spa-one")) and bool(world.readers("%2Fspa-two")), 15)
    assert httpx.URL(first).params["siyu"] != httpx.URL(second).params["siyu"]
    assert [name for name, _ in told] == ["config", "friend", "moments"] * 2
    assert told[0][1]["appId"] == APP
    assert [said["link"] for name, said in told if name == "friend"] == [first, second]


def test_whoever_sees_a_snapshot_stays_nobody_in_particular(world: World) -> None:
    """WeChat asks nobody there, and what it says then is nobody's openid."""
    device = world.device("snap")

    world.read(device, f"{world.site}/snapshot", 1.5)

    wait_until(lambda: bool(world.readers("snapshot")), 15)
    assert "snap" in world.wechat.authorized
    assert world.person(f"wechat_openid@{APP}:oSnap") is None
    assert world.person("wechat_unionid@brand:uSnap") is None
    assert world.whose(device) in world.readers("snapshot")


def test_a_forged_link_brings_a_reader_whom_nobody_brought(world: World) -> None:
    anna, ben = world.device(), world.device()

    annas = httpx.URL(world.read(anna, f"{world.site}/forged", 1.2)).params["siyu"]
    forged = annas[:-1] + ("0" if annas[-1] != "0" else "1")
    world.read(ben, f"{world.site}/forged?siyu={forged}", 1.2)

    wait_until(lambda: len(world.tree("forged")) == 2, 15)
    assert world.tree("forged")[str(world.whose(ben))]["parent"] is None


def test_a_visitor_outside_wechat_stays_anonymous_and_has_his_place(world: World) -> None:
    anna, stranger = world.device("anna"), world.device()
    asked = len(world.wechat.authorized)

    annas = world.read(anna, f"{world.site}/outside", 1.2)
    world.read(stranger, annas, 1.2)

    wait_until(lambda: len(world.tree("outside")) == 2, 15)
    assert len(world.wechat.authorized) == asked + 1
    node = world.tree("outside")[str(world.whose(stranger))]
    assert (node["parent"], node["generation"]) == (world.person(f"wechat_openid@{APP}:oAnna"), 2)


def test_where_wechat_is_down_the_page_is_read_all_the_same_and_asks_once(world: World) -> None:
    world.wechat.is_down = True
    device = world.device("cleo")

    shown = world.read(device, f"{world.site}/down", 1.2)
    asked = len(world.wechat.authorized)
    world.read(device, shown.partition("?")[0], 1.2)

    wait_until(lambda: bool(world.readers("down")), 15)
    assert world.whose(device) != world.person(f"wechat_openid@{APP}:oCleo")
    assert len(world.wechat.authorized) <= asked + 1


@pytest.mark.parametrize("planted", ["the way to WeChat", "the way back, with a code", "the way back, with a claim"])
def test_an_address_planted_into_another_browser_links_nothing(world: World, planted: str) -> None:
    """An attacker sends a victim an address of his own journey, before or after WeChat: none joins the two."""
    attacker, victim = world.device("anna"), world.device("ben")
    attackers_page = attacker.new_page()
    attackers_page.add_init_script("sessionStorage.setItem('siyu_asked', '1')")
    attackers_page.goto(f"{world.site}/planted")
    attackers_page.wait_for_function("() => window.siyu && location.search.includes('siyu=')")
    address = attackers_page.evaluate(
        """() => fetch(document.querySelector('script').src.replace('/siyu.js', '/v1/pages/open'), {
             method: 'POST', body: JSON.stringify({account: 'main', writeKey: document.querySelector('script').dataset.key,
             anonymous_id: siyu.anonymousId, url: location.href, article: 'planted', came_by: null, claim: null})
           }).then(answer => answer.json()).then(said => said.oauth)"""
    )
    for _ in range(["the way to WeChat", "the way back, with a code", "the way back, with a claim"].index(planted)):
        address = attacker.request.get(address, max_redirects=0).headers["location"]

    page = victim.new_page()
    page.goto(address)
    page.wait_for_url(f"{world.site}/planted**")
    page.wait_for_timeout(2500)
    page.close()
    attackers_page.close()

    wait_until(lambda: bool(world.whose(attacker)) and bool(world.whose(victim)), 15)
    openids = {world.person(f"wechat_openid@{APP}:{USERS[name].openid}") for name in ("anna", "ben")}
    assert world.whose(attacker) != world.whose(victim)
    assert world.whose(victim) != world.person(f"wechat_openid@{APP}:oAnna")
    assert world.whose(attacker) not in openids
