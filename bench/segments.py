"""Segments over the real cascades: `python -m bench.segments --base 2026-11-24T23:00:00+00:00 [--rounds 5] [--events 100]`.

On the installation that the settings name, which has taken what `python -m bench.weibo --base T` writes, and nothing else. The
segment is of those who read two articles or more within 14 days before *base*, and brought three readers or more. In one run:

* who is in it by SQL, by memory (of a sample of people), and by networkx from the cascades themselves, with none of our code;
* how long everybody takes in SQL, beside DuckDB on what it needs as one table (whose read, when, and by whose link);
* how long it takes from sending the event that lets somebody enter to reading of it on `siyu.segment.membership.v1`, through a
  running `siyu up`: p50 and p99.

Prints the figures, and appends them to `bench/history.ndjson`; 1 where anybody differs.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any, cast
from uuid import uuid4

import duckdb
import httpx
import orjson
import psycopg
from sqlalchemy import Connection, text

from api.reading import reading
from bench import recompute, weibo
from core.identifier import PersonId
from core.log.port import SEGMENT_MEMBERSHIP
from profiles.segments import everybody, facts, rulesets, store
from profiles.segments.conditions import AllOf, Brought, Condition, Read
from profiles.segments.judging import Measure, judge
from siyu.system import System, opened

HISTORY = Path(__file__).parent / "history.ndjson"
KEY = "bench-admin-key"
PORT = 8651
NAME = "bench_spreading_readers"
READ = Read(kind="read", at_least=2, within_days=14)
BROUGHT = Brought(kind="brought", at_least=3)
BOTH = AllOf(kind="all", of=(READ, BROUGHT))
SAMPLE_PEOPLE = 2_000
PATIENCE_SECONDS = 120.0


def main() -> int:
    """Run it."""
    asked = _arguments()
    figures: dict[str, Any] = {"at": datetime.now(UTC).isoformat(), "bench": "segments"}
    with opened() as system:
        expected = expected_users(asked.parquet)
        with reading(system.engine) as connection:
            figures |= _compared(connection, system, expected, asked.base)
            figures["seconds"] = _timed(connection, system, asked.base, asked.rounds)
        figures |= _latency(system, asked.events)
    with HISTORY.open("ab") as history:
        history.write(orjson.dumps(figures) + b"\n")
    print(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode())
    return 1 if figures["differences"] else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.segments", description=__doc__)
    parser.add_argument("--parquet", type=Path, default=weibo.PARQUET)
    parser.add_argument("--base", type=datetime.fromisoformat, required=True, help="as given to bench.weibo")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=100, help="people who enter, one after another")
    return parser.parse_args()


def expected_users(parquet: Path) -> set[int]:
    """Return the users who are in the segment, worked out from the cascades alone."""
    since_us = (weibo.WINDOW - timedelta(days=14)) // timedelta(microseconds=1)
    read: dict[int, set[int]] = defaultdict(set)
    brought: dict[int, set[int]] = defaultdict(set)
    for cascade in weibo.cascades(parquet):
        for at_us, user in zip(cascade.at_us, cascade.users, strict=True):
            if at_us > since_us:
                read[user].add(cascade.id)
        for sharer, reader in recompute.tree(cascade).edges:
            if sharer != recompute.PUSH:
                brought[sharer].add(reader)
    return {user for user, articles in read.items() if len(articles) >= 2 and len(brought[user]) >= 3}


def _compared(connection: Connection, system: System, expected: set[int], base: datetime) -> Mapping[str, Any]:
    rows = connection.execute(
        text("SELECT value, person_id::text FROM identifier WHERE namespace = 'wechat_openid' AND scope = 'wx-weibo'")
    )
    person_of = {int(value[1:]): PersonId(person) for value, person in rows}
    by_networkx = {person_of[user] for user in expected}
    by_sql = _people(connection, system, BOTH, base) & {*person_of.values()}  # a former run let others enter
    sample = random.Random(1).sample(sorted(person_of.values()), SAMPLE_PEOPLE)
    sample += random.Random(2).sample(sorted(by_networkx), min(len(by_networkx), SAMPLE_PEOPLE))
    started = time.perf_counter()
    known = facts.of_people(connection, set(sample), facts.wanted([BOTH], Measure(system.judged_by, base)), base)
    by_memory = {p for p, each in known.items() if judge(BOTH, each, Measure(system.judged_by, base)).holds}
    in_memory = time.perf_counter() - started
    return {
        "people": len(person_of),
        "in_it": len(by_networkx),
        "differences": len(by_sql ^ by_networkx) + len((by_memory ^ by_networkx) & set(sample)),
        "memory_us_per_person": round(1e6 * in_memory / len(known), 1),
    }


def _people(connection: Connection, system: System, condition: Condition, base: datetime) -> set[PersonId]:
    rules = rulesets.segment(NAME, condition, {})
    told = everybody.standings(connection, rules, [condition], Measure(system.judged_by, base))
    return {person for person, (band, _) in told.items() if band is not None}


def _timed(connection: Connection, system: System, base: datetime, rounds: int) -> Mapping[str, Any]:
    """Seconds, medians of *rounds*, each of which asks everything once."""
    by = Measure(system.judged_by, base)
    with tempfile.TemporaryDirectory() as scratch, duckdb.connect() as duck:
        _exported(connection, duck, Path(scratch) / "touched.csv")
        since = base - timedelta(days=14)
        kinds: Mapping[str, Callable[[], object]] = {
            "duckdb: who": lambda: duck.execute(_DUCKDB, [since]).fetchall(),
            "duckdb: how many brought": lambda: duck.execute(f"SELECT count(*) FROM ({_DUCKDB_BROUGHT})").fetchall(),
            "who": lambda: _people(connection, system, BOTH, base),
            "how many": lambda: everybody.count(connection, BOTH, by),
            "how many read": lambda: everybody.count(connection, READ, by),
            "how many brought": lambda: everybody.count(connection, BROUGHT, by),
        }
        if {str(row[0]) for row in duck.execute(_DUCKDB, [since]).fetchall()} != _people(
            connection, system, BOTH, base
        ):
            raise SystemExit("DuckDB says something else")
        taken: dict[str, list[float]] = defaultdict(list)
        for _ in range(rounds):
            for name, ask in kinds.items():
                started = time.perf_counter()
                ask()
                taken[name].append(time.perf_counter() - started)
    medians = {name: round(median(each), 3) for name, each in taken.items()}
    return {**medians, "who / duckdb": round(medians["who"] / medians["duckdb: who"], 2)}


def _exported(connection: Connection, duck: "duckdb.DuckDBPyConnection", file: Path) -> None:
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    with file.open("wb") as out, driver.cursor() as cursor, cursor.copy(_TOUCHED) as source:
        for part in source:
            out.write(part)
    duck.execute(f"CREATE TABLE touched AS FROM read_csv('{file}')")


_TOUCHED = """
    COPY (
      SELECT touch.article_id, reader.person_id AS person, touch.entered_at, touch.last_read_at, sharer.person_id AS sharer
        FROM article_touch AS touch JOIN identifier AS reader ON reader.id = touch.anchor
        LEFT JOIN (SELECT DISTINCT ON (article_id, token) article_id, token, anchor FROM share
                    ORDER BY article_id, token, shared_at, anchor) AS link USING (article_id, token)
        LEFT JOIN identifier AS sharer ON sharer.id = link.anchor
    ) TO STDOUT (FORMAT csv, HEADER)
