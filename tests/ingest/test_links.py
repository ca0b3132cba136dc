"""Tracked links, from the request that mints them to the event that they were followed."""

import asyncio
import fcntl
import os
import secrets
import stat
import subprocess
import sys
from datetime import timedelta
from errno import ENOSPC
from io import FileIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
from sqlalchemy import Engine

from core.database import transaction
from core.errors import Unavailable
from core.event import decode
from core.log.port import EVENTS
from ingest.commit import GroupCommit
from ingest.intake import Intake
from ingest.links import store
from ingest.links.link import Link, Signs
from ingest.spool import Spool
from stitcher.stitch import stitch
from tests.conftest import ROOT
from tests.ingest.collecting import SIGNING_KEY, Collecting, TopicsLog
from tests.ingest.given import NOW, receiver
from tests.stitcher import database
from tests.stitcher.histories import INDEX, SHIPPED

SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1"
PHONE = "phone:+8613912345678"
SENDER = {"authorization": "Bearer server"}
PAGE = "https://h5.example/a?x=1#top"


@pytest.fixture
def collecting(engine: Engine, tmp_path: Path) -> Collecting:
    return Collecting({}, engine=engine, spool=tmp_path / "spool")


def mint(to: Collecting, **wanted: Any) -> list[dict[str, Any]]:
    answer = to.send("POST", "/v1/links", json={"url": PAGE, "channel": "sms", **wanted}, headers=SENDER)
    assert answer.status_code == 201, answer.text
    minted: list[dict[str, Any]] = answer.json()["data"]
    return minted


def path(of: str) -> str:
    return urlsplit(of).path


def test_a_link_leads_to_its_target_and_tells_to_whom_it_was_sent(collecting: Collecting) -> None:
    (link,) = mint(collecting, recipients=["phone:13912345678"], campaign="c-11")

    answer = collecting.send("GET", path(link["url"]), headers={"user-agent": "Phone"})

    assert answer.status_code == 302
    assert answer.headers["location"] == f"https://h5.example/a?x=1&siyu={link['token']}#top"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    (event,) = collecting.events
    assert (event["type"], event["channel"], event["campaign"]["id"]) == ("sms.clicked", "sms", "c-11")
    assert {(each["namespace"], each["role"]) for each in event["identifiers"]} == {
        ("link_token", "hint"),
        ("anonymous_id", "context"),
        ("phone", "recipient"),
    }
    assert event["context"]["user_agent"] == "Phone"
    assert len(link["token"]) <= 14
    assert "139" not in link["token"]


def test_a_visitor_keeps_his_cookie(collecting: Collecting) -> None:
    (link,) = mint(collecting)

    collecting.send_all([("GET", path(link["url"]), {})] * 2)
    collecting.send("GET", path(link["url"]))

    visitors = [event["identifiers"][1]["value"] for event in collecting.events]
    assert visitors[0] == visitors[1] != visitors[2]


def test_of_several_recipients_each_has_his_own(collecting: Collecting) -> None:
    links = mint(collecting, recipients=[PHONE, "email:tom@example.com"])

    assert [link["recipient"] for link in links] == [PHONE, "email:tom@example.com"]
    assert len({link["token"] for link in links}) == 2


def test_the_same_request_again_mints_nothing_new(collecting: Collecting) -> None:
    def minted(**wanted: Any) -> Any:
        body = {"url": PAGE, "channel": "sms", **wanted}
        return collecting.send("POST", "/v1/links", json=body, headers=SENDER | {"idempotency-key": "k"})

    assert minted(recipients=[PHONE]).json() == minted(recipients=[PHONE]).json()
    assert minted(recipients=[PHONE], channel="mail").status_code == 409
    assert minted(recipients=[PHONE, PHONE]).status_code == 409


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"url": "javascript:alert(1)"}, "/url"),
        ({"url": "//evil.example"}, "/url"),
        ({"url": "https://a.example/\r\nSet-Cookie: x=1"}, "/url"),
        ({"url": "https://user@a.example"}, "/url"),
        ({"url": "https:\\\\evil.example"}, "/url"),
        ({"url": "https://"}, "/url"),
        ({"recipients": [PHONE, "phone:123"]}, "/recipients/1"),
        ({"channel": "coupon"}, "/channel"),  # whose every click would end in quarantine
    ],
)
def test_what_cannot_be_minted_is_named(collecting: Collecting, wanted: dict[str, Any], pointer: str) -> None:
    answer = collecting.send("POST", "/v1/links", json={"url": PAGE, "channel": "sms", **wanted}, headers=SENDER)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(("key", "status"), [("", 401), ("Bearer browser", 403), ("Bearer reader", 403)])
