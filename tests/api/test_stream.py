"""What changes about people, told as it happens, to everybody who listens, without a gap."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest
import uvicorn
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from fastapi import FastAPI
from sqlalchemy import Engine, text

from api import feed
from core import keys, outbox
from core.cloudevents import STRUCTURED
from core.database import transaction
from core.keys import Scope
from core.log.port import IDENTITY_CHANGED, PROFILE_UPDATED
from core.outbox import Announcement, Cursor
from profiles import intent, traits
from profiles.segments import defining
from profiles.segments.judging import Rules
from profiles.segments.rulesets import segment
from profiles.segments.watching import Watch
from tests.api.conftest import ADMIN
from tests.api.world import NOW, World
from tests.profiles.segments.conditions import CONDITION

A, B = "user_id:A", "user_id:B"
Told = dict[str, Any]


@pytest.fixture
def listener(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """A client of a real server, since a stream never ends; one who waits for longer than 10 s waits in vain."""
    monkeypatch.setattr("api.stream.HEARTBEAT_SECONDS", 60)
    with socket.create_server(("127.0.0.1", 0)) as door:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
        thread.start()
        url = f"http://127.0.0.1:{door.getsockname()[1]}"
        try:
            with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {ADMIN}"}, timeout=10) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def listening(client: httpx.Client, last: str | None = None, **asked: str) -> Iterator[Iterator[Told]]:
    headers = {"Last-Event-ID": last} if last else {}
    with client.stream("GET", "/v1/stream", params=asked, headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        yield _told(answer.iter_lines())


def _told(lines: Iterator[str]) -> Iterator[Told]:
    """Read server-sent events as a browser does: what has no data is no event."""
    event: Told = {}
    for line in lines:
        name, _, value = line.partition(":")
        if not line and "data" in event:
            yield {**event, "data": orjson.loads(event["data"]).get("data", {})}
        if not line:
            event = {}
        elif name:
            event[name] = value.strip()


def tell(told: Iterator[Told], number: int) -> list[Told]:
    return [next(told) for _ in range(number)]


def cursor_of(engine: Engine) -> str:
    with transaction(engine) as connection:
        return str(feed.Place(outbox.latest(connection)))


def names(told: list[Told]) -> list[str]:
    return [each["event"] for each in told]


def test_who_listens_hears_what_happens_from_now_on(world: World, listener: httpx.Client) -> None:
    world.happens(A)
    with listening(listener) as told:
        world.happens(B)
        created, updated = tell(told, 2)

    assert (created["event"], updated["event"]) == ("person.created", "profile.updated")
    assert created["data"]["person_id"] == updated["data"]["person_id"] == world.person(B)
    assert updated["data"]["version"] == 1


def test_what_one_hears_is_a_cloudevent(world: World, engine: Engine, listener: httpx.Client) -> None:
    start = cursor_of(engine)
    world.happens(A)
    with listener.stream("GET", "/v1/stream", headers={"Last-Event-ID": start}) as answer:
        data = next(line for line in answer.iter_lines() if line.startswith("data: "))

    told = from_http_event(HTTPMessage({"content-type": STRUCTURED}, data.removeprefix("data: ").encode()))
    assert (told.get_type(), told.get_subject()) == (IDENTITY_CHANGED, world.person(A))
    assert told.get_time() == NOW


def test_one_hears_only_of_what_one_asked_for(world: World, listener: httpx.Client) -> None:
    with listening(listener, types="person.merged,person.split") as told:
        world.happens(A)
        world.happens("phone:+8613912345678")
        world.happens(A, "phone:+8613912345678")
        [merged] = tell(told, 1)

    assert merged["event"] == "person.merged"
    assert merged["data"]["from"]


def test_what_nobody_announces_cannot_be_asked_for(listener: httpx.Client) -> None:
    answer = listener.get("/v1/stream?types=person.merged,person.sliced")

    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_type")
    assert answer.json()["errors"][0]["pointer"] == "/query/types"
    assert listener.get("/v1/stream?segment=unheard_of").status_code == 404


def test_one_hears_of_a_segment_only_and_of_who_enters_and_leaves_it(
    world: World, engine: Engine, listener: httpx.Client
) -> None:
    define(engine, "paying", {"kind": "ordered"})
    watch = Watch(engine, Rules(intent.shipped(), traits.shipped()), clock=lambda: NOW)
    watch.drain()
    with listening(listener, segment="paying") as told:
        world.happens(A)
        world.happens(B, type="order.paid", order={"id": "o", "amount": 1})
        watch.drain()
        [entered] = tell(told, 1)
        world.happens(A, minute=1)
        world.happens(B, minute=2)
        [updated] = tell(told, 1)

    assert (entered["event"], entered["data"]["change"]) == ("segment.membership", "entered")
    assert updated["event"] == "profile.updated"
    assert entered["data"]["person_id"] == updated["data"]["person_id"] == world.person(B)


def test_who_takes_nothing_is_sent_away_and_others_hear_on(
    world: World, engine: Engine, listener: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the server holding for him what he does not take."""
    monkeypatch.setattr("api.stream.SEND_SECONDS_MAX", 0.3)
    start = cursor_of(engine)
    enqueue_much(engine)
    with socket.create_connection((listener.base_url.host, listener.base_url.port or 0)) as lazy:
        head = f"GET /v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\nLast-Event-ID: {start}\r\n\r\n"
        lazy.sendall(head.encode())
        with listening(listener) as told:
            world.happens(A)
            assert names(tell(told, 2)) == ["person.created", "profile.updated"]
        monkeypatch.setattr(feed, "READERS_MAX", 1)
        wait_until_there_is_room(listener)
        lazy.settimeout(5)
        taken = sum(iter(lambda: len(lazy.recv(1 << 20)), 0))

    assert taken < MUCH_BYTES / 2


