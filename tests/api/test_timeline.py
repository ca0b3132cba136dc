"""What happened to a person, and to nobody else."""

import csv
import io
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.database import transaction
from profiles.timeline import Entry, Filter
from stitcher import timelines, whose
from stitcher.timelines import Place
from tests.api.world import World

A, B = "user_id:A", "user_id:B"
PHONE, KIOSK = "phone:+8613912345678", "device_id@web:kiosk"


def lines(client: httpx.Client, person: str, **asked: Any) -> list[dict[str, Any]]:
    answer = client.get(f"/v1/people/{person}/timeline", params=asked)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


def events(client: httpx.Client, person: str, **asked: Any) -> list[str]:
    return [line["id"] for line in lines(client, person, **asked) if line["kind"] == "event"]


def test_a_timeline_is_of_all_channels_and_the_newest_comes_first(world: World, marketer: httpx.Client) -> None:
    late = world.happens(PHONE, minute=9, channel="sms", type="sms.delivered")
    early = world.happens(A, minute=1)
    login = world.happens(A, PHONE, minute=5)
    world.happens(B, minute=6)

    assert events(marketer, world.person(A)) == [late.id, login.id, early.id]


def test_only_what_is_asked_for_is_shown(world: World, marketer: httpx.Client) -> None:
    read = world.happens(A, minute=1, type="article.read", article={"id": "a"})
    sent = world.happens(A, minute=2, channel="sms", type="sms.sent")
    person = world.person(A)

    assert events(marketer, person, channel="sms") == [sent.id]
    assert events(marketer, person, type="article.read") == [read.id]
    assert events(marketer, person, **{"from": "2026-11-19T00:02:00Z"}) == [sent.id]
    assert events(marketer, person, to="2026-11-19T08:02:00+08:00") == [read.id]


def test_a_merge_is_a_line_that_says_what_brought_it_about(world: World, marketer: httpx.Client) -> None:
    world.happens(A, minute=1)
    world.happens(PHONE, minute=2)
    former = world.person(PHONE)
    login = world.happens(A, PHONE, minute=3)

    [merge] = lines(marketer, world.person(A), type="person.merged")

    assert (merge["kind"], merge["others"], merge["cause"]) == ("identity", [former], [login.id])


