"""Subscribers that are killed again and again: `python -m bench.subscribers [--events 100000] [--by sse webhook kafka]`.

Starts a whole Siyu on embedded PostgreSQL (and on an Apache Kafka, where one subscriber reads that), publishes generated events
of people who merge and, as events are retracted, part again, and lets `examples/subscriber.py` keep a copy by each way; each is
killed (SIGKILL) at random and started anew. In the end every copy has to be what the API shows: who there is, at which version.
Prints the figures as JSON; 1 where a copy differs.
"""

import argparse
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx
import orjson

from siyu.client import Client

ROOT = Path(__file__).parent.parent
KEY = "bench-admin-key"
EVENTS_OF_A_USER = 10
RETRACTED_OF = 1_000  # one event of so many
KILL_SECONDS = 2.0, 8.0
QUIET_SECONDS = 8.0  # a copy that has not changed for so long has all it will get at once
RESEND_SECONDS = 10.0
ASKERS = 8
DAY = datetime(2026, 11, 1, tzinfo=UTC)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m bench.subscribers", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--by", nargs="+", choices=["sse", "webhook", "kafka"], default=["sse", "webhook", "kafka"])
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    figures = run(asked.events, asked.by, asked.seed)
    print(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode())
    return 1 if any(each["missing"] or each["extra"] or each["wrong"] for each in figures["copies"].values()) else 0


def run(events: int, ways: Sequence[str], seed: int) -> Mapping[str, Any]:
    """Run it, and return the figures."""
    choose = Random(seed)
    port = _free_port()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as open_:
        folder = Path(scratch)
        environment = {**os.environ, "SIYU_DATA_DIR": str(folder / "siyu"), "SIYU_ADMIN_KEY": KEY}
        environment |= {"SIYU_PORT": str(port), "SIYU_WEBHOOK_HOSTS_ALLOWED": "127.0.0.1", "PYTHONPATH": str(ROOT)}
        if "kafka" in ways:
            environment["SIYU_LOG_URL"] = f"kafka://{open_.enter_context(_kafka(folder / 'kafka'))}"
            environment["SIYU_LOG_REPLICATION"] = "1"
        url = f"http://127.0.0.1:{port}"
        headers = {"Authorization": f"Bearer {KEY}"}
        http = open_.enter_context(httpx.Client(base_url=url, headers=headers, timeout=60))
        open_.enter_context(_up(environment, folder / "log", http))
        siyu = open_.enter_context(Client(url, KEY))
        subscribers = {way: _subscriber(way, folder, environment, http) for way in ways}
        for each in subscribers.values():
            open_.enter_context(each.killed_at_random(Random(choose.random())))
        _publish(siyu, http, events, choose)
        published = time.monotonic() - began
        _wait_until_quiet(subscribers.values())
        for each in subscribers.values():
            each.spare()
        _resend(http)
        _wait_until_quiet(subscribers.values())
        people = _people(siyu, environment)
        copies = {way: _compared(each, people) for way, each in subscribers.items()}
    return {
        "events": events,
        "seed": seed,
        "people": len(people),
        "seconds_publishing": round(published, 1),
        "seconds": round(time.monotonic() - began, 1),
        "copies": copies,
    }


@dataclass
class Subscriber:
    """A process that keeps a copy in the file *copy*, and how often it was killed."""

    command: Sequence[str]
    environment: Mapping[str, str]
    copy: Path
    kills: int = 0
    _spared: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def killed_at_random(self, choose: Random) -> Iterator[None]:
        """Keep it running, killed at random until it is spared."""
        ended = threading.Event()
        thread = threading.Thread(target=self._run, args=(choose, ended))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            self._spared.set()
            thread.join()

    def spare(self) -> None:
        """Kill it no more."""
        self._spared.set()

    def people(self) -> Mapping[str, int]:
        """Return the copy: versions by person; nobody, where it is not there yet."""
        try:
            with sqlite3.connect(f"file:{self.copy}?mode=ro", uri=True) as rows:
                return dict(rows.execute("SELECT id, version FROM person WHERE alive = 1").fetchall())
        except sqlite3.OperationalError:
            return {}

    def _run(self, choose: Random, ended: threading.Event) -> None:
        while not ended.is_set():
            process = subprocess.Popen(self.command, env=dict(self.environment))
            if self._spared.wait(choose.uniform(*KILL_SECONDS)):
                ended.wait()
            else:
                self.kills += 1
            process.send_signal(signal.SIGKILL)
            process.wait()


def _subscriber(way: str, folder: Path, environment: Mapping[str, str], http: httpx.Client) -> Subscriber:
    port = _free_port()
    given = {"SIYU_URL": str(http.base_url), "SIYU_KEY": KEY, "PORT": str(port)}
    if way == "kafka":
        given["SIYU_KAFKA"] = environment["SIYU_LOG_URL"].removeprefix("kafka://")
    if way == "webhook":
        given["SIYU_WEBHOOK_SECRET"] = _named(http, f"http://127.0.0.1:{port}/")
    copy = folder / f"{way}.sqlite"
    command = [sys.executable, str(ROOT / "examples" / "subscriber.py"), str(copy), "--by", way]
    return Subscriber(command, {**environment, **given}, copy)


