"""`siyu db analyst`: what it prints lets somebody in, to the views and no further."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import ProgrammingError

from core import embedded
from core.database import connect
from tests.siyu.test_cli import EVENTS, Siyu, written


def test_whoever_is_let_in_as_it_says_reads_the_views_only(tmp_path: Path) -> None:
    with Siyu(tmp_path) as siyu:
        siyu("ingest", written(tmp_path / "events.ndjson", EVENTS), "--wait")
        said = [siyu("db", "analyst") for _ in range(2)]

        assert [done.returncode for done in said] == [0, 0], said[0].stderr
        url = embedded.start(tmp_path / "data")
        owner = connect(url)
        with owner.begin() as connection:
            for statement in said[0].stdout.splitlines():
                connection.execute(text(statement))
        owner.dispose()

        anna = create_engine(make_url(url).set(drivername="postgresql+psycopg", username="anna"))
        with anna.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM people")).scalar_one() > 0  # without naming the schema
            with pytest.raises(ProgrammingError, match="permission denied"):
                connection.execute(text("SELECT value FROM public.identifier"))
        anna.dispose()
