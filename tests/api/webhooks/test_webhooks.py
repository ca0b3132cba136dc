"""Webhooks: whoever names an address is sent what is announced, signed, until he has it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, text

from api.app import create
from api.webhooks import delivering, store
from api.webhooks.delivering import Deliverer
from api.webhooks.schedule import ATTEMPTS_MAX, GONE, SILENT, WAITS
from api.webhooks.sending import Sender
from core import keys, outbox
from core.clock import system_clock
from core.database import transaction
from core.keys import Scope
from core.log.port import PROFILE_UPDATED
from core.log.postgres import PostgresLog
from core.outbox import Announcement
from profiles import intent, traits
from profiles.segments.judging import Rules
from profiles.segments.watching import Watch
from stitcher.deciding import publisher
from tests.api.client import asking
from tests.api.webhooks.receiver import Receiver, receiving
from tests.api.world import INDEX, NOW, RULES, SENDER, World

A, B = "user_id:A", "user_id:B"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def app(engine: Engine) -> FastAPI:
    """The API, by the clock of this machine."""
    find, log = partial(keys.find, admin_secret=None), PostgresLog(engine, 1)
    return create(
        engine,
        find,
        INDEX,
        RULES,
        {},
        publish=publisher(log),
        tell=World(engine).tell,
        sender=SENDER,
        signing_key=b"k" * 32,
    )


@pytest.fixture
def subscriber(app: FastAPI, world: World) -> Iterator[httpx.Client]:
    """A client who may name addresses, and define segments."""
    with asking(app, world.key(Scope.WEBHOOKS_WRITE, Scope.SEGMENTS_WRITE, Scope.PEOPLE_READ)) as client:
        yield client


class Delivering:
    """A deliverer in a thread, by a clock that is *ahead*; what it signs is signed now, as those who verify want it."""

    def __init__(self, engine: Engine) -> None:
        self.ahead = timedelta()
        self._engine = engine

    def __call__(self) -> datetime:
        return system_clock() + self.ahead

    @contextmanager
    def running(self) -> Iterator[None]:
        stop = threading.Event()
        sender = partial(Sender, SENDER.secrets, SENDER.allowed)
        deliverer = Deliverer(self._engine, sender, self, chance=lambda: 0.5, end_seconds=0.5)
        thread = threading.Thread(target=deliverer.run, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def delivering_(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Delivering:
    monkeypatch.setattr(delivering, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(delivering, "RETRY_SECONDS", 0.05)
    made = Delivering(engine)
    with made.running():
        wait_until(lambda: has_begun(engine))
    return made


def has_begun(engine: Engine) -> bool:
    """Whether a deliverer has noted from where on webhooks hear."""
    with transaction(engine) as connection:
        found = connection.execute(text("SELECT count(*) FROM outbox_position WHERE sink = 'webhooks'"))
        return int(found.scalar_one()) > 0


def wait_until(is_so: Callable[[], bool], seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, "it did not come to be so"
        time.sleep(0.02)


def named(client: httpx.Client, receiver: Receiver, **fields: Any) -> dict[str, Any]:
    answer = client.post("/v1/webhooks", json={"url": receiver.url, **fields})
    assert answer.status_code == 201, answer.text
    receiver.secret = answer.json()["secret"]
    return dict(answer.json())


def log(client: httpx.Client, webhook: dict[str, Any], **asked: str) -> list[dict[str, Any]]:
    return list(client.get(f"/v1/webhooks/{webhook['id']}/deliveries", params=asked).json()["data"])


def test_who_names_an_address_is_sent_what_is_announced(
    world: World, subscriber: httpx.Client, receiver: Receiver, delivering_: Delivering
) -> None:
    webhook = named(subscriber, receiver, description="the data warehouse")
    with delivering_.running():
        world.happens(A)
        wait_until(lambda: len(receiver.events) == 2)

    [updated] = [each for each in receiver.events if each.get_type() == "siyu.profile.updated.v1"]
    assert updated.get_subject() == updated.get_data()["person_id"] == world.person(A)
    assert receiver.ids == [each.get_id() for each in receiver.events]
    assert receiver.forged == 0
    wait_until(lambda: {each["status"] for each in log(subscriber, webhook)} == {"done"})
    newest = log(subscriber, webhook)[0]
    assert (newest["type"], newest["attempts"], newest["status_code"]) == ("profile.updated", 1, 204)


def test_the_secret_is_shown_once_and_kept_sealed(engine: Engine, subscriber: httpx.Client, receiver: Receiver) -> None:
    webhook = named(subscriber, receiver)

    assert "secret" not in subscriber.get(f"/v1/webhooks/{webhook['id']}").json()
    assert "secret" not in subscriber.get("/v1/webhooks").json()["data"][0]
    with transaction(engine) as connection:
        kept = connection.execute(text("SELECT webhook::text FROM webhook")).scalar_one()
    assert webhook["secret"].removeprefix("whsec_") not in kept


def test_after_a_rotation_both_secrets_sign_for_a_day(
    world: World, subscriber: httpx.Client, receiver: Receiver, delivering_: Delivering
) -> None:
    webhook = named(subscriber, receiver, types=["person.created"])
    new = subscriber.post(f"/v1/webhooks/{webhook['id']}/rotate").json()["secret"]
    assert new != webhook["secret"]
    with delivering_.running():
        for who, secret in ((A, webhook["secret"]), (B, new)):
            receiver.secret, heard = secret, len(receiver.events)
            world.happens(who)
            wait_until(lambda heard=heard: len(receiver.events) == heard + 1)  # type: ignore[misc] # bound early

    assert receiver.forged == 0


def test_one_hears_of_the_types_and_the_segment_that_one_chose(
    world: World, subscriber: httpx.Client, receiver: Receiver, delivering_: Delivering
) -> None:
    subscriber.post("/v1/segments", json={"name": "paying", "when": {"kind": "ordered"}})
    watch = Watch(world.engine, Rules(intent.shipped(), traits.shipped()), clock=lambda: NOW)
    watch.drain()
    named(subscriber, receiver, types=["profile.updated", "segment.membership"], segment="paying")
    with delivering_.running():
        world.happens(A)
        world.happens(B, type="order.paid", order={"id": "o", "amount": 1})
        watch.drain()
        wait_until(lambda: len(receiver.events) >= 1)
        world.happens(A, minute=1)
        world.happens(B, minute=2)
        wait_until(lambda: [each.get_type() for each in receiver.events][-1] == "siyu.profile.updated.v1")

    assert {each.get_subject() for each in receiver.events} == {world.person(B)}
    assert "siyu.segment.membership.v1" in {each.get_type() for each in receiver.events}


def test_who_is_down_is_tried_again_by_the_schedule_and_then_given_up(
    world: World, subscriber: httpx.Client, receiver: Receiver, delivering_: Delivering
) -> None:
    """Ten attempts under one id, at their times by the clock; what was given up is taken when it is sent again."""
    webhook = named(subscriber, receiver, types=["person.created"])
    receiver.answer = lambda: (500, {})
    world.happens(A)
    with delivering_.running():
        for attempt in range(1, ATTEMPTS_MAX + 1):
            wait_until(lambda attempt=attempt: [each["attempts"] for each in log(subscriber, webhook)] == [attempt])  # type: ignore[misc] # bound early
            assert len(receiver.ids) == attempt
            if attempt < ATTEMPTS_MAX:
                due = datetime.fromisoformat(log(subscriber, webhook)[0]["next_attempt_at"])
                assert timedelta() <= WAITS[attempt - 1] - (due - delivering_()) < timedelta(seconds=5)
                delivering_.ahead += WAITS[attempt - 1]
        dead = log(subscriber, webhook)[0]
        assert (dead["status"], dead["error"], len(set(receiver.ids))) == ("dead", "it answered 500", 1)

        receiver.answer = lambda: (200, {})
        again = subscriber.post(
            f"/v1/webhooks/{webhook['id']}/resend", params={"since": (system_clock() - timedelta(days=1)).isoformat()}
        )
        assert (again.status_code, again.json()) == (202, {"deliveries": 1})
        wait_until(lambda: log(subscriber, webhook)[0]["status"] == "done")
        sent = len(receiver.ids)
        subscriber.post(f"/v1/webhooks/{webhook['id']}/deliveries/{dead['id']}/resend")
        wait_until(lambda: len(receiver.ids) == sent + 1)


def test_where_nobody_is_any_more_the_webhook_is_disabled(
    world: World, subscriber: httpx.Client, receiver: Receiver, delivering_: Delivering
) -> None:
    webhook = named(subscriber, receiver)
    receiver.answer = lambda: (410, {})
    with delivering_.running():
        world.happens(A)
        wait_until(lambda: bool(subscriber.get(f"/v1/webhooks/{webhook['id']}").json()["disabled_at"]))
        told = len(receiver.ids)
        world.happens(B)
        wait_until(lambda: {each["status"] for each in log(subscriber, webhook)} == {"dead"})
        disabled = subscriber.get(f"/v1/webhooks/{webhook['id']}").json()
        assert (disabled["disabled_reason"], len(receiver.ids)) == (GONE, told)

        receiver.answer = lambda: (200, {})
        change = {"version": disabled["version"], "disabled": False}
        enabled = subscriber.patch(f"/v1/webhooks/{webhook['id']}", json=change)
        assert (enabled.status_code, enabled.json()["disabled_at"]) == (200, None)
        world.happens("user_id:C")
        wait_until(lambda: len(receiver.ids) == told + 2)


def test_what_was_under_way_when_a_webhook_is_disabled_is_given_up_too(
    world: World, subscriber: httpx.Client, receiver: Receiver, delivering_: Delivering
) -> None:
    webhook = named(subscriber, receiver)

    def answer() -> tuple[int, dict[str, str]]:
        if len(receiver.ids) == 1:
            return 410, {}
        time.sleep(0.5)
        return 500, {}

    receiver.answer = answer
    for number in range(3):
        world.happens(f"user_id:n{number}")
    with delivering_.running():
        wait_until(lambda: [each["status"] for each in log(subscriber, webhook)] == ["dead"] * 6)

    again = subscriber.post(f"/v1/webhooks/{webhook['id']}/resend", params={"since": "2026-01-01T00:00:00Z"})
    assert (again.status_code, again.json()["code"]) == (409, "refused")


def test_who_wants_little_of_much_is_not_held_up_by_the_rest(
    world: World,
    engine: Engine,
    subscriber: httpx.Client,
    receiver: Receiver,
    delivering_: Delivering,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named(subscriber, receiver, types=["person.merged"])
    told = Announcement(PROFILE_UPDATED, "p", "1", PROFILE_UPDATED, NOW, {"person_id": "p"})
    for _ in range(2_000):
        with transaction(engine) as connection:
            outbox.enqueue(connection, [told])
    world.happens(A)
    world.happens("phone:+8613912345678")
    world.happens(A, "phone:+8613912345678", minute=1)
    monkeypatch.setattr(delivering, "WAIT_SECONDS", 5.0)  # which, at each page, would be far too long
    with delivering_.running():
        wait_until(lambda: len(receiver.ids) == 1)


def test_what_takes_nothing_for_five_days_is_disabled(
    world: World, subscriber: httpx.Client, receiver: Receiver, delivering_: Delivering
) -> None:
    webhook = named(subscriber, receiver, types=["person.created"])
    receiver.answer = lambda: (500, {})
    with delivering_.running():
        world.happens(A)
        wait_until(lambda: len(receiver.ids) == 1)
        wait_until(lambda: bool(subscriber.get(f"/v1/webhooks/{webhook['id']}").json()["failing_since"]))
        delivering_.ahead += timedelta(days=5)
        wait_until(lambda: subscriber.get(f"/v1/webhooks/{webhook['id']}").json()["disabled_reason"] == SILENT)

    assert [each["status"] for each in log(subscriber, webhook)] == ["dead"]


def test_one_that_hangs_holds_up_no_other(
    world: World, subscriber: httpx.Client, receiver: Receiver, delivering_: Delivering
) -> None:
    hangs = threading.Event()
    with receiving() as hanging:
        named(subscriber, hanging)
        hanging.answer = lambda: (200 if hangs.wait(30) else 500, {})
        named(subscriber, receiver, types=["person.created"])
        with delivering_.running():
            for number in range(delivering.UNDER_WAY_MAX + 10):
                world.happens(f"user_id:n{number}")
            wait_until(lambda: len(receiver.ids) == delivering.UNDER_WAY_MAX + 10)
            hangs.set()


def test_what_was_under_way_when_it_ended_is_sent_again_under_the_same_id(
    world: World, subscriber: httpx.Client, receiver: Receiver, delivering_: Delivering
) -> None:
    webhook = named(subscriber, receiver, types=["person.created"])
    hangs = threading.Event()
    receiver.answer = lambda: (200 if hangs.wait(30) else 500, {})
    with delivering_.running():
        world.happens(A)
        wait_until(lambda: len(receiver.ids) == 1)
    hangs.set()
    with delivering_.running():
        wait_until(lambda: log(subscriber, webhook)[0]["status"] == "done")

    assert len(receiver.ids) == 2
    assert len(set(receiver.ids)) == 1


def test_two_that_deliver_send_everything_once(
    world: World, subscriber: httpx.Client, receiver: Receiver, delivering_: Delivering
) -> None:
    named(subscriber, receiver)
    with delivering_.running(), delivering_.running():
        for number in range(20):
            world.happens(f"user_id:n{number}")
        wait_until(lambda: len(receiver.ids) >= 40)

    assert len(receiver.ids) == len(set(receiver.ids)) == 40


def test_one_can_try_whether_it_arrives(subscriber: httpx.Client, receiver: Receiver) -> None:
    webhook = named(subscriber, receiver)

    tried = subscriber.post(f"/v1/webhooks/{webhook['id']}/test").json()
    assert (tried["taken"], tried["status_code"], tried["error"]) == (True, 204, None)
    assert receiver.events[0].get_type() == "siyu.test.v1"
    receiver.answer = lambda: (302, {"Location": "http://127.0.0.1:1/"})
    tried = subscriber.post(f"/v1/webhooks/{webhook['id']}/test").json()
    assert (tried["taken"], tried["status_code"], tried["error"]) == (False, 302, "it answered 302")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"url": "http://example.com/"}, 409),
        ({"url": "https://169.254.169.254/latest"}, 409),
        ({"url": "https://user:secret@example.com/"}, 409),
        ({"types": ["person.sliced"]}, 422),
        ({"types": []}, 422),
        ({"segment": "unheard_of"}, 404),
        ({"unheard_of": 1}, 422),
    ],
)
def test_what_cannot_be_is_refused(subscriber: httpx.Client, fields: dict[str, Any], status: int) -> None:
    answer = subscriber.post("/v1/webhooks", json={"url": "https://example.com/hook", **fields})

    assert answer.status_code == status
    assert "secret@" not in answer.text


def test_who_has_not_seen_the_present_version_changes_nothing(subscriber: httpx.Client, receiver: Receiver) -> None:
    webhook = named(subscriber, receiver)
    address = f"/v1/webhooks/{webhook['id']}"

    assert subscriber.patch(address, json={"version": 1, "types": ["person.merged"]}).json()["version"] == 2
    assert subscriber.patch(address, json={"version": 1, "description": "x"}).status_code == 409
    assert subscriber.patch(address, json={"version": 2}).status_code == 422
    assert subscriber.patch(address, json={"version": 2, "disabled": True}).json()["disabled_reason"] == "by hand"
    assert subscriber.delete(address).status_code == 204
    assert subscriber.get(address).status_code == 404


def test_only_so_many_may_be_named(
    subscriber: httpx.Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "WEBHOOKS_MAX", 1)
    named(subscriber, receiver)

    assert subscriber.post("/v1/webhooks", json={"url": receiver.url}).status_code == 409


def test_what_ended_long_ago_is_forgotten(
    world: World, engine: Engine, subscriber: httpx.Client, receiver: Receiver, delivering_: Delivering
) -> None:
    webhook = named(subscriber, receiver)
    with delivering_.running():
        world.happens(A)
        wait_until(lambda: {each["status"] for each in log(subscriber, webhook)} == {"done"})
    with transaction(engine) as connection:
        assert store.forget(connection, system_clock() + timedelta(days=6)) == 0
        assert store.forget(connection, system_clock() + timedelta(days=8)) == 2


def test_the_log_is_paged_and_filtered(
    world: World, subscriber: httpx.Client, receiver: Receiver, delivering_: Delivering
) -> None:
    webhook = named(subscriber, receiver)
    with delivering_.running():
        for number in range(3):
            world.happens(f"user_id:n{number}")
        wait_until(lambda: [each["status"] for each in log(subscriber, webhook)] == ["done"] * 6)
    address = f"/v1/webhooks/{webhook['id']}/deliveries"
    first = subscriber.get(address, params={"limit": 4}).json()
    rest = subscriber.get(address, params={"limit": 4, "cursor": first["page"]["next_cursor"]}).json()

    assert [len(first["data"]), len(rest["data"])] == [4, 2]
    assert len({each["id"] for each in first["data"] + rest["data"]}) == 6
    assert log(subscriber, webhook, status="dead") == []
