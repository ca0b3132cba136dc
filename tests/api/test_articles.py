"""Who read an article, and how it travelled."""

import csv
import io
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from core.database import transaction
from profiles import audience, profile
from tests.api.world import World, index

A, B, C, D = (f"user_id:{name}" for name in "ABCD")


def read(world: World, who: str, minute: float, by: str | None = None, **more: Any) -> None:
    share = {"token": by} if by else None
    more = {"article": {"id": "a"}, **({"share": share} if share else {}), **more}
    world.happens(who, minute=minute, type="article.read", **more)


def share(world: World, who: str, minute: float, token: str, by: str | None = None) -> None:
    link = {"token": token, **({"parent_token": by} if by else {})}
    world.happens(who, minute=minute, type="article.shared", article={"id": "a"}, share=link)


def spread(world: World) -> None:
    """A read it and shared it; B and C came by A's link; D by C's."""
    read(world, A, 0)
    share(world, A, 1, "s-A")
    read(world, B, 2, "s-A")
    read(world, C, 3, "s-A")
    share(world, C, 4, "s-C", "s-A")
    read(world, D, 5, "s-C")


def readers(client: httpx.Client, **asked: Any) -> list[dict[str, Any]]:
    answer = client.get("/v1/articles/a/readers", params=asked)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


def names(world: World, people: list[str | None]) -> str:
    known = {world.person(who): who[-1] for who in (A, B, C, D)} | {None: "-"}
    return "".join(known[person] for person in people)


def test_a_reader_is_one_row_however_often_and_under_whatever_name_he_read(
    world: World, marketer: httpx.Client
) -> None:
    read(world, "anonymous_id@h5:c", 1, properties={"dwell_ms": 1000, "scroll": 0.9})
    read(world, A, 2, properties={"dwell_ms": 500, "scroll": 0.4}, company={"name": "Acme"})
    world.happens(A, "anonymous_id@h5:c", minute=3)

    assert readers(marketer) == [
        {
            "person_id": world.person(A),
            "label": "anonymous_id@h5:***" if world.person(A) == index("anonymous_id@h5:c") else "user_id:***",
            "company": "Acme",
            "first_read_at": "2026-11-19T00:01:00Z",
            "last_read_at": "2026-11-19T00:02:00Z",
            "reads": 2,
            "dwell_ms": 1500,
            "scroll": 0.9,
            "generation": 1,
            "came_from": None,
            "scene": None,
            "follower": None,
            "reachable_via": [],
            "intent": 9,
            "presumed": False,
        }
    ]


def test_each_reader_says_by_whom_he_came_and_how_far_from_the_push(world: World, marketer: httpx.Client) -> None:
    spread(world)

    found = readers(marketer)

    assert names(world, [reader["person_id"] for reader in found]) == "ABCD"
    assert names(world, [reader["came_from"] for reader in found]) == "-AAC"
    assert [reader["generation"] for reader in found] == [1, 2, 2, 3]


def test_a_page_of_readers_says_the_same_as_the_whole_audience(world: World, marketer: httpx.Client) -> None:
    """Though it looks at no more than the page: own links, links of later ones, several links and merges included."""
    spread(world)
    read(world, A, 6, "s-A")
    read(world, B, 7, "s-C")
    read(world, "phone:+8613912345678", 2.5, "s-C")
    read(world, D, 2.2, "s-none")
    world.happens(D, "phone:+8613912345678", minute=9)
    world.happens(A, "phone:+8613912345679", minute=10)
    read(world, "anonymous_id@h5:c", 11, "s-C")
    world.opens("anonymous_id@h5:c", "phone:+8613912345679", minute=12)

    with transaction(world.engine) as connection:
        page = [reader for reader, _ in audience.readers(connection, "a", None, 10)]
        whole = audience.of_article(connection, "a").readers

    assert page == list(whole)


def test_who_read_under_presumed_identifiers_only_is_shown_so(world: World, marketer: httpx.Client) -> None:
    phone, other, cookie, another = (
        "phone:+8613912345678",
        "phone:+8613912345679",
        "anonymous_id@h5:c1",
        "anonymous_id@h5:c2",
    )
    world.happens(A, phone)
    world.happens(B, other)
    world.opens(cookie, phone, minute=1)
    world.opens(another, other, minute=1)
    read(world, cookie, 2)
    read(world, another, 3)
    read(world, B, 4)

    told = {reader["person_id"]: (reader["reads"], reader["presumed"]) for reader in readers(marketer)}

    assert told == {world.person(A): (1, True), world.person(B): (2, False)}


def test_readers_are_found_by_what_they_are(world: World, marketer: httpx.Client) -> None:
    spread(world)
    world.happens(A, "wechat_openid@wx1:oXYabcdefg", type="official_account.followed", channel="official_account")
    world.happens(B, "wechat_openid@wx1:oXYbbbbbbb", type="official_account.unfollowed", channel="official_account")
    world.happens(B, "phone:+8613912345678", type="consent.given", channel="sms")

    def found(**asked: Any) -> str:
        return names(world, [reader["person_id"] for reader in readers(marketer, **asked)])

    assert found(follower="true") == "A"
    assert found(follower="false") == "BCD"
    assert found(min_generation=2) == "BCD"
    assert found(reachable="true") == found(reachable="sms") == "B"
    assert found(reachable="mail") == ""
    assert found(reachable="false", follower="false", min_generation=3) == "D"
    assert found(min_intent=100) == ""
    assert [reader["follower"] for reader in readers(marketer)] == [True, False, None, None]


