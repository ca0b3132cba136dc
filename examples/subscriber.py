"""A service that keeps a copy of who there is, and at which version, in a SQLite of its own.

    python examples/subscriber.py copy.sqlite --by sse       # SIYU_URL, SIYU_KEY (people:read)
    python examples/subscriber.py copy.sqlite --by kafka     # SIYU_KAFKA=host:9092
    python examples/subscriber.py copy.sqlite --by webhook   # SIYU_WEBHOOK_SECRET, listens on PORT

Kill it whenever you like: the place to go on from is kept in the transaction that keeps what was heard. Each way delivers at
least once, and a webhook in no order, so what is not newer than what is known is dropped.
"""

import argparse
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

import orjson
from kafka import KafkaConsumer, TopicPartition

from siyu.client import BEGINNING, Client, Event, Reset, Unauthorized, verify

UPDATED, IDENTITY = "siyu.profile.updated.v1", "siyu.identity.changed.v1"
TYPES = ["profile.updated", "person.retracted"]


class Copy:
    """People, at which version, and as of when; those who are somebody else now, or were taken back, are not *alive*."""

    def __init__(self, path: str) -> None:
        self._rows = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._turn = Lock()
        self._rows.execute("PRAGMA journal_mode = WAL")
        self._rows.execute(
            "CREATE TABLE IF NOT EXISTS person (id TEXT PRIMARY KEY, version INT, as_of REAL, alive INT)"
        )
        self._rows.execute("CREATE TABLE IF NOT EXISTS place (source TEXT PRIMARY KEY, place TEXT)")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep all of it, or nothing."""
        with self._turn:
            self._rows.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._rows.execute("ROLLBACK")
                raise
            self._rows.execute("COMMIT")

    def take(self, event: Event) -> None:
        """Make of *event* what it says."""
        told = event.data
        as_of = datetime.fromisoformat(told["as_of"]).timestamp()
        if event.type == UPDATED:
            self._put(told["person_id"], told["version"], as_of, alive=True)
            for other in told["merged_from"]:
                self._put(other, 0, as_of, alive=False)
        elif told["type"] == "person.retracted":
            self._put(told["person_id"], told["version"], as_of, alive=False)

    def begin_anew(self) -> None:
        """Forget everybody: what happened meanwhile cannot be told any more. Fill it again from an export, where you need all."""
        self._rows.execute("DELETE FROM person")

    def place(self, source: str) -> str | None:
        """Return the place to go on from."""
        found = self._rows.execute("SELECT place FROM place WHERE source = ?", [source]).fetchone()
        return found[0] if found else None

    def keep_place(self, source: str, place: str) -> None:
        """Keep the place to go on from, in the transaction that keeps what was heard up to there."""
        self._rows.execute("INSERT OR REPLACE INTO place VALUES (?, ?)", [source, place])

    def _put(self, person: str, version: int, as_of: float, *, alive: bool) -> None:
        """Keep what is newer: of two updates by version, of an update and an end by time; at one time the end was the later."""
        self._rows.execute(
            "INSERT INTO person VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
            " version = max(version, excluded.version), as_of = max(as_of, excluded.as_of), alive = excluded.alive"
            " WHERE CASE WHEN alive = excluded.alive THEN excluded.version > version"
            " ELSE excluded.as_of > as_of OR (alive AND excluded.as_of = as_of) END",
            [person, version, as_of, alive],
        )


def by_sse(copy: Copy) -> None:
    """Follow the stream."""
    with Client(os.environ["SIYU_URL"], os.environ["SIYU_KEY"]) as siyu:
        for heard in siyu.subscribe(TYPES, after=copy.place("sse") or BEGINNING):
            with copy.transaction():
                if isinstance(heard, Reset):
                    copy.begin_anew()
                else:
                    copy.take(heard)
                copy.keep_place("sse", heard.place or "")


def by_kafka(copy: Copy) -> None:
    """Follow the topics, all of their partitions; the places are ours, not those of a group at the broker."""
    consumer = KafkaConsumer(bootstrap_servers=os.environ["SIYU_KAFKA"], enable_auto_commit=False)
    parts = [TopicPartition(topic, n) for topic in (UPDATED, IDENTITY) for n in consumer.partitions_for_topic(topic)]
    consumer.assign(parts)
    for part in parts:
        consumer.seek(part, int(copy.place(f"{part.topic}/{part.partition}") or 0))
    while True:
        for part, records in consumer.poll(timeout_ms=1_000).items():
            with copy.transaction():
                for record in records:
                    headers = {name: value.decode() for name, value in record.headers}
                    attributes = {name: headers[f"ce_{name}"] for name in ("id", "type", "subject", "time")}
                    copy.take(Event(**attributes, data=orjson.loads(record.value)))
                copy.keep_place(f"{part.topic}/{part.partition}", str(records[-1].offset + 1))


def by_webhook(copy: Copy) -> None:
    """Take what is sent; who answers 204 has kept it."""

    class Receiver(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                event = verify(body, dict(self.headers), os.environ["SIYU_WEBHOOK_SECRET"])
                with copy.transaction():
                    copy.take(event)
                self.send_response(204)
            except Unauthorized:
                self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8700"))), Receiver).serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("copy")
    parser.add_argument("--by", choices=["sse", "kafka", "webhook"], default="sse")
    asked = parser.parse_args()
    sys.exit({"sse": by_sse, "kafka": by_kafka, "webhook": by_webhook}[asked.by](Copy(asked.copy)))
