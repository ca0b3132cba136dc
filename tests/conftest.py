"""Real servers for the tests: PostgreSQL out of the wheel, Apache Kafka out of its jars. Started once, on loopback."""

import atexit
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

import pytest
from hypothesis import settings
from sqlalchemy import Engine, make_url, text

import siyu.tables  # noqa: F401 - tables are registered by the modules that own them
from core import embedded
from core.database import connect, upgrade

ROOT = Path(__file__).parent.parent
MEMORY_BYTES_MIN = 4 << 30

# The ordinary run looks at the same examples every time where it decides about a change; `make laws` explores.
settings.register_profile("default", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.register_profile("laws", deadline=None, max_examples=10_000, print_blob=True)
# A history through PostgreSQL takes some hundred times as long as through the pure function.
settings.register_profile("laws-in-postgres", deadline=None, max_examples=1_000, print_blob=True)
settings.load_profile("default")


def pytest_xdist_auto_num_workers() -> int:
    """How many `-n auto` means: tests wait for servers about as long as they compute."""
    return 2 * (os.cpu_count() or 1)


@pytest.fixture(scope="session")
def server_url() -> str:
    """The URL of a PostgreSQL server that is ours to fill: SIYU_TEST_DATABASE_URL, or one that starts now."""
    if given := os.environ.get("SIYU_TEST_DATABASE_URL"):
        return given
    # Not in pytest's folder: started as root, the server runs as another user, whom the next pytest would lock out.
    directory = Path(mkdtemp(prefix="siyu-test-", dir=_memory()))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)  # before the server's own, so that it runs after it
    url = embedded.start(directory)
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        _run(url, f"ALTER SYSTEM SET {setting} = off")  # what only a dying machine could lose, these tests may
    _run(url, "SELECT pg_reload_conf()")
    return url


@pytest.fixture(scope="session")
def template(server_url: str) -> Iterator[str]:
    """The name of a database with all tables and no rows."""
    name = f"siyu_template_{uuid4().hex}"
    _run(server_url, f"CREATE DATABASE {name}")
    engine = connect(_named(server_url, name))
    upgrade(engine)
    engine.dispose()
    yield name
    _run(server_url, f"DROP DATABASE {name}")


@pytest.fixture
def database_url(server_url: str, template: str) -> Iterator[str]:
    """The URL of a fresh database, gone after the test."""
    name = f"siyu_test_{uuid4().hex}"
    # By copying files: a tenth of the time that writing every page into the WAL takes.
    _run(server_url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield _named(server_url, name)
    _run(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on a fresh database."""
    engine = connect(database_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def kafka_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The addresses of a Kafka cluster: SIYU_TEST_KAFKA, or one that starts now where Java and Maven can be had."""
    if given := os.environ.get("SIYU_TEST_KAFKA"):
        yield given.split(",")
        return
    with _kafka(tmp_path_factory.mktemp("kafka")) as server:
        yield [server]


@pytest.fixture
def kafka_of_our_own(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """The address and the process id of a broker that a test may hurt."""
    with _kafka(tmp_path) as server:
        yield server, int((tmp_path / "pid").read_text())


@contextmanager
def _kafka(directory: Path) -> Iterator[str]:
    missing = [program for program in ("java", "mvn") if shutil.which(program) is None]
    if missing and os.environ.get("CI") != "true":
        pytest.skip(f"no Kafka of our own: {' and '.join(missing)} is missing")
    script = str(ROOT / "scripts" / "kafka")
    start = [script, "start", "--port", str(_free_port()), "--dir", str(directory)]
    try:
        yield subprocess.run(start, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    finally:
        subprocess.run([script, "stop", "--dir", str(directory)], check=True)


def _memory() -> Path | None:
    """A folder in memory, where there is room: a fresh database is there in a tenth of the time."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > MEMORY_BYTES_MIN else None


def _named(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def _run(url: str, statement: str) -> None:
    engine = connect(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(statement))
    engine.dispose()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
