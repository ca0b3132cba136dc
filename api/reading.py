"""The transaction in which an answer is made: read-only and REPEATABLE READ, so that its parts are of one moment."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core import database
from core.errors import Overloaded


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that sees one state of the database and changes nothing.

    Raises `Overloaded` when no connection gets free, and `Unavailable` when the database does not answer.
    """
    one_state = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    try:
        with database.transaction(one_state) as connection:
            yield connection
    except PoolTimeout:
        raise Overloaded("no database connection is free") from None
