"""Mini-programs as they are used: the script as it is shipped, a real Siyu, and a WeChat that knows who holds which phone."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from siyu.simulators.mini_program import MiniProgramUsers, Owner
from tests.ingest.loopback import listening
from tests.ingest.mini.phones import NODE, Phones, phones
from tests.siyu.test_cli import ADMIN_KEY, Siyu
from tests.siyu.test_end_to_end import ADMIN, served, wait_until

if not NODE and os.environ.get("CI") != "true":
    pytest.skip("there is no node on this machine", allow_module_level=True)

APP = "wxa111"
PATIENCE_SECONDS = 20
ARTICLE = "/pages/article/article?id="
USERS = {
    "anna": Owner("oAnna", "uAnna", "13912345678"),
    "ben": Owner("oBen"),
    "cleo": Owner("oCleo"),
    "dora": Owner("oDora", number="13912345679"),
    "emil": Owner("oEmil"),
}


@dataclass
class World:
    """One installation, the phones that its mini-program runs on, and the WeChat that it asks."""

    siyu: httpx.Client
    wechat: MiniProgramUsers
    phones: Phones

    def device(self, name: str, user: str, **start: Any) -> Callable[..., Any]:
        """A phone without a past; returns what makes it do something."""
        self.phones.boot(name, user, **start)
        return lambda do, **order: self.phones.do(device=name, do=do, **order)

    def read(self, phone: Callable[..., Any], path: str, scene: int = 1007) -> Any:
        """Open *path*, look at it, pass it on and leave; returns what was passed on."""
        phone("launch", path=path, scene=scene)
        shared = phone("share")
        phone("hide")
        return shared

    def tree(self, article: str) -> dict[str, Any]:
        return {node["person_id"]: node for node in self._asked(article, "share-tree").get("nodes", [])}

    def readers(self, article: str) -> dict[str, Any]:
        return {reader["person_id"]: reader for reader in self._asked(article, "readers").get("data", [])}

    def wait_for_edge(self, article: str, child: Callable[[], str | None], parent: str) -> None:
        """Wait until *child* stands below the user called *parent*: links are told before people are known."""
        wait_until(
            lambda: self.tree(article).get(str(child()), {}).get("parent") == (self.owner(parent) or 0),
            PATIENCE_SECONDS,
        )

    def person(self, identifier: str) -> str | None:
        answer = self.siyu.post("/v1/people/lookup", json={"identifiers": [identifier]}, headers=ADMIN)
        found: str | None = answer.json()["data"][0]["person_id"]
        return found

    def whose(self, device: str) -> str | None:
        return self.person(f"anonymous_id@{APP}:{self.phones.anonymous_id(device)}")

    def owner(self, name: str) -> str | None:
        return self.person(f"wechat_openid@{APP}:{USERS[name].openid}")

    def timeline(self, person: str | None) -> list[Any]:
        answer = self.siyu.get(f"/v1/people/{person}/timeline", headers=ADMIN, params={"limit": 200})
        found: list[Any] = answer.json()["data"]
        return found

    def sent(self, device: str, path: str) -> list[Mapping[str, Any]]:
        """What *device* has asked of Siyu at *path*."""
        requests = self.phones.look(device)["requests"]
        return [request["data"] for request in requests if request["url"].endswith(path)]

    def told(self, device: str) -> list[Mapping[str, Any]]:
        return [event for batch in self.sent(device, "/events") for event in batch["events"]]

    def _asked(self, article: str, what: str) -> Any:
        answer = self.siyu.get(f"/v1/articles/{quote(article, safe='')}/{what}", headers=ADMIN)
        return answer.json() if answer.status_code == 200 else {}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("mini")
    wechat = MiniProgramUsers(APP, "s3cret", USERS)
    with listening(wechat.application()) as platform:
        channels = written(folder, platform)
        with (
            Siyu(folder, SIYU_ADMIN_KEY=ADMIN_KEY, SIYU_CHANNELS_FILE=str(channels)) as siyu,
            served(siyu, "up") as (_, client),
        ):
            words = ("keys", "create", "--scope", "events:write", "--source", "mini", "--trust", "browser", "--json")
            key = json.loads(siyu(*words).stdout)["key"]
            start = {"url": str(client.base_url).rstrip("/"), "account": "main", "key": key}
            with phones(folder, start, platform) as all_phones:
                yield World(client, wechat, all_phones)


def written(folder: Path, platform: str) -> Path:
    file = folder / "channels.toml"
    file.write_text(
        f'[mini.main]\napp_id = "{APP}"\nsecret = "s3cret"\nopen_platform = "brand"\napi_url = "{platform}"\n'
    )
    return file


@pytest.fixture
def world(installation: World) -> World:
    installation.wechat.is_down = False
    return installation


def test_an_article_passed_on_makes_a_tree_of_people(world: World) -> None:
    """Three hops: Anna to Ben, Ben to Cleo; and Cleo comes back on another phone."""
    anna, ben = world.device("hops-anna", "anna"), world.device("hops-ben", "ben")
    cleo, another = world.device("hops-cleo", "cleo"), world.device("hops-cleo-2", "cleo")

    annas = world.read(anna, f"{ARTICLE}hops", scene=1001)
    bens = world.read(ben, annas["path"])
    world.read(cleo, bens["path"], scene=1008)
    world.read(another, f"{ARTICLE}hops", scene=1001)

    world.wait_for_edge("hops", lambda: world.owner("cleo"), "ben")
    wait_until(lambda: len(world.readers("hops")) == 3 and bool(world.owner("cleo")), PATIENCE_SECONDS)
    wait_until(lambda: world.whose("hops-cleo-2") == world.owner("cleo"), PATIENCE_SECONDS)
    first, second, third = (world.owner(name) for name in ("anna", "ben", "cleo"))
    tree = world.tree("hops")
    devices = ("hops-anna", "hops-ben", "hops-cleo", "hops-cleo-2")
    assert [world.whose(device) for device in devices] == [first, second, third, third]
    assert world.person("wechat_unionid@brand:uAnna") == first
    assert {node: (tree[node]["parent"], tree[node]["generation"]) for node in tree} == {
        first: (None, 1),
        second: (first, 2),
        third: (second, 3),
    }
    assert {person: reader["scene"] for person, reader in world.readers("hops").items() if person != first} == {
        second: "friend",
        third: "group",
    }


def test_what_is_passed_on_bears_ones_own_token_and_what_the_page_needs(world: World) -> None:
    anna, ben = world.device("own-anna", "anna"), world.device("own-ben", "ben")

    to_friend = world.read(anna, f"{ARTICLE}own%20one")
    ben("launch", path=to_friend["path"], scene=1007)
    on, moments = ben("share"), ben("share", to="moments")

    friends, onward = httpx.URL(to_friend["path"]), httpx.URL(on["path"])
    assert (onward.path, onward.params["id"], on["title"]) == ("/pages/article/article", "own one", "Read this")
    assert len(onward.params.get_list("siyu")) == 1
    assert onward.params["siyu"] != friends.params["siyu"]
    assert dict(httpx.QueryParams(moments["query"])) == {"id": "own one", "siyu": onward.params["siyu"]}


def test_the_token_may_come_in_the_scene_of_a_code(world: World) -> None:
    anna, ben = world.device("code-anna", "anna"), world.device("code-ben", "ben")

    token = httpx.URL(world.read(anna, f"{ARTICLE}code")["path"]).params["siyu"]
    on = world.read(ben, f"{ARTICLE}code&scene={quote(token)}", scene=1047)

    world.wait_for_edge("code", lambda: world.owner("ben"), "anna")
    assert "scene" not in httpx.URL(on["path"]).params


def test_who_opens_his_own_link_passes_nothing_on(world: World) -> None:
    anna = world.device("self-anna", "anna")

    again = world.read(anna, f"{ARTICLE}self")["path"]
    world.read(anna, again)

    wait_until(lambda: bool(world.readers("self")), PATIENCE_SECONDS)
    (node,) = world.tree("self").values()
    assert (node["parent"], node["descendants"]) == (None, 0)
    assert all("share" not in event for event in world.told("self-anna"))


def test_a_page_without_an_article_has_a_tree_too(world: World) -> None:
    """Also one that is made by `Component`."""
    anna, ben = world.device("shop-anna", "anna"), world.device("shop-ben", "ben")

    world.read(ben, world.read(anna, "/pages/shop/shop?x=1")["path"])

    world.wait_for_edge("pages/shop/shop", lambda: world.owner("ben"), "anna")
    assert len(world.tree("pages/shop/shop")) == 2
    assert {event["type"] for event in world.told("shop-ben")} == {"mini_program.opened", "mini_program.paged"}


def test_the_time_of_a_read_arrives_and_it_counts_once(world: World) -> None:
    dora = world.device("time", "dora")

    dora("launch", path=f"{ARTICLE}time")
    wait_until(lambda: any(event["type"] == "article.read" for event in world.told("time")), 5)
    dora("open", path="/pages/shop/shop")
    wait_until(lambda: any(event["type"] == "mini_program.paged" for event in world.told("time")), 5)
    dora("back")
    dora("hide")

    reads = [event for event in world.told("time") if event["type"] == "article.read"]
    seen_ms = sum(event["properties"]["dwell_ms"] for event in reads)
    assert len({event["context"]["session_id"] for event in reads}) == 1
    assert 1_000 <= seen_ms < 4_000
    wait_until(lambda: sum(r["dwell_ms"] for r in world.readers("time").values()) >= 1_000, PATIENCE_SECONDS)
    (reader,) = world.readers("time").values()
    assert reader["reads"] == 1


def test_a_phone_is_its_owners(world: World) -> None:
    dora = world.device("phone", "dora")
    dora("launch", path=f"{ARTICLE}phone")

    with pytest.raises(RuntimeError, match="no phone"):
        dora("phone", refused=True)
    shown = dora("phone")

    assert shown == {"phone": "+8613912345679"}
    wait_until(lambda: world.person("phone:+8613912345679") is not None, PATIENCE_SECONDS)
    assert world.person("phone:+8613912345679") == world.owner("dora")


def test_a_session_that_has_ended_is_made_anew(world: World) -> None:
    dora = world.device("ended", "dora")
    dora("put", name="siyu_session", value="A" * 80)
    dora("put", name="siyu_until", value=9e15)
    dora = world.device("ended", "dora")

    dora("launch", path=f"{ARTICLE}ended")

    assert dora("phone") == {"phone": "+8613912345679"}
    assert world.sent("ended", "/phone")[0]["session"] == "A" * 80


def test_what_happens_offline_is_told_later_and_once(world: World) -> None:
    emil = world.device("offline", "emil")
    emil("online", online=False)
    world.read(emil, f"{ARTICLE}offline")
    emil("call", name="track", given=["coupon.seen", {"place": "top"}])

    emil = world.device("offline", "emil")  # the mini-program was killed meanwhile
    emil("online", online=True)
    world.read(emil, f"{ARTICLE}offline")

    wait_until(lambda: bool(world.owner("emil")), PATIENCE_SECONDS)
    wait_until(lambda: "coupon.seen" in str(world.timeline(world.owner("emil"))), PATIENCE_SECONDS)
    wait_until(lambda: json.loads(world.phones.look("offline")["storage"]["siyu_queue"]) == [], PATIENCE_SECONDS)
    ids = [event["id"] for event in world.told("offline")]
    assert len(ids) == len(set(ids)) == 5


def test_without_a_storage_one_reads_all_the_same(world: World) -> None:
    emil = world.device("denied", "emil", denied=True)

    shared = world.read(emil, f"{ARTICLE}denied")

    wait_until(lambda: bool(world.readers("denied")), PATIENCE_SECONDS)
    wait_until(lambda: set(world.readers("denied")) == {world.owner("emil")}, PATIENCE_SECONDS)
    assert httpx.URL(shared["path"]).params["siyu"]


def test_on_a_single_page_nobody_logs_in_and_he_has_his_place(world: World) -> None:
    """As one who opens a link in Moments without the mini-program."""
    anna, stranger = world.device("single-anna", "anna"), world.device("single", "ben")

    query = world.read(anna, f"{ARTICLE}single")["query"]
    world.read(stranger, f"/pages/article/article?{query}", scene=1154)

    world.wait_for_edge("single", lambda: world.whose("single"), "anna")
    assert world.sent("single", "/login") == []
    assert world.tree("single")[str(world.whose("single"))]["generation"] == 2
    assert world.whose("single") != world.owner("ben")
    with pytest.raises(RuntimeError, match="single page"):
        stranger("call", name="login")


def test_who_does_not_want_to_be_logged_in_is_not(world: World) -> None:
    quiet = world.device("quiet", "ben", login=False)

    world.read(quiet, f"{ARTICLE}quiet")
    wait_until(lambda: bool(world.readers("quiet")), PATIENCE_SECONDS)
    before = world.whose("quiet")
    quiet("call", name="login")

    assert before is not None
    assert before != world.owner("ben")
    wait_until(lambda: world.whose("quiet") == world.owner("ben"), PATIENCE_SECONDS)


def test_where_wechat_is_down_one_reads_all_the_same(world: World) -> None:
    world.wechat.is_down = True
    device = world.device("down", "cleo")

    shared = world.read(device, f"{ARTICLE}down")

    wait_until(lambda: bool(world.readers("down")), PATIENCE_SECONDS)
    assert httpx.URL(shared["path"]).params["siyu"]
    assert set(world.readers("down")) == {world.whose("down")}


def test_a_group_is_told_and_joins_nobody(world: World) -> None:
    for user in ("anna", "ben"):
        world.device(f"group-{user}", user)("launch", path=f"{ARTICLE}group", scene=1044, shareTicket="gFriends")

    wait_until(
        lambda: all("gFriends" in str(world.timeline(world.owner(user))) for user in ("anna", "ben")), PATIENCE_SECONDS
    )
    assert world.owner("anna") != world.owner("ben")


def test_the_mini_program_stays_as_it_is(world: World) -> None:
    """Its own functions are called as ever, with their page, and what they throw is thrown."""
    device = world.device("theirs", "ben")

    launched = device("launch", path=f"{ARTICLE}theirs")
    broken = device("open", path="/pages/broken/broken")

    assert (launched, broken) == (None, "theirs")
    assert world.phones.look("theirs")["log"] == ["launched", "shown", ["load", "…"]]


def test_a_wrong_key_breaks_nothing_and_keeps_what_was_to_be_told(world: World) -> None:
    device = world.device("key", "ben", key="wrong")

    shared = world.read(device, f"{ARTICLE}key")

    wait_until(lambda: bool(world.sent("key", "/events")), 5)
    assert shared["path"] == "/pages/article/article?id=key"
    assert len(json.loads(world.phones.look("key")["storage"]["siyu_queue"])) == 2