@pytest.mark.parametrize("asked", [{}, {"min_generation": 2}, {"follower": "false"}])
@pytest.mark.parametrize("looked_at_max", [4, 1_000])
def test_page_by_page_every_reader_is_met_exactly_once(
    asked: dict[str, Any], looked_at_max: int, world: World, marketer: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where more are looked at than a page looks through."""
    monkeypatch.setattr(profile, "LOOKED_AT_MAX", looked_at_max)
    share(world, A, 0, "s-A")
    for number in range(9):
        read(world, f"user_id:reader{number}", 1 + number // 4, "s-A" if number % 3 else None)
    everybody = readers(marketer, limit=200, **asked) if looked_at_max > 9 else None

    walked: list[dict[str, Any]] = []
    page: str | None = f"/v1/articles/a/readers?{httpx.QueryParams({'limit': 2, **asked})}"
    while page:
        answer = marketer.get(page)
        walked += answer.json()["data"]
        page = answer.links.get("next", {}).get("url")

    assert len({reader["person_id"] for reader in walked}) == len(walked) == (6 if "min_generation" in asked else 9)
    assert everybody in (None, walked)


def test_readers_can_be_had_as_a_table_that_runs_nothing(world: World, sales: httpx.Client) -> None:
    world.happens(A, type="identify", properties={"name": "=1+1"})
    read(world, A, 1, company={"name": '@Acme,\n"Ltd"'})

    answer = sales.get("/v1/articles/a/readers", headers={"Accept": "text/csv, application/json;q=0.5"})

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(b"\xef\xbb\xbfperson_id,label,")
    [row] = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
    assert (row["label"], row["company"]) == ("'=1+1", '\'@Acme,\n"Ltd"')
    assert (row["reads"], row["follower"], row["presumed"]) == ("1", "", "false")


def test_stats_count_people_and_reads(world: World, marketer: httpx.Client) -> None:
    spread(world)
    read(world, "anonymous_id@h5:c", 6, "s-C")
    read(world, "user_id:null", 7)
    read(world, "user_id:crawler", 8, properties={"bot": True})
    world.happens(A, "wechat_openid@wx1:oXYabcdefg", type="official_account.followed", channel="official_account")

    told = marketer.get("/v1/articles/a/stats").json()

    assert (told["readers"], told["reads"], told["anonymous_reads"], told["suspected_bot_reads"]) == (5, 6, 2, 1)
    assert told["non_followers"] == 4
    assert (told["depth"], told["k_factor"]) == (3, 0.8)
    assert told["generations"] == [
        {"generation": 1, "people": 1, "ratio": None},
        {"generation": 2, "people": 2, "ratio": 2.0},
        {"generation": 3, "people": 2, "ratio": 1.0},
    ]
    assert names(world, [spreader["person_id"] for spreader in told["top_spreaders"]]) == "AC"
    assert (told["official"], told["coverage"]) == (None, None)


def test_a_share_tree_has_parents_before_children(world: World, marketer: httpx.Client) -> None:
    spread(world)

    tree = marketer.get("/v1/articles/a/share-tree").json()

    assert names(world, [node["person_id"] for node in tree["nodes"]]) == "ABCD"
    assert names(world, [node["parent"] for node in tree["nodes"]]) == "-AAC"
    assert [node["descendants"] for node in tree["nodes"]] == [3, 0, 1, 0]
    assert (tree["people"], tree["depth"], tree["truncated"]) == (4, 3, False)


def test_of_a_share_tree_a_part_can_be_asked_for(world: World, marketer: httpx.Client) -> None:
    spread(world)

    def part(**asked: Any) -> str:
        tree = marketer.get("/v1/articles/a/share-tree", params=asked).json()
        return names(world, [node["person_id"] for node in tree["nodes"]])

    assert part(depth=1) == "A"
    assert part(root=world.person(C)) == "CD"
    assert part(root=world.person(A), depth=1) == "ABC"


def test_a_share_tree_larger_than_what_is_shown_says_so(
    world: World, marketer: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.articles.NODES_MAX", 2)
    spread(world)

    tree = marketer.get("/v1/articles/a/share-tree").json()

    assert (len(tree["nodes"]), tree["people"], tree["truncated"]) == (2, 4, True)


def test_somebody_whom_the_article_has_not_reached_is_no_root(world: World, marketer: httpx.Client) -> None:
    spread(world)
    world.happens("user_id:elsewhere")

    asked = {"root": world.person("user_id:elsewhere")}
    assert marketer.get("/v1/articles/a/share-tree", params=asked).status_code == 404


@pytest.mark.parametrize("part", ["", "/stats", "/readers", "/share-tree"])
def test_an_article_that_no_event_has_named_is_not_found(part: str, marketer: httpx.Client) -> None:
    assert marketer.get(f"/v1/articles/nothing{part}").status_code == 404


@pytest.mark.parametrize(
    "name", ["https://x.example/a?b=c#d", "x/stats", "a b%2Fc", "文章", "%", "a+b;c=d", "..a", "/"]
)
def test_an_article_may_have_any_name(name: str, world: World, marketer: httpx.Client) -> None:
    world.happens(A, type="article.read", article={"id": name})
    page = f"/v1/articles/{quote(name, safe='')}"

    assert marketer.get(page).json()["id"] == name
    assert marketer.get(f"{page}/stats").json()["article_id"] == name
    assert len(marketer.get(f"{page}/readers").json()["data"]) == 1


def test_the_next_page_of_an_article_of_any_name_is_linked(world: World, marketer: httpx.Client) -> None:
    for who in (A, B):
        world.happens(who, type="article.read", article={"id": "a/b c"})

    first = marketer.get("/v1/articles/a%2Fb%20c/readers?limit=1")
    second = marketer.get(first.links["next"]["url"])

    assert len({page.json()["data"][0]["person_id"] for page in (first, second)}) == 2


def test_articles_are_listed_the_newest_first(world: World, marketer: httpx.Client) -> None:
    for number in range(5):
        world.happens(A, minute=number // 2, type="article.read", article={"id": f"a{number}", "topics": ["x"]})

    walked: list[str] = []
    page: str | None = "/v1/articles?limit=2"
    while page:
        answer = marketer.get(page)
        walked += [article["id"] for article in answer.json()["data"]]
        page = answer.links.get("next", {}).get("url")

    assert walked == ["a4", "a3", "a2", "a1", "a0"]


COUNTS = {"reads": 10, "as_of": "2026-11-04T00:00:00+08:00", "source": "the platform's console"}
KEPT = {"readers": None, "shares": None, "by_source": {}, **COUNTS, "as_of": "2026-11-03T16:00:00Z"}


def test_official_counts_stand_beside_what_was_found_out(
    world: World, administrator: httpx.Client, marketer: httpx.Client
) -> None:
    spread(world)
    world.happens("anonymous_id@h5:z", type="article.read", article={"id": "a"})

    put = administrator.put("/v1/articles/a/official-counts", json=COUNTS | {"by_source": {"friend": 3}})

    told = marketer.get("/v1/articles/a/stats").json()
    assert put.json() == told["official"] == KEPT | {"by_source": {"friend": 3}}
    assert told["coverage"] == (told["reads"] - told["anonymous_reads"]) / 10
    assert told["anonymous_reads"] > 0


def test_the_latest_counts_are_kept_whatever_comes_last(administrator: httpx.Client) -> None:
    later = COUNTS | {"reads": 20, "as_of": "2026-11-05T00:00:00+08:00"}

    answers = [administrator.put("/v1/articles/a/official-counts", json=body).json() for body in (later, COUNTS, later)]

    assert [answer["reads"] for answer in answers] == [20, 20, 20]


def test_counts_of_the_same_moment_are_corrected(administrator: httpx.Client) -> None:
    administrator.put("/v1/articles/a/official-counts", json=COUNTS)

    assert administrator.put("/v1/articles/a/official-counts", json=COUNTS | {"reads": 11}).json()["reads"] == 11


def test_counts_may_come_before_the_first_event_which_then_has_them(
    world: World, administrator: httpx.Client, marketer: httpx.Client
) -> None:
    assert administrator.put("/v1/articles/a/official-counts", json=COUNTS | {"reads": 0}).status_code == 200
    assert marketer.get("/v1/articles/a/stats").status_code == 404

    world.happens(A, type="article.read", article={"id": "a"})

    told = marketer.get("/v1/articles/a/stats").json()
    assert told["official"] == KEPT | {"reads": 0}
    assert told["coverage"] is None


@pytest.mark.parametrize(
    ("path", "wrong", "pointer"),
    [
        ("a", {"reads": -1}, "/reads"),
        ("a", {"reads": 1.5}, "/reads"),
        ("a", {"as_of": "2026-11-04T00:00:00"}, "/as_of"),
        ("a", {"as_of": "2999-01-01T00:00:00Z"}, "/as_of"),
        ("a", {"by_source": {str(number): 1 for number in range(51)}}, "/by_source"),
        ("a", {"likes": 1}, "/likes"),
        ("a" * 257, {}, ""),
    ],
)
def test_counts_that_cannot_be_are_refused_by_their_field(
    administrator: httpx.Client, path: str, wrong: dict[str, Any], pointer: str
) -> None:
    answer = administrator.put(f"/v1/articles/{path}/official-counts", json=COUNTS | wrong)

    assert answer.status_code in {400, 422}
    assert pointer in answer.text


def test_who_only_reads_cannot_bring_counts(marketer: httpx.Client) -> None:
    assert marketer.put("/v1/articles/a/official-counts", json=COUNTS).status_code == 403
