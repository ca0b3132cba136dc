"""What a stitcher must not be hurt by: `python -m bench.stress [--url postgresql://…] [--scale 1.0] [--only WORD] [--batch 100]`.

Sends each of `bench.scenarios` through `stitcher.stitch`, one event a transaction as a live stream would (or a batch of them),
and says what the events at the end cost against those at the beginning: seconds, seconds of our own processor, and how many
identifiers and links were looked at. Whoever comes of it is compared with who should have. Prints a table, and appends the
figures to `bench/history.ndjson`. The databases are its own: one for each scenario, gone after it.
"""

import argparse
import atexit
import shutil
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import orjson
from sqlalchemy import Connection, Engine, make_url, text

import siyu.tables  # noqa: F401 - tables are registered by the modules that own them
from bench.scenarios import RECEIVED, Outcome, Scenario, Stage, scenarios
from core import embedded
from core.database import connect, transaction, upgrade
from core.event import Event
from core.identifier import BlindIndex
from profiles.people import Standing
from stitcher import large, rules, store
from stitcher.carrying_out import carry_out
from stitcher.stitch import stitch
from stitcher.store import Region

HISTORY = Path(__file__).parent / "history.ndjson"
RATIO_MAX = 3.0
WARM_UP = 20
NOW = RECEIVED

_INDEX = BlindIndex(b"the key of the bench, 32 bytes..")
_RULES = rules.shipped()


