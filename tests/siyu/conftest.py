"""Databases for installations."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from sqlalchemy import make_url, text

from core.database import connect


@pytest.fixture(scope="module")
def server(server_url: str) -> Iterator[Callable[[], str]]:
    """Make databases without any table, gone at the end; what a crash of the machine would lose does not matter here."""
    engine = connect(server_url).execution_options(isolation_level="AUTOCOMMIT")
    made: list[str] = []

    def make() -> str:
        made.append(f"siyu_whole_{uuid4().hex}")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {made[-1]}"))
            connection.execute(text(f"ALTER DATABASE {made[-1]} SET synchronous_commit = off"))
        return make_url(server_url).set(database=made[-1]).render_as_string(hide_password=False)

    yield make
    with engine.connect() as connection:
        for name in made:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()
