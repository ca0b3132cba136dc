"""The real cascades, end to end: `python -m bench [--cascades N] [--log kafka://127.0.0.1:9092] [--data-dir DIR]`.

Writes the events, brings them in with `siyu ingest --wait`, compares every article with an independent recomputation, and
measures how long answers take. Prints a table, and appends the figures to `bench/history.ndjson`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import psutil

from bench import latency, recompute, weibo

HISTORY = Path(__file__).parent / "history.ndjson"
KEY = "bench-admin-key"
PORT = 8650


def main() -> int:
    """Run it; 1 where any article differs from the recomputation."""
    asked = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        data_dir = asked.data_dir or Path(scratch) / "siyu"
        environment = {**os.environ, "SIYU_DATA_DIR": str(data_dir), "SIYU_ADMIN_KEY": KEY, "SIYU_PORT": str(PORT)}
        if asked.log:
            environment["SIYU_LOG_URL"] = asked.log
        figures: dict[str, Any] = {"at": datetime.now(UTC).isoformat(), "log": asked.log or "postgres:"}
        events = Path(scratch) / "weibo.ndjson"
        figures |= _written(asked.parquet, events, asked.cascades)
        figures |= _ingested(events, environment)
        with _answering(environment) as url:
            expected = recompute.recompute(asked.parquet, asked.cascades)
            differences = recompute.compare(url, KEY, expected)
            users = [u for cascade in weibo.cascades(asked.parquet, asked.cascades) for u in cascade.users]
            measured = latency.table(latency.measure(url, KEY, users, sorted(expected)))
    figures |= {"articles": len(expected), "differences": len(differences)}
    figures["milliseconds"] = {name: {"p50": p50, "p99": p99, "max": most} for name, p50, p99, most in measured}
    with HISTORY.open("ab") as history:
        history.write(orjson.dumps(figures) + b"\n")
    print(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode())
    return 1 if differences else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--parquet", type=Path, default=weibo.PARQUET)
    parser.add_argument("--cascades", type=int)
    parser.add_argument("--log")
    parser.add_argument("--data-dir", type=Path)
    return parser.parse_args()


def _written(parquet: Path, events: Path, cascades: int | None) -> Mapping[str, Any]:
    command = [sys.executable, "-m", "bench.weibo", "--parquet", str(parquet), "--out", str(events)]
    subprocess.run([*command, *(["--cascades", str(cascades)] if cascades else [])], check=True)
    with events.open("rb") as file:
        return {"events": sum(1 for _ in file)}


def _ingested(events: Path, environment: Mapping[str, str]) -> Mapping[str, Any]:
    """Bring the events in, and watch how much memory the stitchers take: in the second tenth of the run, and in the last."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "siyu", "ingest", str(events), "--wait"], env=dict(environment))
    memory: list[int] = []
    while process.poll() is None:
        memory.append(max((_resident(child) for child in psutil.Process(process.pid).children()), default=0))
        time.sleep(1.0)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"siyu ingest ended with {process.returncode}")
    tenth = max(1, len(memory) // 10)
    return {
        "seconds": round(seconds, 1),
        "stitcher_mib": {
            "second_tenth": max(memory[tenth : 2 * tenth], default=0) >> 20,
            "last_tenth": max(memory[-tenth:], default=0) >> 20,
        },
    }


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss) if "stitch" in process.cmdline() else 0
    except psutil.Error:
        return 0


@contextmanager
def _answering(environment: Mapping[str, str]) -> Iterator[str]:
    api = subprocess.Popen([sys.executable, "-m", "siyu", "api"], env=dict(environment), stderr=subprocess.PIPE)
    assert api.stderr is not None
    api.stderr.readline()  # it says so once it serves
    try:
        yield f"http://127.0.0.1:{PORT}"
    finally:
        api.terminate()
        api.wait()
        api.stderr.close()


if __name__ == "__main__":
    sys.exit(main())
