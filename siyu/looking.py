"""Looks in clear from the command line: written down like those over HTTP, before anything is shown."""

import getpass
from collections.abc import Mapping

from sqlalchemy import Connection

from core import audit
from core.audit import Look
from core.database import transaction
from siyu.system import System


def written_down(system: System, what: str, *, clear: bool, person: str | None = None, **words: object) -> None:
    """Write down that who uses this machine sees by the command *what* who people are, if he does (*clear*).

    *words* say what he asked for, never an identifier in clear; *person* at whom he looks, where it is one.
    """
    if clear:
        with transaction(system.engine) as connection:
            audit.record(connection, [_look(system, what, words, person)])


def noted(system: System, connection: Connection, what: str, **words: object) -> None:
    """Write down, in the transaction in which it is done, that who uses this machine does *what* with keys."""
    audit.record(connection, [_look(system, what, words)])


def _look(system: System, what: str, words: Mapping[str, object], person: str | None = None) -> Look:
    return Look(system.clock(), f"cli:{user()}", f"siyu {what}", words, person=person)


def user() -> str:
    """Return who uses this machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the user has no name on this machine, as in many a container
        return "unknown"
