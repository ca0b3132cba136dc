"""Kill -9 in the middle, again and again: `python -m bench.crash EVENTS --data-dir DIR [--kills 3] [--every 60]`.

Brings the file EVENTS in with `siyu ingest`, killed once on the way and run again; then stitches with two `siyu stitch`, both
of them killed *kills* times, *every* so many seconds, and started anew. Prints the SHA-256 of `siyu export people --clear
--json`, which must be that of an undisturbed run under the same SIYU_SECRET_KEY.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

SIYU = [sys.executable, "-m", "siyu"]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m bench.crash", description=__doc__)
    parser.add_argument("events", type=Path)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--every", type=float, default=60.0)
    asked = parser.parse_args()
    environment = {**os.environ, "SIYU_DATA_DIR": str(asked.data_dir)}
    _ingested(asked.events, environment, asked.every / 2)
    started = time.perf_counter()
    for _ in range(asked.kills):
        stitchers = _stitchers(environment)
        time.sleep(asked.every)
        _kill(stitchers)
    stitchers = _stitchers(environment)
    while _waiting(environment):
        time.sleep(1.0)
    for stitcher in stitchers:
        stitcher.terminate()
        stitcher.wait()
    print(f"stitched after {time.perf_counter() - started:.0f} s, {asked.kills} kills of two stitchers on the way")
    print(f"{_exported(environment)}  siyu export people --clear --json")


def _ingested(events: Path, environment: dict[str, str], after_seconds: float) -> None:
    command = [*SIYU, "ingest", str(events)]
    first = subprocess.Popen(command, env=environment)
    time.sleep(after_seconds)
    _kill([first])
    subprocess.run(command, env=environment, check=True)


def _stitchers(environment: dict[str, str]) -> Sequence["subprocess.Popen[bytes]"]:
    return [subprocess.Popen([*SIYU, "stitch"], env=environment) for _ in range(2)]


def _kill(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    for process in processes:
        if process.poll() is not None:
            raise SystemExit("it had ended before it could be killed: give it more to do")
        process.kill()
        process.wait()


def _waiting(environment: dict[str, str]) -> bool:
    told = subprocess.run([*SIYU, "doctor", "--json"], env=environment, stdout=subprocess.PIPE, check=False).stdout
    return b'"0 events wait"' not in told


def _exported(environment: dict[str, str]) -> str:
    export = subprocess.Popen([*SIYU, "export", "people", "--clear", "--json"], env=environment, stdout=subprocess.PIPE)
    assert export.stdout is not None
    digest = hashlib.sha256()
    while block := export.stdout.read(1 << 20):
        digest.update(block)
    export.wait()
    return digest.hexdigest()


if __name__ == "__main__":
    main()
