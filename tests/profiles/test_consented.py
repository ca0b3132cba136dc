"""What is announced of consent: once for each line of the ledger, and when it is taken back."""

from typing import Any

import pytest
from sqlalchemy import Engine

from core import outbox
from core.database import transaction
from core.directive import Kind
from core.errors import Refused
from core.log.port import CONSENT_CHANGED
from core.outbox import Announcement, Cursor
from stitcher.stitch import stitch
from tests.api.world import INDEX, NOW, RULES, World, index

PHONE, MAIL, USER = "phone:13912345678", "email:tom@example.com", "user_id:A"
GIVEN: dict[str, Any] = {
    "type": "consent.given",
    "properties": {"channel": "sms", "purpose": "marketing", "version": "2026-01"},
}


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


def announced(world: World, topic: str = CONSENT_CHANGED) -> list[Announcement]:
    with transaction(world.engine) as connection:
        rows = outbox.read(connection, Cursor(), 1_000)
    return [each for row in rows for each in row.announcements if each.topic == topic]


def statuses(world: World) -> list[tuple[str, str]]:
    return [(each.value["channel"], each.value["status"]) for each in announced(world)]


def test_what_somebody_agrees_to_is_announced_with_what_he_agreed_to(world: World) -> None:
    event = world.happens(PHONE, USER, **GIVEN, channel="web")

    [told] = announced(world)
    assert told.key == told.value["person_id"] == world.person(USER)
    assert told.value == {
        "person_id": told.key,
        "version": 1,
        "uid": event.uid,
        "status": "given",
        "channel": "sms",
        "purpose": "marketing",
        "identifiers": [index(PHONE)],
        "text_version": "2026-01",
        "source": "shop",
        "occurred_at": "2026-11-19T00:00:00.000000Z",
        "cause": [event.id],
        "as_of": "2026-11-20T00:00:00.000000Z",
    }


def test_whatever_withdraws_consent_is_announced(world: World) -> None:
    world.happens(USER, type="consent.withdrawn", channel="web", properties={"channel": "mail"})
    world.happens(PHONE, type="sms.opted_out", channel="sms")
    world.happens(MAIL, type="mail.complained", channel="mail")
    world.happens(MAIL, type="mail.opened", channel="mail")

    assert statuses(world) == [("mail", "withdrawn"), ("sms", "withdrawn"), ("mail", "withdrawn")]
    assert [each.value["purpose"] for each in announced(world)] == [None, "marketing", "marketing"]
    assert [each.value["identifiers"] for each in announced(world)] == [[], [index(PHONE)], [index(MAIL)]]


def test_no_merge_no_split_and_no_second_coming_announces_it_again(world: World) -> None:
    event = world.happens(PHONE, **GIVEN)
    world.take([event])
    world.happens(USER)
    linked = world.happens(PHONE, USER, minute=1)
    world.decide(Kind.RETRACT, event=linked)

    changes = [each.value["type"] for each in announced(world, "siyu.identity.changed.v1")]
    assert {"person.merged", "person.split"} <= {*changes}
    assert statuses(world) == [("sms", "given")]


def test_what_is_taken_back_is_announced_and_what_stands_again_too(world: World) -> None:
    world.happens(PHONE, minute=0)
    event = world.happens(PHONE, **GIVEN, minute=1)
    directive = world.decide(Kind.RETRACT, event=event)
    world.restore(directive)

    given, retracted, again = announced(world)
    assert (retracted.value["status"], retracted.value["uid"]) == ("retracted", given.value["uid"])
    assert retracted.value["cause"] == [directive.id]
    assert retracted.value["version"] > given.value["version"]
    assert (again.value["status"], again.value["uid"]) == ("given", given.value["uid"])
    assert len({given.id, retracted.id, again.id}) == 3


def test_of_what_is_rolled_back_nothing_is_announced(world: World) -> None:
    event = world.event(PHONE, **GIVEN)

    def break_off() -> Any:
        with transaction(world.engine) as connection:
            stitch(connection, {event.uid: event}, RULES, INDEX, NOW)
            raise Refused("the last moment")

    with pytest.raises(Refused):
        break_off()
    assert announced(world) == []