@pytest.mark.parametrize("limit", [1, 2, 7, 200])
def test_page_by_page_every_line_is_met_exactly_once(limit: int, world: World, marketer: httpx.Client) -> None:
    """Even of lines of one moment, and of changes between events."""
    for number in range(4):
        world.happens(A, minute=number // 2)
        world.happens(f"phone:+861391234560{number}", minute=number // 2)
    for number in range(3):
        world.happens(A, f"phone:+861391234560{number}", minute=10)
    person = world.person(A)
    everything = lines(marketer, person, limit=200)

    walked: list[dict[str, Any]] = []
    page: str | None = f"/v1/people/{person}/timeline?limit={limit}"
    while page:
        answer = marketer.get(page)
        walked += answer.json()["data"]
        assert answer.json()["page"]["has_more"] == ("next" in answer.links)
        page = answer.links.get("next", {}).get("url")

    assert len(everything) == 13
    assert walked == everything


@pytest.mark.parametrize(
    "cursor", ["x", "é", "bnVsbA", "e30x", "WyJhIl0", "eyJldmVudCI6WyI5OTk5LTEyLTMxVDIzOjU5OjU5LjlaIiwiYSJdfQ"]
)
def test_a_cursor_not_of_ours_is_refused(cursor: str, world: World, marketer: httpx.Client) -> None:
    world.happens(A)

    answer = marketer.get(f"/v1/people/{world.person(A)}/timeline", params={"cursor": cursor})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


def test_a_timeline_can_be_had_as_a_table(world: World, marketer: httpx.Client) -> None:
    world.happens(A, type="article.read", article={"id": "a-1", "title": '=HYPERLINK("http://evil.example")'})

    answer = marketer.get(f"/v1/people/{world.person(A)}/timeline", headers={"Accept": "text/csv"})

    assert answer.content.startswith(b"\xef\xbb\xbf")
    [row] = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert (row["type"], row["article_id"]) == ("article.read", "a-1")
    assert row["article_title"].startswith("'=")


def test_on_a_shared_device_an_event_is_his_who_was_logged_in(world: World, marketer: httpx.Client) -> None:
    before = world.happens(KIOSK, minute=0)
    login = world.happens(A, KIOSK, minute=10)
    after = world.happens(KIOSK, minute=20)
    world.happens(B, KIOSK, minute=100)
    of_b = world.happens(KIOSK, minute=110)
    unknown = world.happens(KIOSK, minute=200)

    assert events(marketer, world.person(A)) == [after.id, login.id, before.id]
    assert events(marketer, world.person(B))[0] == of_b.id
    assert events(marketer, world.person(KIOSK)) == [unknown.id]


def test_where_two_were_logged_in_an_event_stays_the_devices(world: World, marketer: httpx.Client) -> None:
    world.happens(A, KIOSK, minute=0)
    between = world.happens(KIOSK, minute=5)
    world.happens(B, KIOSK, minute=10)

    assert events(marketer, world.person(KIOSK)) == [between.id]
    assert between.id not in events(marketer, world.person(A)) + events(marketer, world.person(B))


def test_past_what_is_looked_through_events_stay_the_devices(
    world: World, marketer: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whose, "EVENTS_MAX", 2)
    world.happens(A, KIOSK, minute=0)
    old = world.happens(KIOSK, minute=1)
    world.happens(B, KIOSK, minute=100)
    new = [world.happens(KIOSK, minute=minute) for minute in (101, 102, 203, 204)]

    assert old.id not in events(marketer, world.person(A))
    assert set(events(marketer, world.person(KIOSK))) == {old.id, *(event.id for event in new)}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    history=st.lists(
        st.tuples(
            st.sets(
                st.sampled_from([A, B, "phone:+8613912345678", KIOSK, "anonymous_id@web:c"]), min_size=1, max_size=3
            ),
            st.integers(0, 200),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_every_event_is_on_exactly_one_timeline(history: list[tuple[set[str], int]], world: World) -> None:
    """Whatever is shared with whom, no event is lost and none is told of two people."""
    world.clear()
    happened = [world.happens(*sorted(identifiers), minute=minute) for identifiers, minute in history]

    with transaction(world.engine) as connection:
        told = [
            line.body["id"]
            for person in world.people()
            for line in timelines.timeline_of(connection, person, Filter(channel="web"), Place(), 200).lines
            if isinstance(line, Entry)
        ]

    assert sorted(told) == sorted(event.id for event in happened)


def test_a_link_that_another_opened_is_told_on_both_timelines(world: World, sales: httpx.Client) -> None:
    """The event is the opener's; the other's timeline says that it was opened, by whom, and by how many."""
    world.happens("user_id:A", PHONE, minute=1)
    for minute, cookie in ((2, "c1"), (3, "c2")):
        world.happens(
            {"namespace": "anonymous_id", "scope": "h5", "value": cookie},
            {"namespace": "phone", "value": PHONE.partition(":")[2], "role": "recipient"},
            {"namespace": "link_token", "value": "t1"},
            type="sms.clicked",
            channel="sms",
            minute=minute,
        )

    his = sales.get(f"/v1/people/{world.person(PHONE)}/timeline", params={"channel": "sms"}).json()["data"]
    stranger = world.person("anonymous_id@h5:c2")
    others = sales.get(f"/v1/people/{stranger}/timeline", params={"channel": "sms"}).json()["data"]

    assert [(line["kind"], line["type"]) for line in his] == [("opened", "sms.clicked"), ("event", "sms.clicked")]
    assert (his[0]["by"], his[0]["fan_out"]) == (stranger, 2)
    assert [line["kind"] for line in others] == ["event"]
    profile = sales.get(f"/v1/people/{world.person(PHONE)}").json()
    assert {i["identifier"]: i["standing"] for i in profile["identifiers"]}["anonymous_id@h5:c1"] == "presumed"


def test_what_was_sent_to_a_phone_that_changed_hands_stays_with_who_had_it_then(
    world: World, sales: httpx.Client
) -> None:
    delivered = {"namespace": "phone", "value": PHONE.partition(":")[2], "role": "recipient"}
    world.happens("user_id:A", PHONE, minute=1)
    early = world.happens(delivered, type="sms.delivered", channel="sms", minute=5)
    change = world.happens("user_id:B", PHONE, minute=10)
    late = world.happens(delivered, type="sms.delivered", channel="sms", minute=15)

    def sent_to(user: str) -> list[str]:
        page = sales.get(f"/v1/people/{world.person(user)}/timeline", params={"channel": "sms"}).json()
        return [line["id"] for line in page["data"]]

    def whose(as_of: str | None) -> str:
        asked = {"identifiers": [PHONE], **({"as_of": as_of} if as_of else {})}
        return str(sales.post("/v1/people/lookup", json=asked).json()["data"][0]["person_id"])

    assert (sent_to("user_id:A"), sent_to("user_id:B")) == ([early.id], [late.id])
    assert whose(None) == whose(change.occurred_at.isoformat()) == world.person("user_id:B")
    assert whose(early.occurred_at.isoformat()) == world.person("user_id:A")
