"""What leaves us are CloudEvents: the library of those who wrote the standard takes all of it."""

import asyncio
from collections.abc import Sequence

import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event
from sqlalchemy import Engine

from api.announced import ANNOUNCED, EXAMPLES, NAMES
from core import cloudevents, outbox
from core.cloudevents import STRUCTURED
from core.database import transaction
from core.directive import Directive, Kind
from core.identifier import parse
from core.log.port import QUARANTINE, TOPICS, Record
from core.outbox import Announcement, Cursor
from ingest.commit import GroupCommit
from ingest.intake import Intake, Refusal
from stitcher.deciding import publisher
from tests.api.world import World
from tests.ingest.given import NOW, SERVER, MemoryLog, event, receiver

PHONE, USER = "phone:13912345678", "user_id:A"


def of_kafka(record: Record) -> BaseCloudEvent:
    headers = {name: value.encode() for name, value in record.headers.items()}
    return from_kafka_event(KafkaMessage(headers, record.key, record.value))


def of_http(body: bytes) -> BaseCloudEvent:
    return from_http_event(HTTPMessage({"content-type": STRUCTURED}, body))


def announced(engine: Engine) -> Sequence[Announcement]:
    with transaction(engine) as connection:
        rows = outbox.read(connection, Cursor(), 100)
    return [each for row in rows for each in row.announcements]


def refused(*refusals: Refusal) -> Sequence[Record]:
    """The records that the topic of what could not be taken has of *refusals*, by a sender whose name is no URI."""
    log = MemoryLog()

    async def keep() -> None:
        commit = GroupCommit(log, QUARANTINE)
        intake = Intake(receiver(), commit, commit, lambda: NOW)
        for refusal in refusals:
            await intake.keep([refusal], "短信:main", b"<xml>\xff")
        await intake.close()

    asyncio.run(keep())
    return log.records


def test_whatever_is_announced_of_people_is_a_cloudevent_on_every_way(engine: Engine) -> None:
    world = World(engine)
    world.happens(PHONE)
    world.happens(USER)
    world.happens(PHONE, USER, minute=1)
    world.happens(PHONE, minute=2, type="sms.opted_out", channel="sms")

    told = announced(engine)
    assert {cloudevents.name(each) for each in told} >= {"person.created", "person.merged", "profile.updated"}
    assert {cloudevents.name(each) for each in told} <= NAMES
    for each in told:
        binary, structured = of_kafka(cloudevents.binary(each)), of_http(cloudevents.structured(each))
        assert (binary.get_data(), structured.get_data()) == (each.value, each.value)
        for read in (binary, structured):
            assert (read.get_id(), read.get_type(), read.get_subject()) == (each.id, each.topic, each.key)
            assert (read.get_source(), read.get_time()) == ("/siyu", each.time)
            assert read.get_datacontenttype() == "application/json"
    assert len({each.id for each in told if each.topic}) == len(told)


@pytest.mark.parametrize("topic", ANNOUNCED)
def test_every_topic_of_announcements_is_one_of_cloudevents(topic: str) -> None:
    told = Announcement(topic, "k", "e", topic, NOW, EXAMPLES[topic])

    assert of_kafka(cloudevents.binary(told)).get_data() == EXAMPLES[topic]
    assert of_http(cloudevents.structured(told)).get_data() == EXAMPLES[topic]


def test_an_event_is_a_cloudevent_of_its_sender() -> None:
    taken, record = receiver().receive(event(id="1"), SERVER)

    read = of_kafka(record)
    assert (read.get_id(), read.get_type()) == (taken.uid, "siyu.events.v1")
    assert (read.get_source(), read.get_time()) == (f"/siyu/{SERVER.source}", taken.occurred_at)
    assert isinstance(read.get_data(), dict)


def test_a_directive_is_a_cloudevent() -> None:
    log = MemoryLog()
    directive = Directive(Kind.BLOCK, "tests", "because", NOW, (parse(PHONE),))
    publisher(log)(directive)

    [record] = log.records
    read = of_kafka(record)
    assert (read.get_id(), read.get_type(), read.get_time()) == (directive.id, "siyu.directives.v1", NOW)


def test_what_was_refused_is_a_cloudevent_with_the_reason_whatever_it_is() -> None:
    document = {"type": "unheard.of"}
    json, text, again, bare = refused(
        Refusal(document, "unknown_type", "“unheard.of”\nis no type"),
        Refusal(b"<xml>\xff", "unreadable", "no XML"),
        Refusal(document, "unknown_type", "“unheard.of”\nis no type"),
        Refusal(object(), "unreadable", "no JSON"),
    )

    read = of_kafka(json)
    assert (read.get_type(), read.get_source()) == (QUARANTINE, "/siyu/%E7%9F%AD%E4%BF%A1%3Amain")
    assert (read.get_data(), read.get_subject()) == (document, "短信:main")
    assert (read.get_extension("code"), read.get_extension("detail")) == ("unknown_type", "“unheard.of”\nis no type")
    assert of_kafka(text).get_data() == of_kafka(bare).get_data() == b"<xml>\xff"
    assert of_kafka(text).get_datacontenttype() == "application/octet-stream"
    assert of_kafka(again).get_id() == read.get_id()
    assert len({of_kafka(each).get_id() for each in (json, text)}) == 2


def test_no_topic_is_forgotten() -> None:
    assert {*EXAMPLES} == {*TOPICS} > {*ANNOUNCED}
