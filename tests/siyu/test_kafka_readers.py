"""Readers of our topics that know nothing of us: a plain consumer, and kcat."""

import subprocess
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event
from confluent_kafka import Consumer
from sqlalchemy import Engine, text

from api.announced import VALUES
from core.database import transaction
from core.log.kafka import KafkaLog
from core.log.port import CONSENT_CHANGED, IDENTITY_CHANGED, PROFILE_UPDATED
from core.relay import Relay
from tests.api.world import World
from tests.npm import needs

pytestmark = pytest.mark.kafka

PHONE, USER = "phone:13912345678", "user_id:A"
TOPICS = (PROFILE_UPDATED, IDENTITY_CHANGED, CONSENT_CHANGED)
SECONDS_MAX = 60


@pytest.fixture
def announced(engine: Engine, kafka_servers: list[str]) -> Iterator[dict[str, dict[str, Any]]]:
    """What was announced, and relayed to Kafka: the values by id."""
    world = World(engine)
    world.happens(PHONE, type="consent.given", properties={"channel": "sms"})
    world.happens(USER)
    world.happens(PHONE, USER, minute=1)
    with transaction(engine) as connection:
        rows = connection.execute(text("SELECT messages FROM outbox")).scalars().all()
    log = KafkaLog(kafka_servers, 4)
    Relay(engine, log).drain()
    yield {each["id"]: each["value"] for messages in rows for each in messages}
    log.close()


def test_a_plain_consumer_reads_our_topics(kafka_servers: list[str], announced: dict[str, dict[str, Any]]) -> None:
    consumer = Consumer(
        {"bootstrap.servers": ",".join(kafka_servers), "group.id": "plain", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([*TOPICS])
    read: dict[str, BaseCloudEvent] = {}
    until = time.monotonic() + SECONDS_MAX
    while announced.keys() - read.keys() and time.monotonic() < until:
        message = consumer.poll(1.0)
        if message is not None and not message.error():
            headers: dict[str, Any] = dict(message.headers() or [])
            told = from_kafka_event(KafkaMessage(headers, message.key(), message.value() or b""))
            assert told.get_subject() == (message.key() or b"").decode()
            assert told.get_type() == message.topic()
            read[told.get_id()] = told
    consumer.close()

    assert {id_: read[id_].get_data() for id_ in announced} == announced
    for each in read.values():
        VALUES[each.get_type()].validate_python(each.get_data())


def test_kcat_reads_our_topics(kafka_servers: list[str], announced: dict[str, dict[str, Any]]) -> None:
    kcat = needs("kcat")  # Debian has it
    read: dict[str, dict[str, Any]] = {}
    for topic in TOPICS:
        command = [kcat, "-C", "-b", ",".join(kafka_servers), "-t", topic, "-o", "beginning", "-e", "-q", "-J"]
        lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=SECONDS_MAX).stdout.splitlines()
        for line in map(orjson.loads, lines):
            headers = dict(zip(line["headers"][::2], line["headers"][1::2], strict=True))
            assert (headers["ce_type"], headers["ce_specversion"]) == (topic, "1.0")
            assert headers["content-type"] == "application/json"
            read[headers["ce_id"]] = orjson.loads(line["payload"])

    assert {id_: read[id_] for id_ in announced} == announced
