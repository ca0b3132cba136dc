"""Making people again, against what others take for their components: `python -m bench.rebuild [--rounds 5]`.

On the installation that the settings name (its events stitched already), in one run: `siyu rebuild --check` from the recorded
events; then, interleaved, on the very same links held in memory as pairs of texts:

* *siyu*: encode them, find what hangs together, apply every rule, name the people (`stitcher.whole`);
* *networkx*: build a graph and ask for its `connected_components`;
* *splink*: `cluster_pairwise_predictions_at_threshold` on DuckDB, of the same pairs with probability 1.

The latter two know no rules. Last, retractions: an event of a small and of a large person, beside how long one takes at all.
Prints a table, and appends the figures to `bench/history.ndjson`.
"""

import argparse
import gc
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import networkx as nx
import orjson
import pyarrow as pa
from sqlalchemy import text

from core.directive import Directive, EventName, Kind
from core.event import decode
from siyu.system import System, opened
from stitcher import columns, examination, graph, kept, whole
from stitcher.carrying_out import carry_out
from stitcher.columns import Columns, Gathering

HISTORY = Path(__file__).parent / "history.ndjson"
PEOPLE_RETRACTED = 20


@dataclass(frozen=True, slots=True)
class Links:
    """The evidence of all events, and its links as pairs of texts."""

    evidence: Columns
    nodes: Sequence[str]
    ones: Sequence[str]
    others: Sequence[str]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m bench.rebuild", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    logging.getLogger("splink").setLevel(logging.ERROR)
    with opened() as system:
        figures: dict[str, Any] = {"at": datetime.now(UTC).isoformat(), "bench": "rebuild", "check": _checked(system)}
        print(orjson.dumps(figures["check"], option=orjson.OPT_INDENT_2).decode())
        links = _links(system)
        figures |= {
            "nodes": len(links.nodes),
            "links": len(links.ones),
            "seconds": _compared(system, links, asked.rounds),
        }
        figures["retraction_ms"] = _retracted(system)
    with HISTORY.open("ab") as history:
        history.write(orjson.dumps(figures) + b"\n")
    print(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode())


def _checked(system: System) -> Mapping[str, Any]:
    started = time.perf_counter()
    with system.engine.connect() as connection:
        report = examination.check(connection, system.rules, system.index)
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "events": report.events,
        "people": report.people,
        "differences": dict(report.differences),
    }


def _links(system: System) -> Links:
    gathering = Gathering()
    with system.engine.connect() as connection:
        examination.snapshot(connection)
        decided = kept.in_force(connection, system.index)
        for chunk in kept.events(connection):
            events = {each.uid: each.event for each in chunk}
            gathering.add(graph.read(events, system.rules, system.index, decided)[1])
    evidence = gathering.total(decided)
    nodes = columns.written(evidence.nodes.ids)
    one, other = evidence.links.one.tolist(), evidence.links.other.tolist()
    return Links(evidence, nodes, [nodes[i] for i in one], [nodes[i] for i in other])


def _compared(system: System, links: Links, rounds: int) -> Mapping[str, Mapping[str, float]]:
    ways: Mapping[str, Callable[[], int]] = {
        "siyu": lambda: _by_siyu(system, links),
        "networkx": lambda: _by_networkx(links),
        "splink": lambda: _by_splink(links),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            gc.collect()
            started = time.perf_counter()
            components = run()
            found[name].append(time.perf_counter() - started)
            print(f"{name}: {components:,} in {found[name][-1]:.2f} s", flush=True)
    return {name: _figures(times) for name, times in found.items()}


def _by_siyu(system: System, links: Links) -> int:
    known = columns.ids(links.nodes)
    one = columns.located(columns.ids(links.ones), known)
    other = columns.located(columns.ids(links.others), known)
    evidence = replace(links.evidence, links=replace(links.evidence.links, one=one, other=other))
    outcome = whole.decide(evidence, system.rules)
    return len(set(outcome.person.tolist()))


def _by_networkx(links: Links) -> int:
    everybody: nx.Graph[str] = nx.Graph()
    everybody.add_nodes_from(links.nodes)
    everybody.add_edges_from(zip(links.ones, links.others, strict=True))
    return sum(1 for _ in nx.connected_components(everybody))


def _by_splink(links: Links) -> int:
    from splink import DuckDBAPI  # noqa: PLC0415 - an extra, which only this needs
    from splink.clustering import cluster_pairwise_predictions_at_threshold  # noqa: PLC0415

    nodes = pa.table({"id": links.nodes})
    edges = pa.table({"id_l": links.ones, "id_r": links.others, "match_probability": pa.array([1.0] * len(links.ones))})
    clusters = cluster_pairwise_predictions_at_threshold(
        nodes,
        edges,
        DuckDBAPI(),
        node_id_column_name="id",
        edge_id_column_name_left="id_l",
        edge_id_column_name_right="id_r",
        threshold_match_probability=0.5,
    )
    relation: Any = clusters.as_duckdbpyrelation()
    return int(relation.aggregate("count(DISTINCT cluster_id)").fetchall()[0][0])


def _retracted(system: System) -> Mapping[str, Any]:
    """Retract events of small people and of the largest, each taken back afterwards, and say what one took."""
    found: dict[str, Any] = {}
    for name, order in (("small", "count(*), person_id"), ("largest", "count(*) DESC, person_id")):
        with system.engine.connect() as connection:
            rows = connection.execute(text(_EVENT_OF_EACH.format(order=order)), {"most": PEOPLE_RETRACTED}).all()
        times = [_retraction(system, row.body) for row in rows]
        identifiers = [int(row.identifiers) for row in rows]
        found[name] = {"identifiers": [min(identifiers), max(identifiers)], **_figures([t * 1000 for t in times])}
    return found


# Of so many people with at least two identifiers, one event each.
_EVENT_OF_EACH = """
    SELECT CAST(own.body AS text) AS body, person.identifiers
      FROM (SELECT person_id, count(*) AS identifiers FROM identifier WHERE standing = 0
             GROUP BY person_id HAVING count(*) > 1 ORDER BY {order} LIMIT :most) AS person
     CROSS JOIN LATERAL (
       SELECT touchpoint.body FROM identifier JOIN touchpoint ON touchpoint.anchor = identifier.id
        WHERE identifier.person_id = person.person_id
          AND identifier.component_id = (SELECT component_id FROM identifier AS it WHERE it.id = person.person_id)
        ORDER BY touchpoint.uid LIMIT 1
     ) AS own
"""


def _retraction(system: System, body: str) -> float:
    event = decode(body.encode())
    now = system.clock()
    retract = Directive(Kind.RETRACT, "bench", "to see what it takes", now, event=EventName(event.source, event.id))
    started = time.perf_counter()
    carry_out(system.engine, retract, system.rules, system.index, now)
    seconds = time.perf_counter() - started
    later = system.clock()
    back = Directive(Kind.RETRACT, "bench", "to leave all as it was", later, directive=retract.id)
    carry_out(system.engine, back, system.rules, system.index, later)
    return seconds


def _figures(values: Sequence[float]) -> Mapping[str, float]:
    return {"median": round(median(values), 3), "min": round(min(values), 3), "max": round(max(values), 3)}


if __name__ == "__main__":
    main()