def test_who_comes_back_goes_on_behind_the_last_event_that_he_heard(
    world: World, engine: Engine, listener: httpx.Client
) -> None:
    """From whatever event, also from the middle of a batch, and with batches while nobody listened: no gap, no repetition."""
    start = cursor_of(engine)
    for batch in range(3):
        world.take([world.event(f"user_id:{batch}of{number}") for number in range(3)])
    with listening(listener, start) as told:
        everything = tell(told, 18)

    for heard in range(18):
        with listening(listener, everything[heard]["id"]) as told:
            assert tell(told, 17 - heard) == everything[heard + 1 :]
    world.happens("user_id:later")
    with listening(listener, everything[-1]["id"]) as told:
        assert names(tell(told, 2)) == ["person.created", "profile.updated"]


def test_all_who_listen_hear_the_same(world: World, listener: httpx.Client) -> None:
    with listening(listener) as one, listening(listener) as other:
        for number in range(5):
            world.happens(f"user_id:n{number}")

        assert tell(one, 10) == tell(other, 10)


def test_who_falls_behind_what_is_held_reads_the_rest_himself(
    world: World, engine: Engine, listener: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "HELD_ANNOUNCEMENTS_MAX", 3)
    start = cursor_of(engine)
    with listening(listener) as live:
        for number in range(10):
            world.happens(f"user_id:n{number}")
        heard = tell(live, 20)
        with listening(listener, start) as late:
            assert tell(late, 20) == heard


def test_who_was_away_too_long_is_told_to_begin_anew(world: World, engine: Engine, listener: httpx.Client) -> None:
    start = cursor_of(engine)
    world.happens(A)
    forget(engine)

    with listening(listener, start) as told:
        [reset] = tell(told, 1)
        world.happens(B)
        rest = tell(told, 2)

    assert (reset["event"], reset["data"]) == ("reset", {})
    assert [each["data"]["person_id"] for each in rest] == [world.person(B)] * 2


def test_the_place_of_another_installation_is_told_to_begin_anew(listener: httpx.Client) -> None:
    with listening(listener, "99999999999-1-0") as told:
        assert names(tell(told, 1)) == ["reset"]


def test_what_is_no_place_is_refused(listener: httpx.Client) -> None:
    answer = listener.get("/v1/stream", headers={"Last-Event-ID": "yesterday"})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_event_id")