def _named(http: httpx.Client, url: str) -> str:
    wish = {"url": url, "types": ["profile.updated", "person.retracted"]}
    time.sleep(2.0)  # a webhook hears of what is announced after the first look of what delivers
    made = http.post("/v1/webhooks", json=wish)
    return str(made.raise_for_status().json()["secret"])


def _publish(siyu: Client, http: httpx.Client, number: int, choose: Random) -> None:
    """Publish *number* events of people who come by several devices, and retract some."""
    with siyu.publisher() as publisher:
        for sent, event in enumerate(_events(number, choose)):
            publisher.put(event)
            if choose.random() < 1 / RETRACTED_OF:
                _retract(http, f"e{choose.randrange(sent // 2 + 1)}")


def _retract(http: httpx.Client, event_id: str) -> None:
    """Retract an event; one that is not stitched yet stays."""
    wish = {"kind": "retract", "event": {"source": "admin", "id": event_id}, "why": "it was a test"}
    answer = http.post("/v1/directives", json=wish)
    if answer.status_code != httpx.codes.NOT_FOUND:
        answer.raise_for_status()


def _events(number: int, choose: Random) -> Iterator[Mapping[str, Any]]:
    users = max(1, number // EVENTS_OF_A_USER)
    for n in range(number):
        user = choose.randrange(users)
        device = f"anonymous_id@web:{user}-{choose.randrange(3)}"
        known = [f"user_id:{user}"] if choose.random() < 0.2 else []
        reached = [f"phone:+86139{user:08d}"] if choose.random() < 0.05 else []
        yield {
            "id": f"e{n}",
            "type": "page.viewed",
            "channel": "web",
            "occurred_at": (DAY + timedelta(seconds=n)).isoformat(),
            "identifiers": [device, *known, *reached],
            "strength": "proven",
        }


def _wait_until_quiet(subscribers: Iterable[Subscriber]) -> None:
    """Wait until no copy has changed for a while."""
    before: list[Mapping[str, int]] = []
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < QUIET_SECONDS:
        now = [each.people() for each in subscribers]
        if now != before:
            before, quiet_since = now, time.monotonic()
        time.sleep(1.0)


def _people(siyu: Client, environment: Mapping[str, str]) -> Mapping[str, int]:
    """Return who there is, at which version, as the API shows it."""
    command = [sys.executable, "-m", "siyu", "export", "people", "--json"]
    exported = subprocess.run(command, env=dict(environment), check=True, stdout=subprocess.PIPE).stdout
    ids = [row["person_id"] for row in map(orjson.loads, exported.splitlines()) if "person_id" in row]
    with ThreadPoolExecutor(ASKERS) as askers:
        return dict(zip(ids, askers.map(lambda person: siyu.profile(person).version, ids), strict=True))


def _resend(http: httpx.Client) -> None:
    """Ask for what webhooks have not taken, now that they are up for good, until nothing waits."""
    for webhook in http.get("/v1/webhooks").json()["data"]:
        address = f"/v1/webhooks/{webhook['id']}"
        while http.get(f"{address}/deliveries", params={"status": "waiting", "limit": 1}).json()["data"]:
            http.post(f"{address}/resend", params={"since": DAY.isoformat()}).raise_for_status()
            time.sleep(RESEND_SECONDS)


def _compared(subscriber: Subscriber, people: Mapping[str, int]) -> Mapping[str, int]:
    copy = subscriber.people()
    both = copy.keys() & people.keys()
    return {
        "kills": subscriber.kills,
        "people": len(copy),
        "missing": len(people.keys() - copy.keys()),
        "extra": len(copy.keys() - people.keys()),
        "wrong": sum(copy[person] != people[person] for person in both),
    }


@contextmanager
def _up(environment: Mapping[str, str], log: Path, http: httpx.Client) -> Iterator[None]:
    with log.open("wb") as said:
        process = subprocess.Popen([sys.executable, "-m", "siyu", "up"], env=dict(environment), stderr=said)
        try:
            while not _is_ready(http):
                if process.poll() is not None:
                    raise SystemExit(log.read_text())
                time.sleep(0.2)
            yield
        finally:
            process.terminate()
            process.wait()


def _is_ready(http: httpx.Client) -> bool:
    try:
        return http.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def _kafka(folder: Path) -> Iterator[str]:
    script = str(ROOT / "scripts" / "kafka")
    start = [script, "start", "--port", str(_free_port()), "--dir", str(folder)]
    try:
        yield subprocess.run(start, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    finally:
        subprocess.run([script, "stop", "--dir", str(folder)], check=True)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
