"""PostgreSQL out of the wheel: shared by processes, there again after any of them was killed, gone after the last."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from core import embedded
from core.errors import Unavailable
from tests.conftest import ROOT

# A process that starts (or joins) the server, says where it is, and uses it until it is told to end.
_SCRIPT = """
import sys
from pathlib import Path
from sqlalchemy import text
from core import embedded
from core.database import connect, transaction

engine = connect(embedded.start(Path(sys.argv[1])))
print(engine.url.render_as_string(hide_password=False), flush=True)
for line in sys.stdin:
    with transaction(engine) as connection:
        result = connection.execute(text(line))
        answer = [tuple(row) for row in result] if result.returns_rows else "done"
    print(answer, flush=True)
"""


class Process:
    """Another process with a server in *folder*."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _SCRIPT, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        stack.callback(self.end)

    @property
    def url(self) -> str:
        """Where the server is; waits until it is there. To be asked once."""
        return self._line()

    def runs(self, statement: str) -> str:
        assert self._process.stdin
        self._process.stdin.write(f"{statement}\n")
        self._process.stdin.flush()
        return self._line()

    def end(self) -> None:
        self._process.communicate(timeout=60)

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=60)

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().rstrip("\n")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder outside of pytest's: the server may run as a user who cannot look into that."""
    with TemporaryDirectory(prefix="siyu-embedded-", ignore_cleanup_errors=True) as name:
        yield Path(name)
        if is_running(Path(name)):
            os.kill(server_pid(Path(name)), signal.SIGINT)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def is_running(folder: Path) -> bool:
    return (folder / "postgres" / "postmaster.pid").exists()


def server_pid(folder: Path) -> int:
    return int((folder / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def test_a_server_is_shared_until_the_last_process_ends_and_keeps_what_it_was_told(
    folder: Path, stack: ExitStack
) -> None:
    one, other = Process(folder, stack), Process(folder, stack)

    assert one.url == other.url
    assert one.runs("CREATE TABLE it AS SELECT 1 AS n") == "done"
    one.end()
    assert other.runs("SELECT n FROM it") == "[(1,)]"
    other.end()
    assert not is_running(folder)
    again = Process(folder, stack)
    assert again.url
    assert again.runs("SELECT n FROM it") == "[(1,)]"


def test_the_others_go_on_when_a_process_is_killed_and_so_does_who_comes_later(folder: Path, stack: ExitStack) -> None:
    killed, other = Process(folder, stack), Process(folder, stack)
    assert killed.url == other.url
    assert killed.runs("CREATE TABLE it AS SELECT 1 AS n") == "done"

    killed.kill()

    assert other.runs("INSERT INTO it VALUES (2)") == "done"
    other.kill()
    later = Process(folder, stack)
    assert later.url
    assert later.runs("SELECT n FROM it ORDER BY n") == "[(1,), (2,)]"


def test_a_server_that_was_killed_itself_comes_up_again_with_all_that_was_committed(
    folder: Path, stack: ExitStack
) -> None:
    process = Process(folder, stack)
    assert process.url
    assert process.runs("CREATE TABLE it AS SELECT 1 AS n") == "done"
    process.kill()
    server = psutil.Process(server_pid(folder))
    server.kill()
    psutil.wait_procs([server], timeout=10)

    again = Process(folder, stack)

    assert again.url
    assert again.runs("SELECT n FROM it") == "[(1,)]"


def test_it_is_as_durable_as_postgresql_is(folder: Path, stack: ExitStack) -> None:
    """Faster settings exist, and none of them is worth an accepted event."""
    server = Process(folder, stack)
    names = ("fsync", "synchronous_commit", "full_page_writes", "listen_addresses", "max_wal_size")

    assert server.url
    assert [server.runs(f"SHOW {name}") for name in names] == [
        f"[('{value}',)]" for value in ("on", "on", "on", "", "4GB")
    ]


def test_a_folder_that_holds_no_cluster_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "postgres").write_text("in the way")

    with pytest.raises(Unavailable, match="log"):
        embedded.start(tmp_path)


def test_it_starts_where_the_locale_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "xx_XX.UTF-8")
    monkeypatch.delenv("LC_ALL", raising=False)

    with TemporaryDirectory() as folder, ExitStack() as stack:
        url = Process(Path(folder), stack).url

    assert url.startswith("postgresql")
    assert "LC_ALL" not in os.environ