def test_only_so_many_may_listen(
    world: World, engine: Engine, listener: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = cursor_of(engine)
    world.happens(A)
    monkeypatch.setattr(feed, "READERS_MAX", 1)
    with listening(listener, start) as told:
        tell(told, 2)

        assert listener.get("/v1/stream").status_code == 503


def test_who_hears_nothing_is_told_that_we_are_there_and_where_he_is(
    world: World, engine: Engine, listener: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.stream.HEARTBEAT_SECONDS", 0.2)
    start = cursor_of(engine)
    world.happens(A)
    with listener.stream("GET", "/v1/stream?types=person.split", headers={"Last-Event-ID": start}) as answer:
        lines = answer.iter_lines()
        beats = [next(lines) for _ in range(9)]

    assert ": heartbeat" in beats
    assert any(line.startswith("id: ") and line != f"id: {start}" for line in beats)


def test_where_one_begins_and_when_to_come_back_is_said_at_once(engine: Engine, listener: httpx.Client) -> None:
    """Who is sent away before he has heard anything misses nothing either."""
    start = cursor_of(engine)
    with listener.stream("GET", "/v1/stream", headers={"Last-Event-ID": start}) as answer:
        lines = answer.iter_lines()
        first = {next(lines), next(lines)}

    assert f"id: {start}" in first
    [retry] = [line.removeprefix("retry: ") for line in first if line.startswith("retry")]
    assert 1_000 <= int(retry) <= 5_000


@pytest.mark.parametrize("busy", [True, False])
def test_a_stream_ends_when_its_key_is_revoked(
    world: World, engine: Engine, listener: httpx.Client, monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    monkeypatch.setattr("api.keyring.KEYS_AGE_MAX", timedelta(0))
    monkeypatch.setattr("api.stream.KEY_SECONDS", 0.05)
    monkeypatch.setattr("api.feed.NOTHING_SECONDS", 10 if busy else 0.05)
    secret = world.key(Scope.PEOPLE_READ)
    with listener.stream("GET", "/v1/stream", headers={"Authorization": f"Bearer {secret}"}) as answer:
        lines = answer.iter_lines()
        next(lines)
        with transaction(engine) as connection:
            keys.revoke(connection, keys.find(connection, secret, NOW, admin_secret=ADMIN).id, NOW)
        time.sleep(0.1)
        if busy:
            world.happens(A)
        rest = list(lines)

    assert not any(line.startswith("data") for line in rest)
    assert listener.get("/v1/stream", headers={"Authorization": f"Bearer {secret}"}).status_code == 401


def test_a_stream_begins_where_announcements_are_many_in_one_transaction_and_places_are_the_same_for_all(
    engine: Engine, listener: httpx.Client
) -> None:
    start = cursor_of(engine)
    with transaction(engine) as connection:
        told = [Announcement(PROFILE_UPDATED, A, str(n), PROFILE_UPDATED, NOW, {"person_id": A}) for n in range(5)]
        outbox.enqueue(connection, told)
    with listening(listener, start) as first:
        ids = [each["id"] for each in tell(first, 5)]
    with listening(listener, ids[1]) as second:
        again = [each["id"] for each in tell(second, 3)]

    assert again == ids[2:]


def test_after_the_session_was_lost_the_stream_goes_on(
    world: World, engine: Engine, listener: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "RETRY_SECONDS", 0.05)
    with listening(listener) as told:
        world.happens(A)
        tell(told, 2)
        hang_up(engine)
        world.happens(B)
        rest = tell(told, 2)

    assert {each["data"]["person_id"] for each in rest} == {world.person(B)}


def wait_until_there_is_room(listener: httpx.Client) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with listener.stream("GET", "/v1/stream") as answer:
            if answer.status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError("he was not sent away")


MUCH_BYTES = 40 << 20


def enqueue_much(engine: Engine) -> None:
    """Announce more than sockets hold."""
    value = {"person_id": "p", "changed": ["x" * 20_000]}
    told = [
        Announcement(PROFILE_UPDATED, "p", str(n), PROFILE_UPDATED, NOW, value) for n in range(MUCH_BYTES // 20_000)
    ]
    for at in range(0, len(told), 100):
        with transaction(engine) as connection:
            outbox.enqueue(connection, told[at : at + 100])


def define(engine: Engine, name: str, when: dict[str, Any]) -> None:
    with transaction(engine) as connection:
        defining.add(connection, segment(name, CONDITION.validate_python(when), {}), "tests", NOW)


def forget(engine: Engine) -> None:
    """Let everything announced so far have been published and removed."""
    with transaction(engine) as connection:
        outbox.store_position(connection, "log", Cursor(2**40))
    with transaction(engine) as connection:
        assert outbox.trim(connection, NOW + timedelta(days=400))


def hang_up(engine: Engine) -> None:
    """End the session that listens to the outbox, as a failing network would."""
    with transaction(engine) as connection:
        ended = connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND state = 'idle' AND query NOT LIKE 'ROLLBACK%'"
            )
        )
        assert ended.all()
