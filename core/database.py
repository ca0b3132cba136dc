"""PostgreSQL: where it is, how a transaction begins, and the few set-based statements that the hot path needs.

Every table is declared on `metadata`, at the top of the one module that reads and writes it. Functions take an open
`Connection` and never commit; the worker's batch, the API's dependency and the relay are the only places that do.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import orjson
import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, Engine, MetaData, Row, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.errors import Contended, InvalidSetting, Overloaded, Unavailable, Unstorable

MIGRATIONS = Path(__file__).parent / "migrations"
POOL_SIZE_MAX = 12

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    }
)

AnyRow = Row[*tuple[Any, ...]]
"""A row of a statement written as text, whose columns only the statement knows."""

# SQLSTATEs after which the same transaction, run again, can succeed: another one was in the way.
_CONTENDED = {"40001", "40P01", "55P03", "23505"}


def connect(url: str) -> Engine:
    """Return an engine for the PostgreSQL at *url* (`postgresql://…`, any driver suffix).

    Every connection plans each statement for the values at hand: a plan made for a table while it was empty would
    otherwise stay in use after it has grown. Tables are those of the schema `public`: a user named like the schema of
    the views would otherwise look for them there. No connection is opened yet.
    """
    try:
        parsed: URL = make_url(url).set(drivername="postgresql+psycopg")
    except Exception as error:
        raise InvalidSetting("SIYU_DATABASE_URL is not a database URL") from error
    return create_engine(
        parsed,
        pool_size=POOL_SIZE_MAX,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=True,
        connect_args={
            "options": "-c search_path=public -c plan_cache_mode=force_custom_plan -c timezone=UTC"
            " -c deadlock_timeout=200ms -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s",
            "connect_timeout": 10,
        },
    )


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Open one transaction: committed when the block ends, rolled back when it raises.

    Raises `Contended` where another transaction was in the way (serialisation, deadlock, lock time-out, a row that
    appeared meanwhile), `Unstorable` for a value that no column can hold, `Overloaded` where no connection gets free, and
    `Unavailable` where the server went away; after the latter it is not known whether the
    transaction was committed, so what runs in it must be harmless to repeat.
    """
    with _errors_of_ours(), engine.begin() as connection:
        yield connection


def run_alone(engine: Engine, statement: str, parameters: Mapping[str, object]) -> Sequence[AnyRow]:
    """Run one *statement* that is a transaction by itself, in one round trip, and return its rows; raises as `transaction`."""
    with _errors_of_ours(), engine.connect() as connection:
        alone = connection.execution_options(isolation_level="AUTOCOMMIT")
        return alone.execute(text(statement), parameters).all()


@contextmanager
def _errors_of_ours() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, psycopg.Error) as error:
        raise _named(error) from error
    except PoolTimeout as error:
        raise Overloaded("no connection to the database gets free") from error


def _named(error: DBAPIError | psycopg.Error) -> Exception:
    cause = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(cause, "sqlstate", None)
    if state in _CONTENDED:
        return Contended(f"another transaction was in the way ({state})")
    if (state and state.startswith("22")) or (state is None and isinstance(cause, psycopg.DataError)):
        return Unstorable(f"the database cannot hold it ({state or 'the driver'})")  # which knows of U+0000 by itself
    gone = isinstance(cause, psycopg.OperationalError) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )
    return Unavailable("the database did not answer") if gone else error


def copy(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write *rows* into *table* by COPY: the fastest way in, for rows known to be new."""
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    with _driver(connection).cursor() as cursor, cursor.copy(statement) as sink:
        for row in rows:
            sink.write_row(row)


def copied(connection: Connection, statement: str, parameters: Mapping[str, object]) -> bytes:
    """Return the rows of the query *statement* by COPY, the fastest way out: PostgreSQL's binary form, without head and end.

    Parameters are written as the driver has them, `%(name)s`.
    """
    command = f"COPY ({statement}) TO STDOUT (FORMAT binary)"
    with _driver(connection).cursor() as cursor, cursor.copy(command, parameters) as source:
        return b"".join(source)[_COPY_HEAD_BYTES:-_COPY_END_BYTES]


def copied_csv(connection: Connection, statement: str, parameters: Mapping[str, object]) -> bytes:
    """Return the rows of the query *statement* as CSV without a head, for columns that are no fixed number of bytes."""
    command = f"COPY ({statement}) TO STDOUT (FORMAT csv)"
    with _driver(connection).cursor() as cursor, cursor.copy(command, parameters) as source:
        return b"".join(source)


# A signature of 11 bytes and two numbers of 4; the number of columns that no row has, -1.
_COPY_HEAD_BYTES = 19
_COPY_END_BYTES = 2


def run(
    connection: Connection, statement: str, rows: Sequence[Mapping[str, object]], **more: object
) -> Sequence[AnyRow]:
    """Run one *statement* for all *rows* at once, and return what it returns.

    The statement reads them by `json_to_recordset(:rows) AS r(column type, …)`: one parameter, one plan and one round
    trip, however many rows. Without rows nothing is run.
    """
    if not rows:
        return []
    result = connection.execute(text(statement), {"rows": orjson.dumps(rows).decode(), **more})
    return result.all() if result.returns_rows else []


def array(values: Iterable[str]) -> str:
    """Return *values* (UUIDs or other words without commas, quotes or braces) as the text of a PostgreSQL array."""
    return "{" + ",".join(values) + "}"


def upgrade(engine: Engine) -> None:
    """Bring the schema to the newest migration; harmless when it is there already, and when several processes ask."""
    with transaction(engine) as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('siyu.upgrade'))"))
        command.upgrade(_alembic(connection), "head")


def schema_version(connection: Connection) -> tuple[str | None, str]:
    """Return the migration that the database is at (`None`: empty) and the newest that there is."""
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415 - only `siyu db status` pays for it
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    newest = ScriptDirectory.from_config(_alembic(connection)).get_current_head()
    return MigrationContext.configure(connection).get_current_revision(), cast("str", newest)


def _alembic(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _driver(connection: Connection) -> "psycopg.Connection[Any]":
    return cast("psycopg.Connection[Any]", connection.connection.driver_connection)