def test_only_a_trusted_sender_mints(collecting: Collecting, key: str, status: int) -> None:
    headers = {"authorization": key} if key else {}

    assert (
        collecting.send("POST", "/v1/links", json={"url": PAGE, "channel": "sms"}, headers=headers).status_code
        == status
    )


def test_only_a_mail_has_a_picture(collecting: Collecting) -> None:
    assert mint(collecting, channel="mail")[0]["open_url"].startswith("https://siyu.example/o/")
    assert mint(collecting, channel="sms")[0]["open_url"] is None


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"recipients": ["x" * 1_000] * 1_100}, 413),
        ({"recipients": [PHONE] * 1_001}, 422),
        ({"properties": {f"p{number}": "x" for number in range(21)}}, 422),
        ({"properties": {"p": "x" * 257}}, 422),
    ],
)
def test_no_more_is_taken_in_than_a_sending_needs(collecting: Collecting, wanted: dict[str, Any], status: int) -> None:
    answer = collecting.send("POST", "/v1/links", json={"url": PAGE, "channel": "sms", **wanted}, headers=SENDER)

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_looking_whether_it_is_there_counts_nothing(collecting: Collecting) -> None:
    (link,) = mint(collecting)

    assert collecting.send("HEAD", path(link["url"])).status_code == 302
    assert not collecting.events


def test_nobody_is_led_where_no_link_leads(collecting: Collecting) -> None:
    (link,) = mint(collecting, channel="mail", expires_at=(NOW + timedelta(days=1)).isoformat())
    token = link["token"]
    open_token = Path(path(link["open_url"])).stem
    forged = [
        token[:-1] + ("0" if token[-1] != "0" else "1"),
        "0" + token,
        token.swapcase(),
        open_token,
        Signs.of(b"another").follow.written(1),
        Signs.of(SIGNING_KEY).follow.written(2**40),
        "x" * 40,
        *(secrets.token_hex(6) for _ in range(200)),
    ]

    answers = collecting.send_all([("GET", f"/s/{each}?url=https://evil.example", {}) for each in forged])

    assert {answer.status_code for answer in answers} == {404}
    assert not collecting.events
    collecting.now = NOW + timedelta(days=1)
    assert collecting.send("GET", path(link["url"])).status_code == 404


def test_a_honeypot_is_remembered_and_leads_nowhere(collecting: Collecting) -> None:
    (link,) = mint(collecting, honeypot=True, sending="m-1")

    assert collecting.send("HEAD", path(link["url"])).status_code == 404
    assert collecting.send("GET", path(link["url"])).status_code == 404
    assert collecting.events[0]["properties"] == {"honeypot": True, "sending": "m-1"}


def test_a_mail_that_is_opened_says_so_by_a_picture(collecting: Collecting) -> None:
    (link,) = mint(collecting, channel="mail", recipients=["email:tom@example.com"])

    answer = collecting.send("GET", path(link["open_url"]))

    assert (answer.headers["content-type"], answer.content[:6]) == ("image/gif", b"GIF89a")
    assert [event["type"] for event in collecting.events] == ["mail.opened"]
    assert collecting.send("GET", "/o/forged.gif").content == answer.content