@dataclass(frozen=True, slots=True)
class Cost:
    """What one event took: milliseconds, those of them in which our own processor worked, and rows looked at."""

    wall_ms: float
    own_ms: float
    rows: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What a stage cost, in the median of its *first* tenth and of its *last*; *sent* of *of* events, and whether what came of
    it *is_right* (`None`: it is not known what should have)."""

    scenario: str
    stage: str
    batch: int
    sent: int
    of: int
    first: Cost
    last: Cost
    worst_ms: float
    is_right: bool | None

    @property
    def ratio(self) -> float:
        """How many times the cost at the beginning an event costs at the end."""
        return self.last.wall_ms / self.first.wall_ms


@dataclass(slots=True)
class _Looked:
    rows: int = 0
    costs: list[Cost] = field(default_factory=list)


def main() -> int:
    """Run it; 1 where anything came out otherwise than it should, or got too dear."""
    asked = _arguments()
    chosen = [scenario for scenario in scenarios(asked.scale) if asked.only in scenario.name]
    url = asked.url or _server()
    with _looking() as looked, HISTORY.open("ab") as history:
        print(_HEAD)
        found = []
        for scenario in chosen:
            for figures in _run(url, scenario, asked.batch, asked.seconds, looked):
                found.append(figures)
                print(_line(figures), flush=True)
                said = {"at": datetime.now(UTC).isoformat(), "bench": "stress", **asdict(figures)}
                history.write(orjson.dumps(said) + b"\n")
    return 0 if all(f.is_right is not False and (f.ratio <= RATIO_MAX or f.of < WARM_UP) for f in found) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.stress", description=__doc__)
    parser.add_argument(
        "--url", help="a server on which databases may be made; without it, one starts in a temporary folder"
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="make scenarios that may be of any size so much larger"
    )
    parser.add_argument("--only", default="", help="a part of the names of the scenarios to run")
    parser.add_argument("--batch", type=int, default=1, help="how many events a transaction takes")
    parser.add_argument("--seconds", type=float, default=300.0, help="after which a stage sends no further events")
    return parser.parse_args()


def _server() -> str:
    directory = Path(mkdtemp(prefix="siyu-stress-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)  # before the server's own, so that it runs after it
    return embedded.start(directory)


def _run(url: str, scenario: Scenario, batch: int, seconds: float, looked: _Looked) -> Iterator[Figures]:
    with _database(url) as engine:
        sent: list[Event] = []
        for stage in scenario.stages:
            looked.costs = []
            before = len(sent)
            until = time.monotonic() + seconds
            if stage.directive:
                with _counted(looked, 1):
                    carry_out(engine, stage.directive, _RULES, _INDEX, stage.directive.decided_at)
            for start in range(0, len(stage.events), batch):
                if time.monotonic() > until:
                    break
                events = stage.events[start : start + batch]
                with _counted(looked, len(events)), transaction(engine) as connection:
                    stitch(connection, {event.uid: event for event in events}, _RULES, _INDEX, NOW)
                sent += events
            with engine.connect() as connection:
                expected = stage.expected(sent)
                is_right = outcome(connection) == expected if expected else None
            yield _figures(scenario, stage, batch, len(sent) - before, looked.costs, is_right)
            if len(sent) - before < len(stage.events):
                return


@contextmanager
def _database(url: str) -> Iterator[Engine]:
    name = f"siyu_stress_{uuid4().hex}"
    server = connect(url).execution_options(isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine = connect(make_url(url).set(database=name).render_as_string(hide_password=False))
    try:
        upgrade(engine)
        yield engine
    finally:
        engine.dispose()
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        server.dispose()


@contextmanager
def _looking() -> Iterator[_Looked]:
    """Count the rows that the stitcher loads."""
    looked = _Looked()

    def counting(look: Callable[..., Region | None]) -> Callable[..., Region | None]:
        def counted(*args: Any, **kwargs: Any) -> Region | None:
            region = look(*args, **kwargs)
            looked.rows += len(region.members) + len(region.evidence.links) if region else 0
            return region

        return counted

    with patch.object(store, "load", counting(store.load)), patch.object(large, "region", counting(large.region)):
        yield looked


@contextmanager
def _counted(looked: _Looked, events: int) -> Iterator[None]:
    looked.rows = 0
    wall, own = time.perf_counter(), time.process_time()
    yield
    wall, own = time.perf_counter() - wall, time.process_time() - own
    looked.costs.append(Cost(1_000 * wall / events, 1_000 * own / events, looked.rows / events))


def _figures(
    scenario: Scenario, stage: Stage, batch: int, sent: int, costs: Sequence[Cost], is_right: bool | None
) -> Figures:
    warm = costs[min(max(1, WARM_UP // batch), len(costs) // 10) :]
    tenth = max(1, len(warm) // 10)
    worst = max(cost.wall_ms for cost in warm)
    first, last = _median(warm[:tenth]), _median(warm[-tenth:])
    return Figures(scenario.name, stage.name, batch, sent, len(stage.events), first, last, worst, is_right)


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        round(median(cost.wall_ms for cost in costs), 2),
        round(median(cost.own_ms for cost in costs), 2),
        median(cost.rows for cost in costs),
    )


def outcome(connection: Connection) -> Outcome:
    """Return what the tables say."""
    texts = "namespace || CASE scope WHEN '' THEN '' ELSE '@' || scope END || ':' || value"
    rows = connection.execute(text(f"SELECT id::text, person_id::text, {texts}, standing FROM identifier")).all()
    named = {row[0]: row[2] for row in rows}
    members: dict[str, set[str]] = defaultdict(set)
    by_standing: dict[Standing, set[str]] = defaultdict(set)
    for _, person, name, standing in rows:
        by_standing[Standing(standing)].add(name)
        if Standing(standing).is_somebodys:
            members[person].add(name)
    refused = connection.execute(text("SELECT refused FROM link WHERE refused IS NOT NULL")).scalars()
    return Outcome(
        people=frozenset((named[person], frozenset(own)) for person, own in members.items()),
        contested=frozenset(by_standing[Standing.CONTESTED]),
        generic=frozenset(by_standing[Standing.GENERIC]),
        presumed=frozenset(by_standing[Standing.PRESUMED]),
        refused=Counter(refused),
    )


_HEAD = (
    f"{'':64} {'events':>15} {'first: ms own rows':>22} {'last: ms own rows':>24} {'worst ms':>9} {'ratio':>6}  outcome"
)


def _line(figures: Figures) -> str:
    first, last = (f"{c.wall_ms:.1f} {c.own_ms:.1f} {c.rows:,.0f}" for c in (figures.first, figures.last))
    name = f"{figures.scenario}: {figures.stage}"
    many = f"{figures.sent:,}/{figures.of:,}"
    verdict = {True: "right", False: "WRONG", None: "unfinished"}[figures.is_right]
    return f"{name:64} {many:>15} {first:>22} {last:>24} {figures.worst_ms:9.1f} {figures.ratio:6.2f}  {verdict}"


if __name__ == "__main__":
    sys.exit(main())
