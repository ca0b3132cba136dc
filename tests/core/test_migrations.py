"""The schema that the migrations make is the schema that the code declares, whoever runs them and how often."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect, make_url, text

import siyu.tables  # noqa: F401 - the metadata is whole only then
from core import database, keys
from core.database import connect, metadata, schema_version, transaction, upgrade

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def empty(server_url: str) -> Iterator[Engine]:
    """An engine on a database without a table."""
    name = f"siyu_empty_{uuid4().hex}"
    server = connect(server_url).execution_options(isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine = connect(make_url(server_url).set(database=name).render_as_string(hide_password=False))
    yield engine
    engine.dispose()
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


def differences(engine: Engine) -> list[object]:
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        found: list[object] = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
        return found


def tables(engine: Engine) -> set[str]:
    return {*inspect(engine).get_table_names()} - {"alembic_version"}


def versions(engine: Engine) -> tuple[str | None, str]:
    with transaction(engine) as connection:
        return schema_version(connection)


def test_the_migrations_come_to_what_the_code_declares(empty: Engine) -> None:
    upgrade(empty)

    assert differences(empty) == []
    assert tables(empty) == {*metadata.tables}


def test_constraints_and_indexes_bear_the_names_that_the_code_gives_them(empty: Engine, engine: Engine) -> None:
    """What the comparison of alembic overlooks: names, conditions and methods, as PostgreSQL itself writes them."""
    upgrade(empty)

    written = (
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
    )
    comments = (
        "SELECT objoid::regclass::text, objsubid, description FROM pg_description"
        " WHERE classoid = 'pg_class'::regclass"
        "   AND objoid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)"
    )
    for statement in (written, comments):
        with transaction(empty) as migrated, transaction(engine) as declared:
            assert {*migrated.execute(text(statement)).all()} == {*declared.execute(text(statement)).all()}


def test_the_version_is_known_before_and_after(empty: Engine) -> None:
    before = versions(empty)
    upgrade(empty)
    after = versions(empty)

    assert before[0] is None
    assert after == (before[1], before[1])


def test_running_them_again_changes_nothing(empty: Engine) -> None:
    upgrade(empty)
    with transaction(empty) as connection:
        connection.execute(text("INSERT INTO person VALUES (gen_random_uuid(), 1, now())"))

    upgrade(empty)

    with transaction(empty) as connection:
        assert connection.execute(text("SELECT count(*) FROM person")).scalar_one() == 1
    assert differences(empty) == []


def test_processes_that_upgrade_at_once_do_each_other_no_harm(empty: Engine) -> None:
    script = (
        "import sys; from core.database import connect, upgrade; engine = connect(sys.argv[1])\n"
        "engine.connect().close(); print('ready', flush=True); sys.stdin.readline(); upgrade(engine)"
    )
    url = empty.url.render_as_string(hide_password=False)
    upgrading = [
        subprocess.Popen(
            [sys.executable, "-c", script, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        for _ in range(2)
    ]
    for process in upgrading:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"

    for process in upgrading:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    for process in upgrading:
        process.communicate(timeout=60)

    assert [process.returncode for process in upgrading] == [0, 0]
    assert differences(empty) == []


def test_a_key_of_a_browser_keeps_what_it_may_have_and_the_others_all(empty: Engine) -> None:
    with transaction(empty) as connection:
        command.upgrade(database._alembic(connection), "0012")
        connection.execute(
            text(
                "INSERT INTO api_key (id, hash, scopes, source, trust, created_at) VALUES"
                " ('h5', '1', '{events:write,people:read,admin}', 'pages', 'browser', now()),"
                " ('bi', '2', '{people:read}', 'bi', 'browser', now()),"
                " ('hq', '3', '{events:write,people:read}', 'shop', 'server', now())"
            )
        )

    upgrade(empty)

    with transaction(empty) as connection:
        kept = {key.id: ({*key.scopes}, key.name) for key in keys.listing(connection)}
    assert kept == {
        "h5": ({"events:write"}, "pages"),
        "bi": (set(), "bi"),
        "hq": ({"events:write", "people:read"}, "shop"),
    }


def test_every_migration_can_be_taken_back(empty: Engine) -> None:
    upgrade(empty)

    with transaction(empty) as connection:
        command.downgrade(database._alembic(connection), "base")

    assert tables(empty) == set()
    upgrade(empty)
    assert differences(empty) == []
