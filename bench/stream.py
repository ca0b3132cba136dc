"""Many who listen to the stream of one process: `python -m bench.stream [--listeners 1000] [--rates 10 50 200] [--seconds 10]`.

Starts `siyu api` on a fresh embedded PostgreSQL, connects the listeners from a process of their own and one more that never
reads, and announces at each rate, one announcement a transaction. Prints the memory that a listener takes, and for every rate
how long it took from the commit until the listeners had it (milliseconds, over all of them), and how many had it not at all.
"""

import argparse
import asyncio
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import psutil
from sqlalchemy import Engine

from core import embedded, outbox
from core.database import connect, transaction
from core.log.port import PROFILE_UPDATED
from core.outbox import Announcement

KEY = "bench-admin-key"
PORT = 8651
PATIENCE_SECONDS = 10.0  # after the last announcement
SIYU = [sys.executable, "-m", "siyu"]

_ID = re.compile(rb'"id":"(\d+)"')


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m bench.stream", description=__doc__)
    parser.add_argument("--listeners", type=int, default=1_000)
    parser.add_argument("--rates", type=int, nargs="+", default=[10, 50, 200])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--listen", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.listen:
        asyncio.run(_listen(asked.listeners))
        return
    with tempfile.TemporaryDirectory() as scratch:
        url = embedded.start(Path(scratch))
        print(orjson.dumps(_measured(url, asked), option=orjson.OPT_INDENT_2).decode())


def _measured(url: str, asked: argparse.Namespace) -> Mapping[str, Any]:
    given = {"SIYU_DATABASE_URL": url, "SIYU_ADMIN_KEY": KEY, "SIYU_PORT": str(PORT), "SIYU_SECRET_KEY": "0" * 64}
    environment = {**os.environ, **given}
    subprocess.run([*SIYU, "db", "upgrade"], env=environment, check=True, stdout=subprocess.DEVNULL)
    engine = connect(url)
    with _answering(environment) as server, _never_reading():
        before = server.memory_info().rss
        with _listening(asked.listeners) as listeners:
            each = (server.memory_info().rss - before) / asked.listeners
            rates = {str(rate): _at(engine, rate, asked.seconds, listeners, asked.listeners) for rate in asked.rates}
        after = server.memory_info().rss
    engine.dispose()
    return {
        "listeners": asked.listeners,
        "kib_each": round(each / 1024, 1),
        "mib_before": before >> 20,
        "mib_after": after >> 20,
        "milliseconds_by_announcements_a_second": rates,
    }


def _at(
    engine: Engine, rate: int, seconds: float, listeners: "subprocess.Popen[bytes]", number: int
) -> Mapping[str, Any]:
    """Announce so many a second for so long, and return how long it took until the listeners had it."""
    committed = _announced(engine, rate, seconds)
    assert listeners.stdin is not None
    assert listeners.stdout is not None
    listeners.stdin.write(orjson.dumps(len(committed)) + b"\n")
    listeners.stdin.flush()
    heard: Sequence[tuple[int, float]] = orjson.loads(listeners.stdout.readline())
    delays = [1_000 * (at - committed[event]) for event, at in heard]
    hundredths = statistics.quantiles(delays, n=100)
    return {
        "p50": round(hundredths[49], 1),
        "p99": round(hundredths[98], 1),
        "max": round(max(delays), 1),
        "announced_a_second": round(len(committed) / (max(committed.values()) - min(committed.values())), 1),
        "missing": len(committed) * number - len(heard),
    }


def _announced(engine: Engine, rate: int, seconds: float) -> Mapping[int, float]:
    """Announce, and return when each was committed, by its id (by the clock of this machine, which listeners read too)."""
    committed = {}
    began = time.time()
    for number in range(round(rate * seconds)):
        time.sleep(max(0.0, began + number / rate - time.time()))
        person = str(uuid4())
        value = {"person_id": person, "version": 1, "reason": "event", "changed": ["activity"], "merged_from": []}
        event = time.time_ns()
        told = Announcement(PROFILE_UPDATED, person, str(event), PROFILE_UPDATED, datetime.now(UTC), value)
        with transaction(engine) as connection:
            outbox.enqueue(connection, [told])
        committed[event] = time.time()
    return committed


@contextmanager
def _answering(environment: Mapping[str, str]) -> Iterator[psutil.Process]:
    api = subprocess.Popen([*SIYU, "api"], env=dict(environment), stderr=subprocess.PIPE)
    assert api.stderr is not None
    api.stderr.readline()  # it says so once it serves
    try:
        yield psutil.Process(api.pid)
    finally:
        api.terminate()
        api.wait()
        api.stderr.close()


@contextmanager
def _never_reading() -> Iterator[None]:
    with socket.create_connection(("127.0.0.1", PORT)) as lazy:
        lazy.sendall(_request())
        yield


@contextmanager
def _listening(number: int) -> Iterator["subprocess.Popen[bytes]"]:
    """Start so many listeners in a process of their own; what each has heard it says when it is told how much there was."""
    command = [sys.executable, "-m", "bench.stream", "--listen", "--listeners", str(number)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as listeners:
        assert listeners.stdout is not None
        listeners.stdout.readline()  # all of them are connected
        yield listeners
        listeners.terminate()


def _request() -> bytes:
    return f"GET /v1/stream HTTP/1.1\r\nHost: siyu\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()


async def _listen(number: int) -> None:
    """Listen, and for each line on stdin, how much there was, write what was heard of it: ids, and when."""
    heard: list[tuple[int, float]] = []
    streams = [await asyncio.open_connection("127.0.0.1", PORT) for _ in range(number)]
    for _, writer in streams:
        writer.write(_request())
    for reader, _ in streams:
        await reader.readuntil(b"\r\n\r\n")
    listening = [asyncio.create_task(_hear(reader, heard)) for reader, _ in streams]
    await asyncio.sleep(1.0)
    print("connected", flush=True)
    while expected := await asyncio.to_thread(sys.stdin.readline):
        until = time.time() + PATIENCE_SECONDS
        while len(heard) < int(expected) * number and time.time() < until:
            await asyncio.sleep(0.1)
        print(orjson.dumps(heard).decode(), flush=True)
        heard.clear()
    for task in listening:
        task.cancel()


async def _hear(reader: asyncio.StreamReader, heard: list[tuple[int, float]]) -> None:
    rest = b""
    while data := await reader.read(1 << 16):
        at = time.time()
        whole, end, rest = (rest + data).rpartition(b"\r\n\r\n")
        heard += [(int(event), at) for event in _ID.findall(whole + end)]


if __name__ == "__main__":
    main()
