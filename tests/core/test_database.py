"""PostgreSQL as the rest of the program knows it: whatever is written comes back, and every failure is a reaction."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from core.database import array, connect, copy, run, transaction
from core.errors import Contended, InvalidSetting, Unavailable

NASTY = [
    "",
    "a\tb",
    "a\nb\r\n",
    "\\N",
    "\\.",
    "back\\slash",
    'it\'s "quoted" `so`',
    "{a,b}",
    "100%",
    ":name %(name)s $1",
    "秋季选型指南 👨‍👩‍👧 e\u0301",
    "\x01\x7f\u200b\ufeff",
    "NULL",
    "'; DROP TABLE it; --",
]


@pytest.fixture
def table(engine: Engine) -> Engine:
    with transaction(engine) as connection:
        connection.execute(text("CREATE TABLE it (id int PRIMARY KEY, said text)"))
    return engine


def said(connection: Connection) -> list[str | None]:
    return [*connection.execute(text("SELECT said FROM it ORDER BY id")).scalars()]


def insert(connection: Connection, number: int, words: str = "x") -> None:
    connection.execute(text("INSERT INTO it VALUES (:id, :said)"), {"id": number, "said": words})


def test_what_is_copied_comes_back_as_it_was(table: Engine) -> None:
    with transaction(table) as connection:
        copy(connection, "it", ("id", "said"), enumerate([*NASTY, None]))

    with transaction(table) as connection:
        assert said(connection) == [*NASTY, None]


def test_what_is_run_comes_back_as_it_was(table: Engine) -> None:
    with transaction(table) as connection:
        written = run(
            connection,
            "INSERT INTO it SELECT id, said FROM json_to_recordset(:rows) AS r(id int, said text) RETURNING id",
            [{"id": number, "said": words} for number, words in enumerate([*NASTY, None])],
        )

    assert [row.id for row in written] == [*range(len(NASTY) + 1)]
    with transaction(table) as connection:
        assert said(connection) == [*NASTY, None]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=5))
def test_any_text_comes_back_as_it_was_by_either_way(table: Engine, texts: list[str]) -> None:
    """Neither COPY's escapes nor JSON's lose a character."""
    with transaction(table) as connection:
        connection.execute(text("TRUNCATE it"))
        copy(connection, "it", ("id", "said"), enumerate(texts))
        rows = [{"id": number, "said": words} for number, words in enumerate(texts)]
        wrong = run(
            connection,
            "SELECT r.id FROM json_to_recordset(:rows) AS r(id int, said text)"
            " LEFT JOIN it ON it.id = r.id AND it.said = r.said WHERE it.id IS NULL",
            rows,
        )

        assert wrong == []
        assert said(connection) == texts


def test_without_rows_nothing_is_run(engine: Engine) -> None:
    with transaction(engine) as connection:
        assert run(connection, "this is not SQL", []) == []
        copy(connection, "person", ("id", "version", "changed_at"), [])


def test_a_statement_that_returns_nothing_returns_nothing(table: Engine) -> None:
    with transaction(table) as connection:
        assert run(connection, "INSERT INTO it SELECT id FROM json_to_recordset(:rows) AS r(id int)", [{"id": 1}]) == []


def test_more_parameters_go_beside_the_rows(table: Engine) -> None:
    with transaction(table) as connection:
        (row,) = run(
            connection, "SELECT id + :more AS it FROM json_to_recordset(:rows) AS r(id int)", [{"id": 1}], more=2
        )

    assert row.it == 3


def test_an_array_is_read_as_one(engine: Engine) -> None:
    ids = [str(uuid4()), str(uuid4())]

    with transaction(engine) as connection:
        for values in (ids, []):
            read = connection.execute(text("SELECT CAST(CAST(:them AS uuid[]) AS text[])"), {"them": array(values)})
            assert read.scalar_one() == values


def test_what_ends_well_is_committed(table: Engine) -> None:
    with transaction(table) as connection:
        insert(connection, 1)

    with transaction(table) as connection:
        assert said(connection) == ["x"]


def test_what_raises_is_rolled_back_and_raised(table: Engine) -> None:
    def fail() -> None:
        with transaction(table) as connection:
            insert(connection, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    with transaction(table) as connection:
        assert said(connection) == []


def test_a_row_that_appeared_meanwhile_is_contention(table: Engine) -> None:
    with transaction(table) as connection:
        insert(connection, 1)

    with pytest.raises(Contended), transaction(table) as connection:
        insert(connection, 1)
    with pytest.raises(Contended), transaction(table) as connection:
        copy(connection, "it", ("id", "said"), [(2, "y"), (1, "y")])

    with transaction(table) as connection:
        assert said(connection) == ["x"]


def test_a_deadlock_is_contention_and_the_other_goes_on(table: Engine) -> None:
    both_hold = Barrier(2)
    with transaction(table) as connection:
        insert(connection, 1)
        insert(connection, 2)

    def cross(first: int, second: int) -> str:
        try:
            with transaction(table) as connection:
                connection.execute(text("UPDATE it SET said = 'y' WHERE id = :id"), {"id": first})
                both_hold.wait(10)
                connection.execute(text("UPDATE it SET said = 'y' WHERE id = :id"), {"id": second})
        except Contended:
            return "contended"
        return "done"

    with ThreadPoolExecutor(2) as pool:
        ends = sorted(future.result(30) for future in [pool.submit(cross, 1, 2), pool.submit(cross, 2, 1)])

    assert ends == ["contended", "done"]
    with transaction(table) as connection:
        assert said(connection) == ["y", "y"]


def test_what_cannot_be_serialised_is_contention(table: Engine) -> None:
    def overtaken() -> None:
        with transaction(table) as slow:
            slow.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            said(slow)
            with transaction(table) as fast:
                fast.execute(text("UPDATE it SET said = 'fast'"))
            slow.execute(text("UPDATE it SET said = 'slow'"))

    with transaction(table) as connection:
        insert(connection, 1)

    with pytest.raises(Contended):
        overtaken()


def test_a_lock_that_does_not_come_is_contention(table: Engine) -> None:
    def wait() -> None:
        with transaction(table) as waiting:
            waiting.execute(text("SET LOCAL lock_timeout = '50ms'"))
            said(waiting)

    with transaction(table) as holder:
        holder.execute(text("LOCK TABLE it"))

        with pytest.raises(Contended):
            wait()


def test_a_server_that_went_away_is_unavailable_until_the_next_transaction(table: Engine) -> None:
    def cut_off() -> None:
        with transaction(table) as connection:
            backend = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with transaction(table) as other:
                other.execute(text("SELECT pg_terminate_backend(:backend)"), {"backend": backend})
            insert(connection, 1)

    with pytest.raises(Unavailable):
        cut_off()

    with transaction(table) as connection:
        assert said(connection) == []


def test_a_server_that_is_not_there_is_unavailable() -> None:
    nowhere = connect("postgresql://nobody@127.0.0.1:1/none")

    with pytest.raises(Unavailable), transaction(nowhere):
        pass

    nowhere.dispose()


def test_a_statement_that_is_wrong_stays_the_programmers_error(engine: Engine) -> None:
    with pytest.raises(DBAPIError), transaction(engine) as connection:
        connection.execute(text("SELECT nonsense"))


@pytest.mark.parametrize("url", ["", "nonsense", "//host/db", "postgresql://host:port/db"])
def test_what_is_no_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        connect(url)

    assert "SIYU_DATABASE_URL" in str(refused.value)
    assert not url or url not in str(refused.value)


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg", "postgresql+psycopg2", "postgres"])
def test_whatever_driver_a_url_names_ours_is_used(driver: str) -> None:
    engine = connect(f"{driver}://someone:secret@127.0.0.1/db")

    assert engine.url.drivername == "postgresql+psycopg"
    assert "secret" not in repr(engine)


def test_sessions_are_told_to_use_utc_and_to_find_deadlocks_soon(engine: Engine) -> None:
    with transaction(engine) as connection:
        shown = [connection.execute(text(f"SHOW {it}")).scalar_one() for it in ("timezone", "deadlock_timeout")]

    assert shown == ["UTC", "200ms"]