def test_whoever_looks_at_the_way_out_has_not_taken_it(collecting: Collecting) -> None:
    (link,) = mint(collecting, channel="mail", recipients=["email:tom@example.com"])
    leave = path(link["unsubscribe_url"])

    assert "form" in collecting.send("GET", leave).text
    assert not collecting.events
    assert collecting.send("POST", leave, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    unsubscribed, withdrawn = collecting.events
    assert (unsubscribed["type"], withdrawn["type"]) == ("mail.unsubscribed", "consent.withdrawn")
    assert withdrawn["properties"]["purpose"] == "marketing"
    for event in (unsubscribed, withdrawn):
        assert [(each["value"], each["role"]) for each in event["identifiers"]] == [("tom@example.com", "subject")]


def test_the_way_out_stays_when_the_link_has_expired(collecting: Collecting) -> None:
    (link,) = mint(collecting, channel="mail", recipients=["email:tom@example.com"], expires_at=NOW.isoformat())

    assert collecting.send("GET", path(link["url"])).status_code == 404
    assert collecting.send("GET", path(link["unsubscribe_url"])).status_code == 200
    assert collecting.send("POST", path(link["unsubscribe_url"])).status_code == 200
    assert len(collecting.events) == 2


@pytest.mark.parametrize(
    ("channel", "types"),
    [("sms", ["sms.opted_out", "consent.withdrawn"]), ("wecom", ["consent.withdrawn"])],
)
def test_whoever_leaves_another_channel_is_told_of_in_its_words(
    collecting: Collecting, channel: str, types: list[str]
) -> None:
    (link,) = mint(collecting, channel=channel, recipients=[PHONE])

    assert collecting.send("POST", path(link["unsubscribe_url"])).status_code == 200
    assert [event["type"] for event in collecting.events] == types
    assert not collecting.quarantined


def test_a_link_for_everybody_offers_nobody_a_way_out(collecting: Collecting) -> None:
    """A page that said "nothing more will be sent" would not be true."""
    (link,) = mint(collecting, channel="mail")

    assert link["unsubscribe_url"] is None


def test_a_link_that_was_passed_on_makes_no_one_of_two(collecting: Collecting, engine: Engine) -> None:
    """The addressee's own browser opened it first; whoever got it from him stays somebody else, and nameless."""
    (link,) = mint(collecting, recipients=[PHONE])
    for minutes in (0, 1):
        collecting.now = NOW + timedelta(minutes=minutes)
        collecting.send("GET", path(link["url"]), headers={"user-agent": SAFARI})
    events = [decode(record.value) for record in collecting.log.topics[EVENTS]]

    with transaction(engine) as connection:
        stitch(connection, {event.uid: event for event in events}, SHIPPED, INDEX, NOW)

    with engine.connect() as connection:
        people = [texts for _, texts in database.state(connection).people]
    first, second = (f"anonymous_id@links:{event.identifiers[1].value}" for event in events)
    assert frozenset({second}) in people
    assert not any({PHONE, second} <= texts or {first, second} <= texts for texts in people)


# The log is down


def test_who_clicks_is_led_on_and_counted_later(collecting: Collecting) -> None:
    (link,) = mint(collecting)
    collecting.log.failures.append(Unavailable("down"))

    assert collecting.send("GET", path(link["url"])).status_code == 302
    assert not collecting.events

    drain(collecting.log, collecting.spool)
    assert [event["type"] for event in collecting.events] == ["sms.clicked"]
    assert list(collecting.spool.iterdir()) == []


def drain(log: TopicsLog, folder: Path) -> None:
    async def story() -> None:
        commit = GroupCommit(log, EVENTS)
        await Spool(Intake(receiver(), commit, commit, lambda: NOW), folder).drain()
        await commit.close()

    asyncio.run(story())


def test_what_a_process_left_when_it_died_is_brought_in_by_the_next(tmp_path: Path) -> None:
    """The last line is cut short: it was never acknowledged."""
    log = TopicsLog()
    document = {"id": "1", "type": "link.clicked", "channel": "sms", "occurred_at": NOW.isoformat()}
    line = orjson.dumps({"source": "links", "document": document})
    (tmp_path / "dead.ndjson").write_bytes(line + b"\n" + line[:-9])

    drain(log, tmp_path)

    assert [orjson.loads(record.value)["id"] for record in log.topics[EVENTS]] == ["1"]
    assert list(tmp_path.iterdir()) == []


def test_while_the_log_stays_down_what_is_on_the_disk_stays_there(tmp_path: Path) -> None:
    log = TopicsLog()
    log.failures.append(Unavailable("down"))
    document = {"id": "1", "type": "link.clicked", "channel": "sms", "occurred_at": NOW.isoformat()}
    (tmp_path / "dead.ndjson").write_bytes(orjson.dumps({"source": "links", "document": document}) + b"\n")

    with pytest.raises(Unavailable):
        drain(log, tmp_path)
    drain(log, tmp_path)

    assert len(log.topics[EVENTS]) == 1


def test_where_the_disk_fails_too_nobody_is_told_that_he_has_left(collecting: Collecting) -> None:
    (link,) = mint(collecting, channel="mail", recipients=["email:tom@example.com"])
    collecting.spool.write_text("this is no folder")

    collecting.log.failures.append(Unavailable("down"))
    assert collecting.send("POST", path(link["unsubscribe_url"])).status_code == 503
    collecting.log.failures.append(Unavailable("down"))
    assert collecting.send("GET", path(link["url"])).status_code == 302


CLICKING = """
import asyncio, os, signal, sys
from pathlib import Path
from core.errors import Unavailable
from core.log.port import EVENTS
from ingest.commit import GroupCommit
from ingest.intake import Intake
from ingest.spool import Spool
from tests.ingest.given import NOW, MemoryLog, receiver

class DownLog(MemoryLog):
    def append(self, topic, records):
        raise Unavailable("down")

async def story():
    commit = GroupCommit(DownLog(), EVENTS)
    spool = Spool(Intake(receiver(), commit, commit, lambda: NOW), Path(sys.argv[1]))
    for number in range(10**6):
        click = {"id": str(number), "type": "link.clicked", "channel": "sms", "occurred_at": NOW.isoformat()}
        await spool.take([click], "links")
        print(number, flush=True)

asyncio.run(story())
"""


def test_every_click_that_was_answered_before_a_kill_is_in_the_log_after_it(tmp_path: Path) -> None:
    """The living process keeps its file for itself; the dead one's is brought in, each event once."""
    log = TopicsLog()
    spool = tmp_path / "spool"
    clicking = subprocess.Popen(
        [sys.executable, "-c", CLICKING, str(spool)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert clicking.stdout
    answered = [clicking.stdout.readline() for _ in range(50)]
    drain(log, spool)
    assert not log.topics

    clicking.kill()
    answered += clicking.stdout.readlines()
    clicking.stdout.close()
    clicking.wait()
    drain(log, spool)

    ids = [orjson.loads(record.value)["id"] for record in log.topics[EVENTS]]
    assert {line.strip() for line in answered if line.endswith("\n")} <= set(ids)
    assert len(ids) == len(set(ids))


def test_a_file_is_to_be_seen_only_once_it_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever drained it before would remove it, and with it all that is then written into it."""
    seen: list[list[Path]] = []
    lock = fcntl.flock

    def watched(file: Any, how: int) -> None:
        seen.append(list(tmp_path.glob("*.ndjson")))
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", watched)

    spooled(tmp_path, times=1)

    assert seen == [[]]
    assert len(list(tmp_path.glob("*.ndjson"))) == 1


def test_while_the_log_is_down_for_long_the_folder_stays_at_a_few_files(tmp_path: Path) -> None:
    spooled(tmp_path, times=20)

    assert len(list(tmp_path.iterdir())) <= 2
    log = TopicsLog()
    drain(log, tmp_path)
    assert sorted(orjson.loads(record.value)["id"] for record in log.topics[EVENTS]) == sorted(map(str, range(20)))


@pytest.mark.parametrize("name", ["write", "fsync"])
def test_where_the_disk_is_full_for_a_while_the_next_click_is_kept_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Half a line that was written stands last in its file and spoils no other."""
    full = iter([True])

    class FullOnce(FileIO):
        def write(self, content: Any) -> int:
            return super().write(content[:7] if name == "write" and next(full, False) else content)

    def synced(descriptor: int) -> None:
        if name == "fsync" and stat.S_ISREG(os.fstat(descriptor).st_mode) and next(full, False):
            raise OSError(ENOSPC, "no space left")

    monkeypatch.setattr("ingest.spool.FileIO", FullOnce)
    monkeypatch.setattr(os, "fsync", synced)

    assert spooled(tmp_path, times=3) == [False, True, True]

    log = TopicsLog()
    drain(log, tmp_path)
    ids = [orjson.loads(record.value)["id"] for record in log.topics[EVENTS]]
    assert {"1", "2"} <= set(ids)
    assert len(ids) == len(set(ids))


def spooled(folder: Path, times: int) -> list[bool]:
    """Take clicks while the log is down, trying to drain after each, and return which were taken."""

    async def story() -> list[bool]:
        log = TopicsLog()
        commit = GroupCommit(log, EVENTS)
        spool = Spool(Intake(receiver(), commit, commit, lambda: NOW), folder)
        taken = []
        for number in range(times):
            click = {"id": str(number), "type": "link.clicked", "channel": "sms", "occurred_at": NOW.isoformat()}
            log.failures[:] = [Unavailable("down")] * 3
            try:
                await spool.take([click], "links")
                taken.append(True)
            except Unavailable:
                taken.append(False)
            if times > 3:
                with pytest.raises(Unavailable):
                    await spool.drain()
        await spool.close()
        await commit.close()
        return taken

    return asyncio.run(story())


def test_a_link_is_found_as_it_was_written(engine: Engine) -> None:
    link = Link(PAGE, "sms", "c", PHONE, "m", {"place": "shop"}, honeypot=True, expires_at=NOW)

    with transaction(engine) as connection:
        (number,) = store.write(connection, [link], b"r", NOW)
        assert store.find(connection, number) == link
        assert store.find(connection, number + 1) is None