"""
_DUCKDB_BROUGHT = """
    WITH entered AS (SELECT article_id, person, min(entered_at) AS at FROM touched GROUP BY ALL),
    first AS (
      SELECT article_id, person, arg_min(sharer, (entered_at, sharer IS NULL, sharer)) AS sharer
        FROM touched WHERE sharer IS DISTINCT FROM person GROUP BY ALL
    )
    SELECT first.sharer AS person
      FROM first JOIN entered USING (article_id, person)
      JOIN entered AS above ON above.article_id = first.article_id AND above.person = first.sharer
     WHERE (above.at, first.sharer) < (entered.at, first.person)
     GROUP BY first.sharer HAVING count(DISTINCT first.person) >= 3
"""
_DUCKDB = f"""
    SELECT person FROM ({_DUCKDB_BROUGHT}) SEMI JOIN (
      SELECT person FROM touched WHERE last_read_at > ? GROUP BY person HAVING count(DISTINCT article_id) >= 2
    ) USING (person)
"""


def _latency(system: System, people: int) -> Mapping[str, Any]:
    """Let *people* enter one after another, each by the third reader whom he brings."""
    with _running() as client, system.log.consumer(SEGMENT_MEMBERSHIP, f"bench-{uuid4()}") as consumer:
        client.delete(f"/v1/segments/{NAME}")
        _until(lambda: not _is_known(system))
        started = time.perf_counter()
        definition = {"name": NAME, "when": BOTH.model_dump(mode="json", exclude_none=True)}
        client.post("/v1/segments", json=definition).raise_for_status()
        _until(lambda: client.get(f"/v1/segments/{NAME}").json()["as_of"] is not None)
        filled = time.perf_counter() - started
        while consumer.read(1_000, 3.0):
            pass
        taken = []
        for number in range(people):
            last = _prepared(client, f"{uuid4().hex[:8]}-{number}")
            time.sleep(0.3)  # what was prepared is through
            began = time.perf_counter()
            client.post("/v1/events", json=last).raise_for_status()
            if not consumer.read(10, PATIENCE_SECONDS):
                raise SystemExit("nobody entered")
            taken.append(time.perf_counter() - began)
    cuts = quantiles(taken, n=100)
    return {
        "defined_to_live_seconds": round(filled, 2),
        "event_to_membership_ms": {"p50": _ms(median(taken)), "p99": _ms(cuts[98])},
    }


def _is_known(system: System) -> bool:
    with reading(system.engine) as connection:
        return NAME in store.all_sets(connection)


def _prepared(client: httpx.Client, name: str) -> dict[str, Any]:
    """Let *name* read two articles and share one, which two read; return the event by which a third does."""
    begun = datetime.now(UTC)
    told = [
        (name, "article.read", f"{name}-1", None),
        (name, "article.read", f"{name}-2", None),
        (name, "article.shared", f"{name}-1", f"s-{name}"),
        *((f"{name}-r{each}", "article.read", f"{name}-1", f"s-{name}") for each in range(3)),
    ]
    events = [_event(begun + timedelta(milliseconds=each), *told[each]) for each in range(len(told))]
    client.post("/v1/events", json={"events": events[:-1]}).raise_for_status()
    return events[-1]


def _event(at: datetime, who: str, kind: str, article: str, token: str | None) -> dict[str, Any]:
    return {
        "type": kind,
        "channel": "h5",
        "occurred_at": at.isoformat(),
        "identifiers": [f"wechat_openid@wx-bench:{who}"],
        "article": {"id": article},
        "share": {"token": token} if token else {},
    }


@contextmanager
def _running() -> Iterator[httpx.Client]:
    environment = {**os.environ, "SIYU_ADMIN_KEY": KEY, "SIYU_PORT": str(PORT)}
    up = subprocess.Popen([sys.executable, "-m", "siyu", "up"], env=environment, stdout=subprocess.DEVNULL)
    headers = {"Authorization": f"Bearer {KEY}"}
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", headers=headers, timeout=60) as client:
            _until(lambda: _is_up(client))
            yield client
    finally:
        up.terminate()
        up.wait()


def _is_up(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def _until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > ends:
            raise SystemExit("it did not come to be in time")
        time.sleep(0.2)


def _ms(seconds: float) -> float:
    return round(1_000 * seconds, 1)


if __name__ == "__main__":
    sys.exit(main())
